/* Recurrent networks over a sequence: layers and directions of one kind of cell. */
#include "nn/recurrent.h"

#include <stdio.h>

typedef struct Recurrent {
    const HcCellKind *kind;
    size_t in, hidden;
    RnnOptions options;
} Recurrent;

RnnOptions rnn_options(void) {
    return (RnnOptions){.layers = 1, .bias = true};
}

/* What a forward works with. States are numbered layer by layer, forward then reverse. */
typedef struct Pass {
    Frame *frame;
    const Recurrent *r;
    size_t steps, directions, lanes; /* lanes: layers * directions */
    Shape state_shape;               /* of one lane */
    Tensor *const *first;            /* initial states [lanes, ...], or NULL: zero */
    Tensor **last[HC_MOST_STATES];   /* final states, by lane */
    Tensor **inputs, **outputs;      /* by time, of the lane at work */
} Pass;

/* x [count, ...] as its slices, by halves: the gradient of a slice is x-sized, and each half's has two
 * terms to add up instead of `count`. */
static void split(Tensor *x, size_t count, Tensor **slices) {
    if (count == 1) {
        slices[0] = tensor_squeeze(x, 0);
        return;
    }
    int64_t half = (int64_t)(count / 2), end = (int64_t)count;
    split(tensor_slice(x, 0, 0, half, 1), count / 2, slices);
    split(tensor_slice(x, 0, half, end, 1), count - count / 2, slices + half);
}

static Tensor *first_state(const Pass *p, size_t s, size_t lane) {
    if (!p->first) return tensor_zeros(frame_tape(p->frame), p->state_shape);
    int64_t at = (int64_t)lane;
    return tensor_squeeze(tensor_slice(p->first[s], 0, at, at + 1, 1), 0);
}

/* One direction of one layer over the whole sequence: outputs [T, ...]. */
static Tensor *run_lane(Pass *p, Tensor *x, size_t lane) {
    const Recurrent *r = p->r;
    const RnnOptions *o = &r->options;
    bool reverse = lane % p->directions == 1;
    HcCellWeights w =
        hc_cell_weights(p->frame, lane * (o->bias ? 4 : 2), r->hidden, o->bias, o->relu);
    Tensor *xi = tensor_linear(x, w.ih, w.bias_ih), *state[HC_MOST_STATES];
    if (!xi) return NULL;
    split(xi, p->steps, p->inputs);
    for (size_t s = 0; s < r->kind->states; s++)
        state[s] = first_state(p, s, lane);
    for (size_t i = 0; i < p->steps; i++) {
        size_t t = reverse ? p->steps - 1 - i : i;
        r->kind->step(&w, p->inputs[t], state);
        p->outputs[t] = state[0];
    }
    for (size_t s = 0; s < r->kind->states; s++)
        p->last[s][lane] = state[s];
    return tensor_stack(p->outputs, p->steps, 0);
}

static Tensor *run_layer(Pass *p, Tensor *x, size_t layer) {
    Tensor *y[2];
    for (size_t d = 0; d < p->directions; d++)
        if (!(y[d] = run_lane(p, x, layer * p->directions + d))) return NULL;
    return p->directions == 1 ? y[0] : tensor_concat(y, 2, -1);
}

/* Checks the inputs and takes lists from the tape. */
static bool prepare(Pass *p, Tensor *x, Tensor *const *first) {
    const Recurrent *r = p->r;
    const char *who = r->kind->layer;
    if (!hc_cell_check_input(p->frame, x, 2, 3, r->in)) return false;
    bool turned = r->options.batch_first && x->form->ndim == 3;
    p->steps = x->form->dim[turned ? 1 : 0];
    if (p->steps == 0) return hc_fail(x->tape, HC_ERR_SHAPE, "%s: a sequence of no steps", who);
    p->state_shape =
        x->form->ndim == 3 ? shape2(x->form->dim[turned ? 0 : 1], r->hidden) : shape1(r->hidden);
    p->directions = r->options.bidirectional ? 2 : 1;
    p->lanes = r->options.layers * p->directions;
    p->first = first;
    Shape all = shape2(p->lanes, p->state_shape.dim[0]);
    if (p->state_shape.ndim == 2) all = shape3(p->lanes, p->state_shape.dim[0], r->hidden);
    for (size_t s = 0; first && s < r->kind->states; s++)
        if (!hc_cell_check_state(p->frame, first[s], all)) return false;
    for (size_t s = 0; s < r->kind->states; s++)
        if (!(p->last[s] = hc_tape_alloc(x->tape, p->lanes * sizeof(Tensor *), who))) return false;
    p->inputs = hc_tape_alloc(x->tape, p->steps * sizeof(Tensor *), who);
    p->outputs = hc_tape_alloc(x->tape, p->steps * sizeof(Tensor *), who);
    return p->inputs && p->outputs;
}

static bool recurrent_forward(Frame *frame, Tensor *const *in, size_t nin, Tensor **out,
                              size_t nout) {
    const Recurrent *r = frame_state(frame);
    size_t states = r->kind->states;
    if ((nin != 1 && nin != 1 + states) || nout < 1 || nout > 1 + states)
        return hc_fail(frame_tape(frame), HC_ERR_ARG,
                       "%s: takes a sequence, or that and %zu initial state%s, and gives the "
                       "outputs and up to %zu final states",
                       r->kind->layer, states, states > 1 ? "s" : "", states);
    Pass p = {.frame = frame, .r = r};
    if (!prepare(&p, in[0], nin > 1 ? in + 1 : NULL)) return false;
    bool turned = r->options.batch_first && tensor_ndim(in[0]) == 3;
    Tensor *x = turned ? tensor_transpose(in[0], 0, 1) : in[0];
    for (size_t layer = 0; layer < r->options.layers; layer++) {
        if (layer > 0 && r->options.dropout > 0 && frame_training(frame))
            x = tensor_dropout(x, r->options.dropout, NULL);
        x = run_layer(&p, x, layer);
    }
    out[0] = turned ? tensor_transpose(x, 0, 1) : x;
    for (size_t s = 0; x && s + 1 < nout; s++)
        out[1 + s] = tensor_stack(p.last[s], p.lanes, 0);
    return frame_tape(frame)->status == HC_OK;
}

static bool recurrent_init(Module *module, Rng *rng) {
    return hc_cell_init(module, ((const Recurrent *)module->state)->hidden, rng);
}

static void *recurrent_clone(const void *state) {
    return hc_copy_bytes(state, sizeof(Recurrent));
}

static bool add_all_params(Module *module, const Recurrent *r) {
    size_t directions = r->options.bidirectional ? 2 : 1;
    for (size_t layer = 0; layer < r->options.layers; layer++)
        for (size_t d = 0; d < directions; d++) {
            char suffix[48];
            size_t in = layer == 0 ? r->in : directions * r->hidden;
            snprintf(suffix, sizeof suffix, "_l%zu%s", layer, d ? "_reverse" : "");
            if (!hc_cell_add_params(module, r->kind, in, r->hidden, r->options.bias, suffix))
                return false;
        }
    return true;
}

#define HC_MOST_LAYERS 4096

static bool check_options(const HcCellKind *kind, const RnnOptions *o) {
    const char *who = kind->layer;
    if (o->layers == 0) return hc_fail_thread(HC_ERR_ARG, "module_%s: no layers", who);
    if (o->layers > HC_MOST_LAYERS)
        return hc_fail_thread(HC_ERR_RANGE, "module_%s: %zu layers, more than %d", who, o->layers,
                              HC_MOST_LAYERS);
    if (o->relu && kind != &hc_cell_rnn)
        return hc_fail_thread(HC_ERR_ARG, "module_%s: relu is an option of module_rnn only", who);
    return (o->dropout >= 0 && o->dropout <= 1) ||
           hc_fail_thread(HC_ERR_ARG, "module_%s: dropout %g is not in [0, 1]", who, o->dropout);
}

static Module *recurrent(const HcCellKind *kind, size_t in, size_t hidden, RnnOptions options) {
    const ModuleClass cls = {.name = kind->layer,
                             .forward = recurrent_forward,
                             .init = recurrent_init,
                             .clone_state = recurrent_clone,
                             .destroy_state = hc_free};
    if (!check_options(kind, &options)) return NULL;
    Recurrent r = {kind, in, hidden, options};
    Module *module = hc_module_with(&cls, &r, sizeof r);
    if (module && add_all_params(module, &r)) return module;
    module_destroy(module);
    return NULL;
}

Module *module_rnn(size_t in, size_t hidden, RnnOptions options) {
    return recurrent(&hc_cell_rnn, in, hidden, options);
}

Module *module_lstm(size_t in, size_t hidden, RnnOptions options) {
    return recurrent(&hc_cell_lstm, in, hidden, options);
}

Module *module_gru(size_t in, size_t hidden, RnnOptions options) {
    return recurrent(&hc_cell_gru, in, hidden, options);
}
