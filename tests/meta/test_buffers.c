/* Whose running statistics a functional module changes: its own, the module's, or none; and what a release
 * brings back. */
#include <math.h>
#include <string.h>

#include "support/refuse.h"

enum { N = 6, IN = 3, C = 4 };

static double xs[N * IN], ys[N];

static Module *make_net(void) {
    Rng rng = rng_seed(3);
    Module *layers[] = {module_linear(IN, C), module_batch_norm1d(C, batch_norm_options()),
                        module_tanh(), module_linear(C, 1)};
    Module *net = module_sequential(layers, 4);
    CHECK(net && module_to(net, HC_F64) && module_init(net, &rng));
    for (int i = 0; i < N * IN; i++)
        xs[i] = rng_normal(&rng);
    for (int i = 0; i < N; i++)
        ys[i] = rng_normal(&rng);
    return net;
}

static FModule *functional(Tape *tape, Module *net, FBuffers policy, FMode mode) {
    FModuleOptions options = fmodule_options(false);
    CHECK(options.buffers == HC_BUFFERS_COPY);
    options.buffers = policy;
    options.mode = mode;
    FModule *f = fmodule_create_with(tape, net, options);
    CHECK(f != NULL);
    return f;
}

static Tensor *input(Tape *tape) {
    return tensor_from_f64(tape, shape2(N, IN), xs);
}

static Tensor *loss(FModule *f) {
    Tape *tape = fmodule_tape(f);
    Tensor *y = tensor_from_f64(tape, shape2(N, 1), ys);
    return tensor_mse_loss(fmodule_forward(f, input(tape)), y);
}

static double count_of(const FModule *f) {
    return tensor_item(fmodule_buffer(f, "1.num_batches_tracked"));
}

static double mean_of(const FModule *f) {
    return tensor_item(tensor_slice(fmodule_buffer(f, "1.running_mean"), 0, 0, 1, 1));
}

static double base(const Module *net, const char *name) {
    return param_get(module_buffer(net, name), 0);
}

/* The default: its own. The module stays as it was, and so does another functional module. */
static void copy(void) {
    Tape *tape = tape_create(HC_F64);
    Module *net = make_net();
    CHECK(module_forward(net, input(tape)) && base(net, "1.num_batches_tracked") == 1);
    double mean = base(net, "1.running_mean");
    FModule *f = functional(tape, net, HC_BUFFERS_COPY, HC_FULL),
            *g = functional(tape, net, HC_BUFFERS_COPY, HC_FULL);
    CHECK(count_of(f) == 1 && mean_of(f) == mean);
    CHECK(loss(f) && loss(f) && count_of(f) == 3 && mean_of(f) != mean);
    CHECK(count_of(g) == 1 && mean_of(g) == mean);
    CHECK(base(net, "1.num_batches_tracked") == 1 && base(net, "1.running_mean") == mean);
    CHECK(!tensor_requires_grad(fmodule_buffer(f, "1.running_mean")));
    CHECK(fmodule_train(f, false) && loss(f) && count_of(f) == 3); /* evaluation changes nothing */
    double kept = mean_of(f);
    CHECK(fmodule_commit(f, net));
    CHECK(base(net, "1.num_batches_tracked") == 3 && base(net, "1.running_mean") == kept);
    CHECK(mean_of(g) == mean);
    /* forward_with leaves the weights' history alone and keeps its statistics like any forward */
    TensorList w = fmodule_params(g);
    CHECK(fmodule_forward_with(g, w.items, w.count, input(tape)) && count_of(g) == 2);
    CHECK(fmodule_steps(g) == 0);
    module_destroy(net);
    tape_destroy(tape);
}

/* Written through, in place; read when asked. */
static void share(void) {
    Tape *tape = tape_create(HC_F64);
    Module *net = make_net();
    FModule *f = functional(tape, net, HC_BUFFERS_SHARE, HC_FULL),
            *g = functional(tape, net, HC_BUFFERS_SHARE, HC_FULL);
    TapeMark mark = tape_mark(tape);
    CHECK(loss(f) && base(net, "1.num_batches_tracked") == 1);
    CHECK(loss(g) && base(net, "1.num_batches_tracked") == 2);
    CHECK(module_forward(net, input(tape)) && count_of(f) == 3 && count_of(g) == 3);
    CHECK(mean_of(f) == base(net, "1.running_mean"));
    CHECK(tape_release(tape, mark) && count_of(f) == 3); /* for good */
    /* The gradient through batch statistics does not care whose the buffers are. */
    CHECK(tensor_backward(loss(f)));
    Module *other = module_clone(net);
    CHECK(loss(f) && fmodule_commit(f, other));
    CHECK(base(other, "1.num_batches_tracked") == base(net, "1.num_batches_tracked") &&
          base(other, "1.running_mean") == base(net, "1.running_mean"));
    CHECK(fmodule_commit(f, net) && base(net, "1.num_batches_tracked") == 5);
    module_destroy(other);
    module_destroy(net);
    tape_destroy(tape);
}

/* None: the batch's statistics in both modes, and nothing kept anywhere. */
static void batch(void) {
    Tape *tape = tape_create(HC_F64);
    Module *net = make_net();
    CHECK(module_forward(net, input(tape)) != NULL);
    FModule *f = functional(tape, net, HC_BUFFERS_BATCH, HC_FULL),
            *g = functional(tape, net, HC_BUFFERS_COPY, HC_FULL);
    double own = tensor_item(loss(g)), training = tensor_item(loss(f));
    CHECK(own == training);
    CHECK(fmodule_train(f, false) && tensor_item(loss(f)) == training);
    CHECK(fmodule_train(g, false) && tensor_item(loss(g)) != training);
    CHECK(count_of(f) == 1 && base(net, "1.num_batches_tracked") == 1);
    CHECK(module_forward(net, input(tape)) && fmodule_commit(f, net));
    CHECK(base(net, "1.num_batches_tracked") == 2); /* not what they were at creation */
    module_destroy(net);
    tape_destroy(tape);
}

/* A release brings B<t> back to the mark; HC_EVAL and a fresh detach keep it. */
static void releases(void) {
    for (int mode = HC_FULL; mode <= HC_EVAL; mode++) {
        Tape *tape = tape_create(HC_F64);
        Module *net = make_net();
        Optim *sgd = optim_sgd(module_params(net), sgd_options(0.1));
        FModule *f = functional(tape, net, HC_BUFFERS_COPY, (FMode)mode);
        DiffOpt *opt = diffopt_create(sgd, f);
        CHECK(diffopt_step(opt, loss(f)) && count_of(f) == 1);
        double mean = mean_of(f);
        TapeMark mark = tape_mark(tape);
        CHECK(diffopt_step(opt, loss(f)) && loss(f) && count_of(f) == 3);
        double later = mean_of(f);
        CHECK(tape_release(tape, mark));
        CHECK(count_of(f) == (mode == HC_EVAL ? 3 : 1));
        CHECK(mean_of(f) == (mode == HC_EVAL ? later : mean));
        for (int k = 0; k < 20 && mode != HC_FULL; k++)
            CHECK(diffopt_step_release(opt, loss(f)));
        if (mode != HC_FULL) CHECK(count_of(f) == (mode == HC_EVAL ? 23 : 21));
        CHECK(diffopt_detach(opt) && higherc_error() == NULL);
        later = mean_of(f);
        double counted = count_of(f);
        CHECK(tape_release(tape, mark));
        CHECK(count_of(f) == counted && mean_of(f) == later);
        optim_destroy(sgd);
        module_destroy(net);
        tape_destroy(tape);
    }
}

/* W<t> and B<t> have the same bits in every mode, with and without release; a switch of the mode of training
 * outlasts a release step. */
static void modes(void) {
    double first[C + 1] = {0}, got[C + 1];
    for (int run = 0; run < 5; run++) {
        bool release = run >= 3;
        FMode mode = (FMode)(release ? run - 2 : run);
        Tape *tape = tape_create(HC_F64);
        Module *net = make_net();
        Optim *sgd = optim_sgd(module_params(net), sgd_options(0.1));
        FModule *f = functional(tape, net, HC_BUFFERS_COPY, mode);
        DiffOpt *opt = diffopt_create(sgd, f);
        for (int k = 0; k < 6; k++) {
            if (k >= 3) CHECK(fmodule_train(f, k % 2));
            CHECK(release ? diffopt_step_release(opt, loss(f)) : diffopt_step(opt, loss(f)));
            CHECK(fmodule_training(f) == (k < 3 || k % 2));
        }
        CHECK(tensor_copy_to_f64(fmodule_buffer(f, "1.running_var"), got, C));
        got[C] = tensor_item(fmodule_param(f, "3.bias"));
        if (run == 0) memcpy(first, got, sizeof first);
        CHECK(memcmp(first, got, sizeof first) == 0 && count_of(f) == 5);
        optim_destroy(sgd);
        module_destroy(net);
        tape_destroy(tape);
    }
}

/* Base weights in training mode write the module: what a replay could not do. */
static void replay(void) {
    Tape *tape = tape_create(HC_F64);
    Module *net = make_net();
    Tensor *x = input(tape), *y = tensor_from_f64(tape, shape2(N, 1), ys);
    FModule *f = functional(tape, net, HC_BUFFERS_COPY, HC_FULL);
    Tensor *l = tensor_mse_loss(fmodule_forward(f, x), y);
    Tensor *outputs[] = {l, fmodule_buffer(f, "1.running_var")};
    Program *p = program_capture(tape, &x, 1, outputs, 2, l);
    CHECK(p && program_run(p));
    CHECK(p && program_item(p, 0) == tensor_item(l));
    CHECK(p && memcmp(program_output(p, 1), tensor_data(outputs[1]), C * sizeof(double)) == 0);
    program_destroy(p);
    tape_reset(tape);
    x = input(tape);
    y = tensor_from_f64(tape, shape2(N, 1), ys);
    l = tensor_mse_loss(module_forward(net, x), y);
    CHECK(!program_capture(tape, &x, 1, &l, 1, l));
    CHECK_ERROR("program_capture");
    module_destroy(net);
    tape_destroy(tape);
}

static void errors(void) {
    Tape *tape = tape_create(HC_F64);
    Module *net = make_net();
    FModuleOptions options = fmodule_options(true);
    options.buffers = (FBuffers)9;
    WRONG(HC_ERR_ARG, fmodule_create_with(tape, net, options));
    FModule *f = fmodule_create(tape, net, true);
    WRONG(HC_ERR_NAME, fmodule_buffer(f, "1.nothing"));
    module_destroy(net);
    tape_destroy(tape);
}

int main(void) {
    copy();
    share();
    batch();
    releases();
    modes();
    replay();
    errors();
    return check_done();
}
