/* Inner loops put together: two optimizers in turn on one functional module, three functional modules under one
 * loss, and an inner loop inside another. Against the ordinary optimizers' bits, and finite differences. */
#include <higherc/higherc.h>

#include <string.h>

#include "support/check.h"
#include "support/models.h"

enum { STEPS = 3, MOST = 16 };

static Tape *tape;

static Module *mlp(uint64_t seed) {
    Module *layers[] = {module_linear(MODEL_IN, 5), module_tanh(), module_linear(5, 3),
                        module_tanh(), module_linear(3, 2)};
    Module *net = module_sequential(layers, 5);
    Rng rng = rng_seed(seed);
    CHECK(net && module_to(net, HC_F64) && module_init(net, &rng));
    return net;
}

static Optim *optim(const char *name, ParamList params) {
    Optim *o = optim_new(name, params);
    CHECK(optim_set(o, "lr", 0, strcmp(name, "sgd") == 0 ? 0.1 : 0.05));
    if (strcmp(name, "sgd") == 0) CHECK(optim_set(o, "momentum", 0, 0.9));
    if (strcmp(name, "sgd") != 0) CHECK(optim_set(o, "eps", 0, 0.01));
    return o;
}

static Tensor *loss(FModule *f, uint64_t batch) {
    Rng rng = rng_seed(100 + batch);
    return model_loss(tape, NULL, f, &rng);
}

/* The gradient of `end` to `start`, against differences of what `run` makes of the same Params. */
static void check_gradient(Module *net, Tensor *end, TensorList start, ModelRun *run, void *user) {
    Tensor *grads[MOST];
    CHECK(tensor_grad(end, start.items, start.count, grads, 0));
    double along = model_along(net, grads, 3);
    CHECK_NEAR(along, model_difference(net, run, 1e-5, 3, user), 1e-7, 1e-9);
}

/* ---- two optimizers in turn --------------------------------------------------------------------------------- */

/* The first has the weights below `to`, the other those from `from` on. */
typedef struct Pair {
    size_t to, from;
    Optim *a, *b;
} Pair;

static void make_pair(Pair *pair, Module *net) {
    ParamList all = module_params(net);
    pair->a = optim("sgd", (ParamList){all.items, pair->to});
    pair->b = optim("adam", (ParamList){all.items + pair->from, all.count - pair->from});
}

static void drop_pair(Pair *pair) {
    optim_destroy(pair->a);
    optim_destroy(pair->b);
}

static Tensor *in_turn(const Pair *pair, FModule *f, bool release) {
    bool (*const step)(DiffOpt *, Tensor *) = release ? diffopt_step_release : diffopt_step;
    DiffOpt *a = diffopt_create(pair->a, f), *b = diffopt_create(pair->b, f);
    for (uint64_t k = 0; k < STEPS; k++)
        CHECK(step(a, loss(f, k)) && step(b, loss(f, 20 + k)));
    CHECK(fmodule_steps(f) == 2 * STEPS && diffopt_steps(a) == STEPS);
    return loss(f, 40);
}

static double run_in_turn(Module *net, void *user) {
    TapeMark mark = tape_mark(tape);
    double value = tensor_item(in_turn(user, fmodule_create(tape, net, true), false));
    CHECK(tape_release(tape, mark));
    return value;
}

static void ordinary_in_turn(Pair *pair, Module *net) {
    make_pair(pair, net);
    Tape *own = tape_create(HC_F64);
    for (uint64_t k = 0; k < 2 * STEPS; k++) {
        optim_zero_grad(pair->a);
        optim_zero_grad(pair->b);
        tape_reset(own);
        Rng rng = rng_seed(100 + k / 2 + 20 * (k % 2));
        CHECK(tensor_backward(model_loss(own, net, NULL, &rng)));
        CHECK(optim_step(k % 2 ? pair->b : pair->a));
    }
    tape_destroy(own);
    drop_pair(pair);
}

/* The gradient of a step is taken with all other weights held fixed, also those that the other optimizer made of
 * the very weights this one has. */
static void two_optimizers(void) {
    static const size_t parts[][2] = {{6, 0}, {3, 3}, {3, 2}, {4, 0}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        for (int way = 0; way < 5; way++) {
            int mode = (way + 1) / 2;
            bool release = way == 2 || way == 4;
            Pair pair = {.to = parts[i][0], .from = parts[i][1]}, other = pair;
            Module *net = mlp(4), *copy = module_clone(net);
            make_pair(&pair, net);
            FModuleOptions options = fmodule_options(mode != HC_FULL);
            options.mode = (FMode)mode;
            tape = tape_create(HC_F64);
            FModule *f = fmodule_create_with(tape, net, options);
            Tensor *end = in_turn(&pair, f, release);
            ordinary_in_turn(&other, copy);
            for (size_t p = 0; p < 6; p++)
                CHECK(tensor_is_param(fmodule_params(f).items[p], module_params(copy).items[p]));
            if (mode == HC_FULL)
                check_gradient(net, end, fmodule_params_at(f, 0), run_in_turn, &pair);
            tape_destroy(tape);
            drop_pair(&pair);
            module_destroy(net);
            module_destroy(copy);
        }
}

/* Weights set between steps are what the next step goes on from, one that frees as well. */
static void set_between_steps(void) {
    double want[MODEL_IN * 5], got[MODEL_IN * 5];
    for (int way = 0; way < 5; way++) {
        Module *net = mlp(4);
        Optim *adam = optim("adam", module_params(net));
        FModuleOptions options = fmodule_options(true);
        options.mode = (FMode)((way + 1) / 2);
        tape = tape_create(HC_F64);
        FModule *f = fmodule_create_with(tape, net, options);
        DiffOpt *opt = diffopt_create(adam, f);
        for (uint64_t k = 0; k < STEPS; k++) {
            Tensor *set[MOST];
            TensorList now = fmodule_params(f);
            for (size_t i = 0; i < now.count; i++)
                set[i] = tensor_clamp(now.items[i], -0.2, 0.2);
            CHECK(fmodule_set_params(f, set, now.count));
            CHECK(way == 2 || way == 4 ? diffopt_step_release(opt, loss(f, k))
                                       : diffopt_step(opt, loss(f, k)));
        }
        CHECK(fmodule_steps(f) == 2 * STEPS);
        CHECK(tensor_copy_to_f64(fmodule_params(f).items[0], way ? got : want, MODEL_IN * 5));
        CHECK(way == 0 || memcmp(want, got, sizeof want) == 0);
        if (options.mode == HC_FIRST_ORDER) /* the path from W<0> through all that was set */
            CHECK(tensor_depends_on(loss(f, 9), fmodule_params_at(f, 0).items[0]));
        tape_destroy(tape);
        optim_destroy(adam);
        module_destroy(net);
    }
}

/* A replayed run takes its steps in the same way. */
static void replayed(void) {
    for (int mode = HC_FULL; mode <= HC_FIRST_ORDER; mode++) {
        Pair pair = {.to = 3, .from = 2};
        Module *net = mlp(4);
        make_pair(&pair, net);
        FModuleOptions options = fmodule_options(false);
        options.mode = (FMode)mode;
        tape = tape_create(HC_F64);
        FModule *f = fmodule_create_with(tape, net, options);
        Tensor *end = in_turn(&pair, f, false);
        Program *program =
            program_capture(tape, NULL, 0, fmodule_params(f).items, fmodule_params(f).count, end);
        CHECK(program && program_run(program));
        for (size_t p = 0; p < 6; p++) {
            Tensor *w = fmodule_params(f).items[p];
            CHECK(memcmp(program_output(program, p), tensor_data(w),
                         tensor_count(w) * sizeof(double)) == 0);
        }
        program_destroy(program);
        tape_destroy(tape);
        drop_pair(&pair);
        module_destroy(net);
    }
}

/* ---- an encoder and two heads ------------------------------------------------------------------------------------ */

typedef struct Parts {
    Module *net[3];
    Optim *optim[3];
} Parts;

static Tensor *joint_loss(FModule *const *f, uint64_t batch) {
    Rng rng = rng_seed(batch);
    Tensor *z = fmodule_forward(f[0], tensor_uniform(tape, shape2(6, MODEL_IN), -1, 1, &rng));
    return tensor_add(tensor_mean(tensor_square(fmodule_forward(f[1], z))),
                      tensor_mean(tensor_square(tensor_sub_scalar(fmodule_forward(f[2], z), 1))));
}

/* Three steps of one loss on three functional modules: none of them changes what the next one sees of it. */
static Tensor *joint(const Parts *parts) {
    FModule *f[3];
    DiffOpt *opt[3];
    for (int i = 0; i < 3; i++) {
        f[i] = fmodule_create(tape, parts->net[i], false);
        opt[i] = diffopt_create(parts->optim[i], f[i]);
    }
    for (uint64_t k = 0; k < STEPS; k++) {
        Tensor *l = joint_loss(f, k);
        for (int i = 0; i < 3; i++)
            CHECK(diffopt_step(opt[i], l));
    }
    return joint_loss(f, 9);
}

static double run_joint(Module *net, void *user) {
    (void)net;
    TapeMark mark = tape_mark(tape);
    double value = tensor_item(joint(user));
    CHECK(tape_release(tape, mark));
    return value;
}

static void encoder_and_heads(void) {
    static const char *const rules[] = {"sgd", "rmsprop", "adam"};
    Module *layers[] = {module_linear(MODEL_IN, 3), module_tanh()};
    Parts parts = {.net = {module_sequential(layers, 2), module_linear(3, 2), module_linear(3, 1)}};
    Rng rng = rng_seed(5);
    for (int i = 0; i < 3; i++) {
        CHECK(module_to(parts.net[i], HC_F64) && module_init(parts.net[i], &rng));
        parts.optim[i] = optim(rules[i], module_params(parts.net[i]));
    }
    tape = tape_create(HC_F64);
    CHECK(tensor_backward(joint(&parts)));
    for (int i = 0; i < 3; i++) {
        Tensor *grads[MOST];
        ParamList params = module_params(parts.net[i]);
        for (size_t k = 0; k < params.count; k++)
            grads[k] =
                tensor_from_f64(tape, param_shape(params.items[k]), param_grad(params.items[k]));
        double along = model_along(parts.net[i], grads, 3);
        CHECK_NEAR(along, model_difference(parts.net[i], run_joint, 1e-5, 3, &parts), 1e-7, 1e-9);
    }
    tape_destroy(tape);
    for (int i = 0; i < 3; i++) {
        optim_destroy(parts.optim[i]);
        module_destroy(parts.net[i]);
    }
}

/* ---- an inner loop inside another ---------------------------------------------------------------------- */

typedef struct Levels {
    Optim *outer, *inner;
} Levels;

/* An inner loop from the weights that another loop has reached. */
static Tensor *adapted_loss(const Levels *levels, Module *net, FModule *from, uint64_t batch) {
    FModule *g = fmodule_create(tape, net, true);
    DiffOpt *opt = diffopt_create(levels->inner, g);
    CHECK(fmodule_set_params(g, fmodule_params(from).items, fmodule_params(from).count));
    for (uint64_t k = 0; k < 2; k++)
        CHECK(diffopt_step(opt, loss(g, batch + k)));
    return loss(g, 60);
}

/* MAML as the inner problem: two meta-steps, each of a loss after two steps; then what comes of the result. */
static Tensor *nested(const Levels *levels, Module *net, FModule *f) {
    DiffOpt *opt = diffopt_create(levels->outer, f);
    for (uint64_t k = 0; k < 2; k++)
        CHECK(diffopt_step(opt, adapted_loss(levels, net, f, 10 * k)));
    return adapted_loss(levels, net, f, 30);
}

static double run_nested(Module *net, void *user) {
    TapeMark mark = tape_mark(tape);
    double value = tensor_item(nested(user, net, fmodule_create(tape, net, true)));
    CHECK(tape_release(tape, mark));
    return value;
}

static void inner_loop_in_inner_loop(void) {
    static const char *const rules[] = {"sgd", "adam"};
    for (int i = 0; i < 4; i++) {
        Module *net = mlp(2);
        Levels levels = {optim(rules[i / 2], module_params(net)),
                         optim(rules[i % 2], module_params(net))};
        tape = tape_create(HC_F64);
        FModule *f = fmodule_create(tape, net, false);
        Tensor *end = nested(&levels, net, f);
        check_gradient(net, end, fmodule_params_at(f, 0), run_nested, &levels);
        Program *program = program_capture(tape, NULL, 0, &end, 1, end);
        CHECK(program && tensor_backward(end));
        Param *w = module_params(net).items[0];
        double want = param_grad_get(w, 3);
        optim_zero_grad(levels.outer);
        CHECK(program_run(program) && param_grad_get(w, 3) == want);
        program_destroy(program);
        tape_destroy(tape);
        optim_destroy(levels.outer);
        optim_destroy(levels.inner);
        module_destroy(net);
    }
}

int main(void) {
    two_optimizers();
    set_between_steps();
    replayed();
    encoder_and_heads();
    inner_loop_in_inner_loop();
    CHECK(higherc_error() == NULL);
    if (higherc_error()) CHECK_ERROR("none");
    return check_done();
}
