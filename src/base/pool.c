/* The pool: fork and join by bounded spin, then parking.
 *
 * One word, `state`, holds everything that is decided by a race: whether a job is open, how many workers
 * are in it, and its number. Opening writes the job and then the word; a worker enters by adding itself
 * to an open word, and only then reads the job; closing clears the bit, so that nobody enters any more,
 * and waits for the count to fall to 0. A worker that slept through a job, or that the system did not
 * run, is never waited for. Parking uses two conditions, `wake` for workers and `done` for the caller;
 * whoever changes `state` looks whether someone sleeps, and whoever goes to sleep says so before looking
 * at `state` once more, so no wake-up is lost. */
#include <stdatomic.h>

#include "base/alloc.h"
#include "base/pool.h"
#include "base/status.h"
#include "base/threads.h"

typedef struct Job {
    PoolFn *fn;
    void *user;
    size_t count, parts; /* the indices, and in how many parts they are taken */
} Job;

/* Where the next index of a part stands; each on a cache line of its own. */
typedef struct Part {
    _Alignas(HC_ALIGN) atomic_size_t next;
} Part;

struct HcPool {
    size_t threads;
    atomic_size_t holders;
    atomic_uint busy; /* a pool_run has it; a word, for RISC-V exchanges no byte without libatomic */
    Job job;
#ifdef HC_HAVE_THREADS
    Part *parts; /* one for each thread */
    _Alignas(HC_ALIGN) atomic_size_t state;
    atomic_size_t sleepers;
    atomic_bool caller_sleeps, stop;
    bool spins;
    HcLock lock;
    HcCondition wake, done;
    size_t started;
    struct Worker *workers;
#endif
};

static void run_alone(const Job *job) {
    for (size_t i = 0; i < job->count; i++)
        job->fn(i, 0, job->user);
}

#ifdef HC_HAVE_THREADS

typedef struct Worker {
    Pool *pool;
    size_t number; /* the caller is 0 */
    HcThread thread;
} Worker;

/* state: one bit, the workers inside, the job's number (which may wrap: missing a job does no harm). */
enum { OPEN = 1, INSIDE = 2, NUMBER = 4096 };

static size_t inside(size_t state) {
    return state % NUMBER / INSIDE;
}

/* ---- waiting ------------------------------------------------------------------------------------ */

enum { SPIN_NANOSECONDS = 50000, SPINS_A_LOOK = 16 };

typedef bool ReadyFn(Pool *pool, size_t seen);

/* Spins until `ready` or the time is up; whether it is ready. */
static bool spin(Pool *pool, ReadyFn *ready, size_t seen) {
    if (ready(pool, seen)) return true;
    if (!pool->spins) return false;
    int64_t end = hc_nanoseconds() + SPIN_NANOSECONDS;
    do
        for (int i = 0; i < SPINS_A_LOOK; i++) {
            hc_pause_core();
            if (ready(pool, seen)) return true;
        }
    while (hc_nanoseconds() < end);
    return false;
}

/* ---- the job ------------------------------------------------------------------------------------ */

static size_t first_of(const Job *job, size_t part) {
    return part * (job->count / job->parts) + part * (job->count % job->parts) / job->parts;
}

/* A worker's own part first, then what is left of the others'. */
static void take_indices(Pool *pool, size_t worker) {
    const Job job = pool->job;
    for (size_t k = 0; k < job.parts; k++) {
        const size_t part = (worker + k) % job.parts, end = first_of(&job, part + 1);
        if (atomic_load_explicit(&pool->parts[part].next, memory_order_relaxed) >= end) continue;
        for (size_t i; (i = atomic_fetch_add(&pool->parts[part].next, 1)) < end;)
            job.fn(i, worker, job.user);
    }
}

/* Whether there is a job that the worker has not been in, `seen` being the last word it entered or
 * found closed. */
static bool has_job(Pool *pool, size_t seen) {
    size_t state = atomic_load(&pool->state);
    return atomic_load(&pool->stop) || ((state & OPEN) && state / NUMBER != seen / NUMBER);
}

static bool enter(Pool *pool, size_t *seen) {
    size_t state = atomic_load(&pool->state);
    do
        if (!(state & OPEN) || state / NUMBER == *seen / NUMBER) return false;
    while (!atomic_compare_exchange_weak(&pool->state, &state, state + INSIDE));
    *seen = state;
    return true;
}

static void leave(Pool *pool) {
    size_t state = atomic_fetch_sub(&pool->state, INSIDE) - INSIDE;
    if ((state & OPEN) || inside(state) > 0 || !atomic_load(&pool->caller_sleeps)) return;
    hc_lock(&pool->lock);
    hc_wake_one(&pool->done);
    hc_unlock(&pool->lock);
}

static void worker_main(void *user) {
    Worker *worker = user;
    Pool *pool = worker->pool;
    for (size_t seen = 0; !atomic_load(&pool->stop);) {
        if (!spin(pool, has_job, seen)) {
            hc_lock(&pool->lock);
            atomic_fetch_add(&pool->sleepers, 1);
            while (!has_job(pool, seen))
                hc_wait(&pool->wake, &pool->lock);
            atomic_fetch_sub(&pool->sleepers, 1);
            hc_unlock(&pool->lock);
        }
        if (enter(pool, &seen)) {
            take_indices(pool, worker->number);
            leave(pool);
        }
    }
}

static void wake_workers(Pool *pool) {
    if (atomic_load(&pool->sleepers) == 0) return;
    hc_lock(&pool->lock);
    hc_wake_all(&pool->wake);
    hc_unlock(&pool->lock);
}

static bool empty(Pool *pool, size_t seen) {
    (void)seen;
    return inside(atomic_load(&pool->state)) == 0;
}

static void run_together(Pool *pool, const Job *job) {
    pool->job = *job;
    for (size_t part = 0; part < job->parts; part++)
        atomic_store_explicit(&pool->parts[part].next, first_of(job, part), memory_order_relaxed);
    size_t number = atomic_load(&pool->state) / NUMBER + 1;
    atomic_store(&pool->state, number * NUMBER + OPEN);
    wake_workers(pool);
    take_indices(pool, 0);
    atomic_fetch_sub(&pool->state, OPEN);
    if (spin(pool, empty, 0)) return;
    hc_lock(&pool->lock);
    atomic_store(&pool->caller_sleeps, true);
    while (!empty(pool, 0))
        hc_wait(&pool->done, &pool->lock);
    atomic_store(&pool->caller_sleeps, false);
    hc_unlock(&pool->lock);
}

/* ---- life ---------------------------------------------------------------------------------------- */

enum { STACK_BYTES = 2 << 20 }; /* of which pool.h promises 1 MiB to a task */

static void stop_workers(Pool *pool) {
    atomic_store(&pool->stop, true);
    hc_lock(&pool->lock);
    hc_wake_all(&pool->wake);
    hc_unlock(&pool->lock);
    for (size_t i = 0; i < pool->started; i++)
        hc_thread_join(&pool->workers[i].thread);
    hc_lock_destroy(&pool->lock);
    hc_condition_destroy(&pool->wake);
    hc_condition_destroy(&pool->done);
    hc_free(pool->workers);
    hc_free(pool->parts);
}

static bool start_workers(Pool *pool) {
    size_t wanted = pool->threads - 1;
    const size_t cores = hc_cores();
    pool->spins = cores == 0 || pool->threads <= cores; /* each has one to itself */
    pool->workers = hc_alloc_zero(wanted, sizeof *pool->workers);
    pool->parts = hc_alloc_zero(pool->threads, sizeof *pool->parts);
    if (!pool->workers || !pool->parts) {
        hc_free(pool->workers);
        hc_free(pool->parts);
        return hc_fail_thread(HC_ERR_NOMEM, "pool_create: out of memory");
    }
    hc_lock_create(&pool->lock);
    hc_condition_create(&pool->wake);
    hc_condition_create(&pool->done);
    for (; pool->started < wanted; pool->started++) {
        Worker *worker = &pool->workers[pool->started];
        *worker = (Worker){.pool = pool, .number = pool->started + 1};
        if (!hc_thread_start(&worker->thread, STACK_BYTES, worker_main, worker)) break;
    }
    if (pool->started == wanted) return true;
    hc_fail_thread(HC_ERR_STATE, "pool_create: the system started %zu of %zu threads",
                   pool->started + 1, pool->threads);
    stop_workers(pool);
    return false;
}

size_t hc_pool_sleepers(const Pool *pool) {
    return atomic_load(&pool->sleepers);
}

#else

static void run_together(Pool *pool, const Job *job) {
    (void)pool;
    run_alone(job);
}

size_t hc_pool_sleepers(const Pool *pool) {
    (void)pool;
    return 0;
}

static void stop_workers(Pool *pool) {
    (void)pool;
}

static bool start_workers(Pool *pool) {
    pool->threads = 1;
    return true;
}

#endif

Pool *pool_create(size_t threads) {
    if (threads < 1 || threads > HC_MAX_THREADS) {
        hc_fail_thread(HC_ERR_ARG, "pool_create: %zu threads: from 1 to %d are possible", threads,
                       HC_MAX_THREADS);
        return NULL;
    }
    Pool *pool = hc_alloc_zero(1, sizeof *pool);
    if (!pool) {
        hc_fail_thread(HC_ERR_NOMEM, "pool_create: out of memory");
        return NULL;
    }
    pool->threads = threads;
    atomic_init(&pool->holders, 1);
    if (threads == 1 || start_workers(pool)) return pool;
    hc_free(pool);
    return NULL;
}

Pool *hc_pool_ref(Pool *pool) {
    if (pool) atomic_fetch_add(&pool->holders, 1);
    return pool;
}

void pool_destroy(Pool *pool) {
    if (!pool || atomic_fetch_sub(&pool->holders, 1) > 1) return;
    if (pool->threads > 1) stop_workers(pool);
    hc_free(pool);
}

size_t pool_threads(const Pool *pool) {
    return pool ? pool->threads : 0;
}

static void run(Pool *pool, const Job *job) {
    if (pool->threads == 1 || job->count < 2 || atomic_exchange(&pool->busy, 1)) {
        run_alone(job);
        return;
    }
    hc_pool_ref(pool); /* fn may let go of it */
    run_together(pool, job);
    atomic_store(&pool->busy, 0);
    pool_destroy(pool);
}

bool pool_run(Pool *pool, size_t count, PoolFn *fn, void *user) {
    if (!pool || !fn)
        return hc_null("pool_run", pool ? "fn" : "the pool");
    run(pool, &(Job){fn, user, count, 1});
    return true;
}

void hc_pool_run_near(Pool *pool, size_t count, PoolFn *fn, void *user) {
    run(pool, &(Job){fn, user, count, pool->threads});
}
