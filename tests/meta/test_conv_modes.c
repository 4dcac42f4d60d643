/* A convolutional net in the inner loop: the same bits of W<t> in all three modes although only one of
 * them keeps history, of optim and diffopt, and of a recorded run and its replay. */
#include <higherc/higherc.h>

#include <string.h>

#include "support/check.h"

enum { STEPS = 3, IMAGES = 4, PIXELS = 64, MOST = 2000 };

static Module *make_net(void) {
    Rng rng = rng_seed(3);
    Conv2dOptions padded = conv2d_options();
    padded.padding[0] = padded.padding[1] = 1;
    Module *layers[] = {module_conv2d(1, 9, 3, 3, conv2d_options()),
                        module_relu(),
                        module_max_pool2d(pool2d_options(2)),
                        module_conv2d(9, 5, 3, 3, padded),
                        module_tanh(),
                        module_avg_pool2d(pool2d_options(3)),
                        module_flatten(),
                        module_linear(5, 3)};
    Module *net = module_sequential(layers, 8);
    CHECK(net && module_init(net, &rng));
    return net;
}

static void draw(float *x, uint64_t seed) {
    Rng rng = rng_seed(seed);
    for (size_t i = 0; i < IMAGES * PIXELS; i++)
        x[i] = (float)rng_normal(&rng);
}

static Tensor *images(Tape *tape, const float *x) {
    return tensor_from_f32(tape, shape4(IMAGES, 1, 8, 8), x);
}

/* Weight decay by hand, so that the loss sums weights too. */
static Tensor *loss_of(Tensor *logits, TensorList weights) {
    Tensor *classes = tensor_from_i64(tensor_tape(logits), shape1(IMAGES), (int64_t[]){0, 1, 2, 1});
    Tensor *loss = tensor_cross_entropy_loss(logits, classes);
    for (size_t i = 0; i < weights.count; i++)
        loss =
            tensor_add(loss, tensor_mul_scalar(tensor_sum(tensor_square(weights.items[i])), 0.01));
    return loss;
}

static size_t append_tensors(TensorList list, float *out) {
    size_t used = 0;
    for (size_t i = 0; i < list.count; i++) {
        size_t count = tensor_count(list.items[i]);
        CHECK(used + count <= MOST && tensor_copy_to_f32(list.items[i], out + used, count));
        used += count;
    }
    return used;
}

static size_t append_params(Module *net, bool grads, float *out) {
    ParamList params = module_params(net);
    size_t used = 0;
    for (size_t i = 0; i < params.count; i++) {
        size_t count = shape_count(param_shape(params.items[i]));
        const void *from = grads ? param_grad(params.items[i]) : param_data(params.items[i]);
        CHECK(from && used + count <= MOST);
        if (from) memcpy(out + used, from, count * sizeof *out);
        used += count;
    }
    return used;
}

static size_t adapt(FMode mode, bool release, bool clip, float *out) {
    float x[IMAGES * PIXELS];
    draw(x, 1);
    Tape *tape = tape_create(HC_F32);
    Module *net = make_net();
    Optim *inner = optim_sgd(module_params(net), sgd_options(0.2));
    FModuleOptions options = fmodule_options(false);
    options.mode = mode;
    FModule *f = fmodule_create_with(tape, net, options);
    Tensor *batch = images(tape, x);
    DiffOpt *opt = diffopt_create(inner, f);
    if (clip) CHECK(diffopt_clip_norm(opt, 0.3, 1e-6));
    for (int t = 0; t < STEPS; t++) {
        Tensor *loss = loss_of(fmodule_forward(f, batch), fmodule_params(f));
        CHECK(release ? diffopt_step_release(opt, loss) : diffopt_step(opt, loss));
    }
    size_t used = append_tensors(fmodule_params(f), out);
    optim_destroy(inner);
    module_destroy(net);
    tape_destroy(tape);
    return used;
}

static size_t train(float *out) {
    float x[IMAGES * PIXELS];
    draw(x, 1);
    Tape *tape = tape_create(HC_F32);
    Module *net = make_net();
    Optim *optim = optim_sgd(module_params(net), sgd_options(0.2));
    for (int t = 0; t < STEPS; t++) {
        Tensor *weights[16];
        ParamList params = module_params(net);
        tape_reset(tape);
        optim_zero_grad(optim);
        for (size_t i = 0; i < params.count; i++)
            weights[i] = param_tensor(tape, params.items[i]);
        TensorList list = {weights, params.count};
        CHECK(tensor_backward(loss_of(module_forward(net, images(tape, x)), list)));
        CHECK(optim_step(optim));
    }
    size_t used = append_params(net, false, out);
    optim_destroy(optim);
    module_destroy(net);
    tape_destroy(tape);
    return used;
}

static void check_modes(bool clip) {
    static float full[MOST], other[MOST];
    size_t used = adapt(HC_FULL, false, clip, full);
    for (int mode = HC_FIRST_ORDER; mode <= HC_EVAL; mode++)
        for (int release = 0; release < 2; release++) {
            CHECK(adapt((FMode)mode, release, clip, other) == used);
            CHECK(memcmp(full, other, used * sizeof *full) == 0);
        }
    if (!clip) CHECK(train(other) == used && memcmp(full, other, used * sizeof *full) == 0);
}

static void check_replay(void) {
    static float x[2][IMAGES * PIXELS], want[MOST], got[MOST];
    Tape *tape = tape_create(HC_F32);
    Module *net = make_net();
    Optim *inner = optim_sgd(module_params(net), sgd_options(0.2));
    Program *program = NULL;
    for (uint64_t run = 0; run < 2; run++) {
        draw(x[0], 2 + run);
        draw(x[1], 4 + run);
        tape_reset(tape);
        Tensor *in[2] = {images(tape, x[0]), images(tape, x[1])};
        FModule *f = fmodule_create(tape, net, false);
        DiffOpt *opt = diffopt_create(inner, f);
        for (int t = 0; t < STEPS; t++)
            CHECK(diffopt_step(opt, loss_of(fmodule_forward(f, in[0]), fmodule_params(f))));
        Tensor *loss = loss_of(fmodule_forward(f, in[1]), fmodule_params(f));
        if (!program) program = program_capture(tape, in, 2, NULL, 0, loss);
        optim_zero_grad(inner);
        CHECK(program && tensor_backward(loss));
    }
    size_t used = append_params(net, true, want);
    optim_zero_grad(inner);
    Shape shape = shape4(IMAGES, 1, 8, 8);
    CHECK(program_set_f32(program, 0, shape, x[0]) && program_set_f32(program, 1, shape, x[1]));
    CHECK(program_run(program) && append_params(net, true, got) == used);
    CHECK(memcmp(want, got, used * sizeof *want) == 0);
    program_destroy(program);
    optim_destroy(inner);
    module_destroy(net);
    tape_destroy(tape);
}

int main(void) {
    check_modes(false);
    check_modes(true);
    check_replay();
    return check_done();
}
