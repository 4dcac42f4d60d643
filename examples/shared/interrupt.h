/** @file interrupt.h
 *  Ctrl-C: the first one asks training to end, a second one ends the program at once. */
#ifndef EXAMPLES_SHARED_INTERRUPT_H
#define EXAMPLES_SHARED_INTERRUPT_H

#include <stdbool.h>

/** From here on the first Ctrl-C is noted instead of ending the program. */
void interrupt_catch(void);
/** Whether one came since interrupt_catch or since this was last true. */
bool interrupt_take(void);
/** From here on Ctrl-C ends the program again. */
void interrupt_release(void);

#endif
