/* The pool from within. */
#ifndef HC_BASE_POOL_H
#define HC_BASE_POOL_H

#include "higherc/pool.h"

/* One more holder, which lets go by pool_destroy. */
Pool *hc_pool_ref(Pool *pool);
/* As pool_run, but each thread begins with a part of the indices that is its own, the same in every run: what it wrote
 * is near it when it comes back to the same part of an array. */
void hc_pool_run_near(Pool *pool, size_t count, PoolFn *fn, void *user);
/* How many of its threads sleep at this moment. */
size_t hc_pool_sleepers(const Pool *pool);

#endif
