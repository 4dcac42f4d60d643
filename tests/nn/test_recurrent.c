/* Recurrent layers and cells: values and states against plain loops over all options, derivatives through
 * fast weights, and what is refused. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "support/refuse.h"

enum { T = 4, N = 2, IN = 3, HID = 2, MOST_LANES = 4, STATE = N * HID };

typedef enum Kind { RNN, LSTM, GRU, KINDS } Kind;

static const size_t gates[KINDS] = {1, 4, 3}, state_count[KINDS] = {1, 2, 1};
static Module *(*const make[KINDS])(size_t, size_t, RnnOptions) = {module_rnn, module_lstm,
                                                                   module_gru};
static Module *(*const make_cell[KINDS])(size_t, size_t, RnnCellOptions) = {
    module_rnn_cell, module_lstm_cell, module_gru_cell};

static double xs[T * N * IN], h0[MOST_LANES * STATE], c0[MOST_LANES * STATE];

static void draw(double *values, size_t count, Rng *rng) {
    for (size_t i = 0; i < count; i++)
        values[i] = 2 * rng_uniform(rng) - 1;
}

static Module *ready(Module *module) {
    Rng rng = rng_seed(5);
    CHECK(module && module_to(module, HC_F64) && module_init(module, &rng));
    return module;
}

/* ---- by loops --------------------------------------------------------------------------------------- */

static double sigmoid(double x) {
    return 1 / (1 + exp(-x));
}

/* What gate row `row` gets from x, or from h: w[row] . v + b[row]. */
static double row_of(const Module *m, const char *part, const char *suffix, size_t row,
                     const double *v, size_t n) {
    char name[64];
    snprintf(name, sizeof name, "weight_%s%s", part, suffix);
    const Param *w = module_param(m, name);
    double sum = 0;
    for (size_t j = 0; j < n; j++)
        sum += param_get(w, row * n + j) * v[j];
    snprintf(name, sizeof name, "bias_%s%s", part, suffix);
    Param *b = module_param(m, name);
    if (!b) higherc_clear_error();
    return sum + (b ? param_get(b, row) : 0);
}

/* One step of one example: h and c become the next. */
static void step(const Module *m, Kind kind, bool relu, const char *suffix, const double *x,
                 size_t in, double *h, double *c) {
    double xi[4 * HID], hi[4 * HID];
    for (size_t r = 0; r < gates[kind] * HID; r++) {
        xi[r] = row_of(m, "ih", suffix, r, x, in);
        hi[r] = row_of(m, "hh", suffix, r, h, HID);
    }
    for (size_t u = 0; u < HID; u++) {
        if (kind == RNN) {
            double a = xi[u] + hi[u];
            h[u] = relu ? fmax(a, 0) : tanh(a);
        } else if (kind == LSTM) {
            double i = sigmoid(xi[u] + hi[u]), f = sigmoid(xi[HID + u] + hi[HID + u]);
            double g = tanh(xi[2 * HID + u] + hi[2 * HID + u]);
            c[u] = f * c[u] + i * g;
            h[u] = sigmoid(xi[3 * HID + u] + hi[3 * HID + u]) * tanh(c[u]);
        } else {
            double r = sigmoid(xi[u] + hi[u]), z = sigmoid(xi[HID + u] + hi[HID + u]);
            double n = tanh(xi[2 * HID + u] + r * hi[2 * HID + u]);
            h[u] = (1 - z) * n + z * h[u];
        }
    }
}

/* The whole network: y [T, N, D * HID]; h and c [lanes, N, HID] become the final states. */
static void reference(const Module *m, Kind kind, const RnnOptions *o, const double *x, double *y,
                      double *h, double *c) {
    size_t directions = o->bidirectional ? 2 : 1, in = IN;
    double now[T * N * 2 * HID];
    memcpy(now, x, sizeof(double) * T * N * IN);
    for (size_t layer = 0; layer < o->layers; layer++) {
        for (size_t d = 0; d < directions; d++) {
            char suffix[32];
            snprintf(suffix, sizeof suffix, "_l%zu%s", layer, d ? "_reverse" : "");
            size_t lane = layer * directions + d;
            for (size_t i = 0; i < T; i++) {
                size_t t = d ? T - 1 - i : i;
                for (size_t n = 0; n < N; n++) {
                    double *hn = h + (lane * N + n) * HID, *cn = c + (lane * N + n) * HID;
                    step(m, kind, o->relu, suffix, now + (t * N + n) * in, in, hn, cn);
                    memcpy(y + ((t * N + n) * directions + d) * HID, hn, sizeof(double) * HID);
                }
            }
        }
        in = directions * HID;
        memcpy(now, y, sizeof(double) * T * N * in);
    }
}

/* ---- values --------------------------------------------------------------------------------------------- */

static void check_numbers(Tensor *got, const double *want, size_t count) {
    double values[T * N * 2 * HID + MOST_LANES * STATE];
    CHECK(tensor_copy_to_f64(got, values, count));
    for (size_t i = 0; i < count; i++)
        CHECK_NEAR(values[i], want[i], 1e-12, 1e-13);
}

static void check_options(Kind kind, RnnOptions o, bool states) {
    Tape *tape = tape_create(HC_F64);
    Module *m = ready(make[kind](IN, HID, o));
    size_t directions = o.bidirectional ? 2 : 1, lanes = o.layers * directions;
    Shape state_shape = shape3(lanes, N, HID);
    double y[T * N * 2 * HID], h[MOST_LANES * STATE] = {0}, c[MOST_LANES * STATE] = {0};
    if (states) {
        memcpy(h, h0, sizeof h);
        memcpy(c, c0, sizeof c);
    }
    Tensor *x = tensor_from_f64(tape, shape3(T, N, IN), xs);
    if (o.batch_first) x = tensor_transpose(x, 0, 1);
    Tensor *in[3] = {x, tensor_from_f64(tape, state_shape, h),
                     tensor_from_f64(tape, state_shape, c)};
    Tensor *out[3] = {NULL, NULL, NULL};
    CHECK(module_forward_n(m, in, states ? 1 + state_count[kind] : 1, out, 1 + state_count[kind]));
    reference(m, kind, &o, xs, y, h, c);
    if (o.batch_first) out[0] = tensor_transpose(out[0], 0, 1);
    CHECK(shape_equal(tensor_shape(out[0]), shape3(T, N, directions * HID)));
    check_numbers(out[0], y, T * N * directions * HID);
    CHECK(shape_equal(tensor_shape(out[1]), state_shape));
    check_numbers(out[1], h, lanes * STATE);
    if (kind == LSTM) check_numbers(out[2], c, lanes * STATE);

    /* One sequence without the batch's axis, which is the first example's. */
    if (!states && !o.batch_first) {
        Tensor *alone = tensor_squeeze(tensor_slice(x, 1, 0, 1, 1), 1);
        Tensor *first = tensor_squeeze(tensor_slice(out[0], 1, 0, 1, 1), 1), *ya;
        CHECK((ya = module_forward(m, alone)) != NULL);
        CHECK(tensor_item(tensor_max(tensor_abs(tensor_sub(ya, first)))) < 1e-14);
    }
    module_destroy(m);
    CHECK(higherc_error() == NULL);
    tape_destroy(tape);
}

static void values(void) {
    RnnOptions o = rnn_options();
    CHECK(o.layers == 1 && !o.relu && o.bias && !o.bidirectional && !o.batch_first &&
          o.dropout == 0);
    for (int kind = RNN; kind < KINDS; kind++)
        for (int bits = 0; bits < 32; bits++) {
            o = rnn_options();
            o.layers = bits & 1 ? 2 : 1;
            o.bias = bits & 2;
            o.bidirectional = bits & 4;
            o.batch_first = bits & 8;
            check_options((Kind)kind, o, bits & 16);
            o.relu = true;
            if (kind == RNN) check_options(RNN, o, bits & 16);
        }
}

/* A cell is one step of the layer with the same weights. */
static void cells(void) {
    for (int kind = RNN; kind < KINDS; kind++)
        for (int bits = 0; bits < 4; bits++) {
            Tape *tape = tape_create(HC_F64);
            RnnCellOptions o = rnn_cell_options();
            CHECK(o.bias && !o.relu);
            o.bias = bits & 1;
            o.relu = kind == RNN && (bits & 2);
            Module *m = ready(make_cell[kind](IN, HID, o));
            CHECK(module_params(m).count == (o.bias ? 4 : 2));
            Tensor *in[3] = {tensor_from_f64(tape, shape2(N, IN), xs),
                             tensor_from_f64(tape, shape2(N, HID), h0),
                             tensor_from_f64(tape, shape2(N, HID), c0)};
            Tensor *out[2] = {NULL, NULL};
            double h[STATE], c[STATE], zero[2][HID] = {{0}};
            memcpy(h, h0, sizeof h);
            memcpy(c, c0, sizeof c);
            CHECK(module_forward_n(m, in, 1 + state_count[kind], out, state_count[kind]));
            for (size_t n = 0; n < N; n++)
                step(m, (Kind)kind, o.relu, "", xs + n * IN, IN, h + n * HID, c + n * HID);
            check_numbers(out[0], h, STATE);
            if (kind == LSTM) check_numbers(out[1], c, STATE);
            step(m, (Kind)kind, o.relu, "", xs, IN, zero[0], zero[1]); /* no state, no batch */
            check_numbers(module_forward(m, tensor_from_f64(tape, shape1(IN), xs)), zero[0], HID);
            Module *copy = module_clone(m);
            check_numbers(module_forward(copy, tensor_from_f64(tape, shape1(IN), xs)), zero[0],
                          HID);
            module_destroy(copy);
            module_destroy(m);
            tape_destroy(tape);
        }
}

static void names(void) {
    RnnOptions o = rnn_options();
    o.layers = 2;
    o.bidirectional = true;
    Module *m = module_gru(IN, HID, o);
    static const char *const wanted[] = {
        "weight_ih_l0",       "weight_hh_l0",         "bias_ih_l0",
        "bias_hh_l0",         "weight_ih_l0_reverse", "weight_hh_l0_reverse",
        "bias_ih_l0_reverse", "bias_hh_l0_reverse",   "weight_ih_l1"};
    ParamList list = module_params(m);
    CHECK(list.count == 16);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        CHECK(strcmp(param_name(list.items[i]), wanted[i]) == 0);
    CHECK(shape_equal(param_shape(module_param(m, "weight_ih_l0")), shape2(3 * HID, IN)));
    CHECK(shape_equal(param_shape(module_param(m, "weight_ih_l1_reverse")),
                      shape2(3 * HID, 2 * HID)));
    Rng rng = rng_seed(3);
    double bound = 1 / sqrt((double)HID), most = 0;
    CHECK(module_init(m, &rng));
    for (size_t i = 0; i < list.count; i++)
        for (size_t k = 0; k < param_count(list.items[i]); k++)
            most = fmax(most, fabs(param_get(list.items[i], k)));
    CHECK(most <= bound && most > bound / 2);
    module_destroy(m);
}

/* Between layers only, in training mode only. */
static void dropout_between(void) {
    Tape *tape = tape_create(HC_F64);
    RnnOptions o = rnn_options();
    o.layers = 2;
    o.dropout = 1; /* the second layer gets zeros */
    Module *m = ready(module_rnn(IN, HID, o));
    Tensor *x = tensor_from_f64(tape, shape3(T, N, IN), xs), *out[2];
    CHECK(module_forward_n(m, &x, 1, out, 2));
    double h[HID] = {0}, none[HID] = {0};
    step(m, RNN, false, "_l1", none, HID, h, none);
    check_numbers(tensor_squeeze(tensor_slice(tensor_slice(out[0], 0, 0, 1, 1), 1, 0, 1, 1), 0), h,
                  HID);
    module_train(m, false);
    double y[T * N * 2 * HID], hs[MOST_LANES * STATE] = {0}, cs[MOST_LANES * STATE] = {0};
    reference(m, RNN, &o, xs, y, hs, cs);
    check_numbers(module_forward(m, x), y, T * N * HID);
    module_destroy(m);
    tape_destroy(tape);
}

/* ---- derivatives ------------------------------------------------------------------------------------------ */

/* Inputs: x, then the weights. */
static Tensor *through(Tensor *const *in, size_t count, void *user) {
    return tensor_square(fmodule_forward_with(user, in + 1, count - 1, in[0]));
}

/* Inputs: x and states; outputs and final states together. */
static Tensor *through_states(Tensor *const *in, size_t count, void *user) {
    Tensor *out[3], *sum;
    if (!fmodule_forward_n(user, in, count, out, count)) return NULL;
    sum = tensor_sum(tensor_sin(out[0]));
    for (size_t i = 1; i < count; i++)
        sum = tensor_add(sum, tensor_sum(tensor_mul_scalar(tensor_square(out[i]), (double)i)));
    return sum;
}

static void derivatives(void) {
    for (int kind = RNN; kind < KINDS; kind++) {
        Tape *tape = tape_create(HC_F64);
        RnnOptions o = rnn_options();
        o.bidirectional = true;
        Module *m = ready(make[kind](2, HID, o));
        FModule *f = fmodule_create(tape, m, false);
        TensorList params = fmodule_params(f);
        Tensor *in[9] = {tensor_from_f64(tape, shape3(3, 1, 2), xs)};
        for (size_t i = 0; i < params.count; i++)
            in[1 + i] = params.items[i];
        GradcheckOptions options = gradcheck_options(HC_F64);
        CHECK(gradcheck(through, in, 1 + params.count, options, f));
        in[1] = tensor_from_f64(tape, shape3(2, 1, HID), h0);
        in[2] = tensor_from_f64(tape, shape3(2, 1, HID), c0);
        options.order = 3;
        CHECK(gradcheck(through_states, in, 1 + state_count[kind], options, f));
        if (higherc_error()) CHECK_ERROR("the message of gradcheck");
        tape_destroy(tape);
        module_destroy(m);
    }
}

/* ---- errors ------------------------------------------------------------------------------------------------ */

static void errors(void) {
    Tape *tape = tape_create(HC_F64);
    RnnOptions o = rnn_options();
    o.layers = 0;
    REFUSED(module_rnn(IN, HID, o));
    o = rnn_options();
    o.relu = true;
    REFUSED(module_lstm(IN, HID, o));
    REFUSED(module_gru(IN, HID, o));
    REFUSED(module_gru_cell(IN, HID, ((RnnCellOptions){.relu = true})));
    o = rnn_options();
    o.dropout = 2;
    REFUSED(module_rnn(IN, HID, o));
    REFUSED(module_lstm(IN, SIZE_MAX / 2, rnn_options()));

    Module *m = ready(module_lstm(IN, HID, rnn_options()));
    Module *cell = ready(module_lstm_cell(IN, HID, rnn_cell_options()));
    Tensor *out[5], *x = tensor_ones(tape, shape3(T, N, IN)),
                    *s = tensor_ones(tape, shape3(1, N, HID));
    Tensor *off = tensor_ones(tape, shape3(2, N, HID)), *x1 = tensor_ones(tape, shape2(N, IN));
    WRONG(HC_ERR_SHAPE, module_forward(m, tensor_ones(tape, shape3(T, N, IN + 1))));
    WRONG(HC_ERR_SHAPE, module_forward(m, tensor_ones(tape, shape1(IN))));
    WRONG(HC_ERR_SHAPE, module_forward(m, tensor_ones(tape, shape3(0, N, IN))));
    WRONG(HC_ERR_ARG, module_forward_n(m, (Tensor *[]){x, s}, 2, out, 1));
    WRONG(HC_ERR_ARG, module_forward_n(m, &x, 1, out, 4));
    WRONG(HC_ERR_SHAPE, module_forward_n(m, (Tensor *[]){x, s, off}, 3, out, 1));
    WRONG(HC_ERR_ARG, module_forward_n(m, (Tensor *[]){x, s, NULL}, 3, out, 1));
    WRONG(HC_ERR_SHAPE, module_forward(cell, x));
    WRONG(HC_ERR_SHAPE, module_forward_n(cell, (Tensor *[]){x1, s, s}, 3, out, 1));
    WRONG(HC_ERR_ARG, module_forward_n(cell, &x1, 1, out, 3));
    WRONG(HC_ERR_ARG, module_forward_n(cell, &x1, 1, out, 0));
    WRONG(HC_ERR_ARG, module_forward_n(m, &x, 1, out, 0));
    REFUSED(module_forward(m, NULL));
    module_destroy(m);
    module_destroy(cell);
    tape_destroy(tape);
}

int main(void) {
    Rng rng = rng_seed(9);
    draw(xs, sizeof xs / sizeof *xs, &rng);
    draw(h0, sizeof h0 / sizeof *h0, &rng);
    draw(c0, sizeof c0 / sizeof *c0, &rng);
    values();
    cells();
    names();
    dropout_between();
    derivatives();
    errors();
    return check_done();
}
