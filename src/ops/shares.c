/* Reductions in shares for the tape's pool: whole rows or columns, each computed as it would be alone, so that the
 * numbers depend neither on the cut nor on the threads. */
#include "ops/ops.h"

/* What is worth waking a thread for: as long as a sum takes for so many numbers, 5 us. On two threads that are
 * awake (f32, AVX-512, bench_threads) sums of 2^14 and 2^16 numbers run 0.86 and 0.96 times as fast, of 2^18 1.5 to
 * 2.0; softmax of 2^12, 3.8 us alone, 1.15 times, of 2^14 1.6 to 1.9. */
enum { LEAST_COST = 1 << 17, SHARES_A_WORKER = 4 };
/* What a number costs in a kernel of rows, such as softmax. */
enum { ROW_COST = 16 };

size_t hc_shares_of(const Tape *tape, size_t cost, size_t units) {
    if (!tape->pool || cost < LEAST_COST) return 1;
    const size_t most = SHARES_A_WORKER * hc_workers(tape);
    return units < 1 ? 1 : units < most ? units : most;
}

typedef struct Job {
    Tensor *y;
    const char *x;
    HcRowsFn *fn;
    size_t shares, rows, width, out; /* numbers of a row, and of what it becomes */
} Job;

static void run_share(size_t index, size_t worker, void *user) {
    const Job *job = user;
    const size_t first = index * job->rows / job->shares, last = (index + 1) * job->rows / job->shares;
    const size_t item = job->y->tape->item;
    (void)worker;
    job->fn((char *)job->y->data + first * job->out * item, job->x + first * job->width * item, last - first,
            job->width);
}

void hc_rows(Tensor *y, const void *x, size_t rows, size_t width, HcRowsFn *fn) {
    Job job = {y, x, fn, hc_shares_of(y->tape, ROW_COST * rows * width, rows), rows, width, y->form->count / rows};
    if (job.shares > 1)
        hc_parallel(y->tape, job.shares, run_share, &job);
    else
        fn(y->data, x, rows, width);
}
