/* Matrices one by one: a set of them in shares on the threads of the tape's pool. */
#include "ops/ops.h"

/* Fewer multiply-adds are not worth waking a thread for. */
#define LEAST_COST ((size_t)1 << 16)
#define MOST_SHARES 16

typedef struct Job {
    Tensor *y;
    const HcMatrices *m;
    size_t shares;
    char *room;
    size_t room_bytes; /* of each worker */
    struct {
        bool failed;
        size_t matrix, pivot;
    } share[MOST_SHARES];
} Job;

static void run_share(size_t index, size_t worker, void *user) {
    Job *job = user;
    const HcMatrices *m = job->m;
    void *room = job->room ? job->room + worker * job->room_bytes : NULL;
    size_t groups = (m->count - 1) / m->together + 1;
    size_t first = index * groups / job->shares * m->together;
    size_t last = (index + 1) * groups / job->shares * m->together, bad;
    for (size_t i = first; i < last && i < m->count && !job->share[index].failed;
         i += m->together) {
        size_t count = m->count - i < m->together ? m->count - i : m->together;
        if (m->fn(job->y, i, count, m->user, room, &bad)) continue;
        job->share[index].failed = true;
        job->share[index].matrix = i + bad / m->n;
        job->share[index].pivot = bad % m->n;
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

/* How many shares of whole groups. */
static size_t shares_of(const Tensor *y, const HcMatrices *m) {
    size_t groups = (m->count - 1) / m->together + 1, shares = groups;
    if (hc_workers(y->tape) == 1 || m->cost < LEAST_COST / m->count) return 1;
    if (m->cost < LEAST_COST) shares = m->count / (LEAST_COST / (m->cost + 1) + 1);
    if (shares > groups) shares = groups;
    return shares < 1 ? 1 : shares < MOST_SHARES ? shares : MOST_SHARES;
}

bool hc_matrices(Tensor *y, const HcMatrices *m) {
    Job job = {.y = y, .m = m};
    if (m->count == 0) return true;
    job.shares = shares_of(y, m);
    job.room_bytes = (m->room + HC_ALIGN - 1) / HC_ALIGN * HC_ALIGN;
    size_t workers = job.shares > 1 ? hc_workers(y->tape) : 1;
    if (m->room > 0 && !(job.room = hc_workspace(y, workers * job.room_bytes))) return false;
    if (job.shares > 1)
        hc_parallel(y->tape, job.shares, run_share, &job);
    else
        run_share(0, 0, &job);
    for (size_t i = 0; i < job.shares; i++)
        if (job.share[i].failed)
            return hc_fail(y->tape, HC_ERR_RANGE, "%s: matrix %zu %s: pivot %zu", y->op->name,
                           job.share[i].matrix, m->wrong, job.share[i].pivot);
    return true;
}
