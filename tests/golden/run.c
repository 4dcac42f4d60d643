/* What a case does (README.md, section 3): ordinary steps, branching, differentiable steps, the
 * meta loss. Its derivatives are in grads.c. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "golden.h"

/* ---- results
 * -------------------------------------------------------------------------------------- */

bool run_fail(Run *run, const char *format, ...) {
    if (run->message[0] != '\0') return false;
    va_list args;
    va_start(args, format);
    int used = vsnprintf(run->message, MESSAGE_SIZE, format, args);
    va_end(args);
    const char *error = tape_error(run->tape) ? tape_error(run->tape) : higherc_error();
    if (error && used > 0 && used < MESSAGE_SIZE)
        snprintf(run->message + used, MESSAGE_SIZE - (size_t)used, ": %s", error);
    return false;
}

static Entry *add_result(Run *run, const char *format, va_list args) {
    char name[256];
    vsnprintf(name, sizeof name, format, args);
    return dict_add(run->results, run->store, store_format(run->store, "%s", name));
}

bool run_record(Run *run, Tensor *value, const char *format, ...) {
    va_list args;
    va_start(args, format);
    Entry *entry = add_result(run, format, args);
    va_end(args);
    if (!entry) return run_fail(run, "a result computed twice");
    entry->kind = value ? ENTRY_REAL : ENTRY_NONE;
    entry->shape = shape_scalar();
    if (!value) return true;
    entry->shape = tensor_shape(value);
    run->pending = store_grow(run->store, run->pending, run->pending_count, sizeof *run->pending);
    run->pending[run->pending_count++] = (Pending){value, entry};
    return true;
}

/* Of those after the first so many. */
static bool settle(Run *run, size_t first) {
    for (size_t i = first; i < run->pending_count; i++) {
        Tensor *value = run->pending[i].tensor;
        Entry *entry = run->pending[i].entry;
        double *values = store_alloc(run->store, tensor_count(value), sizeof *values);
        entry->count = tensor_count(value);
        entry->values = values;
        if (!tensor_copy_to_f64(value, values, entry->count))
            return run_fail(run, "%s", entry->name);
    }
    run->pending_count = first;
    return true;
}

bool run_settle(Run *run) {
    return settle(run, 0);
}

double *run_record_param(Run *run, const Param *param, const char *format, ...) {
    va_list args;
    va_start(args, format);
    Entry *entry = add_result(run, format, args);
    va_end(args);
    double *values = store_alloc(run->store, param_count(param), sizeof *values);
    if (!entry) return run_fail(run, "a result computed twice"), values;
    entry->shape = param_shape(param);
    entry->count = param_count(param);
    entry->values = values;
    return values;
}

/* ---- batches and losses
 * ------------------------------------------------------------------------------ */

static Tensor *add_input(Run *run, Tensor *x, const double *values, bool whole) {
    run->inputs = store_grow(run->store, run->inputs, run->input_count, sizeof *run->inputs);
    run->inputs[run->input_count++] = (Input){x, values, whole};
    return x;
}

/* leaf: one whose gradient will be asked for. */
static Tensor *batch(Run *run, const char *name, size_t index, bool leaf) {
    const Entry *entry = index == SIZE_MAX ? dict_find(&run->c->data, name)
                                           : dict_find_format(&run->c->data, "%s/%zu", name, index);
    if (!entry || !entry->values || entry->kind == ENTRY_DIGEST) {
        run_fail(run, "the batch %s is missing", name);
        return NULL;
    }
    if (entry->kind == ENTRY_REAL) {
        Tensor *x = tensor_from_f64(run->tape, entry->shape, entry->values);
        add_input(run, x, entry->values, false);
        return leaf ? tensor_leaf(x) : x;
    }
    int64_t *whole = store_alloc(run->store, entry->count, sizeof *whole);
    for (size_t i = 0; i < entry->count; i++)
        whole[i] = (int64_t)entry->values[i];
    return add_input(run, tensor_from_i64(run->tape, entry->shape, whole), entry->values, true);
}

static Tensor *loss_mse(Tensor *out, Tensor *y, const double *arg) {
    return (void)arg, tensor_mse_loss(out, y);
}
static Tensor *loss_cross_entropy(Tensor *out, Tensor *y, const double *arg) {
    return (void)arg, tensor_cross_entropy_loss(out, y);
}
static Tensor *loss_bce(Tensor *out, Tensor *y, const double *arg) {
    return (void)arg, tensor_bce_with_logits_loss(out, y);
}
static Tensor *loss_smooth_l1(Tensor *out, Tensor *y, const double *arg) {
    return tensor_smooth_l1_loss(out, y, arg[0]);
}
static Tensor *loss_huber(Tensor *out, Tensor *y, const double *arg) {
    return tensor_huber_loss(out, y, arg[0]);
}
static Tensor *loss_sum_pow2(Tensor *out, Tensor *y, const double *arg) {
    return (void)y, (void)arg, tensor_sum(tensor_square(out));
}

static const struct Loss {
    const char *name;
    size_t args;
    bool target;
    Tensor *(*apply)(Tensor *out, Tensor *y, const double *arg);
} losses[] = {
    {"mse", 0, true, loss_mse},
    {"cross_entropy", 0, true, loss_cross_entropy},
    {"bce_with_logits", 0, true, loss_bce},
    {"smooth_l1", 1, true, loss_smooth_l1},
    {"huber", 1, true, loss_huber},
    {"sum_pow2", 0, false, loss_sum_pow2},
};

static const struct Loss *find_loss(Run *run) {
    const Choice *choice = &run->c->loss;
    for (size_t i = 0; i < sizeof losses / sizeof losses[0]; i++)
        if (strcmp(losses[i].name, choice->name) == 0 && losses[i].args == choice->args)
            return &losses[i];
    run_fail(run, "no loss '%.40s' with %zu numbers", choice->name, choice->args);
    return NULL;
}

static Tensor *target(Run *run, const char *name, size_t index) {
    const struct Loss *loss = find_loss(run);
    return loss && loss->target ? batch(run, name, index, false) : NULL;
}

static Tensor *apply_loss(Run *run, Tensor *out, Tensor *y) {
    const struct Loss *loss = find_loss(run);
    return loss ? loss->apply(out, y, run->c->loss.arg) : NULL;
}

/* ---- the ordinary optimizer
 * ---------------------------------------------------------------------------- */

static bool reaches_any(const Run *run, Tensor *loss) {
    for (size_t i = 0; i < run->params.count; i++)
        if (tensor_reaches(loss, run->params.items[i])) return true;
    return false;
}

static bool any_to_update(const Run *run) {
    for (size_t g = 0; g < optim_group_count(run->optim); g++) {
        ParamList params = optim_group_params(run->optim, g);
        for (size_t i = 0; i < params.count; i++)
            if (param_grad(params.items[i])) return true;
    }
    return false;
}

/* A step with nothing to do is an error in the library and a silent one in PyTorch, so it is left
 * out. */
static bool warm_up_once(Run *run, size_t w) {
    for (size_t i = 0; i < run->params.count; i++)
        param_zero_grad(run->params.items[i]);
    Tensor *out = module_forward(run->net, batch(run, "warmup/x", w, false));
    Tensor *loss = apply_loss(run, out, target(run, "warmup/y", w));
    if (!loss) return run_fail(run, "warm-up step %zu", w);
    bool good = run_record(run, loss, "warmup_loss/%zu", w);
    if (good && reaches_any(run, loss))
        good = tensor_backward(loss) && (!any_to_update(run) || optim_step(run->optim));
    good = good && run_settle(run);
    tape_reset(run->tape);
    run->input_count = 0;
    return good || run_fail(run, "warm-up step %zu", w);
}

static bool warm_up(Run *run) {
    module_train(run->net, run->c->train_warmup);
    for (size_t w = 0; w < run->c->warmup; w++)
        if (!warm_up_once(run, w)) return false;
    return optimizer_record_state(run->c, run->net, run->optim, run->results, run->store) ||
           run_fail(run, "a warm_state of no parameter");
}

/* ---- the base module
 * ------------------------------------------------------------------------------------- */

static void record_base(Run *run) {
    for (size_t i = 0; i < run->params.count; i++) {
        const Param *param = run->params.items[i];
        double *values = run_record_param(run, param, "base/%s", run->c->params[i].name);
        for (size_t k = 0; k < param_count(param); k++)
            values[k] = param_get(param, k);
    }
    ParamList buffers = module_buffers(run->net);
    for (size_t i = 0; i < buffers.count; i++) {
        double *values =
            run_record_param(run, buffers.items[i], "base_buffer/%s", run->c->buffers[i]);
        for (size_t k = 0; k < param_count(buffers.items[i]); k++)
            values[k] = param_get(buffers.items[i], k);
    }
}

/* Neither the inner loop nor taking gradients may change the base module, not in the last bit. */
static bool check_unchanged(Run *run, ParamList params, const char *kind) {
    for (size_t i = 0; i < params.count; i++) {
        const char *name = kind[4] ? run->c->buffers[i] : run->c->params[i].name;
        const Entry *then = dict_find_format(run->results, "%s/%s", kind, name);
        for (size_t k = 0; k < then->count; k++) {
            double now = param_get(params.items[i], k);
            if (memcmp(&now, &then->values[k], sizeof now) != 0)
                return run_fail(run, "%s/%s changed after branching", kind, name);
        }
    }
    return true;
}

/* ---- branching
 * ------------------------------------------------------------------------------------------- */

static bool cut_gradients(Tape *tape, Tensor **grads, size_t count, void *user) {
    (void)tape;
    (void)user;
    for (size_t i = 0; i < count; i++)
        if (grads[i] && !(grads[i] = tensor_detach(grads[i]))) return false;
    return true;
}

static bool set_callback(Run *run) {
    const Choice *choice = &run->c->callback;
    if (strcmp(choice->name, "none") == 0 && choice->args == 0) return true;
    if (strcmp(choice->name, "clip_norm") == 0 && choice->args == 2)
        return diffopt_clip_norm(run->opt, choice->arg[0], choice->arg[1]);
    if (strcmp(choice->name, "clip_value") == 0 && choice->args == 1)
        return diffopt_clip_value(run->opt, choice->arg[0]);
    if (strcmp(choice->name, "detach") == 0 && choice->args == 0)
        return diffopt_grad_callback(run->opt, cut_gradients, NULL);
    return run_fail(run, "no callback '%.40s' with %zu numbers", choice->name, choice->args);
}

/* Hands over the learnable hyperparameters whose time has come. */
static bool override(Run *run, size_t when) {
    for (size_t i = 0; i < run->c->hyper_count; i++) {
        const HyperRecord *hyper = &run->c->hypers[i];
        bool all = hyper->group == HC_ALL_GROUPS;
        size_t group = all ? HC_ALL_GROUPS : optimizer_group(run->c, hyper->group);
        if (hyper->when != when || (!all && group == SIZE_MAX)) continue;
        if (!diffopt_override(run->opt, hyper->key, group, run->hyper[i]))
            return run_fail(run, "override of %.40s", hyper->key);
    }
    return true;
}

static bool branch(Run *run) {
    const Case *c = run->c;
    FModuleOptions options = fmodule_options(c->copy_initial_weights);
    options.mode = c->track ? HC_FULL : HC_EVAL;
    run->fnet = fmodule_create_with(run->tape, run->net, options);
    run->opt = diffopt_create(run->optim, run->fnet);
    if (!run->opt || !set_callback(run)) return run_fail(run, "branching");
    for (size_t i = 0; i < c->hyper_count; i++)
        run->hyper[i] = tensor_leaf(add_input(run, tensor_scalar(run->tape, c->hypers[i].value),
                                              &c->hypers[i].value, false));
    run->query_x = batch(run, "meta/x", SIZE_MAX, false);
    run->query_y = target(run, "meta/y", SIZE_MAX);
    for (size_t t = 0; t < c->steps; t++) {
        run->x[t] = batch(run, "inner/x", t, c->want_x_grad);
        run->y[t] = target(run, "inner/y", t);
    }
    return run->message[0] == '\0' && override(run, WHEN_INIT);
}

/* ---- the loop
 * -------------------------------------------------------------------------------------------- */

static bool add_query(Run *run, size_t t) {
    double weight = run->c->meta_weights[t];
    if (weight == 0) return true;
    fmodule_train(run->fnet, run->c->train_meta);
    Tensor *out = fmodule_forward(run->fnet, run->query_x);
    Tensor *loss = tensor_mul_scalar(apply_loss(run, out, run->query_y), weight);
    run->meta_loss = run->meta_loss ? tensor_add(run->meta_loss, loss) : loss;
    return run->meta_loss != NULL || run_fail(run, "query loss after %zu steps", t);
}

static bool inner_step(Run *run, size_t t, bool again) {
    fmodule_train(run->fnet, run->c->train_inner);
    Tensor *out = fmodule_forward(run->fnet, run->x[t]);
    Tensor *loss = apply_loss(run, out, run->y[t]);
    if (!loss || (!again && !run_record(run, loss, "inner_loss/%zu", t)))
        return run_fail(run, "inner loss %zu", t);
    return override(run, t) && (diffopt_step(run->opt, loss) || run_fail(run, "inner step %zu", t));
}

static bool record_fast(Run *run, TensorList fast, size_t t) {
    if (fast.count != run->params.count)
        return run_fail(run, "%zu fast weights after %zu steps", fast.count, t);
    for (size_t i = 0; i < fast.count; i++)
        if (!run_record(run, fast.items[i], "fast/%zu/%s", t, run->c->params[i].name)) return false;
    return true;
}

/* Whether W<t> is there after the loop: of one that is unrolled, where it begins and ends, from query to query. */
static bool stays(const Run *run, size_t t) {
    return run->manner.every == 0 || t == 0 || t == run->c->steps || run->c->meta_weights[t] != 0;
}

typedef struct Stretch {
    Run *run;
    size_t from;
} Stretch;

/* What hyperparameters a step sets hold until its end, so each sets all whose time has come. */
static bool unrolled_step(UnrollStep *call, void *user) {
    const Stretch *stretch = user;
    Run *run = stretch->run;
    size_t t = stretch->from + call->step, before = run->pending_count;
    for (size_t when = 0; when < t; when++)
        if (!override(run, when)) return false;
    bool recorded = !call->again && !run->manner.replay;
    if (recorded && !stays(run, t) && !record_fast(run, fmodule_params(run->fnet), t)) return false;
    return inner_step(run, t, !recorded) && settle(run, before);
}

static bool unroll_steps(Run *run, size_t from, size_t to) {
    Stretch *stretch = store_alloc(run->store, 1, sizeof *stretch);
    UnrollOptions options = unroll_options(to - from);
    options.keep = HC_KEEP_EVERY;
    options.every = run->manner.every;
    *stretch = (Stretch){run, from};
    if (!unroll(&run->opt, 1, options, unrolled_step, stretch))
        return run_fail(run, "unroll from step %zu", from);
    size_t segments = (to - from + options.every - 1) / options.every;
    return !run->c->track || unroll_report(run->opt).checkpoints == segments - 1 ||
           run_fail(run, "unroll from step %zu keeps other steps than asked for", from);
}

/* Without history only the latest weights exist; with it they are asked for at the very end, so that a
 * history that changed on the way would show. */
static bool run_loop(Run *run) {
    const Case *c = run->c;
    for (size_t t = 0, next; t <= c->steps; t = next) {
        next = t + 1;
        if (!c->track && !record_fast(run, fmodule_params(run->fnet), t)) return false;
        if (!add_query(run, t)) return false;
        while (next < c->steps && !stays(run, next))
            next++;
        if (t == c->steps) break;
        if (!(run->manner.every ? unroll_steps(run, t, next) : inner_step(run, t, false)))
            return false;
    }
    if (!run->meta_loss) return run_fail(run, "all meta_weights are 0");
    for (size_t i = 0; i < c->buffer_count; i++) {
        Tensor *buffer = fmodule_buffer(run->fnet, c->buffers[i]);
        if (!buffer || !run_record(run, buffer, "buffer/%s", c->buffers[i]))
            return run_fail(run, "buffer %s", c->buffers[i]);
    }
    return run_record(run, run->meta_loss, "meta_loss");
}

static bool record_history(Run *run) {
    for (size_t t = 0; run->c->track && t <= run->c->steps; t++)
        if (stays(run, t) && !record_fast(run, fmodule_params_at(run->fnet, t), t)) return false;
    return true;
}

/* An unrolled loop with a gradient that had not to be computed again would be a stored one. */
static bool check_again(Run *run) {
    bool due = run->manner.every && run->c->track && run->c->steps > 0;
    return !due || unroll_report(run->opt).again > 0 || run_fail(run, "no step was computed again");
}

static bool run_all(Run *run) {
    run->params = module_params(run->net);
    if (!warm_up(run)) return false;
    record_base(run);
    return branch(run) && run_loop(run) && run_gradients(run) && record_history(run) &&
           check_again(run) && (!run->manner.replay || run_replay(run)) && run_settle(run) &&
           check_unchanged(run, run->params, "base") &&
           check_unchanged(run, module_buffers(run->net), "base_buffer");
}

bool case_run(const Case *c, Manner manner, Dict *results, Store *store, char *message) {
    Run run = {.c = c, .manner = manner, .store = store, .results = results, .message = message};
    message[0] = '\0';
    higherc_clear_error();
    run.x = store_alloc(store, c->steps, sizeof *run.x);
    run.y = store_alloc(store, c->steps, sizeof *run.y);
    run.hyper = store_alloc(store, c->hyper_count, sizeof *run.hyper);
    run.net = model_build(c, manner.dtype, message);
    if (run.net) run.optim = optimizer_build(c, run.net, message);
    bool good = run.optim != NULL;
    if (good) run.tape = tape_create(manner.dtype);
    good = good && (run.tape ? run_all(&run) : run_fail(&run, "the tape"));
    optim_destroy(run.optim);
    module_destroy(run.net);
    tape_destroy(run.tape);
    higherc_clear_error();
    return good;
}

const char *case_missing(Case *c) {
    const char *layer = model_missing(c);
    return layer ? store_format(&c->store, "the library has no layer %s", layer) : NULL;
}
