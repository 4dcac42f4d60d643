/* The pool: every index once, what is written is seen, nested and shared use, idleness, failures. */
#if defined(HC_HAVE_THREADS) && !defined(_WIN32)
#define _POSIX_C_SOURCE 200809L
#include <sys/resource.h>
#endif
#include <higherc/higherc.h>

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/pool.h"
#include "base/threads.h"
#include "support/check.h"
#include "support/failing.h"

enum { MOST = 200 };

typedef struct Job {
    Pool *pool;
    size_t threads;
    int values[MOST]; /* plain: ThreadSanitizer would see a missing order */
    atomic_uint in_use[HC_MAX_THREADS];
    atomic_bool wrong;
} Job;

static void add_one(size_t index, size_t worker, void *user) {
    Job *job = user;
    if (worker >= job->threads || atomic_exchange(&job->in_use[worker], 1))
        atomic_store(&job->wrong, true);
    job->values[index] += (int)index;
    atomic_store(&job->in_use[worker], 0);
}

/* Many short jobs of every size, one after the other. */
static void each_index_once(size_t threads, int rounds) {
    static Job job;
    memset(&job, 0, sizeof job);
    job.pool = pool_create(threads);
    job.threads = pool_threads(job.pool);
    CHECK(job.threads == threads || job.threads == 1);
    int runs[MOST] = {0};
    for (int round = 0; round < rounds; round++) {
        size_t count = (size_t)round * 7 % MOST;
        if (round % 2)
            hc_pool_run_near(job.pool, count, add_one, &job);
        else
            CHECK(pool_run(job.pool, count, add_one, &job));
        for (size_t i = 0; i < count; i++)
            runs[i]++;
    }
    bool right = !atomic_load(&job.wrong);
    for (size_t i = 0; i < MOST; i++)
        right = right && job.values[i] == runs[i] * (int)i;
    CHECK(right);
    pool_destroy(job.pool);
}

static void count_up(size_t index, size_t worker, void *user) {
    (void)index;
    atomic_fetch_add((atomic_size_t *)user, worker == 0 ? 1 : 1000000);
}

typedef struct Nest {
    Pool *pool;
    atomic_size_t calls;
} Nest;

static void nest(size_t index, size_t worker, void *user) {
    (void)index;
    (void)worker;
    Nest *n = user;
    pool_run(n->pool, 10, count_up, &n->calls);
}

/* Within fn the pool runs one after the other, as worker 0. */
static void nested(void) {
    Nest n = {.pool = pool_create(3)};
    CHECK(pool_run(n.pool, 50, nest, &n) && atomic_load(&n.calls) == 500);
    pool_destroy(n.pool);
}

static void refusals(void) {
    CHECK(!pool_create(0));
    CHECK_ERROR("from 1 to");
    CHECK(!pool_create(HC_MAX_THREADS + 1));
    CHECK_ERROR("from 1 to");
    CHECK(pool_threads(NULL) == 0);
    pool_destroy(NULL);
    CHECK(!pool_run(NULL, 1, count_up, NULL));
    CHECK_ERROR("the pool is NULL");
    Pool *pool = pool_create(2);
    CHECK(!pool_run(pool, 1, NULL, NULL));
    CHECK_ERROR("fn is NULL");
    pool_destroy(pool);
}

/* A mebibyte of stack is there for what runs on a thread of a pool. */
static void use_stack(size_t index, size_t worker, void *user) {
    (void)worker;
    volatile char large[(1 << 20) - 4096];
    for (size_t i = 0; i < sizeof large; i += 1024)
        large[i] = (char)index;
    atomic_fetch_add((atomic_size_t *)user, (size_t)large[0] == index);
}

static void stack(void) {
    Pool *pool = pool_create(4);
    atomic_size_t right = 0;
    CHECK(pool_run(pool, 100, use_stack, &right) && atomic_load(&right) == 100);
    pool_destroy(pool);
}

static bool makes_a_pool(void) {
    Pool *pool = pool_create(4);
    bool made = pool != NULL;
    pool_destroy(pool);
    return made;
}

#ifdef HC_HAVE_THREADS

static void run_pool(void *user) {
    Nest *n = user;
    for (int i = 0; i < 300; i++)
        pool_run(n->pool, 10, count_up, &n->calls);
}

/* Two threads with one pool: whoever comes second does its job itself. */
static void shared(void) {
    Nest a = {.pool = pool_create(3)}, b = {.pool = a.pool};
    HcThread thread;
    CHECK(hc_thread_start(&thread, 1 << 20, run_pool, &a));
    run_pool(&b);
    hc_thread_join(&thread);
    size_t calls = atomic_load(&a.calls), others = atomic_load(&b.calls);
    CHECK(calls % 1000000 + calls / 1000000 == 3000 && others % 1000000 + others / 1000000 == 3000);
    pool_destroy(a.pool);
}

/* Threads without a job go to sleep, and wake for the next job. */
static void idle(void) {
    Pool *pool = pool_create(3);
    atomic_size_t calls = 0;
    for (int i = 0; i < 3; i++) {
        CHECK(pool_run(pool, 64, count_up, &calls));
        const int64_t end = hc_nanoseconds() + 10000000000;
        while (hc_pool_sleepers(pool) + 1 < pool_threads(pool) && hc_nanoseconds() < end)
            hc_pause_core();
        CHECK(hc_pool_sleepers(pool) + 1 == pool_threads(pool));
    }
    size_t made = atomic_load(&calls);
    CHECK(made % 1000000 + made / 1000000 == 192);
    pool_destroy(pool);
}

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define SANITIZED
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||                             \
    defined(TESTS_HELGRIND_STDATOMIC_H)
#define SANITIZED
#endif

/* Too little address space for the stacks of all: none is left running. Where the system does not count
 * them (emulators), all start. */
static void threads_fail(void) {
#ifdef _WIN32
    printf("left out: nothing here limits the address space\n");
#elif !defined SANITIZED
    struct rlimit before, little;
    CHECK(getrlimit(RLIMIT_AS, &before) == 0);
    little = before;
    little.rlim_cur = (rlim_t)256 << 20;
    if (setrlimit(RLIMIT_AS, &little) != 0) return;
    Pool *pool = pool_create(HC_MAX_THREADS);
    setrlimit(RLIMIT_AS, &before);
    if (!pool)
        CHECK_ERROR("threads");
    else
        CHECK(pool_threads(pool) == HC_MAX_THREADS);
    pool_destroy(pool);
#endif
}

#endif

int main(void) {
    each_index_once(1, 200);
    each_index_once(2, 4000);
    each_index_once(7, 1000);
    each_index_once(40, 100);
    nested();
    refusals();
    stack();
    fail_each_allocation("pool", makes_a_pool);
#ifdef HC_HAVE_THREADS
    shared();
    idle();
    threads_fail();
#endif
    return check_done();
}
