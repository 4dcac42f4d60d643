/* Random graphs: bytes become operations on three inputs, whose values, gradients and second derivatives agree with
 * a naive evaluator; then the same graph is run in other ways (fuzz/again.h), which give the same bits. The last byte
 * says in which. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/loops.h"
#include "fuzz/target.h"

const size_t fuzz_length = 400;
static size_t graphs, operations;

static void make_input(Fuzz *z, double *values, double *v, double *w) {
    Node *x = &z->node[z->count++];
    size_t dim[NAIVE_DIMS];
    int ndim = (int)fuzz_below(z, 4);
    for (int i = 0; i < ndim; i++)
        dim[i] = 1 + fuzz_below(z, 3);
    naive_shape(&x->value, ndim, dim);
    for (size_t i = 0; i < x->value.count; i++) {
        values[i] = fuzz_number(z) + 0.01 * (double)i;
        if (tape_dtype(z->tape) == HC_F32) values[i] = (float)values[i];
        v[i] = sin(1 + (double)(i + 7 * z->count));
        w[i] = cos(2 + (double)(i * i + z->count));
        x->value.v[i] = (Num){values[i], v[i], w[i], 0};
    }
    x->tensor = tensor_leaf(tensor_from_f64(z->tape, shape_of(dim, ndim), values));
}

static double tolerance;

static bool near(double a, double b, double scale, const char *what, size_t node) {
    if (fabs(a - b) <= tolerance * (scale + fabs(b))) return true;
    printf("  %s of node %zu: %.17g, should be %.17g\n", what, node, a, b);
    return false;
}

static bool values_agree(const Fuzz *z) {
    for (size_t n = 0; n < z->count; n++) {
        double values[NAIVE_MOST];
        const Node *x = &z->node[n];
        Shape shape = tensor_shape(x->tensor);
        bool same = shape.ndim == x->value.ndim;
        for (int i = 0; same && i < shape.ndim; i++)
            same = shape.dim[i] == x->value.dim[i];
        if (!same || !tensor_copy_to_f64(x->tensor, values, x->value.count)) {
            printf("  node %zu has another shape\n", n);
            return false;
        }
        for (size_t i = 0; i < x->value.count; i++)
            if (!near(values[i], x->value.v[i].f, 1, "value", n)) return false;
    }
    return true;
}

/* sum over inputs of <a, b> */
static double inner(Tensor *const *a, Tensor *const *b) {
    double sum = 0;
    for (size_t i = 0; i < INPUTS; i++)
        sum += tensor_item(tensor_sum(tensor_mul(a[i], b[i])));
    return sum;
}

static bool derivatives_agree(Fuzz *z, double v[INPUTS][NAIVE_MOST], double w[INPUTS][NAIVE_MOST]) {
    Tensor *x[INPUTS], *tv[INPUTS], *tw[INPUTS], *g[INPUTS], *h[INPUTS], *loss = NULL;
    Num naive = num(0);
    double scale = 1;
    for (size_t n = 0; n < z->count; n++) { /* every node counts a little */
        double c = 1 / (1.5 + (double)n);
        Tensor *part = tensor_mul_scalar(tensor_sum(z->node[n].tensor), c);
        loss = loss ? tensor_add(loss, part) : part;
        for (size_t i = 0; i < z->node[n].value.count; i++) {
            Num entry = num_mul(z->node[n].value.v[i], num(c));
            naive = num_add(naive, entry);
            scale += fabs(entry.f) + fabs(entry.a) + fabs(entry.ab);
        }
    }
    for (size_t i = 0; i < INPUTS; i++) {
        Shape shape = tensor_shape(z->node[i].tensor);
        x[i] = z->node[i].tensor;
        tv[i] = tensor_from_f64(z->tape, shape, v[i]);
        tw[i] = tensor_from_f64(z->tape, shape, w[i]);
    }
    if (!near(tensor_item(loss), naive.f, scale, "sum", z->count)) return false;
    if (!tensor_grad(loss, x, INPUTS, g, HC_ZEROS) ||
        !near(inner(g, tv), naive.a, scale, "gradient", z->count))
        return false;
    if (!tensor_hvp(loss, x, INPUTS, tv, h, HC_ZEROS) ||
        !near(inner(h, tw), naive.ab, scale, "Hessian", z->count))
        return false;
    Tensor *jv = tensor_jvp(loss, x, INPUTS, tw, 0);
    return jv && near(tensor_item(jv), naive.b, scale, "tangent", z->count);
}

/* Operations until the bytes end. */
void fuzz_build(Fuzz *z) {
    while (z->left > 0 && z->count < MOST_NODES && tape_status(z->tape) == HC_OK) {
        Operation *run = fuzz_operation(z);
        Node *y = &z->node[z->count];
        memset(y, 0, sizeof *y);
        z->bad = false;
        if (run(z, y)) z->count++;
    }
}

bool fuzz_run(const uint8_t *data, size_t size) {
    static Fuzz z;
    static double values[INPUTS][NAIVE_MOST];
    double v[INPUTS][NAIVE_MOST], w[INPUTS][NAIVE_MOST];
    unsigned ways = size > 0 ? data[--size] : 0;
    bool single = ways & WAY_F32;
    memset(&z, 0, sizeof z);
    z.data = data;
    z.left = size;
    z.margin = single ? 1e-3 : 1e-6;
    z.most = single ? 30 : 1000;
    tolerance = single ? 1e-2 : 1e-9;
    again_begin();
    z.tape = tape_create(single ? HC_F32 : HC_F64);
    for (size_t i = 0; i < INPUTS; i++)
        make_input(&z, values[i], v[i], w[i]);
    Again again = {.data = z.data, .left = z.left};
    fuzz_build(&z);
    bool agree = tape_status(z.tape) == HC_OK && values_agree(&z) && derivatives_agree(&z, v, w);
    graphs++;
    operations += z.count - INPUTS;
    tape_destroy(z.tape);
    if (agree) agree = again_ways(&again, &z, values, ways);
    if (higherc_error()) printf("  %s\n", higherc_error());
    higherc_clear_error();
    if (higherc_live_allocations() == again_blocks()) return agree;
    printf("  memory was left behind\n");
    return false;
}

bool fuzz_end(size_t generated) {
    again_end();
    printf("%zu graphs, %zu operations\n", graphs, operations);
    if (generated && !loops_end()) return false;
    return graphs > 0 && (!generated || operations > 2 * graphs); /* not only leaves */
}
