/* An allocator that gives out a limited number of blocks. */
#ifndef TESTS_FAILING_H
#define TESTS_FAILING_H

#include <higherc/higherc.h>

/* Puts it in the place of malloc, without a limit at first. Nothing of the library may be alive. Threads may
 * allocate at once. */
void failing_begin(void);
void failing_end(void);
/* From now on `more` allocations work and all later ones fail. */
void failing_after(size_t more);
void failing_never(void);
/* No block larger than this, from now on. */
void failing_largest(size_t bytes);
/* How often it has been asked. */
size_t failing_calls(void);

/* The tape may take so many units of memory (HC_ALIGN) more than it has in use; what its blocks hold beyond that is
 * taken up first. */
void failing_units(Tape *tape, size_t units);
void failing_units_never(Tape *tape);

/* Runs the scenario, which makes and destroys all it needs and says whether nothing failed, with 0, 1, 2 ...
 * allocations, until it succeeds. Each failure must be HC_ERR_NOMEM and leave no memory behind. */
void fail_each_allocation(const char *name, bool (*scenario)(void));

#endif
