/* One step of a recurrent network, and the modules that make a single step: rnn_cell, lstm_cell, gru_cell.
 * Equations are in layers.h. */
#include <math.h>
#include <stdio.h>

#include "nn/recurrent.h"

/* ---- the steps --------------------------------------------------------------------------------------- */

static Tensor *from_state(const HcCellWeights *w, Tensor *h) {
    return tensor_linear(h, w->hh, w->bias_hh);
}

/* Gate number k of gates stacked along the last axis. */
static Tensor *gate(const HcCellWeights *w, Tensor *stacked, int64_t k) {
    int64_t hidden = (int64_t)w->hidden;
    return tensor_slice(stacked, -1, k * hidden, (k + 1) * hidden, 1);
}

static void rnn_step(const HcCellWeights *w, Tensor *xi, Tensor *state[HC_MOST_STATES]) {
    Tensor *sum = tensor_add(xi, from_state(w, state[0]));
    state[0] = w->relu ? tensor_relu(sum) : tensor_tanh(sum);
}

const HcCellKind hc_cell_rnn = {"rnn", "rnn_cell", 1, 1, rnn_step};

static void lstm_step(const HcCellWeights *w, Tensor *xi, Tensor *state[HC_MOST_STATES]) {
    Tensor *sum = tensor_add(xi, from_state(w, state[0]));
    Tensor *i = tensor_sigmoid(gate(w, sum, 0)), *f = tensor_sigmoid(gate(w, sum, 1));
    Tensor *g = tensor_tanh(gate(w, sum, 2)), *o = tensor_sigmoid(gate(w, sum, 3));
    state[1] = tensor_add(tensor_mul(f, state[1]), tensor_mul(i, g));
    state[0] = tensor_mul(o, tensor_tanh(state[1]));
}

const HcCellKind hc_cell_lstm = {"lstm", "lstm_cell", 4, 2, lstm_step};

static void gru_step(const HcCellWeights *w, Tensor *xi, Tensor *state[HC_MOST_STATES]) {
    Tensor *h = state[0], *hi = from_state(w, h);
    Tensor *r = tensor_sigmoid(tensor_add(gate(w, xi, 0), gate(w, hi, 0)));
    Tensor *z = tensor_sigmoid(tensor_add(gate(w, xi, 1), gate(w, hi, 1)));
    Tensor *n = tensor_tanh(tensor_add(gate(w, xi, 2), tensor_mul(r, gate(w, hi, 2))));
    state[0] = tensor_add(n, tensor_mul(z, tensor_sub(h, n)));
}

const HcCellKind hc_cell_gru = {"gru", "gru_cell", 3, 1, gru_step};

/* ---- what layers and cells share ------------------------------------------------------------------------ */

static bool add_param(Module *module, const char *name, const char *suffix, Shape shape) {
    char full[64];
    snprintf(full, sizeof full, "%s%s", name, suffix);
    return hc_module_own_param(module, full, shape) != NULL;
}

bool hc_cell_add_params(Module *module, const HcCellKind *kind, size_t in, size_t hidden, bool bias,
                        const char *suffix) {
    if (hidden > SIZE_MAX / kind->gates)
        return hc_fail_thread(HC_ERR_SHAPE, "module_%s: a hidden size of %zu does not fit memory",
                              module->cls.name, hidden);
    size_t rows = kind->gates * hidden;
    return add_param(module, "weight_ih", suffix, shape2(rows, in)) &&
           add_param(module, "weight_hh", suffix, shape2(rows, hidden)) &&
           (!bias || (add_param(module, "bias_ih", suffix, shape1(rows)) &&
                      add_param(module, "bias_hh", suffix, shape1(rows))));
}

HcCellWeights hc_cell_weights(Frame *frame, size_t first, size_t hidden, bool bias, bool relu) {
    return (HcCellWeights){.ih = hc_frame_param_at(frame, first),
                           .hh = hc_frame_param_at(frame, first + 1),
                           .bias_ih = bias ? hc_frame_param_at(frame, first + 2) : NULL,
                           .bias_hh = bias ? hc_frame_param_at(frame, first + 3) : NULL,
                           .hidden = hidden,
                           .relu = relu};
}

bool hc_cell_init(Module *module, size_t hidden, Rng *rng) {
    double bound = hidden ? 1 / sqrt((double)hidden) : 0;
    for (size_t i = 0; i < module->param_count; i++) {
        Param *p = module->params[i].param;
        if (!p->frozen) param_uniform(p, -bound, bound, rng);
    }
    return true;
}

bool hc_cell_check_input(Frame *frame, Tensor *x, int least, int most, size_t in) {
    const char *who = frame->module->cls.name;
    if (!hc_check(who, x)) return false;
    int ndim = x->form->ndim;
    char text[HC_SHAPE_TEXT];
    return (ndim >= least && ndim <= most && x->form->dim[ndim - 1] == in) ||
           hc_fail(x->tape, HC_ERR_SHAPE, "%s: %s; it takes %d or %d axes, the last of size %zu",
                   who, hc_shape_text(hc_form_shape(x->form), text), least, most, in);
}

bool hc_cell_check_state(Frame *frame, Tensor *state, Shape wanted) {
    const char *who = frame->module->cls.name;
    char a[HC_SHAPE_TEXT], b[HC_SHAPE_TEXT];
    if (!hc_check(who, state)) return false;
    return shape_equal(hc_form_shape(state->form), wanted) ||
           hc_fail(state->tape, HC_ERR_SHAPE, "%s: a state is %s where %s is needed", who,
                   hc_shape_text(hc_form_shape(state->form), a), hc_shape_text(wanted, b));
}

/* ---- the cell modules -------------------------------------------------------------------------------------- */

typedef struct Cell {
    const HcCellKind *kind;
    size_t in, hidden;
    RnnCellOptions options;
} Cell;

RnnCellOptions rnn_cell_options(void) {
    return (RnnCellOptions){.bias = true};
}

static bool cell_forward(Frame *frame, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    const Cell *c = frame_state(frame);
    size_t states = c->kind->states;
    if ((nin != 1 && nin != 1 + states) || nout < 1 || nout > states)
        return hc_fail(frame_tape(frame), HC_ERR_ARG,
                       "%s: takes an input, or that and %zu state%s, and gives up to %zu",
                       c->kind->cell, states, states > 1 ? "s" : "", states);
    if (!hc_cell_check_input(frame, in[0], 1, 2, c->in)) return false;
    Shape shape = hc_form_shape(in[0]->form);
    shape.dim[shape.ndim - 1] = c->hidden;
    Tensor *state[HC_MOST_STATES];
    for (size_t s = 0; s < states; s++) {
        state[s] = nin > 1 ? in[1 + s] : tensor_zeros(frame_tape(frame), shape);
        if (!hc_cell_check_state(frame, state[s], shape)) return false;
    }
    HcCellWeights w = hc_cell_weights(frame, 0, c->hidden, c->options.bias, c->options.relu);
    c->kind->step(&w, tensor_linear(in[0], w.ih, w.bias_ih), state);
    for (size_t s = 0; s < nout; s++)
        out[s] = state[s];
    return frame_tape(frame)->status == HC_OK;
}

static bool cell_init(Module *module, Rng *rng) {
    return hc_cell_init(module, ((const Cell *)module->state)->hidden, rng);
}

static void *cell_clone(const void *state) {
    return hc_copy_bytes(state, sizeof(Cell));
}

static Module *cell(const HcCellKind *kind, size_t in, size_t hidden, RnnCellOptions options) {
    const ModuleClass cls = {.name = kind->cell,
                             .forward = cell_forward,
                             .init = cell_init,
                             .clone_state = cell_clone,
                             .destroy_state = hc_free};
    if (options.relu && kind != &hc_cell_rnn) {
        hc_fail_thread(HC_ERR_ARG, "module_%s: relu is an option of module_rnn_cell only",
                       kind->cell);
        return NULL;
    }
    Cell c = {kind, in, hidden, options};
    Module *module = hc_module_with(&cls, &c, sizeof c);
    if (module && hc_cell_add_params(module, kind, in, hidden, options.bias, "")) return module;
    module_destroy(module);
    return NULL;
}

Module *module_rnn_cell(size_t in, size_t hidden, RnnCellOptions options) {
    return cell(&hc_cell_rnn, in, hidden, options);
}

Module *module_lstm_cell(size_t in, size_t hidden, RnnCellOptions options) {
    return cell(&hc_cell_lstm, in, hidden, options);
}

Module *module_gru_cell(size_t in, size_t hidden, RnnCellOptions options) {
    return cell(&hc_cell_gru, in, hidden, options);
}
