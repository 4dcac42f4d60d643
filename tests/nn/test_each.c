/* Each layer, made, converted, initialised, cloned, run and differentiated with memory that ends at each place in turn:
 * all of it or HC_ERR_NOMEM, nothing left behind, and on a tape that has room again the numbers of one that had. */
#include "support/check.h"
#include "support/failing.h"
#include "support/models.h"
#include "tape/tape.h"

enum { LAYERS = 28 };

static RnnOptions both_ways(void) {
    RnnOptions o = rnn_options();
    o.bidirectional = o.batch_first = true;
    return o;
}

/* A layer of each kind, and the shape it takes. */
static Module *make(size_t which, Shape *x) {
    const Shape row = shape2(2, 3), images = shape4(2, 2, 4, 4), lines = shape3(2, 2, 4),
                steps = shape3(2, 2, 3);
    const size_t first_image = 12, first_line = 19, first_step = 23;
    *x = which < first_image  ? row
         : which < first_line ? images
         : which < first_step ? lines
                              : steps;
    switch (which) {
    case 0:
        return module_linear(3, 2);
    case 1:
        return module_linear_no_bias(3, 2);
    case 2:
        return module_leaky_relu(0.1);
    case 3:
        return module_softmax(1);
    case 4:
        return module_batch_norm1d(3, batch_norm_options());
    case 5:
        return module_layer_norm(shape1(3), norm_options());
    case 6:
        return module_dropout(0.5);
    case 7:
        return module_embedding(4, 2);
    case 8:
        return module_rnn_cell(3, 2, rnn_cell_options());
    case 9:
        return module_lstm_cell(3, 2, rnn_cell_options());
    case 10:
        return module_gru_cell(3, 2, rnn_cell_options());
    case 11:
        return module_sequential((Module *[]){module_linear(3, 2), module_relu(), module_flatten()},
                                 3);
    case 12:
        return module_conv2d(2, 2, 3, 2, conv2d_options());
    case 13:
        return module_max_pool2d(pool2d_options(2));
    case 14:
        return module_avg_pool2d(pool2d_options(2));
    case 15:
        return module_adaptive_avg_pool2d(2, 3);
    case 16:
        return module_batch_norm2d(2, batch_norm_options());
    case 17:
        return module_group_norm(2, 2, norm_options());
    case 18:
        return module_sequential((Module *[]){module_conv2d(2, 2, 3, 3, conv2d_options()),
                                              module_batch_norm2d(2, batch_norm_options()),
                                              module_relu(), module_max_pool2d(pool2d_options(2))},
                                 4);
    case 19:
        return module_conv1d(2, 2, 3, conv1d_options());
    case 20:
        return module_max_pool1d(pool1d_options(2));
    case 21:
        return module_avg_pool1d(pool1d_options(2));
    case 22:
        return module_batch_norm1d(2, batch_norm_options());
    case 23:
        return module_rnn(3, 2, rnn_options());
    case 24:
        return module_lstm(3, 2, rnn_options());
    case 25:
        return module_gru(3, 2, rnn_options());
    case 26:
        return module_lstm(3, 2, both_ways());
    default:
        return module_gru(3, 2, both_ways());
    }
}

static size_t which;

static bool building(void) {
    Shape shape;
    Rng rng = rng_seed(1);
    Module *module = make(which, &shape), *copy = NULL;
    bool done = module && module_to(module, HC_F64) && module_init(module, &rng) &&
                (copy = module_clone(module));
    module_destroy(copy);
    module_destroy(module);
    return done;
}

/* The sum of the result's square, and gradients to the Params and x. */
static bool run(Module *module, Tape *tape, Shape shape, double *out) {
    Rng rng = rng_seed(2);
    bool words = which == 7;
    Tensor *x =
        tensor_leaf(words ? tensor_ones(tape, shape) : tensor_uniform(tape, shape, -1, 1, &rng));
    Tensor *y = tensor_sum(tensor_square(module_forward(module, x))), *g = NULL;
    bool done = y && (words || tensor_grad(y, &x, 1, &g, 0)) &&
                (module_params(module).count == 0 || tensor_backward(y));
    if (done) *out = tensor_item(y) + (g ? tensor_item(tensor_sum(g)) : 0);
    return done && tape_status(tape) == HC_OK;
}

static Tape *fresh(Module *module) {
    ParamList params = module_params(module);
    TapeOptions options = tape_options(HC_F64);
    options.block_bytes = 1;
    for (size_t i = 0; i < params.count; i++)
        param_zero_grad(params.items[i]);
    return tape_create_with(options);
}

/* First values leave what is frozen alone. */
static void frozen(void) {
    Shape shape;
    Rng rng = rng_seed(1);
    Module *module = make(which, &shape);
    ParamList params = module_params(module);
    for (size_t i = 0; i < params.count; i++) {
        param_freeze(params.items[i], i % 2 == 0);
        CHECK(param_fill(params.items[i], 7));
    }
    CHECK(module_init(module, &rng));
    for (size_t i = 0; i < params.count; i++)
        CHECK((param_get(params.items[i], 0) == 7) == (i % 2 == 0));
    module_destroy(module);
}

static void running(void) {
    Shape shape;
    Rng rng = rng_seed(1);
    Module *module = make(which, &shape);
    double want, got = 0;
    CHECK(module && module_to(module, HC_F64) && module_init(module, &rng));
    Tape *tape = fresh(module);
    CHECK(run(module, tape, shape, &want));
    tape_destroy(tape);
    bool done = false;
    for (size_t units = 0; !done; units++) {
        tape = fresh(module);
        failing_units(tape, units);
        done = run(module, tape, shape, &got);
        failing_units_never(tape);
        CHECK(done || (tape_status(tape) == HC_ERR_NOMEM && higherc_status() == HC_ERR_NOMEM));
        CHECK(tape->scratch.live == 0 && tape->born_count == 0);
        higherc_clear_error();
        tape_clear_error(tape);
        tape_seed(tape, 0);
        CHECK(done || run(module, tape, shape, &got));
        CHECK(which == 6 || got == want); /* dropout goes on with other numbers */
        tape_destroy(tape);
    }
    module_destroy(module);
}

int main(void) {
    for (which = 0; which < LAYERS; which++) {
        fail_each_allocation("building", building);
        frozen();
        running();
    }
    CHECK(higherc_error() == NULL);
    return check_done();
}
