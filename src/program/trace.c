/* From nodes to kernel calls. A forward comes down to calls of kernels whose operands have the same addresses at
 * each run (tape/op.h). So each is run once with a table of kernels that write down what they are called with and
 * compute nothing. A node is one call of its forward where that calls a kernel which cannot be written down, none
 * at all, or too many. */
#include <string.h>

#include "program/call.h"
#include "program/series.h"

/* A forward of more calls than that is not worth taking apart. */
#define MOST_CALLS 64
/* Operations of fewer numbers are never split among threads. */
#define LEAST_SHARED 4096

/* Kernels take no argument that could say who is asking, so the tracing thread keeps it here while it
 * traces one node. */
static _Thread_local struct {
    Program *program;
    const HcKernels *real;
    bool failed;
    bool whole; /* a kernel was called that is not traced: the calls are not all there is */
} tracing;

static bool is_in(const void *y, const void *memory, size_t bytes) {
    return (const char *)y >= (const char *)memory &&
           (const char *)y < (const char *)memory + bytes;
}

/* Whether a call may write there at each run: in a result's memory or, while they are fixed, in a workspace. */
static bool stays(const Program *p, const void *y) {
    bool found = is_in(y, p->memory, p->memory_bytes) || !p->tape->fixed_workspaces;
    for (size_t i = 0; i < HC_MOST_WORKSPACES && !found; i++)
        found = is_in(y, p->workspaces[i], p->tape->workspace_most[i]);
    return found;
}

/* A call that writes to y. */
static void log_call(const void *y, const HcCall *call) {
    HC_ASSERT(stays(tracing.program, y));
    if (!hc_program_add_call(tracing.program, call)) tracing.failed = true;
}

/* ---- elementwise --------------------------------------------------------------------------------------- */

static bool run_unary(const HcCall *call) {
    const HcElementwise *e = &call->u.e;
    e->fn.unary(e->y, e->x[0], e->n, e->has_c ? e->c : NULL);
    return true;
}

static bool run_binary(const HcCall *call) {
    const HcElementwise *e = &call->u.e;
    e->fn.binary(e->y, e->x[0], e->stride[0], e->x[1], e->stride[1], e->n, e->has_c ? e->c : NULL);
    return true;
}

static bool run_select(const HcCall *call) {
    hc_elementwise_range(&call->u.e, 0, call->u.e.n, 0);
    return true;
}

static void set_constants(HcElementwise *e, const double *c) {
    e->has_c = c != NULL;
    if (c) memcpy(e->c, c, sizeof e->c);
}

static void log_unary(HcUnaryFn *fn, void *y, const void *x, size_t n, const double *c) {
    HcCall call = {.run = run_unary, HC_USES(e),
                   .elementwise = true,
                   .u.e = {.fn.unary = fn, .y = y, .x = {x}, .stride = {1}, .n = n, .operands = 1}};
    set_constants(&call.u.e, c);
    log_call(y, &call);
}

static void log_binary(HcBinaryFn *fn, void *y, const void *a, size_t sa, const void *b, size_t sb,
                       size_t n, const double *c) {
    HcCall call = {
        .run = run_binary, HC_USES(e),
        .elementwise = true,
        .u.e = {.fn.binary = fn, .y = y, .x = {a, b}, .stride = {sa, sb}, .n = n, .operands = 2}};
    set_constants(&call.u.e, c);
    log_call(y, &call);
}

#define HC_UNARY(name, formula)                                                                    \
    static void trace_##name(void *y, const void *x, size_t n, const double *c) {                  \
        log_unary(tracing.real->name, y, x, n, c);                                                 \
    }
#define HC_UNARY_NEAR(name, formula, far, formula_far) HC_UNARY(name, formula)
#define HC_BINARY(name, formula)                                                                   \
    static void trace_##name(void *y, const void *a, size_t sa, const void *b, size_t sb,          \
                             size_t n, const double *c) {                                          \
        log_binary(tracing.real->name, y, a, sa, b, sb, n, c);                                     \
    }
#include "kernels/elementwise.def"
#undef HC_UNARY
#undef HC_UNARY_NEAR
#undef HC_BINARY

static void trace_select(void *y, const void *p, size_t sp, const void *a, size_t sa, const void *b,
                         size_t sb, size_t n) {
    log_call(y, &(HcCall){.run = run_select, HC_USES(e),
                          .elementwise = true,
                          .u.e = {.fn.select = tracing.real->select,
                                  .y = y,
                                  .x = {p, a, b},
                                  .stride = {sp, sa, sb},
                                  .n = n,
                                  .operands = 3}});
}

/* ---- the others ------------------------------------------------------------------------------------------ */

static bool run_fill(const HcCall *call) {
    call->u.move.kernels->fill(call->u.move.y, call->u.move.n, call->u.move.c);
    return true;
}

static void trace_fill(void *y, size_t n, double value) {
    log_call(y, &(HcCall){.run = run_fill, HC_USES(move), .u.move = {tracing.real, y, .n = n, .c = value}});
}

static bool run_copy(const HcCall *call) {
    call->u.move.kernels->copy(call->u.move.y, call->u.move.sy, call->u.move.x, call->u.move.sx,
                               call->u.move.n);
    return true;
}

static void trace_copy(void *y, size_t sy, const void *x, size_t sx, size_t n) {
    log_call(
        y, &(HcCall){.run = run_copy, HC_USES(move), .u.move = {tracing.real, y, x, .n = n, .sx = sx, .sy = sy}});
}

static bool run_transpose(const HcCall *call) {
    call->u.move.kernels->transpose(call->u.move.y, call->u.move.sy, call->u.move.x, call->u.move.sx, call->u.move.m,
                                    call->u.move.n);
    return true;
}

static void trace_transpose(void *y, size_t sy, const void *x, size_t sx, size_t m, size_t n) {
    log_call(y, &(HcCall){.run = run_transpose, HC_USES(move),
                          .u.move = {tracing.real, y, x, .m = m, .n = n, .sx = sx, .sy = sy}});
}

static bool run_squared_distance(const HcCall *call) {
    call->u.move.kernels->squared_distance(call->u.move.y, call->u.move.a, call->u.move.b,
                                           call->u.move.n, call->u.move.c);
    return true;
}

static void trace_squared_distance(void *y, const void *a, const void *b, size_t n, double c) {
    log_call(y, &(HcCall){.run = run_squared_distance, HC_USES(move),
                          .u.move = {tracing.real, y, .a = a, .b = b, .n = n, .c = c}});
}

static bool run_scaled_difference(const HcCall *call) {
    call->u.move.kernels->scaled_difference(call->u.move.y, call->u.move.x, call->u.move.a,
                                            call->u.move.b, call->u.move.n, call->u.move.c);
    return true;
}

static void trace_scaled_difference(void *y, const void *s, const void *a, const void *b, size_t n,
                                    double c) {
    log_call(y, &(HcCall){.run = run_scaled_difference, HC_USES(move),
                          .u.move = {tracing.real, y, s, a, b, .n = n, .c = c}});
}

static bool run_reduce(const HcCall *call) {
    call->u.reduce.fn(call->u.reduce.y, call->u.reduce.x, call->u.reduce.stride, call->u.reduce.m,
                      call->u.reduce.n);
    return true;
}

static void trace_sum_rows(void *y, const void *x, size_t stride, size_t m, size_t n) {
    log_call(
        y, &(HcCall){.run = run_reduce, HC_USES(reduce), .u.reduce = {tracing.real->sum_rows, y, x, stride, m, n}});
}

static void trace_sum_cols(void *y, const void *x, size_t stride, size_t m, size_t n) {
    log_call(
        y, &(HcCall){.run = run_reduce, HC_USES(reduce), .u.reduce = {tracing.real->sum_cols, y, x, stride, m, n}});
}

static bool run_gemm(const HcCall *call) {
    call->u.product.kernels->gemm(&call->u.product.g);
    return true;
}

static void trace_gemm(const HcGemm *g) {
    log_call(g->c, &(HcCall){.run = run_gemm, HC_USES(product), .u.product = {*g, tracing.real}});
}

static bool run_adam(const HcCall *call) {
    call->u.adam.kernels->adam(call->u.adam.y, call->u.adam.p, call->u.adam.g, call->u.adam.m,
                               call->u.adam.v, call->u.adam.rate, call->u.adam.constants,
                               call->u.adam.n);
    return true;
}

static void trace_adam(void *y, const void *p, const void *g, const void *m, const void *v,
                       const void *rate, const void *constants, size_t n) {
    log_call(
        y,
        &(HcCall){.run = run_adam, HC_USES(adam),
                  .u.adam = {
                      tracing.real, y, {NULL, NULL, NULL}, p, g, m, v, rate, constants, n, false}});
}

static bool run_adam_backward(const HcCall *call) {
    call->u.adam.kernels->adam_backward(
        call->u.adam.y, call->u.adam.from, call->u.adam.g, call->u.adam.m, call->u.adam.v,
        call->u.adam.rate, call->u.adam.constants, call->u.adam.n, call->u.adam.moments);
    return true;
}

static void trace_adam_backward(void *y, HcAdamCotangents from, const void *g, const void *m,
                                const void *v, const void *rate, const void *constants, size_t n,
                                bool moments) {
    log_call(y, &(HcCall){
                    .run = run_adam_backward, HC_USES(adam),
                    .u.adam = {tracing.real, y, from, NULL, g, m, v, rate, constants, n, moments}});
}

static bool run_adam_rate(const HcCall *call) {
    call->u.adam.kernels->adam_rate(call->u.adam.y, call->u.adam.from.p, call->u.adam.m,
                                    call->u.adam.v, call->u.adam.constants, call->u.adam.n);
    return true;
}

static void trace_adam_rate(void *y, const void *t, const void *m, const void *v,
                            const void *constants, size_t n) {
    log_call(
        y,
        &(HcCall){
            .run = run_adam_rate, HC_USES(adam),
            .u.adam = {tracing.real, y, {.p = t}, .m = m, .v = v, .constants = constants, .n = n}});
}

/* ---- those that are not traced: the node is left whole ---------------------------------------------------- */

/* Their parameters come from the table, and none is used. */
#if defined(__GNUC__) || defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#endif
#define RESULT_void
#define RESULT_bool return true
#define RESULT_size_t return 0
#define STUB_TRACED(result, type, name, params)
#define STUB_ASKED(result, type, name, params)
#define STUB_WHOLE(result, type, name, params)                                                     \
    static type whole_##name params {                                                              \
        tracing.whole = true;                                                                      \
        result;                                                                                    \
    }
#define HC_FUNCTION(place, trace, type, name, params)                                              \
    STUB_##trace(RESULT_##type, type, name, params)
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

#define HC_FUNCTION(place, trace, type, name, params) .name = whole_##name,
#define HC_TABLE(type, name) static const type whole_##name = {
#define HC_TABLE_END(type) };
#include "kernels/tables.def"
#undef HC_TABLE
#undef HC_FUNCTION

/* The other tables as a trace hands them out; none of them refers to the real ones. */
static const HcTables whole_tables = {
#define HC_FUNCTION(place, trace, type, name, params)
#define HC_TABLE(type, name) .name = &whole_##name,
#undef HC_TABLE_END
#define HC_TABLE_END(type)
#include "kernels/tables.def"
#undef HC_TABLE
#undef HC_TABLE_END
#undef HC_FUNCTION
};

/* Nothing of the real table is in it but what computes no numbers. */
static HcKernels traced_kernels(const HcKernels *real) {
#define ENTRY_TRACED(name) trace_##name
#define ENTRY_WHOLE(name) whole_##name
#define ENTRY_ASKED(name) real->name
    return (HcKernels){
        .size = real->size,
        .level = real->level,
        .tables = &whole_tables,
#define HC_UNARY(name, formula) .name = trace_##name,
#define HC_UNARY_NEAR(name, formula, far, formula_far) .name = trace_##name,
#define HC_BINARY(name, formula) .name = trace_##name,
#include "kernels/elementwise.def"
#undef HC_UNARY
#undef HC_UNARY_NEAR
#undef HC_BINARY
#define HC_FUNCTION(place, trace, type, name, params) .name = ENTRY_##trace(name),
#include "kernels/kernels.def"
#undef HC_FUNCTION
    };
}

/* ---- all nodes -------------------------------------------------------------------------------------------- */

/* With a pool, one that may be large enough to be split among threads is left whole. */
static bool is_left_whole(const Tensor *node) {
    bool small = node->form->count < LEAST_SHARED;
    for (uint32_t j = 0; j < node->nin; j++)
        small = small && hc_inputs(node)[j]->form->count < LEAST_SHARED;
    return !small && node->tape->pool;
}

static bool is_gradient(const Program *p, const Tensor *node) {
    bool found = false;
    for (size_t i = 0; i < p->grad_count; i++)
        found = found || p->grads[i] == node;
    return found;
}

/* Writes down a forward's calls, or finds out that it is to be left whole. */
static bool trace_calls(Program *p, Tensor *node, const HcKernels *traced, bool *whole) {
    Tape *tape = p->tape;
    size_t before = p->call_count, workspace_most[HC_MOST_WORKSPACES];
    HC_ASSERT(!tracing.program);
    memcpy(workspace_most, tape->workspace_most, sizeof workspace_most);
    tracing.program = p;
    tracing.real = tape->k;
    tracing.failed = tracing.whole = false;
    tape->k = traced;
    bool done = hc_forward(node);
    tape->k = tracing.real;
    tracing.program = NULL;
    if (!done || tracing.failed) return false;
    size_t calls = p->call_count - before;
    HcCall *only = calls == 1 ? &p->calls[before] : NULL;
    if (only && only->run == run_gemm) only->gradient = is_gradient(p, node);
    if (!tracing.whole && calls > 0 && calls <= MOST_CALLS) return true;
    memcpy(tape->workspace_most, workspace_most, sizeof workspace_most);
    p->call_count = before;
    *whole = true;
    return true;
}

static bool trace_all(Program *p, const HcKernels *traced, bool *whole) {
    p->call_count = 0;
    for (size_t i = 0; i < p->step_count; i++) {
        if (!whole[i] && !trace_calls(p, p->steps[i], traced, &whole[i])) return false;
        HcCall forward = {.run = hc_call_forward, HC_USES(node), .u.node = p->steps[i]};
        if (whole[i] && !hc_program_add_call(p, &forward)) return false;
    }
    return true;
}

static void *workspace_for(const Program *p, size_t i) {
    size_t bytes = p->tape->workspace_most[i];
    return p->series ? hc_series_room(p->series, i, bytes) : hc_alloc(bytes, 1);
}

/* Twice: first to learn which forwards stay whole, and how large workspaces the others take; then with
 * buffers of that size, which stay where they are and serve one forward after the other. */
static bool trace_twice(Program *p, bool *whole) {
    Tape *tape = p->tape;
    const HcKernels traced = traced_kernels(tape->k);
    memset(tape->workspace_most, 0, sizeof tape->workspace_most);
    if (!trace_all(p, &traced, whole)) return false;
    for (size_t i = 0; i < HC_MOST_WORKSPACES; i++)
        if (tape->workspace_most[i] > 0 && !(p->workspaces[i] = workspace_for(p, i))) return false;
    tape->fixed_workspaces = p->workspaces;
    bool done = trace_all(p, &traced, whole);
    tape->fixed_workspaces = NULL;
    return done;
}

bool hc_program_trace(Program *p) {
    Pool *pool = p->tape->pool;
    bool *whole = hc_alloc(p->step_count, sizeof *whole);
    for (size_t i = 0; whole && i < p->step_count; i++)
        whole[i] = is_left_whole(p->steps[i]);
    p->tape->pool = NULL; /* a call on another thread would not be seen */
    bool done = whole && trace_twice(p, whole);
    p->tape->pool = pool;
    hc_free(whole);
    return done;
}
