/* Every row of kernels.def and tables.def, at every level and in both types, against plain loops in double: sizes
 * around the width of a vector, memory that is not aligned, results in place where that is allowed, nothing written
 * around them; and where a kernel does not contract (HERE), the same bits at every level. A row without a check here
 * does not compile; what stands in a file of its own is named below, and the test `coverage` looks for it there. */
#include "kernels/plain.h"

#include "kernels/plain_index.inl"
#include "kernels/plain_move.inl"
#include "kernels/plain_order.inl"
#include "kernels/plain_reduce.inl"
#include "kernels/plain_rows.inl"
#include "kernels/plain_triangle.inl"

#include "kernels/plain_adam.inl"

/* test_norm.c */
#define check_channel_moments NULL
#define check_channel_sums NULL
#define check_channel_dots NULL
#define check_batch_norm NULL
#define check_batch_norm_backward NULL
#define check_batch_norm_slope NULL
#define check_batch_norm_second NULL
/* test_conv.c */
#define check_conv NULL
#define check_conv_input NULL
#define check_conv_weight NULL
#define check_conv_workspace NULL
/* test_pool.c */
#define check_max_pool NULL
#define check_pool_pick NULL
#define check_pool_spread NULL
#define check_avg_pool NULL
#define check_avg_spread NULL
/* test_gemm.c */
#define check_gemm NULL
#define check_gemm_workspace NULL
/* test_factor.c */
#define check_cholesky NULL
#define check_cholesky_workspace NULL
#define check_lu NULL
#define check_lu_workspace NULL
#define check_solve_triangular NULL
#define check_solve_triangular_workspace NULL

typedef struct Row {
    const char *name;
    void (*check)(void);
} Row;

static const Row rows[] = {
#define HC_FUNCTION(place, trace, type, name, params) {#name, check_##name},
#include "kernels/kernels.def"
#define HC_TABLE(type, name)
#define HC_TABLE_END(type)
#include "kernels/tables.def"
#undef HC_TABLE
#undef HC_TABLE_END
#undef HC_FUNCTION
};

static void check_kernel(const Row *row, int dtype) {
    uint64_t first = 0;
    for (size_t level = 0; level < hc_kernel_levels(); level++) {
        k = hc_kernels_at(level, dtype);
        name = row->name;
        rng = rng_seed(7);
        bits = UINT64_C(14695981039346656037);
        good = true;
        row->check();
        if (level == 0) first = bits;
        CHECK(good && bits == first);
        if (!good || bits != first) printf("  %s at %s\n", name, hc_kernel_level_name(level));
    }
}

/* Elementwise rows without constants have zeros for them, to the bit. */
enum { NUMBERS = 11 };

typedef struct Numbers {
    double memory[NUMBERS];
} Numbers;

static void same_results(const char *row, const Numbers *a, const Numbers *b) {
    bool same = memcmp(a, b, NUMBERS * k->size) == 0;
    CHECK(same);
    if (!same) printf("  %s\n", row);
}

static void unary_row(const char *row, HcUnaryFn *fn, const Numbers *a) {
    Numbers with = {{0}}, without = {{0}};
    fn(with.memory, a->memory, NUMBERS, (const double[]){0, 0});
    fn(without.memory, a->memory, NUMBERS, NULL);
    same_results(row, &with, &without);
}

static void binary_row(const char *row, HcBinaryFn *fn, const Numbers *a, const Numbers *b) {
    for (size_t strides = 0; strides < 4; strides++) {
        Numbers with = {{0}}, without = {{0}};
        fn(with.memory, a->memory, strides & 1, b->memory, strides >> 1, NUMBERS, (const double[]){0, 0});
        fn(without.memory, a->memory, strides & 1, b->memory, strides >> 1, NUMBERS, NULL);
        same_results(row, &with, &without);
    }
}

static void without_constants(void) {
    static const double values[NUMBERS] = {-3, -1, -0.5, -0.0, 0, 0.25, 0.5, 1, 2, 3, 1e30};
    Numbers a, b;
    k->from_f64(a.memory, values, NUMBERS);
    k->from_f64(b.memory, values, NUMBERS);
    k->scale(b.memory, b.memory, NUMBERS, (const double[]){-0.5, 0});
#define HC_UNARY(name, formula) unary_row(#name, k->name, &a);
#define HC_UNARY_NEAR(name, formula, far, formula_far) HC_UNARY(name, formula)
#define HC_BINARY(name, formula) binary_row(#name, k->name, &a, &b);
#include "kernels/elementwise.def"
#undef HC_UNARY
#undef HC_UNARY_NEAR
#undef HC_BINARY
}

int main(void) {
    for (size_t level = 0; level < hc_kernel_levels(); level++)
        for (int dtype = 0; dtype < 2; dtype++) {
            k = hc_kernels_at(level, dtype);
            without_constants();
        }
    size_t checked = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!rows[i].check) continue;
        checked++;
        for (int dtype = 0; dtype < 2; dtype++)
            check_kernel(&rows[i], dtype);
    }
    printf("%zu kernels\n", checked);
    return check_done();
}
