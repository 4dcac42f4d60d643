/* Inner loops: what callers see. */
#include "meta/unroll.h"

static const char who[] = "unroll";

UnrollOptions unroll_options(size_t steps) {
    return (UnrollOptions){.steps = steps, .keep = HC_KEEP_SQRT, .every = 1};
}

static bool check_optimizers(DiffOpt *const *opts, size_t count) {
    if (!opts || count == 0)
        return higherc_status() == HC_OK &&
               hc_fail_thread(HC_ERR_ARG, "%s: there are no optimizers", who);
    for (size_t i = 0; i < count; i++) {
        if (!hc_diffopt_usable(opts[i], who)) return false;
        if (opts[i]->tape != opts[0]->tape)
            return hc_fail(opts[0]->tape, HC_ERR_TAPE, "%s: optimizers of two different tapes",
                           who);
        for (size_t j = 0; j < i; j++)
            if (opts[j] == opts[i])
                return hc_fail(opts[0]->tape, HC_ERR_ARG, "%s: optimizer %zu is listed twice", who,
                               i);
    }
    return true;
}

static bool check_outer(Tape *tape, TensorList outer) {
    if (!outer.items || outer.count == 0)
        return hc_fail(tape, HC_ERR_ARG, "%s: there are no outer tensors for the tangents", who);
    if (!hc_check_all(who, outer.items, outer.count)) return false;
    if (outer.items[0]->tape != tape)
        return hc_fail(tape, HC_ERR_TAPE, "%s: the outer tensors are on another tape", who);
    for (size_t i = 0; i < outer.count; i++)
        for (size_t j = 0; j < i; j++)
            if (outer.items[j] == outer.items[i])
                return hc_fail(tape, HC_ERR_ARG, "%s: outer tensor %zu is listed twice", who, i);
    return true;
}

static bool check_options(Tape *tape, const UnrollOptions *o, UnrollFn *fn) {
    if (!fn) return hc_fail(tape, HC_ERR_ARG, "%s: the step's function is NULL", who);
    if ((unsigned)o->keep > HC_KEEP_TANGENTS)
        return hc_fail(tape, HC_ERR_ARG, "%s: %d is nothing to keep", who, (int)o->keep);
    if (o->keep == HC_KEEP_EVERY && o->every == 0)
        return hc_fail(tape, HC_ERR_ARG, "%s: a checkpoint every 0 steps", who);
    if (o->window > 0 && !o->judge)
        return hc_fail(tape, HC_ERR_ARG, "%s: there are windows and nothing to judge them", who);
    if (o->first > SIZE_MAX - o->steps)
        return hc_fail(tape, HC_ERR_RANGE, "%s: steps are numbered past %zu", who, (size_t)SIZE_MAX);
    return o->keep != HC_KEEP_TANGENTS || check_outer(tape, o->outer);
}

bool unroll(DiffOpt *const *opts, size_t count, UnrollOptions options, UnrollFn *fn, void *user) {
    if (!check_optimizers(opts, count) || !check_options(opts[0]->tape, &options, fn)) return false;
    if (options.steps == 0) return true;
    HcUnrollRun *run = options.keep == HC_KEEP_TANGENTS ? hc_unroll_with_tangents
                       : options.window > 0             ? hc_unroll_windows
                                                        : hc_unroll_in;
    return hc_unroll_by(run, opts, count, &options, 0, fn, user);
}

UnrollReport unroll_report(const DiffOpt *opt) {
    const HcUnroll *u = hc_diffopt_usable(opt, "unroll_report") ? opt->now->unroll : NULL;
    if (!u) return (UnrollReport){.steps = 0};
    return (UnrollReport){.steps = u->steps,
                          .checkpoints = u->walk.most,
                          .segment = u->segment,
                          .bytes = u->kept_bytes,
                          .again = u->again};
}
