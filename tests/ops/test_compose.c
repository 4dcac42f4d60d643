/* A fused operation is its composition (op->compose): every such node that the rows of ops.def and Adam's update make
 * at orders 0 to 2, by itself on inputs of its own, in its value and in derivatives of orders 1 to 3. A build without
 * fused operations makes none. */
#include <math.h>
#include <string.h>

#include "ops/op_rows.h"

enum { ORDERS = 3, MOST_APART = 20, ROOM = 2048 };

static size_t compared;
static const HcOp *seen[64];
static size_t seen_count;

static void note(const HcOp *op) {
    size_t i = 0;
    while (i < seen_count && seen[i] != op)
        i++;
    if (i == seen_count && i < sizeof seen / sizeof *seen) seen[seen_count++] = op;
}

/* The same operation on leaves of its own, one for each input; what has no derivative is taken as it is. */
static Tensor *apart(const Tensor *node, Tensor **in) {
    if (node->nin > MOST_APART) return NULL;
    for (unsigned i = 0; i < node->nin; i++) {
        Tensor *x = hc_inputs(node)[i];
        bool kept = x->op->flags & HC_OP_NODIFF;
        in[i] = kept ? x : hc_leaf_of(x, false, x->flags & HC_NODE_NEEDS, HC_WHY_CONSTANT);
    }
    return hc_emit(node->op, &node->attr, in, node->nin);
}

/* Its outputs one after the other, where it has several. */
static Tensor *whole(Tensor *y, const HcOp *part_op) {
    Tensor *parts[HC_MOST_PARTS];
    if (!part_op) return y;
    for (size_t i = 0; i < y->form->dim[0]; i++)
        parts[i] = hc_emit1(part_op, &(HcAttr){.range = {.start = i}}, y);
    return tensor_stack(parts, y->form->dim[0], 0);
}

/* A sum in which each number has another share. */
static Tensor *weighed(Tensor *x, Rng *rng) {
    Tensor *c = tensor_uniform(tensor_tape(x), tensor_shape(x), 0.5, 2, rng);
    return tensor_sum(tensor_mul(x, c));
}

/* Of each order, the value first; *ends: where each begins and the last ends. */
typedef struct Numbers {
    double of[ROOM];
    size_t ends[ORDERS + 2];
} Numbers;

static void append(Numbers *n, size_t *used, Tensor *x) {
    bool fits = *used + tensor_count(x) <= ROOM;
    CHECK(fits);
    if (!fits) exit(check_done());
    CHECK(tensor_copy_to_f64(x, n->of + *used, tensor_count(x)));
    *used += tensor_count(x);
}

static void derivatives(Tensor *y, Tensor *const *in, size_t count, Numbers *n) {
    Rng rng = rng_seed(7);
    Tensor *g[MOST_APART];
    size_t used = 0;
    append(n, &used, y);
    n->ends[0] = used;
    Tensor *sum = weighed(tensor_sin(y), &rng);
    for (int order = 1; order <= ORDERS; order++) {
        bool on = sum && tensor_requires_grad(sum);
        if (on) CHECK(tensor_grad(sum, in, count, g, HC_ZEROS | HC_CREATE_GRAPH));
        sum = NULL;
        for (size_t i = 0; on && i < count; i++) {
            append(n, &used, g[i]);
            Tensor *term = weighed(g[i], &rng);
            sum = sum ? tensor_add(sum, term) : term;
        }
        n->ends[order] = used;
    }
}

static void compare(const char *row, const HcOp *op, const Numbers *a, const Numbers *b) {
    size_t first = 0;
    for (int order = 0; order <= ORDERS; first = a->ends[order], order++) {
        double largest = 0;
        bool same = a->ends[order] == b->ends[order];
        for (size_t i = first; same && i < a->ends[order]; i++)
            largest = fmax(largest, fabs(b->of[i]));
        for (size_t i = first; same && i < a->ends[order]; i++)
            same = fabs(a->of[i] - b->of[i]) <= 1e-11 * (1 + largest); /* not of NaN */
        CHECK(same);
        if (!same) printf("  %s, %s: order %d\n", row, op->name, order);
    }
    compared += first;
}

static void check_node(const char *row, const Tensor *node) {
    static Numbers fused, composed;
    const HcOp *op = node->op;
    bool several = op->flags & HC_OP_PARTS;
    Tensor *in[MOST_APART], *wanted[MOST_APART];
    size_t count = 0;
    TapeMark mark = tape_mark(node->tape);
    Tensor *y = apart(node, in);
    Tensor *outputs =
        y ? whole(y, several ? hc_part(node, 0)->op : NULL) : NULL; /* right behind it */
    Tensor *c = y ? op->compose(y) : NULL;
    CHECK(c && c->form->plain == y->form->plain);
    for (unsigned i = 0; c && i < node->nin; i++)
        if (in[i]->flags & HC_NODE_NEEDS) wanted[count++] = in[i];
    if (c) {
        derivatives(outputs, wanted, count, &fused);
        derivatives(c, wanted, count, &composed);
        compare(row, op, &fused, &composed);
        note(op);
    }
    CHECK(tape_status(node->tape) == HC_OK);
    tape_release(node->tape, mark);
}

static void check_graph(const char *row, Tensor *y, Tensor *const *x, size_t count) {
    Tape *tape = tensor_tape(y);
    Rng rng = rng_seed(3);
    Tensor *g[MOST_INPUTS], *gg[MOST_INPUTS], *twice = NULL;
    CHECK(tensor_grad(tensor_sum(y), x, count, g, HC_ZEROS | HC_CREATE_GRAPH));
    for (size_t i = 0; i < count; i++) {
        Tensor *term = weighed(tensor_sin(g[i]), &rng);
        twice = twice ? tensor_add(twice, term) : term;
    }
    if (twice && tensor_requires_grad(twice))
        CHECK(tensor_grad(twice, x, count, gg, HC_ZEROS | HC_CREATE_GRAPH));
    size_t nodes = tape_stats(tape).nodes;
    for (size_t i = 0; i < nodes; i++) {
        if (!hc_node(tape, i)->op->compose) continue;
        CHECK(HC_FUSED);
        check_node(row, hc_node(tape, i));
    }
    CHECK(tape_status(tape) == HC_OK);
}

static void check_row(const Row *row, const Shape *shapes, size_t count, Rng *rng) {
    double values[MOST_NUMBERS];
    Tape *tape = tape_create(HC_F64);
    Tensor *x[MOST_INPUTS];
    for (size_t i = 0; i < count; i++) {
        draw(values, shape_count(shapes[i]), row, rng);
        x[i] = tensor_leaf(tensor_from_f64(tape, shapes[i], values));
    }
    check_graph(row->name, row->fn(x, count, NULL), x, count);
    tape_destroy(tape);
}

/* All uses of its three outputs, bit by bit. */
static void check_adam(bool moments, unsigned use, Rng *rng) {
    static const double constants[HC_ADAM_K_CONSTANTS] = {0.9, 0.1, 0.99, 0.01, 3.1, 1e-3};
    Tape *tape = tape_create(HC_F64);
    Tensor *x[5], *out[3], *y = NULL;
    for (int i = 0; i < 5; i++)
        x[i] = tensor_leaf(tensor_uniform(tape, i < 4 ? shape1(7) : shape_scalar(), 0.2, 2, rng));
    CHECK(hc_adam(x[0], x[1], moments ? x[2] : NULL, moments ? x[3] : NULL, x[4], constants, out));
    for (int i = 0; i < 3; i++) {
        Tensor *term = use >> i & 1 ? weighed(tensor_sin(out[i]), rng) : NULL;
        y = y && term ? tensor_add(y, term) : term ? term : y;
    }
    check_graph("adam", y, x, 5);
    tape_destroy(tape);
}

int main(void) {
    Rng rng = rng_seed(11);
    each_row(check_row);
    for (unsigned use = 1; use < 16; use++)
        if (use % 8) check_adam(use >= 8, use % 8, &rng);
    CHECK(HC_FUSED ? seen_count >= 16 && compared > 10000 : seen_count == 0);
    printf("%zu operations, %zu numbers\n", seen_count, compared);
    return check_done();
}
