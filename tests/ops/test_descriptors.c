/* What a descriptor's flags say is what its operation does, on every node that the rows of ops.def make at orders 0
 * to 2. One that accumulates has the same bits in the memory of its acc as beside it, and takes no more then. One
 * that copies has its input's numbers whatever they are, and no other operation does. What has no rule, no forward
 * or inputs past its arity is asserted where nodes are made (tape/record.c); what draws, ops_replay shows. */
#include <math.h>
#include <string.h>

#include "ops/op_rows.h"
#include "tape/tape.h"

enum { MOST_OPS = 256, ROOM = 4096 };

/* Of an operation met: whether each of its nodes had the numbers of its input, stored as that is. */
typedef struct Seen {
    const HcOp *op;
    bool copies;
} Seen;

static Seen seen[MOST_OPS];
static size_t seen_count, accumulated;

static Seen *seen_of(const HcOp *op) {
    size_t i = 0;
    while (i < seen_count && seen[i].op != op)
        i++;
    if (i == MOST_OPS) exit(1);
    if (i == seen_count) seen[seen_count++] = (Seen){op, true};
    return &seen[i];
}

static void wrong(const char *row, const Tensor *y, const char *what) {
    CHECK(!what);
    printf("  %s, %s: %s\n", row, y->op->name, what);
}

static bool room_for(const Tensor *x) {
    return x->form->packed && x->form->count <= ROOM;
}

static size_t bytes_of(const Tensor *x) {
    return x->form->count * sizeof(double);
}

/* ---- COPY -------------------------------------------------------------------------------------------- */

/* Whether y has its input's numbers, also once those are others. */
static bool is_copy(Tensor *y) {
    static double other[ROOM], result[ROOM];
    Tensor *x = hc_inputs(y)[0];
    void *in = x->data, *out = y->data;
    if (y->nin != 1 || x->form != y->form || !room_for(y)) return false;
    for (size_t i = 0; i < y->form->count; i++)
        other[i] = i == y->form->count / 2 ? INFINITY : 0.03125 * (double)i - ((const double *)in)[i];
    x->data = other;
    y->data = result;
    bool same = hc_forward(y) && memcmp(result, other, bytes_of(y)) == 0;
    x->data = in;
    y->data = out;
    if (tape_status(y->tape) == HC_ERR_RANGE) tape_clear_error(y->tape); /* numbers that are none to it */
    return same && memcmp(in, out, bytes_of(y)) == 0;
}

static void check_copy(const char *row, Tensor *y) {
    bool said = y->op->flags & HC_OP_COPY, is = is_copy(y);
    Seen *s = seen_of(y->op);
    s->copies = s->copies && is;
    if (said && y->form == hc_inputs(y)[0]->form && !is) wrong(row, y, "says it copies");
}

/* ---- ACC --------------------------------------------------------------------------------------------- */

/* The node again, with an acc of its own that no one else reads, if it is to go (consumed). */
static Tensor *again(Tensor *y, bool consumed) {
    Tensor *in[HC_INLINE_INPUTS], *had = hc_acc_of(y);
    Tensor *acc = hc_copied(had && had->form == y->form ? had : y, HC_WHY_CONSTANT);
    HC_ASSERT(acc && y->op->arity < HC_INLINE_INPUTS);
    memcpy(in, hc_inputs(y), y->op->arity * sizeof *in);
    in[y->op->arity] = acc;
    if (consumed) acc->flags |= HC_NODE_CONSUME;
    Tensor *z = hc_emit_as(y->op, &y->attr, y->form, in, y->op->arity + 1);
    CHECK(z && (z->data == acc->data) == (consumed && z->form->count > 0));
    return z;
}

static void check_acc(const char *row, Tensor *y) {
    if (!(y->op->flags & HC_OP_ACC)) return;
    Tensor *beside = again(y, false), *over = again(y, true);
    bool same = beside && over && memcmp(beside->data, over->data, bytes_of(y)) == 0;
    if (!same) wrong(row, y, "has other bits in the memory of its acc");
    accumulated++;
}

/* ---- all of them ----------------------------------------------------------------------------------------- */

static void check_row(const Row *row, const Shape *shapes, size_t count, Rng *rng) {
    Tape *tape = recorded_twice(row, shapes, count, rng);
    size_t nodes = tape_stats(tape).nodes;
    for (size_t i = 0; i < nodes; i++) {
        Tensor *node = hc_node(tape, i);
        if (node->nin == 0 || (node->op->flags & HC_OP_ALIAS)) continue;
        check_copy(row->name, node);
        check_acc(row->name, node);
    }
    CHECK(tape_status(tape) == HC_OK);
    tape_destroy(tape);
}

int main(void) {
    each_row(check_row);
    for (size_t i = 0; i < seen_count; i++) {
        bool said = seen[i].op->flags & HC_OP_COPY;
        CHECK(said == seen[i].copies);
        if (said != seen[i].copies) printf("  %s copies\n", seen[i].op->name);
    }
    CHECK(accumulated > 100);
    printf("%zu operations, %zu accumulated\n", seen_count, accumulated);
    return check_done();
}
