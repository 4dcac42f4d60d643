/* Matrices one by one: a set of them in shares on the threads of the tape's pool. */
#include "ops/ops.h"

/* Fewer multiply-adds are not worth waking a thread for. */
#define LEAST_COST ((size_t)1 << 16)
#define MOST_SHARES 16

typedef struct Job {
    Tensor *y;
    HcMatrixFn *fn;
    const void *user;
    size_t count, shares;
    char *room;
    size_t room_bytes; /* of each worker */
    struct {
        bool failed;
        size_t matrix, pivot;
    } share[MOST_SHARES]; /* up to where it came */
} Job;

static void run_share(size_t index, size_t worker, void *user) {
    Job *job = user;
    void *room = job->room ? job->room + worker * job->room_bytes : NULL;
    size_t first = index * job->count / job->shares, last = (index + 1) * job->count / job->shares;
    for (size_t i = first; i < last && !job->share[index].failed; i++) {
        job->share[index].matrix = i;
        job->share[index].failed = !job->fn(job->y, i, job->user, room, &job->share[index].pivot);
    }
}

size_t hc_matrix_count(const HcForm *form) {
    size_t count = 1;
    for (int i = 0; i < form->ndim - 2; i++)
        count *= form->dim[i];
    return count;
}

bool hc_check_square(const char *who, const Tensor *x) {
    const HcForm *f = x->form;
    char text[HC_SHAPE_TEXT];
    return (f->ndim >= 2 && f->dim[f->ndim - 2] == f->dim[f->ndim - 1]) ||
           hc_fail(x->tape, HC_ERR_SHAPE, "%s: %s is no square matrix", who,
                   hc_shape_text(hc_form_shape(f), text));
}

bool hc_matrices(Tensor *y, size_t count, size_t cost, size_t room, HcMatrixFn *fn,
                 const void *user, const char *wrong) {
    Job job = {.y = y, .fn = fn, .user = user, .count = count, .shares = 1};
    if (count == 0) return true;
    if (hc_workers(y->tape) > 1 && cost >= LEAST_COST / count) {
        size_t most = cost >= LEAST_COST ? count : count / (LEAST_COST / (cost + 1) + 1);
        job.shares = most < 1 ? 1 : most < MOST_SHARES ? most : MOST_SHARES;
    }
    job.room_bytes = (room + HC_ALIGN - 1) / HC_ALIGN * HC_ALIGN;
    size_t workers = job.shares > 1 ? hc_workers(y->tape) : 1;
    if (room > 0 && !(job.room = hc_workspace(y, workers * job.room_bytes))) return false;
    if (job.shares > 1)
        hc_parallel(y->tape, job.shares, run_share, &job);
    else
        run_share(0, 0, &job);
    for (size_t i = 0; i < job.shares; i++)
        if (job.share[i].failed)
            return hc_fail(y->tape, HC_ERR_RANGE, "%s: matrix %zu %s: pivot %zu", y->op->name,
                           job.share[i].matrix, wrong, job.share[i].pivot);
    return true;
}
