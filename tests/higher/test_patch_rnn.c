/* Counterparts of higher 0.2.1's tests of patched recurrent networks: a two-layer RNN, LSTM and GRU of 10
 * inputs and 20 hidden units on 5 x 3 inputs, and their cells.
 *
 *     higher, tests/test_patch.py      here
 *     testRNNForward                   rnn_forward
 *     testRNNCellForward               rnn_cell_forward
 *     testRNNUnrollSGD                 rnn_unroll_sgd
 *     testRNNCellUnrollSGD             rnn_cell_unroll_sgd */
#include <higherc/higherc.h>

#include <stdio.h>

#include "support/check.h"
#include "support/models.h"

enum { IN = 10, HIDDEN = 20, BATCH = 3, LENGTH = 5, TRIALS = 3, MOST = 16 };
static const double lr = 0.1;

typedef enum Kind { RNN, LSTM, GRU, KINDS } Kind;

static Kind kind;
static bool cell; /* the module is a cell, walked along the sequence by hand */
static Tape *tape;
static Module *net;

static Module *make(uint64_t seed) {
    RnnOptions two = rnn_options();
    two.layers = 2;
    Module *m = NULL;
    if (!cell)
        m = kind == RNN    ? module_rnn(IN, HIDDEN, two)
            : kind == LSTM ? module_lstm(IN, HIDDEN, two)
                           : module_gru(IN, HIDDEN, two);
    else
        m = kind == RNN    ? module_rnn_cell(IN, HIDDEN, rnn_cell_options())
            : kind == LSTM ? module_lstm_cell(IN, HIDDEN, rnn_cell_options())
                           : module_gru_cell(IN, HIDDEN, rnn_cell_options());
    Rng rng = rng_seed(seed);
    CHECK(m && module_to(m, HC_F64) && module_init(m, &rng));
    return m;
}

static size_t states(void) {
    return kind == LSTM ? 2 : 1;
}

static bool apply(FModule *f, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    return f ? fmodule_forward_n(f, in, nin, out, nout) : module_forward_n(net, in, nin, out, nout);
}

/* ---- forwards: outputs and final states, on base and fast weights ----------------------------------- */

static void rnn_forward(void) {
    FModule *f = fmodule_create(tape, net, true);
    Rng rng = rng_seed(2);
    Tensor *x = tensor_normal(tape, shape3(LENGTH, BATCH, IN), 0, 1, &rng), *a[3], *b[3];
    CHECK(apply(NULL, &x, 1, a, 1 + states()) && apply(f, &x, 1, b, 1 + states()));
    CHECK(shape_equal(tensor_shape(a[0]), shape3(LENGTH, BATCH, HIDDEN)));
    for (size_t i = 0; i <= states(); i++)
        CHECK(tensors_same(a[i], b[i]));
}

static void rnn_cell_forward(void) {
    FModule *f = fmodule_create(tape, net, true);
    Rng rng = rng_seed(2);
    Tensor *a[3], *b[3]; /* the input, then the states */
    for (size_t t = 0; t < LENGTH; t++) {
        a[0] = b[0] = tensor_normal(tape, shape2(BATCH, IN), 0, 1, &rng);
        size_t nin = t ? 1 + states() : 1;
        CHECK(apply(NULL, a, nin, a + 1, states()) && apply(f, b, nin, b + 1, states()));
        for (size_t i = 1; i <= states(); i++)
            CHECK(tensors_same(a[i], b[i]));
    }
}

/* ---- one step by hand -------------------------------------------------------------------------------- */

/* The square of the sum of the last output, or of all (of a sequence: the final states of the cell). */
static Tensor *loss_of(FModule *f, Rng *rng, bool all) {
    Tensor *y = NULL;
    if (!cell) {
        Tensor *x = tensor_normal(tape, shape3(LENGTH, BATCH, IN), 0, 1, rng);
        y = fmodule_forward(f, x);
        if (!all) y = tensor_slice(y, 0, LENGTH - 1, LENGTH, 1);
    } else {
        Tensor *in[3];
        for (size_t t = 0; t < LENGTH; t++) {
            in[0] = tensor_normal(tape, shape2(BATCH, IN), 0, 1, rng);
            CHECK(apply(f, in, t ? 1 + states() : 1, in + 1, states()));
        }
        y = in[1];
    }
    return tensor_mul_scalar(tensor_square(tensor_sum(y)), 1e-2);
}

static Tensor *unrolled_loss(FModule *f) {
    Rng rng = rng_seed(3);
    TensorList now = fmodule_params(f);
    Tensor *grads[MOST], *next[MOST];
    CHECK(tensor_grad(loss_of(f, &rng, false), now.items, now.count, grads, HC_CREATE_GRAPH));
    for (size_t i = 0; i < now.count; i++)
        next[i] = tensor_sub(now.items[i], tensor_mul_scalar(grads[i], lr));
    CHECK(fmodule_set_params(f, next, now.count));
    return loss_of(f, &rng, true);
}

static double meta_loss(Module *module, void *user) {
    (void)user;
    TapeMark mark = tape_mark(tape);
    double value = tensor_item(unrolled_loss(fmodule_create(tape, module, true)));
    CHECK(tape_release(tape, mark));
    return value;
}

static void unroll_sgd(void) {
    FModule *f = fmodule_create(tape, net, true);
    Tensor *loss = unrolled_loss(f), *grads[MOST];
    TensorList start = fmodule_params_at(f, 0);
    CHECK(tensor_grad(loss, start.items, start.count, grads, 0));
    for (size_t i = 0; i < start.count; i++)
        CHECK(grads[i] != NULL);
    double along = model_along(net, grads, 4);
    CHECK_NEAR(along, model_difference(net, meta_loss, 1e-4, 4, NULL), 1e-6, 1e-9);
    /* A diffopt over the same step gives the same derivative. */
    Optim *optim = optim_sgd(module_params(net), sgd_options(lr));
    FModule *g = fmodule_create(tape, net, true);
    Rng rng = rng_seed(3);
    CHECK(diffopt_step(diffopt_create(optim, g), loss_of(g, &rng, false)));
    start = fmodule_params_at(g, 0);
    CHECK(tensor_grad(loss_of(g, &rng, true), start.items, start.count, grads, 0));
    CHECK_NEAR(model_along(net, grads, 4), along, 1e-12, 1e-12);
    optim_destroy(optim);
}

static void rnn_unroll_sgd(void) {
    unroll_sgd();
}

static void rnn_cell_unroll_sgd(void) {
    unroll_sgd();
}

int main(void) {
    void (*const of_layers[])(void) = {rnn_forward, rnn_unroll_sgd};
    void (*const of_cells[])(void) = {rnn_cell_forward, rnn_cell_unroll_sgd};
    for (int round = 0; round < KINDS * 2 * 2 * TRIALS; round++) {
        kind = (Kind)(round % KINDS);
        cell = round / KINDS % 2;
        net = make(10 + (uint64_t)round);
        tape = tape_create(HC_F64);
        (cell ? of_cells : of_layers)[round / KINDS / 2 % 2]();
        CHECK(higherc_error() == NULL && tape_error(tape) == NULL);
        if (higherc_error()) CHECK_ERROR("none");
        module_destroy(net);
        tape_destroy(tape);
    }
    return check_done();
}
