/* Training with other things in between: evaluations between marks that must not change a bit of it, inner loops
 * that are kept by committing them, and dropout and modes switched inside an inner loop, differentiated through. */
#include <higherc/higherc.h>

#include <string.h>

#include "support/check.h"
#include "support/models.h"

enum { STEPS = 4, ROUNDS = 3, MOST = 16 };

static Tape *tape;
static Module *net;
static Optim *inner;

/* statistics: a batch norm with running ones, which are constants where they are read. */
static Module *make_net(bool statistics) {
    Conv2dOptions padded = conv2d_options();
    padded.padding[0] = padded.padding[1] = 1;
    BatchNormOptions norm = batch_norm_options();
    norm.track_running_stats = statistics;
    Module *layers[] = {module_conv2d(2, 5, 3, 3, padded),
                        module_batch_norm2d(5, norm),
                        module_tanh(),
                        module_avg_pool2d(pool2d_options(2)),
                        module_conv2d(5, 4, 3, 3, padded),
                        module_softplus(),
                        module_dropout(0.3),
                        module_flatten(),
                        module_linear(16, 3)};
    Module *m = module_sequential(layers, 9);
    Rng rng = rng_seed(2);
    CHECK(m && module_to(m, HC_F64) && module_init(m, &rng));
    return m;
}

/* With fast or (f NULL) base weights. */
static Tensor *loss_of(FModule *f, uint64_t batch) {
    Rng rng = rng_seed(batch);
    Tensor *x = tensor_normal(tape, shape4(3, 2, 4, 4), 0, 1, &rng);
    Tensor *classes = tensor_from_i64(tape, shape1(3), (int64_t[]){0, 2, 1});
    return tensor_cross_entropy_loss(f ? fmodule_forward(f, x) : module_forward(net, x), classes);
}

static Optim *optim(const char *name, Module *of) {
    Optim *o = optim_new(name, module_params(of));
    CHECK(optim_set(o, "lr", 0, 0.05));
    if (strcmp(name, "sgd") != 0) CHECK(optim_set(o, "eps", 0, 1e-2));
    return o;
}

static FModule *functional(FMode mode) {
    FModuleOptions options = fmodule_options(false);
    options.mode = mode;
    return fmodule_create_with(tape, net, options);
}

/* ---- evaluations between marks -------------------------------------------------------------------------- */

/* All that reads weights, makes copies of them in other orders, or has an inner loop of its own. */
static void evaluate(FModule *f, uint64_t k) {
    TapeMark mark = tape_mark(tape);
    CHECK(fmodule_train(f, false) && loss_of(f, 70 + k) != NULL);
    FModule *g = functional(HC_EVAL);
    CHECK(fmodule_train(g, false));
    DiffOpt *opt = diffopt_create(inner, g);
    CHECK(diffopt_step_release(opt, loss_of(g, 80)) && diffopt_step_release(opt, loss_of(g, 81)));
    Tensor *grads[MOST];
    TensorList now = fmodule_params(f);
    CHECK(tensor_grad(loss_of(f, 90), now.items, now.count, grads, HC_CREATE_GRAPH));
    CHECK(tensor_item(tensor_sum(tensor_square(grads[0]))) > 0);
    module_train(net, false);
    CHECK(loss_of(NULL, 91) != NULL);
    module_train(net, true);
    /* A release sets the mode back too, but not in HC_EVAL, where all stays as it is. */
    if (fmodule_mode(f) == HC_EVAL) CHECK(fmodule_train(f, true));
    CHECK(tape_release(tape, mark) && fmodule_training(f));
}

static void train(FMode mode, bool release, bool evaluates, bool never_reuse, double *out) {
    TapeOptions options = tape_options(HC_F64);
    options.never_reuse = never_reuse;
    options.block_bytes = 4096;
    tape = tape_create_with(options);
    net = make_net(true);
    inner = optim("adam", net);
    CHECK(optim_learn(inner, "lr", 0, HC_LEARN_PARAM));
    Optim *outer = optim("adam", net);
    CHECK(optim_add_group(outer, optim_learned(inner)) == 1);
    for (uint64_t round = 0; round < ROUNDS; round++) {
        tape_reset(tape);
        tape_seed(tape, round);
        optim_zero_grad(outer);
        FModule *f = functional(mode);
        DiffOpt *opt = diffopt_create(inner, f);
        for (uint64_t k = 0; k < STEPS; k++) {
            if (evaluates) evaluate(f, k);
            Tensor *loss = loss_of(f, k);
            CHECK(release ? diffopt_step_release(opt, loss) : diffopt_step(opt, loss));
        }
        Tensor *loss = loss_of(f, 60);
        if (mode == HC_EVAL)
            CHECK(fmodule_commit(f, net) && diffopt_commit(opt, inner));
        else
            CHECK(tensor_backward(loss) && optim_step(outer));
        out[round] = tensor_item(loss);
    }
    out[ROUNDS] = param_get(module_params(net).items[0], 1);
    out[ROUNDS + 1] = param_get(module_buffers(net).items[0], 1);
    tape_destroy(tape);
    optim_destroy(inner);
    optim_destroy(outer);
    module_destroy(net);
}

static void evaluations(void) {
    for (int way = 0; way < 5; way++) {
        FMode mode = (FMode)((way + 1) / 2);
        bool release = way == 2 || way == 4;
        double want[ROUNDS + 2], got[ROUNDS + 2];
        train(mode, release, false, false, want);
        for (int never_reuse = 0; never_reuse < 2; never_reuse++) {
            train(mode, release, true, never_reuse, got);
            CHECK(memcmp(want, got, sizeof want) == 0);
        }
    }
}

/* ---- adapted, and kept -------------------------------------------------------------------------------------- */

static bool same_params(ParamList a, ParamList b) {
    bool same = a.count == b.count;
    for (size_t i = 0; same && i < a.count; i++)
        same = memcmp(param_data(a.items[i]), param_data(b.items[i]),
                      param_count(a.items[i]) * sizeof(double)) == 0;
    return same;
}

/* Loops in HC_EVAL, each committed, are ordinary training bit for bit, buffers and moments too. */
static void committed(const char *name, bool release) {
    net = model_make(MODEL_BATCH_NORM, HC_F64, 3);
    Module *twin = module_clone(net);
    Optim *other = optim(name, twin);
    Tape *own = tape_create(HC_F64);
    inner = optim(name, net);
    tape = tape_create(HC_F64);
    for (uint64_t round = 0; round < ROUNDS; round++) {
        tape_reset(tape);
        FModule *f = functional(HC_EVAL);
        DiffOpt *opt = diffopt_create(inner, f);
        for (uint64_t k = 0; k < STEPS; k++) {
            Rng rng = rng_seed(k), again = rng;
            Tensor *loss = model_loss(tape, NULL, f, &rng);
            CHECK(release ? diffopt_step_release(opt, loss) : diffopt_step(opt, loss));
            tape_reset(own);
            optim_zero_grad(other);
            CHECK(tensor_backward(model_loss(own, twin, NULL, &again)) && optim_step(other));
        }
        CHECK(fmodule_commit(f, net) && diffopt_commit(opt, inner));
        CHECK(same_params(module_params(net), module_params(twin)));
        CHECK(same_params(module_buffers(net), module_buffers(twin)));
    }
    tape_destroy(own);
    tape_destroy(tape);
    optim_destroy(inner);
    optim_destroy(other);
    module_destroy(net);
    module_destroy(twin);
}

/* ---- dropout, on and off ---------------------------------------------------------------------------------------- */

static Tensor *dropped(FModule *f, bool release) {
    tape_seed(tape, 11);
    DiffOpt *opt = diffopt_create(inner, f);
    for (uint64_t k = 0; k < STEPS; k++) {
        CHECK(fmodule_train(f, k != 1));
        Tensor *loss = loss_of(f, k);
        CHECK(release ? diffopt_step_release(opt, loss) : diffopt_step(opt, loss));
    }
    CHECK(fmodule_train(f, false));
    return loss_of(f, 9);
}

static double run_dropped(Module *module, void *user) {
    (void)module;
    (void)user;
    TapeMark mark = tape_mark(tape);
    double value = tensor_item(dropped(functional(HC_FULL), false));
    CHECK(tape_release(tape, mark));
    return value;
}

static void dropout(const char *name) {
    net = make_net(false);
    inner = optim(name, net);
    tape = tape_create(HC_F64);
    FModule *f = functional(HC_FULL);
    Tensor *loss = dropped(f, false), *grads[MOST];
    TensorList start = fmodule_params_at(f, 0);
    CHECK(tensor_grad(loss, start.items, start.count, grads, 0));
    double along = model_along(net, grads, 3);
    CHECK_NEAR(along, model_difference(net, run_dropped, 1e-6, 3, NULL), 1e-6, 1e-8);
    for (int way = 1; way < 5; way++) {
        FModule *g = functional((FMode)((way + 1) / 2));
        CHECK(tensors_same(dropped(g, way == 2 || way == 4), loss));
    }
    tape_destroy(tape);
    optim_destroy(inner);
    module_destroy(net);
}

int main(void) {
    static const char *const rules[] = {"sgd", "adam", "rmsprop", "nadam"};
    evaluations();
    for (int i = 0; i < 8; i++)
        committed(rules[i / 2], i % 2);
    for (int i = 0; i < 3; i++)
        dropout(rules[i]);
    CHECK(higherc_error() == NULL);
    if (higherc_error()) CHECK_ERROR("none");
    return check_done();
}
