/* Unrolled loops whose memory does not grow with their steps: in windows, against steps, judgements and cuts by hand,
 * bit for bit; and with tangents, whose gradients are those of the stored loop to rounding, after any step. */
#include <higherc/higherc.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "support/check.h"
#include "support/rules.h"

enum { MOST = 4000 };

typedef struct Result {
    double numbers[MOST];
    size_t count;
} Result;

static void append(Result *r, Tensor *x) {
    size_t n = tensor_count(x);
    CHECK(x && r->count + n <= MOST && tensor_copy_to_f64(x, r->numbers + r->count, n));
    r->count += n;
}

/* Zeros where none came. */
static void append_grad(Result *r, const Param *p) {
    size_t n = shape_count(param_shape(p));
    const void *g = param_grad(p);
    CHECK(r->count + n <= MOST);
    for (size_t i = 0; i < n; i++)
        r->numbers[r->count++] = !g                           ? 0
                                 : param_dtype(p) == HC_F32 ? (double)((const float *)g)[i]
                                                            : ((const double *)g)[i];
}

/* ---- what is trained ------------------------------------------------------------------------ */

typedef struct World {
    Tape *tape;
    Module *net;
    Optim *optim, *outer;
    Param *lr, *momentum;
    FModule *f;
    DiffOpt *opt;
    bool norm;     /* batch norm */
    bool online;   /* the learned numbers are asked for in each step, and stepped when judged */
    size_t judged;
    Result *seen;
} World;

typedef struct Setup {
    DType dtype;
    FMode mode;
    bool adam, norm;
} Setup;

static void begin(World *w, Setup s) {
    Rng rng = rng_seed(3);
    Module *second = s.norm ? module_batch_norm1d(5, batch_norm_options()) : module_tanh();
    Module *layers[] = {module_linear(1, 5), second, module_tanh(), module_linear(5, 1)};
    FModuleOptions made = fmodule_options(false);
    made.mode = s.mode;
    *w = (World){.tape = tape_create(s.dtype), .net = module_sequential(layers, 4), .norm = s.norm};
    CHECK(module_to(w->net, s.dtype) && module_init(w->net, &rng));
    w->lr = param_create("lr", shape_scalar(), s.dtype);
    w->momentum = param_create("momentum", shape_scalar(), s.dtype);
    CHECK(param_fill(w->lr, s.adam ? 0.02 : 0.1) && param_fill(w->momentum, 0.7));
    SgdOptions sgd = sgd_options(0.1);
    sgd.momentum = 0.7;
    w->optim = s.adam ? optim_adam(module_params(w->net), adam_options(0.02)) : optim_sgd(module_params(w->net), sgd);
    w->outer = optim_sgd((ParamList){&w->lr, 1}, sgd_options(0.01));
    w->f = fmodule_create_with(w->tape, w->net, made);
    w->opt = diffopt_create(w->optim, w->f);
    CHECK(diffopt_override(w->opt, "lr", HC_ALL_GROUPS, param_tensor(w->tape, w->lr)));
    CHECK(diffopt_override(w->opt, s.adam ? "beta1" : "momentum", HC_ALL_GROUPS, param_tensor(w->tape, w->momentum)));
}

static void end(World *w) {
    optim_destroy(w->outer);
    optim_destroy(w->optim);
    param_unref(w->lr);
    param_unref(w->momentum);
    module_destroy(w->net);
    tape_destroy(w->tape);
}

static Tensor *loss_of(World *w, size_t batch) {
    double x[6], y[6];
    for (size_t i = 0; i < 6; i++) {
        x[i] = sin((double)(7 * i + 3 * (batch % 11)));
        y[i] = cos(2 * x[i]);
    }
    return tensor_mse_loss(fmodule_forward(w->f, tensor_from_f64(w->tape, shape2(6, 1), x)),
                           tensor_from_f64(w->tape, shape2(6, 1), y));
}

static bool step(UnrollStep *step, void *user) {
    World *w = user;
    if (w->online && !diffopt_override(w->opt, "lr", HC_ALL_GROUPS, param_tensor(w->tape, w->lr))) return false;
    return diffopt_step(w->opt, loss_of(w, step->step));
}

/* The gradients of all so far are in the Params. */
static bool judge(UnrollStep *step, void *user) {
    World *w = user;
    CHECK(!step->rng && !step->again && step->count == 1 && step->opts[0] == w->opt);
    if (!tensor_backward(loss_of(w, 1000 + step->step))) return false;
    w->judged++;
    if (w->seen) append_grad(w->seen, w->lr);
    return !w->online || optim_step(w->outer);
}

static void append_world(Result *r, World *w) {
    TensorList weights = fmodule_params(w->f);
    Tensor *mean = w->norm ? fmodule_buffer(w->f, "1.running_mean") : NULL;
    ParamList params = module_params(w->net);
    for (size_t i = 0; i < weights.count; i++)
        append(r, weights.items[i]);
    if (w->norm) append(r, mean);
    for (size_t i = 0; i < params.count; i++)
        append_grad(r, params.items[i]);
    append_grad(r, w->lr);
    append_grad(r, w->momentum);
}

/* ---- windows -------------------------------------------------------------------------------- */

enum { STEPS = 8, WINDOW = 3 };

static void by_hand(Setup s, bool online, Result *r) {
    World w;
    begin(&w, s);
    w.online = online;
    for (size_t t = 0; t < STEPS; t++) {
        UnrollStep call = {.step = t, .opts = &w.opt, .count = 1};
        CHECK(step(&call, &w));
        call.step = t + 1;
        if ((t + 1) % WINDOW != 0 && t + 1 < STEPS) continue;
        CHECK(judge(&call, &w) && diffopt_detach(w.opt));
    }
    append_world(r, &w);
    CHECK(step(&(UnrollStep){.step = STEPS}, &w)); /* the state */
    append_world(r, &w);
    end(&w);
}

static void in_windows(Setup s, bool online, UnrollKeep keep, Result *r) {
    World w;
    begin(&w, s);
    w.online = online;
    UnrollOptions o = unroll_options(STEPS);
    o.keep = keep;
    o.every = 2;
    o.max_bytes = 1 << 20;
    o.window = WINDOW;
    o.judge = judge;
    CHECK(unroll(&w.opt, 1, o, step, &w) && w.judged == 3);
    CHECK(unroll_report(w.opt).steps == STEPS);
    CHECK(diffopt_steps(w.opt) == STEPS && fmodule_steps(w.f) == STEPS);
    append_world(r, &w);
    CHECK(step(&(UnrollStep){.step = STEPS}, &w));
    append_world(r, &w);
    end(&w);
}

static void check_windows(Setup s, bool online) {
    static Result hand, windows;
    static const UnrollKeep keeps[] = {HC_KEEP_ALL, HC_KEEP_EVERY, HC_KEEP_SQRT, HC_KEEP_FIT};
    hand.count = 0;
    by_hand(s, online, &hand);
    for (size_t k = 0; k < 4; k++) {
        windows.count = 0;
        in_windows(s, online, keeps[k], &windows);
        CHECK(windows.count == hand.count && hand.count > 0 &&
              memcmp(hand.numbers, windows.numbers, hand.count * sizeof(double)) == 0);
    }
}

/* ---- tangents ------------------------------------------------------------------------------- */

static void check_close(const Result *a, const Result *b, double tolerance) {
    CHECK(a->count == b->count && a->count > 0);
    for (size_t i = 0; i < a->count; i++)
        CHECK(fabs(a->numbers[i] - b->numbers[i]) <= tolerance * (1e-3 + fabs(b->numbers[i])));
}

static UnrollOptions forward_options(World *w, size_t steps, Tensor **outer) {
    UnrollOptions o = unroll_options(steps);
    outer[0] = param_tensor(w->tape, w->lr);
    outer[1] = param_tensor(w->tape, w->momentum);
    o.keep = HC_KEEP_TANGENTS;
    o.outer = (TensorList){outer, 2};
    return o;
}

/* The gradients to learning rate and momentum after so many steps; forward in two loops, the second going on from the
 * first. */
static void gradients(Setup s, size_t steps, bool forward, Result *r) {
    World w;
    Tensor *outer[2];
    begin(&w, s);
    UnrollOptions o = forward_options(&w, steps, outer);
    if (!forward) o.keep = HC_KEEP_SQRT;
    if (forward) {
        o.steps = steps / 3;
        CHECK(unroll(&w.opt, 1, o, step, &w));
        o.first = o.steps;
        o.steps = steps - o.first;
    }
    CHECK(unroll(&w.opt, 1, o, step, &w));
    Tensor *grads[2], *loss = loss_of(&w, 1000);
    CHECK(tensor_grad(loss, outer, 2, grads, 0));
    append(r, loss);
    append(r, grads[0]);
    append(r, grads[1]);
    CHECK(tensor_backward(loss)); /* to the Params, too */
    append_grad(r, w.lr);
    append_grad(r, w.momentum);
    end(&w);
}

static void check_tangents(Setup s, size_t steps, double tolerance) {
    static Result forward, reverse;
    forward.count = reverse.count = 0;
    gradients(s, steps, true, &forward);
    gradients(s, steps, false, &reverse);
    check_close(&forward, &reverse, tolerance);
}

/* After each step the gradient is that of a reverse pass through all of them. */
static void check_every_step(void) {
    static Result forward, reverse;
    const Setup s = {.dtype = HC_F64};
    World w;
    Tensor *outer[2];
    forward.count = reverse.count = 0;
    begin(&w, s);
    w.seen = &forward;
    UnrollOptions o = forward_options(&w, 6, outer);
    o.window = 1;
    o.judge = judge;
    CHECK(unroll(&w.opt, 1, o, step, &w) && w.judged == 6);
    end(&w);
    begin(&w, s);
    w.seen = &reverse;
    for (size_t t = 0; t < 6; t++) {
        UnrollStep call = {.step = t, .opts = &w.opt, .count = 1};
        CHECK(step(&call, &w));
        call.step = t + 1;
        CHECK(judge(&call, &w));
    }
    end(&w);
    check_close(&forward, &reverse, 1e-9);
}

/* A learning rate that is stepped on the way: its gradient is what a change of all its values so far would make. */
enum { ONLINE = 5 };

typedef struct Online {
    World w;
    double rates[ONLINE], grads[ONLINE];
    size_t at;
} Online;

static bool online_step(UnrollStep *step, void *user) {
    Online *on = user;
    on->rates[step->step] = *(const double *)param_data(on->w.lr);
    return diffopt_override(on->w.opt, "lr", HC_ALL_GROUPS, param_tensor(on->w.tape, on->w.lr)) &&
           diffopt_step(on->w.opt, loss_of(&on->w, step->step));
}

static bool online_judge(UnrollStep *step, void *user) {
    Online *on = user;
    optim_zero_grad(on->w.outer);
    if (!tensor_backward(loss_of(&on->w, 1000 + step->step))) return false;
    on->grads[on->at++] = *(const double *)param_grad(on->w.lr);
    return optim_step(on->w.outer);
}

static double loss_with(const double *rates, size_t steps, double shift) {
    World w;
    begin(&w, (Setup){.dtype = HC_F64});
    for (size_t t = 0; t < steps; t++)
        CHECK(diffopt_override(w.opt, "lr", HC_ALL_GROUPS, tensor_scalar(w.tape, rates[t] + shift)) &&
              diffopt_step(w.opt, loss_of(&w, t)));
    double loss = tensor_item(loss_of(&w, 1000 + steps));
    end(&w);
    return loss;
}

static void check_online(void) {
    static Online on;
    Tensor *outer;
    begin(&on.w, (Setup){.dtype = HC_F64});
    outer = param_tensor(on.w.tape, on.w.lr);
    UnrollOptions o = unroll_options(ONLINE);
    o.keep = HC_KEEP_TANGENTS;
    o.outer = (TensorList){&outer, 1};
    o.window = 1;
    o.judge = online_judge;
    CHECK(unroll(&on.w.opt, 1, o, online_step, &on) && on.at == ONLINE);
    end(&on.w);
    for (size_t t = 0; t < ONLINE; t++) {
        double h = 1e-5, slope = loss_with(on.rates, t + 1, h) - loss_with(on.rates, t + 1, -h);
        CHECK(fabs(slope / (2 * h) - on.grads[t]) <= 1e-6 * (1e-3 + fabs(on.grads[t])));
        CHECK(t == 0 || on.rates[t] != on.rates[t - 1]);
    }
}

/* Weights and settings that depend on the outer tensors before the loop, by any operations; more than one number. */
static void through_history(bool forward, Result *r) {
    World w;
    begin(&w, (Setup){.dtype = HC_F64});
    const double start[3] = {-2, 0.3, 1.5};
    Tensor *outer = tensor_leaf(tensor_from_f64(w.tape, shape1(3), start)), *grad = NULL;
    TensorList list = fmodule_params(w.f);
    Tensor *scaled[8];
    CHECK(list.count <= 8);
    for (size_t i = 0; i < list.count; i++)
        scaled[i] = tensor_mul(list.items[i], tensor_slice(outer, 0, 1, 2, 1));
    CHECK(fmodule_set_params(w.f, scaled, list.count));
    Tensor *lr = tensor_reshape(tensor_exp(tensor_slice(outer, 0, 0, 1, 1)), shape_scalar());
    CHECK(diffopt_override(w.opt, "lr", HC_ALL_GROUPS, lr));
    UnrollOptions o = unroll_options(5);
    if (forward) o.keep = HC_KEEP_TANGENTS;
    o.outer = (TensorList){&outer, 1};
    CHECK(unroll(&w.opt, 1, o, step, &w));
    Tensor *loss = tensor_mul(loss_of(&w, 9), tensor_sum(tensor_square(outer)));
    CHECK(tensor_grad(loss, &outer, 1, &grad, 0));
    append(r, grad);
    end(&w);
}

/* A rule of one's own whose states are the weight itself and one another. */
static bool share(OptimUpdate *u, void *user) {
    (void)user;
    Tensor *last = u->state[0] ? tensor_add(u->state[0], u->state[1]) : u->grad;
    u->param = hyper_axpy(hyper_mul(u->hypers[0], hyper_const(-1)), tensor_add(u->grad, last), u->param);
    u->state[0] = u->state[1] = u->param;
    return true;
}

static Optim *sharing(ParamList params) {
    static const char *const states[] = {"a", "b"};
    static const OptimHyper hypers[] = {{"lr", 0.05, 0, 1, false}};
    static const OptimClass cls = {.name = "sharing",
                                   .hypers = hypers,
                                   .hyper_count = 1,
                                   .states = states,
                                   .state_count = 2,
                                   .update = share};
    return optim_create(&cls, params, NULL);
}

/* The outer tensors are a weight that the loop begins with and the learning rate; one tensor in several places. */
static void of_first_weights(bool forward, Result *r) {
    World w;
    begin(&w, (Setup){.dtype = HC_F64});
    Optim *optim = sharing(module_params(w.net));
    Tensor *outer[2] = {fmodule_params(w.f).items[1], param_tensor(w.tape, w.lr)}, *grads[2];
    w.opt = diffopt_create(optim, w.f);
    CHECK(w.opt && diffopt_override(w.opt, "lr", HC_ALL_GROUPS, outer[1]));
    UnrollOptions o = unroll_options(4);
    if (forward) o.keep = HC_KEEP_TANGENTS;
    o.outer = (TensorList){outer, 2};
    CHECK(unroll(&w.opt, 1, o, step, &w));
    CHECK(tensor_grad(loss_of(&w, 9), outer, 2, grads, 0));
    append(r, grads[0]);
    append(r, grads[1]);
    optim_destroy(optim);
    end(&w);
}

static void check_history(void) {
    static Result forward, reverse;
    forward.count = reverse.count = 0;
    through_history(true, &forward);
    through_history(false, &reverse);
    of_first_weights(true, &forward);
    of_first_weights(false, &reverse);
    check_close(&forward, &reverse, 1e-9);
}

/* Rules that keep the weight itself as a state, or a state as two: a tensor in two places has one tangent. */
static void own_rule(const OptimClass *cls, UnrollKeep keep, Result *r) {
    World w;
    begin(&w, (Setup){.dtype = HC_F64});
    Tensor *lr = tensor_leaf(tensor_scalar(w.tape, 0.05)), *grad = NULL;
    Optim *optim = optim_create(cls, module_params(w.net), NULL);
    w.opt = diffopt_create(optim, w.f);
    CHECK(diffopt_override(w.opt, "lr", HC_ALL_GROUPS, lr));
    UnrollOptions o = unroll_options(3);
    o.keep = keep;
    o.outer = (TensorList){&lr, 1};
    CHECK(unroll(&w.opt, 1, o, step, &w));
    o.first = 3;
    CHECK(unroll(&w.opt, 1, o, step, &w));
    CHECK(tensor_grad(loss_of(&w, 9), &lr, 1, &grad, 0));
    append(r, grad);
    optim_destroy(optim);
    end(&w);
}

static void check_own_rules(void) {
    static Result forward, reverse;
    for (size_t i = 0; i < own_rule_count; i++) {
        forward.count = reverse.count = 0;
        own_rule(&own_rules[i], HC_KEEP_TANGENTS, &forward);
        own_rule(&own_rules[i], HC_KEEP_ALL, &reverse);
        check_close(&forward, &reverse, 1e-9);
    }
}

/* ---- memory, and what is refused ------------------------------------------------------------ */

static size_t peak_of(UnrollKeep keep, size_t steps) {
    World w;
    Tensor *outer[2];
    begin(&w, (Setup){.dtype = HC_F64});
    UnrollOptions o = forward_options(&w, steps, outer);
    o.keep = keep;
    o.window = 5;
    o.judge = judge;
    CHECK(unroll(&w.opt, 1, o, step, &w));
    size_t peak = tape_stats(w.tape).peak_bytes;
    end(&w);
    return peak;
}

static void check_refused(void) {
    World w;
    Tensor *outer[2], *grads[2];
    begin(&w, (Setup){.dtype = HC_F64});
    UnrollOptions o = forward_options(&w, 3, outer);
    CHECK(unroll(&w.opt, 1, o, step, &w));
    CHECK(!tensor_grad(loss_of(&w, 9), outer, 2, grads, HC_CREATE_GRAPH));
    CHECK(tape_status(w.tape) == HC_ERR_STATE && strstr(tape_error(w.tape), "HC_KEEP_TANGENTS"));
    tape_clear_error(w.tape);
    outer[1] = outer[0];
    CHECK(!unroll(&w.opt, 1, o, step, &w) && tape_status(w.tape) == HC_ERR_ARG);
    tape_clear_error(w.tape);
    o.outer.count = 0;
    CHECK(!unroll(&w.opt, 1, o, step, &w) && tape_status(w.tape) == HC_ERR_ARG);
    tape_clear_error(w.tape);
    o = unroll_options(3);
    o.window = 1;
    CHECK(!unroll(&w.opt, 1, o, step, &w) && tape_status(w.tape) == HC_ERR_ARG);
    tape_clear_error(w.tape);
    o = unroll_options(3);
    o.first = SIZE_MAX - 2;
    CHECK(!unroll(&w.opt, 1, o, step, &w) && tape_status(w.tape) == HC_ERR_RANGE);
    tape_clear_error(w.tape);
    Tape *other = tape_create(HC_F64);
    Tensor *foreign = tensor_leaf(tensor_scalar(other, 1));
    o = unroll_options(3);
    o.keep = HC_KEEP_TANGENTS;
    o.outer = (TensorList){&foreign, 1};
    CHECK(!unroll(&w.opt, 1, o, step, &w) && tape_status(w.tape) == HC_ERR_TAPE);
    tape_destroy(other);
    higherc_clear_error();
    end(&w);
}

int main(void) {
    for (int i = 0; i < 16; i++) {
        Setup s = {.dtype = i & 1 ? HC_F32 : HC_F64,
                   .mode = i & 2 ? HC_FIRST_ORDER : HC_FULL,
                   .adam = i & 4,
                   .norm = i & 8};
        check_windows(s, false);
        check_windows(s, true);
        check_tangents(s, 7, s.dtype == HC_F32 ? 2e-3 : 1e-9);
    }
    check_tangents((Setup){.dtype = HC_F64}, 200, 1e-9);
    check_every_step();
    check_online();
    check_history();
    check_own_rules();
    CHECK(peak_of(HC_KEEP_SQRT, 20) == peak_of(HC_KEEP_SQRT, 200));
    CHECK(peak_of(HC_KEEP_TANGENTS, 40) == peak_of(HC_KEEP_TANGENTS, 200)); /* with the capture of a step */
    check_refused();
    return check_done();
}
