/* A list of tests that share a tape and nothing else. */
#ifndef TESTS_EACH_H
#define TESTS_EACH_H

#include <higherc/higherc.h>

/* Calls each test with a fresh tape, of type HC_F64, in *tape. It must leave no error, on that or in the thread. */
void each_on_a_tape(Tape **tape, void (*const *tests)(void), size_t count);

#endif
