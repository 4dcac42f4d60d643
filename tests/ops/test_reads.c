/* What a rule reads, and no more, is what its descriptor's `reads` says. Every node that the rows of ops.def
 * and Adam's update make at orders 0 to 2 is looked at by itself: other numbers are put in the place of one
 * input, or of the result. The gradient to an input keeps its bits where `reads` does not name what was
 * changed, and somewhere loses them where it does; memory that was changed in place is HC_ERR_CHANGED
 * exactly where it is named. Of more inputs than `reads` can name, no gradient may read the others. */
#include <math.h>
#include <string.h>

#include "grad/sweep.h"
#include "ops/op_rows.h"

enum { MOST_OPS = 256, OUTPUT_BIT = 15, ROOM = 4096, MOST_APART = 20 };

/* Of each operation met: what `reads` named, and what a gradient was seen to read. */
typedef struct Seen {
    const HcOp *op;
    uint16_t named[HC_MOST_READ], read[HC_MOST_READ];
} Seen;

static Seen seen[MOST_OPS];
static size_t seen_count;

static Seen *seen_of(const HcOp *op) {
    size_t i = 0;
    while (i < seen_count && seen[i].op != op)
        i++;
    if (i == MOST_OPS) exit(1);
    if (i == seen_count) seen[seen_count++].op = op;
    return &seen[i];
}

/* ---- other numbers in a node's place ------------------------------------------------------------------- */

static size_t extent(const HcForm *f) {
    size_t n = 1;
    for (int i = 0; i < f->ndim; i++)
        n += f->dim[i] ? (f->dim[i] - 1) * f->stride[i] : 0;
    return f->count ? n : 0;
}

/* The two ways: the next one's number, somewhat larger; the negative. Indices stay indices. */
static bool other_numbers(const Tensor *x, int way, double *out) {
    const double *in = x->data;
    size_t n = extent(x->form);
    bool whole = true;
    if (n > ROOM) return false;
    for (size_t i = 0; i < n; i++)
        whole = whole && in[i] == floor(in[i]);
    for (size_t i = 0; i < n; i++) {
        double next = in[(i + 1) % n];
        if (whole)
            out[i] = n > 1 ? next : next > 0 ? next - 1 : next + 1;
        else
            out[i] = way ? -in[i] : next * 1.0625;
    }
    return true;
}

/* Has x's data be other numbers of the same form; what has no derivative, such as the places of the
 * largest, becomes that of other inputs. Returns the data it had, or NULL where it had to be left. */
static void *change(Tensor *x, int way, double *out) {
    void *was = x->data;
    if (!(x->op->flags & HC_OP_NODIFF) || (x->op->flags & HC_OP_ALIAS) || x->nin == 0) {
        if (!other_numbers(x, way, out)) return NULL;
        x->data = out;
        return was;
    }
    static double input[ROOM];
    Tensor *from = hc_inputs(x)[0];
    if (extent(x->form) > ROOM || !other_numbers(from, way, input)) return NULL;
    void *from_was = from->data;
    from->data = input;
    x->data = out;
    CHECK(hc_forward(x));
    from->data = from_was;
    return was;
}

/* ---- one rule ------------------------------------------------------------------------------------------- */

/* A node, and a sweep that runs its rule for the gradient to input j. */
typedef struct Rule {
    const char *row;
    Tensor *node, *top; /* top: of several outputs a combination, else the node */
    Tensor *gy;
    unsigned j;
} Rule;

static bool gradient(const Rule *r, double *out, size_t *count) {
    Tensor *g = NULL, *x = hc_inputs(r->node)[r->j];
    bool done = hc_sweep_all(r->top, r->gy, &x, 1, HC_SWEEP_CUT, &g);
    *count = g && g->form->count <= ROOM ? g->form->count : 0;
    if (*count) hc_copy_dense(g, out);
    hc_drop(g);
    return done;
}

static void wrong(const Rule *r, const char *what, const char *of, unsigned i) {
    bool reads_are_right = false;
    CHECK(reads_are_right);
    printf("  %s, %s: to input %u, %s %s %u\n", r->row, r->node->op->name, r->j, what, of, i);
}

static void check_changed(const Rule *r, Tensor *x, unsigned bit, bool named, const double *base,
                          size_t n) {
    static double other[ROOM], got[ROOM];
    size_t m;
    for (int way = 0; way < 2; way++) {
        void *was = change(x, way, other);
        if (!was) continue;
        bool done = gradient(r, got, &m);
        x->data = was;
        bool refused = !done && tape_status(x->tape) == HC_ERR_RANGE; /* numbers that are none to it */
        if (refused) tape_clear_error(x->tape);
        CHECK(refused || (done && m == n));
        if (!refused && memcmp(got, base, n * sizeof *got) == 0) continue;
        if (!named) wrong(r, "reads", bit == OUTPUT_BIT ? "the result" : "input", bit);
        if (named && r->j < HC_MOST_READ) seen_of(r->node->op)->read[r->j] |= (uint16_t)(1u << bit);
    }
}

/* As if x were memory of a Param that was written since. */
static void check_in_place(const Rule *r, Tensor *x, unsigned bit, bool named, const double *base,
                           size_t n) {
    static double got[ROOM];
    HcCell cell = {.version = 2, .name = "p"};
    uint8_t flags = x->flags, node_flags = r->node->flags;
    const HcCell *cell_before = x->cell;
    HcAttr attr = x->attr;
    size_t m;
    x->flags |= HC_NODE_BORROWED;
    r->node->flags |= HC_NODE_BESIDE;
    x->cell = &cell;
    x->attr.version = 1;
    bool done = gradient(r, got, &m);
    x->flags = flags;
    r->node->flags = node_flags;
    x->cell = cell_before;
    x->attr = attr;
    if (done == named) wrong(r, named ? "does not notice" : "refuses", "a change in place of", bit);
    if (done) CHECK(m == n && memcmp(got, base, n * sizeof *got) == 0);
    if (!done) CHECK(tape_status(x->tape) == HC_ERR_CHANGED);
    tape_clear_error(x->tape);
    higherc_clear_error();
}

static void check_input(const Rule *r, unsigned i, const double *base, size_t n) {
    Tensor *x = hc_inputs(r->node)[i];
    bool can = i < HC_MOST_READ && r->j < HC_MOST_READ;
    bool named = can && (r->node->op->reads[r->j] & HC_IN(i));
    check_changed(r, x, i, named, base, n);
    check_in_place(r, x, i, named, base, n);
}

static void check_rule(const Rule *r) {
    static double base[ROOM];
    size_t n;
    Tensor *y = r->node;
    CHECK(gradient(r, base, &n));
    for (unsigned i = 0; i < y->nin; i++)
        check_input(r, i, base, n);
    unsigned reads = r->j < HC_MOST_READ ? y->op->reads[r->j] : 0;
    bool output = reads & HC_READS_OUTPUT;
    check_changed(r, y, OUTPUT_BIT, output, base, n);
    if (output) check_in_place(r, y, OUTPUT_BIT, true, base, n);
    if (r->j < HC_MOST_READ) seen_of(y->op)->named[r->j] |= (uint16_t)reads;
}

static Tensor *combination(Tensor *parent, const HcOp *part_op, Rng *rng) {
    Tensor *sum = NULL;
    for (size_t i = 0; i < parent->form->dim[0]; i++) {
        Tensor *part = hc_emit1(part_op, &(HcAttr){.range = {.start = i}}, parent);
        Tensor *c = tensor_uniform(parent->tape, tensor_shape(part), 0.5, 2, rng);
        Tensor *term = tensor_mul(part, c);
        sum = sum ? tensor_add(sum, term) : term;
    }
    return sum;
}

/* The same operation on leaves of its own, one for each input; what has no derivative is taken as it is, and so is
 * what a view reads with holes, which a leaf's numbers are stored without. */
static Tensor *apart(const Tensor *node) {
    Tensor *in[MOST_APART];
    if (node->nin > MOST_APART) return NULL;
    for (unsigned i = 0; i < node->nin; i++) {
        Tensor *x = hc_inputs(node)[i];
        bool kept = x->op->flags & HC_OP_NODIFF;
        kept = kept || ((node->op->flags & HC_OP_ALIAS) && !x->form->packed);
        in[i] = kept ? x : hc_leaf_of(x, false, x->flags & HC_NODE_NEEDS, HC_WHY_CONSTANT);
    }
    return hc_emit_as(node->op, &node->attr, node->form, in, node->nin);
}

static void check_node(const char *row, Tensor *node, Rng *rng) {
    unsigned op = node->op->flags;
    if (!(node->flags & HC_NODE_NEEDS) || !(node->op->vjp || node->op->compose) ||
        node->form->count == 0)
        return;
    TapeMark mark = tape_mark(node->tape);
    Tensor *y = apart(node);
    Rule r = {row, y, y, NULL, 0};
    CHECK(y != NULL);
    if (y && (op & HC_OP_PARTS)) r.top = combination(y, hc_part(node, 0)->op, rng);
    if (y) r.gy = tensor_uniform(y->tape, tensor_shape(r.top), 0.5, 2, rng);
    for (; y && r.j < y->nin && r.j < HC_LAST_BIT; r.j++)
        if (y->passing >> r.j & 1) check_rule(&r);
    tape_release(node->tape, mark);
}

/* ---- all of them ----------------------------------------------------------------------------------------- */

static void check_graph(const char *name, Tensor *y, Tensor *const *x, size_t count, Rng *rng) {
    Tape *tape = tensor_tape(y);
    Tensor *g[MOST_INPUTS], *gg[MOST_INPUTS];
    Tensor *once = tensor_sum(y);
    bool done = tensor_grad(once, x, count, g, HC_ZEROS | HC_CREATE_GRAPH);
    Tensor *twice = done ? sum_of_all(g, count) : NULL;
    if (twice && tensor_requires_grad(twice))
        done = tensor_grad(twice, x, count, gg, HC_ZEROS | HC_CREATE_GRAPH);
    CHECK(done && tape_status(tape) == HC_OK);
    size_t nodes = tape_stats(tape).nodes;
    for (size_t i = 0; i < nodes; i++)
        check_node(name, hc_node(tape, i), rng);
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
    check_graph(row->name, row->fn(x, count, NULL), x, count, rng);
    tape_destroy(tape);
}

/* All uses of its three outputs, bit by bit. */
static void check_adam(bool moments, unsigned use, Rng *rng) {
    static const double constants[HC_ADAM_K_CONSTANTS] = {0.9, 0.1, 0.99, 0.01, 3.1, 1e-3};
    Tape *tape = tape_create(HC_F64);
    Tensor *x[5], *out[3], *used[3];
    size_t count = 0;
    for (int i = 0; i < 5; i++)
        x[i] = tensor_leaf(tensor_uniform(tape, i < 4 ? shape1(7) : shape_scalar(), 0.2, 2, rng));
    CHECK(hc_adam(x[0], x[1], moments ? x[2] : NULL, moments ? x[3] : NULL, x[4], constants, out));
    for (int i = 0; i < 3; i++)
        if (use >> i & 1) used[count++] = out[i];
    check_graph("adam", sum_of_all(used, count), x, 5, rng);
    tape_destroy(tape);
}

/* Where the base is 0 the rule asks for the sign of the exponent. */
static void check_pow_of_zero(Rng *rng) {
    Tape *tape = tape_create(HC_F64);
    Tensor *x[2] = {tensor_leaf(tensor_from_f64(tape, shape1(2), (double[]){0, 0.5})),
                    tensor_leaf(tensor_from_f64(tape, shape1(2), (double[]){0.5, 1.5}))};
    check_graph("pow of zero", tensor_pow(x[0], x[1]), x, 2, rng);
    tape_destroy(tape);
}

int main(void) {
    Rng rng = rng_seed(11);
    each_row(check_row);
    for (unsigned use = 1; use < 16; use++)
        if (use % 8) check_adam(use >= 8, use % 8, &rng);
    check_pow_of_zero(&rng);
    for (size_t i = 0; i < seen_count; i++)
        for (unsigned j = 0; j < HC_MOST_READ; j++) {
            unsigned idle = seen[i].named[j] & ~(unsigned)seen[i].read[j];
            if (seen[i].op->flags & HC_OP_PARTS) idle &= ~HC_READS_OUTPUT; /* read by its parts */
            CHECK(idle == 0);
            if (idle)
                printf("  %s: to input %u, named but never read: bits %#x\n", seen[i].op->name, j,
                       idle);
        }
    printf("%zu operations\n", seen_count);
    return check_done();
}
