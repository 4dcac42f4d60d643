/* Recording: the one place where a node is made. The steps are apart (check, infer, place, forward,
 * link), so that the same operation can be run with or without history, on the tape's arena or in its
 * scratch store. */
#include <stddef.h>
#include <string.h>

#include "tape/tape.h"

_Static_assert(offsetof(Tensor, in) + 2 * sizeof(Tensor *) <= 64, "two inputs of a node are in its first line");

/* ---- checks --------------------------------------------------------------------------------- */

bool (hc_check_slowly)(const char *who, Tensor *const *x, size_t count) {
    Tape *tape = NULL;
    for (size_t i = 0; i < count && !tape; i++)
        if (x[i]) tape = x[i]->tape;
    if (!tape) {
        hc_fail_thread(HC_ERR_ARG, "%s: %s", who, count ? "a tensor is NULL" : "no tensors");
        return false;
    }
    if (tape->status != HC_OK) return hc_tell_again(tape);
    for (size_t i = 0; i < count; i++) {
        if (!x[i]) return hc_fail(tape, HC_ERR_ARG, "%s: tensor %zu is NULL", who, i + 1);
        if (x[i]->tape != tape)
            return hc_fail(tape, HC_ERR_TAPE, "%s: tensor %zu is on another tape than the first", who, i + 1);
        if (!hc_alive(x[i]))
            return hc_fail(tape, HC_ERR_EXPIRED,
                           "%s: tensor %zu was freed by tape_reset or tape_release: make it anew in each turn",
                           who, i + 1);
    }
    return false;
}

/* ---- nodes ------------------------------------------------------------------------------------ */

static size_t data_bytes(const Tensor *x) {
    return x->form->count * x->tape->item;
}

static void free_scratch_node(Tensor *x) {
    HcScratch *scratch = &x->tape->scratch;
    if (x->nin > HC_INLINE_INPUTS) hc_scratch_free(scratch, x->in.many, x->nin * sizeof(Tensor *));
    hc_scratch_free(scratch, x, sizeof *x);
}

void hc_free_unheld(Tensor *x) {
    do {
        Tensor *base = x->op->flags & HC_OP_ALIAS ? x->in.few[0] : NULL;
        if (x->flags & HC_NODE_OWNS) hc_scratch_free(&x->tape->scratch, x->data, data_bytes(x));
        x->check = 0;
        free_scratch_node(x);
        x = base; /* an alias holds what it reads */
    } while (x && (x->flags & HC_NODE_SCRATCH) && --x->holders == 0);
}

static Tensor *no_memory(Tape *tape, const char *who) {
    hc_fail_nomem(tape, who);
    return NULL;
}

HC_INLINE Tensor *new_scratch_node(Tape *tape, const char *who) {
    Tensor *y = hc_room_for_born(tape) ? hc_scratch_alloc(&tape->scratch, sizeof *y) : NULL;
    if (!y) return no_memory(tape, who);
    y->flags = HC_NODE_SCRATCH;
    y->holders = 1;
    return y;
}

static bool add_chunk(Tape *tape) {
    size_t bytes = sizeof(Tensor) << tape->chunk_shift;
    Tensor *chunk = NULL;
    if (tape->count < UINT32_MAX &&
        hc_budget_grow(&tape->budget, (void **)&tape->chunks, &tape->chunk_capacity,
                       tape->chunk_count, tape->chunk_count + 1, sizeof *tape->chunks))
        chunk = hc_budget_alloc(&tape->budget, bytes);
    if (!chunk) return false;
    memset(chunk, 0, bytes);
    tape->chunks[tape->chunk_count++] = chunk;
    return true;
}

bool hc_tape_room(Tape *tape, size_t nodes) {
    while (tape->chunk_count << tape->chunk_shift < nodes)
        if (!add_chunk(tape)) return false;
    return true;
}

HC_INLINE Tensor *new_tape_node(Tape *tape, const char *who) {
    if (tape->count >> tape->chunk_shift == tape->chunk_count && !add_chunk(tape))
        return no_memory(tape, who);
    Tensor *y = hc_node(tape, tape->count);
    y->flags = 0;
    y->index = (uint32_t)tape->count;
    return y;
}

/* ---- the steps ------------------------------------------------------------------------------------- */

static bool put_many_inputs(Tensor *y, Tensor *const *in, size_t nin) {
    bool scratch = y->flags & HC_NODE_SCRATCH;
    y->in.many = scratch ? hc_scratch_alloc(&y->tape->scratch, nin * sizeof *in)
                         : hc_tape_alloc(y->tape, nin * sizeof *in, y->op->name);
    if (!y->in.many) return hc_fail_nomem(y->tape, y->op->name);
    memcpy(y->in.many, in, nin * sizeof *in);
    return true;
}

HC_INLINE bool put_inputs(Tensor *y, Tensor *const *in, size_t nin) {
    y->nin = (uint32_t)nin;
    if (nin > HC_INLINE_INPUTS) return put_many_inputs(y, in, nin);
    for (size_t i = 0; i < nin; i++)
        y->in.few[i] = in[i];
    return true;
}

/* Takes over the numbers of the acc input, which no one else reads: both are in scratch, or both on the tape.
 * A check for NaN must still find the input as it was. */
static bool overwrites_acc(Tensor *y, Tensor *acc) {
    uint8_t scratch = y->flags & HC_NODE_SCRATCH, owns = scratch ? HC_NODE_OWNS : 0;
    if (!(acc->flags & HC_NODE_CONSUME)) return false;
    acc->flags &= (uint8_t)~HC_NODE_CONSUME;
    if (acc->form != y->form || y->tape->check_nan) return false;
    if ((acc->flags & (HC_NODE_SCRATCH | HC_NODE_OWNS)) != (scratch | owns)) return false;
    acc->flags &= (uint8_t)~HC_NODE_OWNS;
    y->flags |= owns;
    y->data = acc->data;
    return true;
}

HC_INLINE bool place(Tensor *y, Tape *tape, unsigned op) {
    bool scratch = y->flags & HC_NODE_SCRATCH;
    if (op & HC_OP_ALIAS) {
        Tensor *base = y->in.few[0];
        y->flags |= base->flags & HC_NODE_BORROWED;
        if (scratch) hc_hold(base);
        return true;
    }
    Tensor *acc = op & HC_OP_ACC ? hc_acc_of(y) : NULL;
    if (acc && overwrites_acc(y, acc)) return true;
    size_t bytes = y->form->count * tape->item;
    if (!scratch) {
        y->data = hc_tape_alloc(tape, bytes, y->op->name);
        return y->data != NULL;
    }
    y->data = hc_scratch_alloc(&tape->scratch, bytes);
    if (!y->data) return hc_fail_nomem(tape, y->op->name);
    y->flags |= HC_NODE_OWNS;
    return true;
}

static void free_workspaces(Tape *tape) {
    while (tape->workspace_count > 0) {
        tape->workspace_count--;
        if (tape->fixed_workspaces) continue;
        hc_scratch_free(&tape->scratch, tape->workspaces[tape->workspace_count].buffer,
                        tape->workspaces[tape->workspace_count].bytes);
    }
}

/* Of a view only what it shows counts; without memory to gather that, it has none. */
static bool has_nan(const Tensor *x) {
    const HcKernels *k = x->tape->k;
    if (x->form->packed) return k->has_nan(x->data, x->form->count);
    void *shown = hc_scratch_alloc(&x->tape->scratch, data_bytes(x));
    if (!shown) return false;
    hc_copy_dense(x, shown);
    bool found = k->has_nan(shown, x->form->count);
    hc_scratch_free(&x->tape->scratch, shown, data_bytes(x));
    return found;
}

static bool makes_no_nan(const Tensor *y) {
    if (!has_nan(y)) return true;
    for (uint32_t i = 0; i < y->nin; i++)
        if (has_nan(hc_inputs(y)[i])) return true;
    return hc_fail(y->tape, HC_ERR_NAN, "%s: made a NaN out of inputs without one", y->op->name);
}

HC_INLINE bool forward(Tensor *y, Tape *tape, const HcOp *op) {
    if (op->flags & HC_OP_ALIAS) return true;
    HC_ASSERT(tape->workspace_count == 0); /* all there is is freed behind a forward */
    bool done = op->forward(y);
    if (tape->workspace_count > 0) free_workspaces(tape);
    return done && (!tape->check_nan || makes_no_nan(y));
}

bool hc_forward(Tensor *y) {
    return forward(y, y->tape, y->op);
}

/* What the inputs of a node say of it. */
typedef struct Inputs {
    unsigned flags;   /* of any of them */
    unsigned passing; /* as the node's */
    unsigned why;     /* the best reason of those that no gradient flows to */
} Inputs;

/* Looks at all of them; false after hc_fail. */
HC_INLINE bool look_at(const HcOp *op, const Tape *tape, Tensor *const *in, size_t nin,
                       Inputs *said) {
    if (!tape || tape->status != HC_OK) return hc_check_slowly(op->name, in, nin);
    for (size_t i = 0; i < nin; i++) {
        const Tensor *x = in[i];
        if (!x || x->tape != tape || !hc_alive(x)) return hc_check_slowly(op->name, in, nin);
        unsigned passes = x->flags & HC_NODE_NEEDS;
        said->flags |= x->flags;
        said->passing |= passes << (i < HC_LAST_BIT ? i : HC_LAST_BIT);
        if (x->why > said->why) said->why = x->why; /* none where a gradient flows */
    }
    return true;
}

/* Whether a gradient flows through y, and if not, why; of a leaf its maker says. */
HC_INLINE void link(Tensor *y, const Tape *tape, unsigned op) {
    if (!y->passing) return;
    if (!(op & (HC_OP_NODIFF | HC_OP_LEAF)) && tape->manner.recording &&
        !(y->flags & HC_NODE_SCRATCH)) {
        y->flags |= HC_NODE_NEEDS;
        y->why = HC_WHY_NOTHING;
        return;
    }
    uint8_t cause = op & HC_OP_NODIFF ? HC_WHY_OP : HC_WHY_RECORDING;
    y->passing = 0;
    if (cause > y->why) y->why = cause;
}

/* An input was made before, and on the tape if y is. */
static bool input_holds(const Tensor *y, const Tensor *x) {
    bool scratch = x->flags & HC_NODE_SCRATCH;
    return x->tape == y->tape && hc_alive(x) &&
           (y->flags & HC_NODE_SCRATCH || (!scratch && x->index < y->index));
}

/* What holds of every node when it is made. */
static bool node_holds(const Tensor *y) {
    const Tape *tape = y->tape;
    bool scratch = y->flags & HC_NODE_SCRATCH, needs = y->flags & HC_NODE_NEEDS;
    unsigned inputs = y->nin > HC_LAST_BIT ? UINT16_MAX : (1u << y->nin) - 1;
    bool holds = y->data && y->form && (y->form->packed || y->op->flags & HC_OP_ALIAS);
    holds = holds && (scratch ? y->holders == 1 : y->index == tape->count && y == hc_node(tape, y->index));
    holds = holds && (scratch || !(y->flags & HC_NODE_OWNS));
    /* A gradient that flows has somewhere to go; where none does there is a reason. */
    holds = holds && !(y->passing & ~inputs) && needs == (y->why == HC_WHY_NOTHING);
    holds = holds && (needs ? !scratch && (y->passing || y->op->flags & HC_OP_LEAF) : !y->passing);
    for (uint32_t i = 0; holds && i < y->nin; i++)
        holds = input_holds(y, hc_inputs(y)[i]);
    return holds;
}

/* A node that is whole is the tape's, or the sweep's, from here on. */
HC_INLINE Tensor *take_up(Tensor *y, Tape *tape) {
    HC_ASSERT(node_holds(y));
    y->check = HC_CHECK_WORD;
    y->serial = ++tape->serial;
    if (y->flags & HC_NODE_SCRATCH)
        tape->born[tape->born_count++] = y;
    else
        tape->count++;
    return y;
}

/* Takes back what the making of a node had got to when it failed. */
static Tensor *give_up(Tensor *y, bool placed, HcPosition before) {
    if (!(y->flags & HC_NODE_SCRATCH)) {
        y->check = 0;
        if (y->nin > HC_INLINE_INPUTS) /* its list came just before */
            before = hc_arena_position(&y->tape->data, before.block, (const char *)y->in.many);
        hc_arena_rewind(&y->tape->data, before);
    } else if (placed) {
        hc_drop(y);
    } else {
        free_scratch_node(y);
    }
    return NULL;
}

/* What a descriptor says of itself is what it has: inputs past its arity, a rule, a forward. */
static bool op_holds(const HcOp *op, size_t nin) {
    bool past = nin > op->arity, acc = (op->flags & HC_OP_ACC) && nin == op->arity + 1;
    bool rule = op->vjp || op->compose, none = op->flags & (HC_OP_NODIFF | HC_OP_LEAF | HC_OP_PART);
    bool alias = op->flags & HC_OP_ALIAS;
    return (!past || acc || (op->flags & HC_OP_MORE)) && rule != none && alias == !op->forward;
}

HC_INLINE Tensor *begin(const HcOp *op, Tensor *const *in, size_t nin) {
    HC_ASSERT(op_holds(op, nin));
    Tape *tape = in[0] ? in[0]->tape : NULL;
    Inputs said = {.why = HC_WHY_CONSTANT};
    if (!look_at(op, tape, in, nin, &said)) return NULL;
    Tensor *y = tape->manner.scratching ? new_scratch_node(tape, op->name) : new_tape_node(tape, op->name);
    if (!y) return NULL;
    y->op = op;
    y->tape = tape;
    y->cell = NULL;
    y->passing = (uint16_t)said.passing;
    if (said.flags & HC_NODE_BORROWED) y->flags |= HC_NODE_BESIDE;
    y->why = (uint8_t)said.why;
    if (put_inputs(y, in, nin)) return y;
    if (y->flags & HC_NODE_SCRATCH) free_scratch_node(y);
    return NULL;
}

/* The usual numbers of inputs are constants to the compiler. */
HC_INLINE Tensor *begin_with(const HcOp *op, Tensor *const *in, size_t nin) {
    switch (nin) {
    case 1:
        return begin(op, in, 1);
    case 2:
        return begin(op, in, 2);
    case 3:
        return begin(op, in, 3);
    default:
        return begin(op, in, nin);
    }
}

HC_INLINE Tensor *finish(Tensor *y, Tape *tape, const HcOp *op) {
    const size_t block = tape->data.block;
    const char *next = tape->data.next;
    if (!op->infer(y) || !place(y, tape, op->flags))
        return give_up(y, false, hc_arena_position(&tape->data, block, next));
    if (!tape->manner.abstract && !forward(y, tape, op))
        return give_up(y, true, hc_arena_position(&tape->data, block, next));
    link(y, tape, op->flags);
    return take_up(y, tape);
}

Tensor *hc_begin(const HcOp *op, Tensor *const *in, size_t nin) {
    Tensor *y = begin_with(op, in, nin);
    if (y) y->form = NULL;
    return y;
}

Tensor *hc_finish(Tensor *y) {
    return finish(y, y->tape, y->op);
}

Tensor *hc_emit_as(const HcOp *op, const HcAttr *attr, const HcForm *form, Tensor *const *in, size_t nin) {
    Tensor *y = begin_with(op, in, nin);
    if (!y) return NULL;
    y->attr = *attr;
    y->form = form;
    return finish(y, y->tape, op);
}

Tensor *hc_emit_leaf(Tape *tape, const char *who, Shape shape, void *data, HcWhy why) {
    if (!tape) {
        hc_null(who, "the tape");
        return NULL;
    }
    if (tape->status != HC_OK) {
        hc_tell_again(tape);
        return NULL;
    }
    const HcForm *form = hc_form_of(&tape->forms, &shape, tape->item);
    if (!form) {
        char text[HC_SHAPE_TEXT];
        if (hc_shape_valid(shape, tape->item, &(size_t){0})) return no_memory(tape, who);
        hc_fail(tape, HC_ERR_SHAPE, "%s: %s is no shape of a tensor: 0 to 8 sizes that fit memory",
                who, hc_shape_text(shape, text));
        return NULL;
    }
    HcPosition before = hc_arena_top(&tape->data);
    Tensor *y = tape->manner.scratching ? new_scratch_node(tape, who) : new_tape_node(tape, who);
    if (!y) return NULL;
    y->op = &hc_op_leaf;
    y->tape = tape;
    y->form = form;
    y->cell = NULL;
    y->nin = 0;
    y->passing = 0;
    y->data = data;
    y->why = (uint8_t)why;
    if (why == HC_WHY_NOTHING) y->flags |= HC_NODE_NEEDS;
    if (!data && !place(y, tape, hc_op_leaf.flags)) return give_up(y, false, before);
    return take_up(y, tape);
}

Tensor *hc_emit_tape_leaf(Tape *tape, const char *who, Shape shape, void *data, HcWhy why) {
    HcManner was = tape->manner;
    tape->manner.scratching = false;
    Tensor *leaf = hc_emit_leaf(tape, who, shape, data, why);
    tape->manner = was;
    return leaf;
}

/* ---- what forwards use --------------------------------------------------------------------------------- */

void *hc_workspace(Tensor *y, size_t bytes) {
    Tape *tape = y->tape;
    size_t place = tape->workspace_count;
    void *buffer = NULL;
    HC_ASSERT(place < HC_MOST_WORKSPACES &&
              (!tape->fixed_workspaces || bytes <= tape->workspace_most[place]));
    if (place < HC_MOST_WORKSPACES)
        buffer = tape->fixed_workspaces ? tape->fixed_workspaces[place]
                                        : hc_scratch_alloc(&tape->scratch, bytes);
    if (!buffer) {
        hc_fail_nomem(tape, y->op->name);
        return NULL;
    }
    if (bytes > tape->workspace_most[place]) tape->workspace_most[place] = bytes;
    tape->workspaces[tape->workspace_count].buffer = buffer;
    tape->workspaces[tape->workspace_count++].bytes = bytes;
    return buffer;
}

const void *hc_copied_input(Tensor *y, size_t j, const HcForm *form) {
    Tensor *x = hc_inputs(y)[j];
    void *copy = hc_workspace(y, data_bytes(x));
    if (copy) hc_copy_as(x, form, copy);
    return copy;
}

/* Copies n >= 1 axes of numbers to `out`, densely. A transposed matrix behind leading axes goes block by
 * block. */
static void copy_axes(const Tape *tape, char *out, const char *from, int n, const size_t *dim,
                      const size_t *stride) {
    const HcKernels *k = tape->k;
    size_t item = tape->item, at[HC_MAX_DIMS] = {0}, offset = 0;
    int last = n - 1;
    bool turned = last >= 1 && stride[last - 1] == 1 && stride[last] == dim[last - 1];
    int outer = turned ? last - 1 : last;
    size_t block = turned ? dim[last - 1] * dim[last] : dim[last];
    for (;; out += block * item) {
        if (turned)
            k->transpose(out, dim[last], from + offset * item, dim[last - 1], dim[last - 1], dim[last]);
        else
            k->copy(out, 1, from + offset * item, stride[last], block);
        int axis = outer - 1;
        for (; axis >= 0; axis--) {
            offset += stride[axis];
            if (++at[axis] < dim[axis]) break;
            offset -= stride[axis] * dim[axis];
            at[axis] = 0;
        }
        if (axis < 0) return;
    }
}

void hc_copy_as(const Tensor *x, const HcForm *form, void *to) {
    const HcForm *f = x->form;
    if (f->count == 0) return;
    if (f == form) {
        x->tape->k->copy(to, 1, x->data, 1, f->count);
        return;
    }
    int axis[HC_MAX_DIMS], count = hc_storage_axes(form, axis), n = 0;
    size_t dim[HC_MAX_DIMS] = {1}, stride[HC_MAX_DIMS] = {1};
    for (int i = 0; i < count; i++) { /* neighbours that are one run are one axis */
        size_t d = f->dim[axis[i]], s = f->stride[axis[i]];
        bool joins = n > 0 && stride[n - 1] == s * d;
        if (!joins) n++;
        dim[n - 1] = joins ? dim[n - 1] * d : d;
        stride[n - 1] = s;
    }
    copy_axes(x->tape, to, x->data, n > 0 ? n : 1, dim, stride);
}

void hc_copy_dense(const Tensor *x, void *to) {
    hc_copy_as(x, x->form->plain, to);
}

void hc_start_from_acc(Tensor *y) {
    const Tensor *acc = hc_acc_of(y);
    if (!acc)
        y->tape->k->fill(y->data, y->form->count, 0);
    else if (acc->data != y->data)
        hc_copy_as(acc, y->form, y->data);
}

size_t hc_extent(const HcForm *f) {
    size_t count = 1;
    for (int i = 0; i < f->ndim; i++)
        count += (f->dim[i] - 1) * f->stride[i];
    return f->count > 0 ? count : 0;
}

/* Of what lies there, the numbers that attr.form shows. */
static bool shown_infer(Tensor *y) {
    const HcForm *f = y->attr.form;
    y->form = hc_form(&y->tape->forms, f->ndim, f->dim, f->stride);
    y->data = hc_inputs(y)[0]->data;
    return y->form || hc_fail_nomem(y->tape, y->op->name);
}

static const HcOp op_shown = {
    .name = "tensor", .flags = HC_OP_ALIAS | HC_OP_NODIFF, .arity = 1, .infer = shown_infer};

Tensor *hc_copied(const Tensor *x, HcWhy why) {
    size_t count = hc_extent(x->form);
    Tensor *y = hc_emit_leaf(x->tape, "tensor", shape1(count), NULL, why);
    if (!y) return NULL;
    if (count) memcpy(y->data, x->data, count * x->tape->item);
    return hc_emit1(&op_shown, &(HcAttr){.form = x->form}, y);
}

Tensor *hc_apart(const Tensor *x) {
    Tape *tape = x->tape;
    HcManner was = tape->manner;
    size_t born = tape->born_count;
    tape->manner.scratching = true;
    Tensor *y = hc_copied(x, HC_WHY_NO_GRAPH);
    hc_hold(y);
    hc_drop_born(tape, born);
    tape->manner = was;
    return y;
}

Tensor *hc_leaf_over(Tape *tape, const char *who, const HcForm *f, void *numbers, HcWhy why) {
    const HcForm *form = hc_form(&tape->forms, f->ndim, f->dim, f->stride);
    if (!form) return no_memory(tape, who);
    Tensor *leaf = hc_emit_leaf(tape, who, hc_form_shape(f), numbers, why);
    if (leaf) leaf->form = form;
    return leaf;
}

Tensor *hc_keep(Tensor *x, HcWhy why) {
    if (!x || !(x->flags & HC_NODE_SCRATCH)) return x;
    Tensor *kept = hc_emit_tape_leaf(x->tape, "tensor_grad", hc_form_shape(x->form), NULL, why);
    if (!kept) return NULL;
    hc_copy_dense(x, kept->data);
    kept->flags |= HC_NODE_LOST;
    return kept;
}

const HcCell *hc_cell(const Tensor *x, uint64_t *version) {
    for (; !x->cell; x = x->in.few[0])
        HC_ASSERT(x->op->flags & HC_OP_ALIAS);
    *version = x->attr.version;
    return x->cell;
}
