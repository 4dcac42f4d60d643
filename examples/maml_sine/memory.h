/** @file memory.h
 *  What the library takes from malloc, counted: a steady loop takes nothing. */
#ifndef MAML_SINE_MEMORY_H
#define MAML_SINE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/** Counts from here on; to be called before anything else of the library. */
bool memory_count(void);
/** Calls of malloc so far. */
size_t memory_mallocs(void);
/** The most bytes held at once so far. */
size_t memory_peak(void);

#endif
