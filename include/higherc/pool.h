/** @file pool.h
 *  A pool of threads: an object that callers own and hand to what can use one (tasks.h: many tasks
 *  at once; tape_set_pool: inside one large operation). Results do not depend on how many threads a
 *  pool has; time does. */
#ifndef HIGHERC_POOL_H
#define HIGHERC_POOL_H

#include "base.h"
#include "names.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Some threads, which wait for work. */
typedef struct HcPool Pool;

/** The most threads a pool can have. */
#define HC_MAX_THREADS 1024

/** A pool of `threads` (1 to HC_MAX_THREADS), the caller's own counted: one of 4 starts 3, one of 1
 *  none. More than there are cores is allowed. While there is nothing to do the threads spin for some
 *  50 microseconds, if each has a core to itself, and then sleep; signals are left to the program's
 *  own threads. Each has a stack of 2 MiB on every system, of which what is called on it (a task, a
 *  PoolFn) may use 1 MiB. A library built without threads gives pools of 1.
 *  Errors: HC_ERR_ARG, HC_ERR_NOMEM, HC_ERR_STATE when the system does not start that many threads;
 *          none is left running then. */
HC_API Pool *pool_create(size_t threads);

/** Ends the threads, as soon as no tape, Program, Tasks or pool_run uses it any more. NULL is fine. */
HC_API void pool_destroy(Pool *pool);

/** How many threads it has, the caller's own counted; 0 for NULL. */
HC_API size_t pool_threads(const Pool *pool);

/** One share of the whole: `index` < count. `worker` < pool_threads(pool) is a number that no other
 *  call of the same pool_run has at the same time: the place of a buffer, say. */
typedef void PoolFn(size_t index, size_t worker, void *user);

/** Calls fn for each index in [0, count), started in that order, on all threads and the caller's own;
 *  returns when all are done. What was written before is seen by fn, and what fn wrote afterwards.
 *  While the pool is at work (from within fn, or from another thread) the calls are made one after
 *  the other by the caller, as worker 0.
 *  Errors: HC_ERR_ARG for a NULL; nothing was called then. */
HC_API bool pool_run(Pool *pool, size_t count, PoolFn *fn, void *user);

#ifdef __cplusplus
}
#endif

#include "names_end.h"
#endif
