/* A forward writes numbers by the kernels of its tape's tables alone, and what it takes in between is memory of
 * hc_workspace: a Program keeps the calls of those kernels in its place (program/trace.c). Every node that the rows of
 * ops.def make at orders 0 to 2, and a custom operation, runs with kernels that do nothing, and without memory of
 * any other kind: result and inputs stay as they are. That it reads no numbers but by kernels, ops_replay shows. */
#include <string.h>

#include "ops/op_rows.h"

/* ---- a table of kernels that do nothing -------------------------------------------------------------------- */

static size_t calls;

static void unary(void *y, const void *x, size_t n, const double *c) {
    (void)y, (void)x, (void)n, (void)c;
    calls++;
}

static void binary(void *y, const void *a, size_t sa, const void *b, size_t sb, size_t n,
                   const double *c) {
    (void)y, (void)a, (void)sa, (void)b, (void)sb, (void)n, (void)c;
    calls++;
}

#if defined(__GNUC__) || defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#endif
#define RESULT_void
#define RESULT_bool return true
#define RESULT_size_t return 0
#define HC_FUNCTION(place, trace, type, name, params)                                              \
    static type idle_##name params {                                                               \
        calls++;                                                                                   \
        RESULT_##type;                                                                             \
    }
#include "kernels/kernels.def"
#define HC_TABLE(type, name)
#define HC_TABLE_END(type)
#include "kernels/tables.def"
#undef HC_TABLE
#undef HC_TABLE_END
#undef HC_FUNCTION
#if defined(__GNUC__) || defined(__clang__)
#pragma GCC diagnostic pop
#endif

#define HC_FUNCTION(place, trace, type, name, params) .name = idle_##name,
#define HC_TABLE(type, name) static const type idle_##name = {
#define HC_TABLE_END(type) };
#include "kernels/tables.def"
#undef HC_TABLE
#undef HC_TABLE_END
#undef HC_FUNCTION

static const HcTables idle_tables = {
#define HC_FUNCTION(place, trace, type, name, params)
#define HC_TABLE(type, name) .name = &idle_##name,
#define HC_TABLE_END(type)
#include "kernels/tables.def"
#undef HC_TABLE
#undef HC_TABLE_END
#undef HC_FUNCTION
};

static const HcKernels idle = {
    .size = sizeof(double),
    .tables = &idle_tables,
#define HC_UNARY(name, formula) .name = unary,
#define HC_UNARY_NEAR(name, formula, far, formula_far) .name = unary,
#define HC_BINARY(name, formula) .name = binary,
#include "kernels/elementwise.def"
#undef HC_UNARY
#undef HC_UNARY_NEAR
#undef HC_BINARY
#define HC_FUNCTION(place, trace, type, name, params) .name = idle_##name,
#include "kernels/kernels.def"
#undef HC_FUNCTION
};

/* ---- one forward --------------------------------------------------------------------------------------------- */

enum { ROOM = 4096, MOST_APART = 20 };

static size_t checked;

/* Bytes of the memory a node shows. */
static size_t extent(const Tensor *x) {
    const HcForm *f = x->form;
    size_t n = 1;
    for (int i = 0; i < f->ndim; i++)
        n += f->dim[i] ? (f->dim[i] - 1) * f->stride[i] : 0;
    return f->count ? n * x->tape->item : 0;
}

static void check_node(const char *row, Tensor *y) {
    static char inputs[MOST_APART][ROOM], result[ROOM], before[ROOM];
    Tape *tape = y->tape;
    if (y->nin == 0 || (y->op->flags & HC_OP_ALIAS)) return;
    bool fits = y->nin <= MOST_APART && extent(y) <= ROOM;
    for (uint32_t j = 0; fits && j < y->nin; j++)
        fits = extent(hc_inputs(y)[j]) <= ROOM;
    CHECK(fits);
    if (!fits) return;
    memcpy(before, y->data, extent(y));
    memset(y->data, 0x5a, extent(y));
    memcpy(result, y->data, extent(y));
    for (uint32_t j = 0; j < y->nin; j++) /* of which one may be where the result is */
        memcpy(inputs[j], hc_inputs(y)[j]->data, extent(hc_inputs(y)[j]));

    const HcKernels *k = tape->k;
    HcScratch scratch = tape->scratch;
    HcBudget none = {.limit = 1};
    hc_scratch_init(&tape->scratch, &none, 4096);
    tape->k = &idle;
    calls = 0;
    bool done = hc_forward(y);
    tape->k = k;
    CHECK(none.calls == 0);
    hc_scratch_destroy(&tape->scratch);
    tape->scratch = scratch;

    bool same = done && memcmp(result, y->data, extent(y)) == 0;
    for (uint32_t j = 0; j < y->nin; j++)
        same = same && memcmp(inputs[j], hc_inputs(y)[j]->data, extent(hc_inputs(y)[j])) == 0;
    CHECK(same);
    CHECK(calls > 0 || y->form->count == 0);
    if (!same) printf("  %s, %s\n", row, y->op->name);
    memcpy(y->data, before, extent(y));
    checked++;
}

/* ---- all of them ----------------------------------------------------------------------------------------------- */

static void check_tape(const char *row, Tape *tape) {
    void *workspaces[HC_MOST_WORKSPACES];
    size_t nodes = tape_stats(tape).nodes;
    for (size_t i = 0; i < HC_MOST_WORKSPACES; i++)
        CHECK((workspaces[i] = malloc(tape->workspace_most[i] + 1)) != NULL);
    tape->fixed_workspaces = workspaces;
    for (size_t i = 0; i < nodes; i++)
        check_node(row, hc_node(tape, i));
    tape->fixed_workspaces = NULL;
    for (size_t i = 0; i < HC_MOST_WORKSPACES; i++)
        free(workspaces[i]);
    CHECK(tape_status(tape) == HC_OK);
}

static void check_row(const Row *row, const Shape *shapes, size_t count, Rng *rng) {
    Tape *tape = recorded_twice(row, shapes, count, rng);
    check_tape(row->name, tape);
    tape_destroy(tape);
}

static Tensor *tripled(const CustomCall *call) {
    return tensor_mul_scalar(call->inputs[0], 3);
}

static void check_custom(void) {
    const CustomClass cls = {.name = "tripled", .forward = tripled};
    Tape *tape = tape_create(HC_F64);
    Tensor *x = tensor_ones(tape, shape1(5));
    CHECK(tensor_custom(&cls, &x, 1, NULL) != NULL);
    check_tape("custom", tape);
    tape_destroy(tape);
}

int main(void) {
    each_row(check_row);
    check_custom();
    CHECK(checked > 1000);
    printf("%zu forwards\n", checked);
    return check_done();
}
