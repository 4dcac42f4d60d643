/* Layers with weights, state and lists of their own, with allocation failing at each call in turn: an
 * error in words, nothing left behind, nothing half done; and a steady loop that allocates nothing. */
#include "support/failing.h"
#include "support/refuse.h"

enum { T = 3, N = 4, WORDS = 5, SIZE = 4, HIDDEN = 3 };

static const int64_t words[T * N] = {0, 1, 2, 3, 4, 0, 2, 1, 3, 3, 1, 0};

/* Embedding, LSTM, the last step, norms, dropout. The sequence's end is a module of the test's own. */
static bool last_step(Frame *frame, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    (void)frame;
    (void)nin;
    (void)nout;
    return (out[0] = tensor_squeeze(tensor_slice(in[0], 0, T - 1, T, 1), 0)) != NULL;
}

static Module *make_net(void) {
    RnnOptions o = rnn_options();
    o.layers = 2;
    o.bidirectional = true;
    o.dropout = 0.3;
    Module *layers[] = {module_embedding(WORDS, SIZE),
                        module_lstm(SIZE, HIDDEN, o),
                        module_create(&(ModuleClass){.name = "last", .forward = last_step}, NULL),
                        module_batch_norm1d(2 * HIDDEN, batch_norm_options()),
                        module_dropout(0.2),
                        module_layer_norm(shape1(2 * HIDDEN), norm_options()),
                        module_group_norm(2, 2 * HIDDEN, norm_options()),
                        module_linear(2 * HIDDEN, 1)};
    return module_sequential(layers, sizeof layers / sizeof *layers);
}

/* Second order through an inner step and into the module; true when nothing failed. */
static bool adapt(Tape *tape, Module *net, Optim *sgd) {
    Tensor *x = tensor_from_i64(tape, shape2(T, N), words);
    Tensor *y = tensor_ones(tape, shape2(N, 1));
    FModule *f = fmodule_create(tape, net, false);
    DiffOpt *opt = diffopt_create(sgd, f);
    return diffopt_step(opt, tensor_mse_loss(fmodule_forward(f, x), y)) &&
           tensor_backward(tensor_mse_loss(fmodule_forward(f, x), y));
}

static bool scenario(void) {
    TapeOptions options = tape_options(HC_F64);
    options.block_bytes = 4096;
    Tape *tape = tape_create_with(options);
    Rng rng = rng_seed(1);
    Module *net = make_net(), *copy = NULL;
    bool done = net && tape && module_to(net, HC_F64) && module_init(net, &rng);
    Optim *sgd = done ? optim_sgd(module_params(net), sgd_options(0.1)) : NULL;
    done = done && sgd && adapt(tape, net, sgd) && (copy = module_clone(net)) &&
           module_forward(copy, tensor_from_i64(tape, shape2(T, N), words));
    CHECK(done == (higherc_error() == NULL));
    tape_destroy(tape);
    optim_destroy(sgd);
    module_destroy(copy);
    module_destroy(net);
    return done;
}

static void steady(void) {
    Tape *tape = tape_create(HC_F64);
    Rng rng = rng_seed(1);
    Module *net = make_net();
    CHECK(module_to(net, HC_F64) && module_init(net, &rng));
    Optim *sgd = optim_sgd(module_params(net), sgd_options(0.1));
    size_t mallocs = 0;
    for (int i = 0; i < 30; i++) {
        tape_reset(tape);
        CHECK(adapt(tape, net, sgd));
        if (i == 9) mallocs = tape_stats(tape).mallocs;
    }
    CHECK(tape_stats(tape).mallocs == mallocs);
    tape_destroy(tape);
    optim_destroy(sgd);
    module_destroy(net);
}

/* Images: convolution, batch norm with a ReLU and a max-pool fused, cross entropy, and Adam on the tape. */
static bool images(void) {
    TapeOptions options = tape_options(HC_F64);
    options.block_bytes = 1; /* asks for memory at almost every step */
    Tape *tape = tape_create_with(options);
    Rng rng = rng_seed(1);
    Module *layers[] = {module_conv2d(1, 2, 2, 2, conv2d_options()), module_batch_norm2d(2, batch_norm_options()),
                        module_relu(), module_max_pool2d(pool2d_options(2)), module_flatten()};
    Module *net = module_sequential(layers, sizeof layers / sizeof *layers);
    bool done = tape && net && module_to(net, HC_F64) && module_init(net, &rng);
    Optim *adam = done ? optim_adam(module_params(net), adam_options(0.1)) : NULL;
    Tensor *x = tensor_normal(tape, shape4(2, 1, 5, 5), 0, 1, &rng);
    Tensor *y = tensor_arange(tape, 0, 2, 1);
    FModule *f = fmodule_create(tape, net, false);
    DiffOpt *opt = diffopt_create(adam, f);
    done = done && diffopt_step(opt, tensor_cross_entropy_loss(fmodule_forward(f, x), y)) &&
           tensor_backward(tensor_cross_entropy_loss(fmodule_forward(f, x), y));
    CHECK(done == (higherc_error() == NULL));
    tape_destroy(tape);
    optim_destroy(adam);
    module_destroy(net);
    return done;
}

int main(void) {
    fail_each_allocation("images", images);
    fail_each_allocation("layers", scenario);
    steady();
    return check_done();
}
