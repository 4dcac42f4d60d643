/* Schedules: the factors; the same bits in place and on the tape, from any step; gradients to learnable
 * coefficients; replacing and removing; errors in words. */
#include <higherc/higherc.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/check.h"
#include "support/unroll.h"

static const double pi = 3.14159265358979323846;

static double factor(const Schedule *s, size_t step) {
    Hyper h = schedule_at(s, step);
    CHECK(h.tensor == NULL);
    return h.value;
}

static Hyper inverse(size_t step, void *user) {
    return hyper_const(*(const double *)user / (1 + (double)step));
}

static void factors(void) {
    double two = 2;
    Schedule step = schedule_step(3, hyper_const(0.1)),
             power = schedule_exponential(hyper_const(0.9)),
             cosine = schedule_cosine(10, hyper_const(0.2)),
             square = schedule_polynomial(4, hyper_const(2)),
             warm = schedule_warmup(5, hyper_const(0.1)), own = schedule_lambda(inverse, &two),
             both = schedule_then(&warm, 5, &step), once = schedule_step(0, hyper_const(0.5));
    const size_t at[] = {6, 2, 2};
    Schedule several = schedule_multistep(at, 3, hyper_const(0.5)), never = schedule_multistep(NULL, 0, hyper_const(0)),
             again = schedule_cosine_restarts(3, 2, hyper_const(0.2)),
             even = schedule_cosine_restarts(0, 0, hyper_const(0.2)),
             cycle = schedule_one_cycle(10, 0.4, hyper_const(0.04), 4e-6),
             sudden = schedule_one_cycle(4, 0, hyper_const(0.5), 0),
             slow = schedule_one_cycle(4, 1, hyper_const(0.5), 0.25),
             short_cycle = schedule_one_cycle(0, 0.3, hyper_const(0.5), 0.125);
    CHECK(factor(&several, 1) == 1 && factor(&several, 2) == 0.25 && factor(&several, 5) == 0.25);
    CHECK(factor(&several, 6) == 0.125 && factor(&several, SIZE_MAX) == 0.125 && factor(&never, 9) == 1);
    const double restarts[] = {0, 1 / 3.0, 2 / 3.0, 0, 1 / 6.0, 2 / 6.0, 3 / 6.0, 4 / 6.0, 5 / 6.0, 0, 1 / 12.0};
    for (size_t t = 0; t < sizeof restarts / sizeof *restarts; t++)
        CHECK_NEAR(factor(&again, t), 0.2 + 0.8 * (1 + cos(pi * restarts[t])) / 2, 1e-15, 0);
    CHECK(factor(&again, 9) == 1 && isfinite(factor(&again, SIZE_MAX)));
    CHECK(factor(&even, 0) == 1 && factor(&even, 7) == 1);
    const double up[] = {0, 1 / 3.0, 2 / 3.0, 1}; /* 0.4 * 10 - 1 = 3 is the last of them */
    for (size_t t = 0; t < 13; t++) {
        double left = t > 9 ? 0 : 1 - ((double)t - 3) / 6;
        double want = t < 4 ? 1 + (0.04 - 1) / 2 * (1 + cos(pi * up[t])) : 4e-6 + (1 - 4e-6) / 2 * (1 - cos(pi * left));
        CHECK_NEAR(factor(&cycle, t), want, 1e-14, 1e-15);
    }
    CHECK(factor(&cycle, 0) == 0.04 && factor(&cycle, 3) == 1);
    CHECK_NEAR(factor(&sudden, 0), (1 + cos(pi / 4)) / 2, 1e-15, 0); /* as if it had turned a step before */
    CHECK_NEAR(factor(&sudden, 3), 0, 0, 1e-15);
    CHECK(factor(&slow, 0) == 0.5 && factor(&slow, 3) == 1 && factor(&slow, 9) == 1);
    CHECK(factor(&short_cycle, 0) == 0.125);
    short_cycle = schedule_one_cycle(1, 1, hyper_const(0.5), 0.125); /* begins where it turns */
    CHECK(factor(&short_cycle, 0) == 1);
    short_cycle = schedule_one_cycle(3, 1.5, hyper_const(0.5), 0.125);
    CHECK(isnan(factor(&short_cycle, 0)));
    CHECK(factor(&step, 2) == 1 && factor(&step, 3) == 0.1);
    CHECK_NEAR(factor(&step, 8), 0.01, 1e-15, 0);
    CHECK(factor(&power, 0) == 1);
    CHECK_NEAR(factor(&power, 7), pow(0.9, 7), 1e-15, 0);
    CHECK(factor(&cosine, 0) == 1);
    CHECK_NEAR(factor(&cosine, 3), 0.2 + 0.8 * (1 + cos(0.3 * pi)) / 2, 1e-15, 0);
    CHECK_NEAR(factor(&cosine, 10), 0.2, 1e-15, 0);
    CHECK_NEAR(factor(&cosine, 99), 0.2, 1e-15, 0);
    CHECK_NEAR(factor(&square, 1), 0.5625, 1e-15, 0);
    CHECK(factor(&square, 4) == 0 && factor(&square, 5) == 0);
    CHECK(factor(&warm, 0) == 0.1 && factor(&warm, 5) == 1);
    CHECK_NEAR(factor(&warm, 2), 0.46, 1e-15, 0);
    CHECK(factor(&own, 0) == 2 && factor(&own, 3) == 0.5);
    CHECK(factor(&both, 0) == 0.1 && factor(&both, 5) == 1 && factor(&both, 8) == 0.1);
    CHECK(factor(&once, 2) == 0.25);
}

/* What a weight of 1 becomes under gradients of 1: 1 minus the sum of the rates. */
static void in_place(void) {
    Param *p = param_create("w", shape1(1), HC_F64);
    CHECK(param_fill(p, 1));
    Optim *optim = optim_sgd((ParamList){&p, 1}, sgd_options(0.1));
    Schedule half = schedule_exponential(hyper_const(0.5));
    const double one = 1;
    CHECK(optim_schedule(optim, "lr", HC_ALL_GROUPS, &half));
    for (int k = 0; k < 3; k++) {
        param_zero_grad(p);
        CHECK(param_add_grad_f64(p, &one, 1) && optim_step(optim));
    }
    CHECK(optim_steps(optim) == 3 && optim_get(optim, "lr", 0) == 0.1);
    CHECK_NEAR(param_get(p, 0), 1 - 0.1 * 1.75, 1e-15, 0);
    CHECK(optim_schedule(optim, "lr", 0, NULL)); /* of all groups, this one has none any more */
    CHECK(optim_step(optim));
    CHECK_NEAR(param_get(p, 0), 1 - 0.1 * 2.75, 1e-15, 0);
    optim_destroy(optim);
    param_unref(p);
}

/* In place, and on the tape from the third step on: one trajectory, with the same bits. */
static void same_bits(void) {
    Module *net = unroll_net(HC_F32, false);
    Optim *optim = optim_new("adam", module_params(net));
    Schedule warm = schedule_warmup(4, hyper_const(0.25)),
             cosine = schedule_cosine(6, hyper_const(0)), both = schedule_then(&warm, 4, &cosine);
    CHECK(optim_schedule(optim, "lr", HC_ALL_GROUPS, &both));
    CHECK(optim_schedule(optim, "beta1", 0, &warm));
    CHECK(optim_learn(optim, "lr", 0, HC_LEARN_PARAM)); /* what is multiplied */
    CHECK(unroll_in_place(net, optim, 3));
    Module *copy = module_clone(net);
    Optim *other = optim_new("adam", module_params(copy));
    Tape *tape = tape_create(HC_F32);
    FModule *f = fmodule_create(tape, net, false);
    DiffOpt *opt = diffopt_create(optim, f);
    CHECK(unroll_fast(tape, f, opt, 5) && fmodule_commit(f, copy) && diffopt_commit(opt, other));
    CHECK(unroll_in_place(net, optim, 5));
    CHECK(optim_steps(optim) == 8 && optim_steps(other) == 8);
    for (size_t i = 0; i < module_params(net).count; i++) {
        const Param *a = module_params(net).items[i], *b = module_params(copy).items[i];
        CHECK(memcmp(param_data(a), param_data(b), param_count(a) * sizeof(float)) == 0);
    }
    tape_destroy(tape);
    optim_destroy(optim);
    optim_destroy(other);
    module_destroy(net);
    module_destroy(copy);
}

static bool unchanged(Frame *frame, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    (void)frame, (void)nin, (void)nout;
    out[0] = in[0];
    return true;
}

/* What a schedule_then was made of may go once it was handed over, and stand in it twice: in place, on the tape with
 * the optimizer's schedule, and with one of its own, given anew between steps that release. */
static Schedule *made_of_parts(Schedule *whole) {
    Schedule *parts = malloc(3 * sizeof *parts);
    if (!parts) exit(1);
    parts[0] = schedule_warmup(2, hyper_const(0.25));
    parts[1] = schedule_exponential(hyper_const(0.5));
    parts[2] = schedule_then(&parts[0], 1, &parts[1]);
    *whole = schedule_then(&parts[2], 3, &parts[2]);
    return parts;
}

static bool hand_over(Optim *optim, DiffOpt *opt) {
    Schedule whole, *parts = made_of_parts(&whole);
    bool done = opt ? diffopt_schedule(opt, "lr", HC_ALL_GROUPS, &whole)
                    : optim_schedule(optim, "lr", HC_ALL_GROUPS, &whole);
    memset(parts, 0xff, 3 * sizeof *parts);
    free(parts);
    return done;
}

static void parts_gone(void) {
    enum { STEPS = 6 };
    double factors[STEPS], want = 1;
    Schedule whole, *parts = made_of_parts(&whole);
    for (size_t k = 0; k < STEPS; k++)
        factors[k] = factor(&whole, k);
    free(parts);
    CHECK(factors[0] == 0.25 && factors[2] == 0.5 && factors[3] == 0.25 && factors[5] == 0.5);
    Module *net = module_create(&(ModuleClass){.name = "w", .forward = unchanged}, NULL);
    Param *w = module_add_param(net, "w", shape1(1));
    CHECK(param_fill(w, 1) && module_to(net, HC_F64));
    Optim *plain = optim_sgd(module_params(net), sgd_options(0.125)),
          *optim = optim_sgd(module_params(net), sgd_options(0.125));
    CHECK(hand_over(optim, NULL));
    Tape *tape = tape_create(HC_F64);
    for (size_t k = 0; k < STEPS; k++)
        want -= 0.125 * factors[k];
    for (int own = 0; own < 2; own++) {
        FModuleOptions o = fmodule_options(true);
        o.mode = HC_EVAL;
        FModule *f = fmodule_create_with(tape, net, o);
        DiffOpt *opt = diffopt_create(own ? plain : optim, f);
        for (size_t k = 0; k < STEPS; k++) {
            if (own) CHECK(hand_over(NULL, opt));
            CHECK(diffopt_step_release(opt, tensor_sum(fmodule_params(f).items[0])));
        }
        CHECK(tensor_item(fmodule_params(f).items[0]) == want);
    }
    tape_destroy(tape);
    for (size_t k = 0; k < STEPS; k++) {
        param_zero_grad(w);
        CHECK(param_add_grad_f64(w, (double[]){1}, 1) && optim_step(optim));
    }
    CHECK(param_get(w, 0) == want);
    optim_destroy(plain);
    optim_destroy(optim);
    module_destroy(net);
}

/* ---- learnable coefficients ---------------------------------------------------------------------------- */

typedef struct Problem {
    Module *net;
    Optim *optim;
    Schedule (*make)(Hyper coefficient);
} Problem;

static Schedule of_step(Hyper h) {
    return schedule_step(2, h);
}
static Schedule of_cosine(Hyper h) {
    return schedule_cosine(4, h);
}
static Schedule of_polynomial(Hyper h) {
    return schedule_polynomial(4, h); /* its last factor is 0 to a power */
}
static Schedule of_warmup(Hyper h) {
    return schedule_warmup(3, h);
}
static Schedule of_multistep(Hyper h) {
    return schedule_multistep((size_t[]){1, 3}, 2, h);
}
static Schedule of_restarts(Hyper h) {
    return schedule_cosine_restarts(2, 2, h);
}
static Schedule of_cycle(Hyper h) {
    return schedule_one_cycle(5, 0.6, h, 0.1);
}
static Hyper decay(size_t step, void *user) {
    return hyper_exp(hyper_mul(hyper_const(-(double)step), *(Hyper *)user));
}
static Hyper rate;
static Schedule of_lambda(Hyper h) {
    rate = h;
    return schedule_lambda(decay, &rate);
}

static double meta_loss(const Problem *p, double x, double *gradient) {
    Tape *tape = tape_create(HC_F64);
    FModule *f = fmodule_create(tape, p->net, false);
    DiffOpt *opt = diffopt_create(p->optim, f);
    Tensor *h = tensor_leaf(tensor_scalar(tape, x)), *g = NULL;
    Schedule schedule = p->make(hyper_tensor(h));
    CHECK(diffopt_schedule(opt, "lr", HC_ALL_GROUPS, &schedule));
    CHECK(unroll_fast(tape, f, opt, 5));
    Tensor *loss = unroll_loss(tape, NULL, f, 1);
    double value = tensor_item(loss);
    if (gradient) {
        CHECK(tensor_grad(loss, &h, 1, &g, 0));
        *gradient = tensor_item(g);
    }
    CHECK(tape_status(tape) == HC_OK);
    tape_destroy(tape);
    return value;
}

static double at(double x, void *user) {
    return meta_loss(user, x, NULL);
}

static void coefficients(void) {
    Module *net = unroll_net(HC_F64, false);
    Optim *optim = optim_sgd(module_params(net), sgd_options(0.1));
    Schedule (*const makers[])(Hyper) = {
        of_step,   schedule_exponential, of_cosine,   of_polynomial, of_warmup,
        of_lambda, of_multistep,         of_restarts, of_cycle};
    for (size_t i = 0; i < sizeof makers / sizeof *makers; i++) {
        Problem p = {net, optim, makers[i]};
        double gradient = NAN;
        meta_loss(&p, 0.6, &gradient);
        CHECK_NEAR(gradient, unroll_difference(at, 0.6, 1e-3, &p), 1e-6, 1e-10);
        CHECK(gradient != 0);
    }
    optim_destroy(optim);
    module_destroy(net);
}

static void errors(void) {
    Module *net = unroll_net(HC_F64, false);
    Optim *optim = optim_new("adam", module_params(net));
    Schedule good = schedule_exponential(hyper_const(0.9)), none;
    memset(&none, 0, sizeof none);
    CHECK(!optim_schedule(NULL, "lr", 0, &good));
    CHECK_ERROR("the optimizer is NULL");
    CHECK(!optim_schedule(optim, "amsgrad", 0, &good));
    CHECK_ERROR("is a flag");
    CHECK(!optim_schedule(optim, "speed", 0, &good));
    CHECK_ERROR("no hyperparameter 'speed'");
    CHECK(!optim_schedule(optim, "lr", 3, &good));
    CHECK_ERROR("no group 3");
    CHECK(!optim_schedule(optim, "lr", 0, &none));
    CHECK_ERROR("no schedule_ function made");
    const size_t nine[HC_MOST_MILESTONES + 1] = {0};
    none = schedule_multistep(nine, HC_MOST_MILESTONES + 1, hyper_const(0.5));
    CHECK(!optim_schedule(optim, "lr", 0, &none));
    CHECK_ERROR("no schedule_ function made");
    none = schedule_one_cycle(5, -0.5, hyper_const(0.5), 0);
    CHECK(!optim_schedule(optim, "lr", 0, &none));
    CHECK_ERROR("the factor of 'lr' is NaN");
    memset(&none, 0, sizeof none);
    Schedule both = schedule_then(&good, 3, &good); /* a schedule's own function is schedule_at's */
    CHECK(both.factor(&both, 5).value == schedule_at(&good, 2).value && both.factor(&both, 5).value != 1);
    CHECK(isnan(schedule_at(NULL, 0).value));
    CHECK_ERROR("schedule_at");
    Schedule broken = schedule_then(&good, 3, NULL);
    CHECK(isnan(schedule_at(&broken, 3).value));
    CHECK_ERROR("schedule_at: a schedule_then without its schedules");
    Tape *tape = tape_create(HC_F64);
    Schedule learned = schedule_exponential(hyper_tensor(tensor_scalar(tape, 0.9)));
    CHECK(!optim_schedule(optim, "lr", 0, &learned));
    CHECK_ERROR("needs diffopt_schedule");
    FModule *f = fmodule_create(tape, net, false);
    DiffOpt *opt = diffopt_create(optim, f);
    CHECK(!diffopt_schedule(NULL, "lr", 0, &good));
    CHECK_ERROR("the optimizer is NULL");
    const char *names[] = {"amsgrad", "speed", "lr", "lr"},
               *words[] = {"is a flag", "'speed'", "no group 5", "no schedule_ function"};
    for (int i = 0; i < 4; i++) {
        CHECK(!diffopt_schedule(opt, names[i], i == 2 ? 5 : 0, i == 3 ? &none : &good));
        CHECK_ERROR(words[i]);
        tape_clear_error(tape);
    }
    CHECK(diffopt_schedule(opt, "lr", 0, &learned) && diffopt_schedule(opt, "lr", 0, NULL));
    /* One that holds itself, at once or behind another; and a chain that is long but ends. */
    Schedule round[2], chain[300];
    round[0] = schedule_then(&good, 0, &round[1]);
    round[1] = schedule_then(&round[0], SIZE_MAX, &round[0]);
    CHECK(isnan(schedule_at(&round[0], 7).value));
    CHECK_ERROR("holds itself");
    CHECK(!optim_schedule(optim, "lr", 0, &round[0]));
    CHECK_ERROR("");
    CHECK(diffopt_schedule(opt, "lr", 0, &round[0]));
    higherc_clear_error();
    CHECK(diffopt_schedule(opt, "lr", 0, NULL));
    chain[0] = good;
    for (int i = 1; i < 300; i++)
        chain[i] = schedule_then(&good, 1, &chain[i - 1]);
    CHECK(schedule_at(&chain[200], 200).value == schedule_at(&good, 0).value);
    CHECK(isnan(schedule_at(&chain[299], 299).value));
    CHECK_ERROR("too many");
    CHECK(unroll_fast(tape, f, opt, 1));
    tape_destroy(tape);
    optim_destroy(optim);
    module_destroy(net);
}

int main(void) {
    factors();
    in_place();
    same_bits();
    parts_gone();
    coefficients();
    errors();
    CHECK(higherc_error() == NULL);
    return check_done();
}
