/* A fused operation that has the rule of its composition (op->compose) has its value as well: every such node that
 * the rows of ops.def make at orders 0 to 2. Its derivatives are the composition's, whose own rules ops_sweep
 * holds. Adam's are in ops_adam. */
#include <math.h>

#include "ops/op_rows.h"

static size_t compared;

static void check_node(const char *row, Tensor *y) {
    size_t n = y->form->count;
    double *fused = malloc((n + 1) * sizeof *fused), *composed = malloc((n + 1) * sizeof *composed);
    double largest = 0;
    Tensor *c = y->op->compose(y);
    CHECK(c && c->form->plain == y->form->plain);
    if (c && fused && composed) {
        hc_copy_dense(y, fused);
        hc_copy_dense(c, composed);
        for (size_t i = 0; i < n; i++)
            largest = fmax(largest, fabs(composed[i]));
        for (size_t i = 0; i < n; i++) {
            bool same = fabs(fused[i] - composed[i]) <= 1e-12 * (1 + largest); /* not of NaN */
            CHECK(same);
            if (!same)
                printf("  %s, %s: %.17g for %.17g\n", row, y->op->name, fused[i], composed[i]);
        }
        compared += n;
    }
    free(fused);
    free(composed);
}

static Tensor *weighed(Tensor *const *g, size_t count) {
    Tensor *sum = NULL;
    for (size_t i = 0; i < count; i++) {
        Tensor *term = tensor_sum(tensor_sin(g[i]));
        sum = sum ? tensor_add(sum, term) : term;
    }
    return sum;
}

static void check_row(const Row *row, const Shape *shapes, size_t count, Rng *rng) {
    double values[MOST_NUMBERS];
    Tape *tape = tape_create(HC_F64);
    Tensor *x[MOST_INPUTS], *g[MOST_INPUTS], *gg[MOST_INPUTS];
    for (size_t i = 0; i < count; i++) {
        draw(values, shape_count(shapes[i]), row, rng);
        x[i] = tensor_leaf(tensor_from_f64(tape, shapes[i], values));
    }
    Tensor *y = tensor_sum(row->fn(x, count, NULL));
    CHECK(tensor_grad(y, x, count, g, HC_ZEROS | HC_CREATE_GRAPH));
    Tensor *twice = weighed(g, count);
    if (twice && tensor_requires_grad(twice))
        CHECK(tensor_grad(twice, x, count, gg, HC_ZEROS | HC_CREATE_GRAPH));
    size_t nodes = tape_stats(tape).nodes;
    for (size_t i = 0; i < nodes; i++)
        if (hc_node(tape, i)->op->compose) check_node(row->name, hc_node(tape, i));
    CHECK(tape_status(tape) == HC_OK);
    tape_destroy(tape);
}

int main(void) {
    each_row(check_row);
    CHECK(compared > 100);
    printf("%zu numbers\n", compared);
    return check_done();
}
