/* Operations of a caller's own. Forward, and a backward that need not be recorded, run in the open on the
 * tape, on leaves over the inputs' numbers, so that they may record and sweep; what they return is put
 * apart in scratch, and the tape released. A backward that is to be recorded runs on clones with history,
 * which keep its inputs independent of one another. */
#include "higherc/custom.h"

#include <string.h>

#include "ops/ops.h"

static const char who[] = "tensor_custom";

/* ---- in the open ----------------------------------------------------------------------------------------- */

/* How the tape was before: what is made in between is recorded, and then released. */
typedef struct Open {
    TapeMark mark;
    HcManner manner;
    size_t read;
    const char *read_op;
} Open;

static Open open_tape(Tape *tape) {
    Open was = {tape_mark(tape), tape->manner, tape->read, tape->read_op};
    tape->manner = (HcManner){.recording = true};
    return was;
}

static void close_tape(Tape *tape, Open was) {
    tape->manner = was.manner;
    tape_release(tape, was.mark);
    tape->read = was.read; /* what was read in between is read again when it is run again */
    tape->read_op = was.read_op;
}

/* x need not be on the tape: a Program's nodes are not. */
static Tensor *leaf_over(Tape *tape, const Tensor *x) {
    return hc_leaf_over(tape, who, x->form, x->data, HC_WHY_NOTHING);
}

static bool is_sound(Tape *tape, const CustomClass *cls, Tensor *x, const char *what) {
    if (tape->status != HC_OK) return false;
    if (!x) return hc_fail(tape, HC_ERR_STATE, "%s: '%s': its %s failed", who, cls->name, what);
    if (x->tape != tape)
        return hc_fail(tape, HC_ERR_TAPE, "%s: '%s': its %s gave a tensor of another tape", who,
                       cls->name, what);
    return hc_alive(x) ||
           hc_fail(tape, HC_ERR_EXPIRED, "%s: '%s': its %s gave a tensor that was freed", who,
                   cls->name, what);
}

/* The operation's value, in scratch and held for the caller; NULL after an error. */
static Tensor *compute(Tape *tape, const CustomClass *cls, void *state, Tensor *const *in,
                       size_t count) {
    Tensor **leaves = hc_scratch_alloc(&tape->scratch, count * sizeof *leaves);
    if (!leaves) {
        hc_fail_nomem(tape, who);
        return NULL;
    }
    Open was = open_tape(tape);
    size_t made = 0;
    while (made < count && (leaves[made] = leaf_over(tape, in[made])))
        made++;
    Tensor *value = NULL;
    if (made == count) {
        CustomCall call = {.tape = tape, .inputs = leaves, .count = count, .state = state};
        HcCalling outer = hc_call_begin(tape);
        Tensor *y = cls->forward(&call);
        hc_call_end(tape, outer);
        if (is_sound(tape, cls, y, "forward")) value = hc_apart(y);
    }
    close_tape(tape, was);
    hc_scratch_free(&tape->scratch, leaves, count * sizeof *leaves);
    return value;
}

/* ---- the backward ----------------------------------------------------------------------------------------- */

/* Room for what a backward is handed and returns. */
typedef struct Room {
    Tensor **inputs, **grads;
    bool *needed;
    void *memory;
    size_t bytes;
} Room;

static bool make_room(Tape *tape, size_t count, Room *room) {
    room->bytes = count * (2 * sizeof(Tensor *) + sizeof(bool));
    room->memory = hc_scratch_alloc(&tape->scratch, room->bytes);
    if (!room->memory) return hc_fail_nomem(tape, who);
    memset(room->memory, 0, room->bytes);
    room->inputs = room->memory;
    room->grads = room->inputs + count;
    room->needed = (bool *)(room->grads + count);
    return true;
}

static bool run_backward(Tensor *y, const CustomCall *call, Tensor **grads) {
    const CustomClass *cls = y->attr.custom.cls;
    Tape *tape = y->tape;
    char a[HC_SHAPE_TEXT], b[HC_SHAPE_TEXT];
    HcCalling outer = hc_call_begin(tape);
    bool done = cls->backward(call, grads);
    hc_call_end(tape, outer);
    if (!done) return is_sound(tape, cls, NULL, "backward");
    for (size_t i = 0; i < call->count; i++) {
        if (!grads[i]) continue;
        if (!is_sound(tape, cls, grads[i], "backward")) return false;
        Shape want = hc_form_shape(call->inputs[i]->form), got = hc_form_shape(grads[i]->form);
        if (!shape_equal(want, got))
            return hc_fail(tape, HC_ERR_SHAPE,
                           "%s: '%s': the gradient to input %zu has shape %s, the input %s", who,
                           cls->name, i, hc_shape_text(got, a), hc_shape_text(want, b));
    }
    return tape->status == HC_OK;
}

/* On the tape, for good. */
static void backward_recorded(HcSweep *s, Tensor *y, Tensor *gy, Room *room) {
    for (size_t i = 0; i < y->nin; i++)
        if (!(room->inputs[i] = tensor_clone(hc_inputs(y)[i]))) return;
    CustomCall call = {y->tape, room->inputs, y->nin, y, gy, room->needed, y->attr.custom.state};
    if (!run_backward(y, &call, room->grads)) return;
    for (unsigned i = 0; i < y->nin; i++)
        hc_give(s, i, room->grads[i]);
}

/* In the open; the gradients are kept. */
static void backward_released(HcSweep *s, Tensor *y, Tensor *gy, Room *room) {
    Tape *tape = y->tape;
    Open was = open_tape(tape);
    Tensor *output = leaf_over(tape, y), *gradient = leaf_over(tape, gy);
    bool done = output && gradient;
    for (size_t i = 0; i < y->nin && done; i++)
        done = (room->inputs[i] = leaf_over(tape, hc_inputs(y)[i])) != NULL;
    CustomCall call = {tape,         room->inputs,        y->nin, output, gradient,
                       room->needed, y->attr.custom.state};
    done = done && run_backward(y, &call, room->grads);
    for (size_t i = 0; i < y->nin; i++)
        room->grads[i] =
            done && room->grads[i] && room->needed[i] ? hc_apart(room->grads[i]) : NULL;
    close_tape(tape, was);
    for (unsigned i = 0; i < y->nin; i++) {
        Tensor *kept = room->grads[i];
        hc_give(s, i, kept && !tape->manner.scratching ? hc_copied(kept, HC_WHY_NO_GRAPH) : kept);
        hc_drop(kept);
    }
}

bool hc_input_unchanged(const Tensor *y, size_t i) {
    const Tensor *x = hc_inputs(y)[i];
    uint64_t version;
    if (!(x->flags & HC_NODE_BORROWED)) return true;
    const HcCell *cell = hc_cell(x, &version);
    return cell->version == version ||
           hc_fail(y->tape, HC_ERR_CHANGED,
                   "the gradient of %s needs '%s' as it was, but it was changed in place since", y->op->name,
                   cell->name);
}

bool hc_inputs_unchanged(const Tensor *y) {
    for (uint32_t i = 0; i < y->nin; i++)
        if (!hc_input_unchanged(y, i)) return false;
    return true;
}

static void custom_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    Tape *tape = y->tape;
    const CustomClass *cls = y->attr.custom.cls;
    Room room = {.bytes = 0};
    if (tape->manner.abstract) {
        hc_fail(tape, HC_ERR_STATE,
                "%s: '%s': a Program cannot record its backward pass: take the gradient with "
                "HC_CREATE_GRAPH before the capture",
                who, cls->name);
        return;
    }
    if (!hc_inputs_unchanged(y) || !make_room(tape, y->nin, &room)) return;
    for (unsigned i = 0; i < y->nin; i++)
        room.needed[i] = hc_needs(s, i);
    if (tape->manner.recording && !tape->manner.scratching)
        backward_recorded(s, y, gy, &room);
    else
        backward_released(s, y, gy, &room);
    hc_scratch_free(&tape->scratch, room.memory, room.bytes);
}

/* ---- the operation ------------------------------------------------------------------------------------------ */

static bool custom_infer(Tensor *y) {
    const Tensor *value = y->attr.custom.value;
    y->form = value->form->plain;
    return true;
}

typedef struct Again {
    Tensor *y;
    bool done;
} Again;

/* What a Program runs: the value from the node. */
static void compute_again(void *user) {
    Again *again = user;
    Tensor *y = again->y;
    const CustomClass *cls = y->attr.custom.cls;
    Tensor *value = compute(y->tape, cls, y->attr.custom.state, hc_inputs(y), y->nin);
    again->done = value && shape_equal(hc_form_shape(value->form), hc_form_shape(y->form));
    if (again->done)
        hc_copy_dense(value, y->data);
    else if (value)
        hc_fail(y->tape, HC_ERR_SHAPE, "%s: '%s': its value's shape changed", who, cls->name);
    hc_drop(value);
}

/* The builder computes before there is a node, since that records. */
static bool custom_forward(Tensor *y) {
    const Tensor *value = y->attr.custom.value;
    Again again = {y, true};
    if (value)
        hc_copy_dense(value, y->data);
    else
        y->tape->k->call(compute_again, &again);
    return again.done;
}

static const HcOp op_custom = {.name = "tensor_custom",
                               .flags = HC_OP_MORE,
                               .arity = 1,
                               .infer = custom_infer,
                               .forward = custom_forward,
                               .vjp = custom_vjp};

static const HcOp op_custom_constant = {.name = "tensor_custom",
                                        .flags = HC_OP_NODIFF | HC_OP_MORE,
                                        .arity = 1,
                                        .infer = custom_infer,
                                        .forward = custom_forward};

Tensor *tensor_custom(const CustomClass *cls, Tensor *const *inputs, size_t count, void *state) {
    if (!cls || !cls->name || !cls->forward || !inputs || count == 0) {
        hc_fail_thread(HC_ERR_ARG, "%s: %s", who,
                       !inputs || count == 0 ? "there are no inputs"
                                             : "the class has no name or no forward");
        return NULL;
    }
    if (!hc_check_all(who, inputs, count)) return NULL;
    Tape *tape = inputs[0]->tape;
    HC_ASSERT(!tape->manner.abstract); /* no rule but this operation's, refused there, runs callers' code */
    Tensor *value = compute(tape, cls, state, inputs, count), *y = NULL;
    if (value) {
        HcAttr attr = {.custom = {cls, state, value}};
        y = hc_emit(cls->backward ? &op_custom : &op_custom_constant, &attr, inputs, count);
    }
    if (y) y->attr.custom.value = NULL;
    hc_drop(value);
    return y;
}
