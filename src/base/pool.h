/* The pool from within. */
#ifndef HC_BASE_POOL_H
#define HC_BASE_POOL_H

#include "higherc/pool.h"

/* One more holder, which lets go by pool_destroy. */
Pool *hc_pool_ref(Pool *pool);
/* How many of its threads sleep at this moment. */
size_t hc_pool_sleepers(const Pool *pool);

#endif
