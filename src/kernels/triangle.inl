/* Triangles, and what an LU factorization says beside its factors. */

static void swap_rows_kernel(void *b_, const void *pivot_, size_t n, size_t width, bool back) {
    HC_REAL *b = b_;
    const HC_REAL *pivot = pivot_;
    for (size_t step = 0; step < n; step++) {
        const size_t i = back ? n - 1 - step : step;
        const bool is_row = pivot[i] >= 0 && pivot[i] < (HC_REAL)n; /* not so where no LU wrote them */
        const size_t other = is_row ? (size_t)pivot[i] : i;
        HC_REAL *p = b + i * width, *q = b + other * width;
        for (size_t j = 0; other != i && j < width; j++) {
            const HC_REAL kept = p[j];
            p[j] = q[j];
            q[j] = kept;
        }
    }
}

static void lu_det_kernel(void *y, const void *f, size_t n, bool sign) {
    const HC_REAL *u = f, *pivot = u + n * n;
    HC_REAL product = 1;
    for (size_t i = 0; i < n; i++) {
        const HC_REAL d = u[i * n + i], s = d > 0 ? 1 : d < 0 ? -1 : d;
        product *= sign ? s : d;
        if (pivot[i] != (HC_REAL)i) product = -product;
    }
    *(HC_REAL *)y = product == 0 ? 0 : product; /* no -0 */
}

static void triangle_kernel(void *y_, const void *x_, size_t m, size_t n, int64_t offset,
                            bool upper, double c) {
    HC_REAL *y = y_;
    const HC_REAL *x = x_;
    for (size_t i = 0; i < m; i++, y += n, x += n) {
        const int64_t at = (int64_t)i + offset; /* where the diagonal stands in this row */
        const size_t below = at <= 0 ? 0 : (uint64_t)at < n ? (size_t)at : n;
        const size_t above = at < 0 ? 0 : below < n ? below + 1 : n;
        for (size_t j = 0; j < below; j++)
            y[j] = upper ? 0 : x[j];
        if (below < above) y[below] = (HC_REAL)c * x[below];
        for (size_t j = above; j < n; j++)
            y[j] = upper ? x[j] : 0;
    }
}
