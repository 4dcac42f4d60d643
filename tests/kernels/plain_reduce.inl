/* Reductions of rows and columns, and distances. */

typedef void ReduceFn(void *y, const void *x, size_t stride, size_t m, size_t n);
typedef double CombineFn(double old, double now);

static double sum_of(double old, double now) {
    return old + now;
}

static double max_of(double old, double now) {
    return isnan(old) || isnan(now) ? (double)NAN : fmax(old, now);
}

static double min_of(double old, double now) {
    return isnan(old) || isnan(now) ? (double)NAN : fmin(old, now);
}

/* Rows or columns, combined with what is there; with a NaN among the numbers where it is to win. */
static void reduce(ReduceFn *fn, CombineFn *combine, bool rows) {
    double units = combine == sum_of ? 4 : 0;
    EACH_SIZE (n)
        for (size_t m = 0; m <= 9; m += 1 + m / 3) {
            size_t stride = n + m % 3, results = rows ? m : n;
            draw(&x, m * stride + 1, -1, 1);
            if (combine != sum_of && m && n) put(&x, m / 2 * stride + n / 2, NAN);
            draw(&y, results, -1, 1);
            Array before = y;
            fn(at(&y, 0), at(&x, 0), stride, m, n);
            for (size_t r = 0; r < results; r++) {
                double want = get(&before, r), total = 1;
                for (size_t i = 0; i < (rows ? n : m); i++) {
                    double number = get(&x, rows ? r * stride + i : i * stride + r);
                    want = combine(want, number);
                    total += fabs(number);
                }
                near(&y, r, want, units, total);
            }
            seal(&y);
        }
}

#define REDUCTION(fn)                                                                              \
    static void check_##fn##_rows(void) {                                                          \
        reduce(k->fn##_rows, fn##_of, true);                                                       \
    }                                                                                              \
    static void check_##fn##_cols(void) {                                                          \
        reduce(k->fn##_cols, fn##_of, false);                                                      \
    }
REDUCTION(sum)
REDUCTION(max)
REDUCTION(min)

static void check_argmax_rows(void) {
    EACH_SIZE (n)
        for (size_t m = 0, round = 0; n > 0 && m <= 6; m += 3, round++) {
            draw(&x, m * n, -1, 1);
            for (size_t i = 0; i < m;
                 i++) { /* the largest twice, and in one row of three a NaN behind it */
                put(&x, i * n + n / 2, 2);
                put(&x, i * n + n - 1, i % 3 ? 2 : (double)NAN);
            }
            place(&y, m);
            k->argmax_rows(at(&y, 0), at(&x, 0), m, n);
            for (size_t i = 0; i < m; i++)
                near(&y, i, (double)(i % 3 ? n / 2 : n - 1), 0, 0);
            seal(&y);
        }
}

static void check_squared_distance(void) {
    EACH_SIZE (n) {
        double sum = 0;
        draw(&x, n, -1, 1);
        draw(&z, n, -1, 1);
        place(&y, 1);
        k->squared_distance(at(&y, 0), at(&x, 0), at(&z, 0), n, 0.3);
        for (size_t i = 0; i < n; i++)
            sum += pow(get(&x, i) - get(&z, i), 2);
        near(&y, 0, 0.3 * sum, 8, 1 + sum);
        seal(&y);
    }
}

static void check_scaled_difference(void) {
    EACH_SIZE (n)
        for (int two = 0; two < 2; two++) {
            draw(&x, n, -1, 1);
            draw(&z, n, -1, 1);
            draw(&w, 1, -1, 1);
            place(&y, n);
            k->scaled_difference(at(&y, 0), at(&w, 0), at(&x, 0), two ? at(&z, 0) : NULL, n, 0.3);
            for (size_t i = 0; i < n; i++)
                near(&y, i, 0.3 * get(&w, 0) * (get(&x, i) - (two ? get(&z, i) : 0)), 4, 1);
            seal(&y);
        }
}
