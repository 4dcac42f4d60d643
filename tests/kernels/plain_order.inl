/* Scans and sorting along an axis. */

/* x: the numbers, w: the factors, or none. */
static void scan_case(size_t outer, size_t n, size_t inner, bool factors, bool back) {
    size_t count = outer * n * inner;
    draw(&x, count, -1, 1);
    draw(&w, count, -2, 2);
    place(&y, count);
    hc_index_kernels(k)->scan(at(&y, 0), factors ? at(&w, 0) : NULL, at(&x, 0), outer, n, inner, back);
    for (size_t o = 0; o < outer; o++)
        for (size_t i = 0; i < inner; i++) {
            double before = 0, most = 1;
            for (size_t step = 0; step < n; step++) {
                size_t j = back ? n - 1 - step : step, here = (o * n + j) * inner + i;
                size_t factor = back ? here + inner : here;
                double a = step == 0 || !factors ? 1 : get(&w, factor);
                before = get(&x, here) + a * before;
                most = 1 + fabs(a) * most;
                near(&y, here, before, 4, most);
            }
        }
    seal(&y);
}

static void check_scan(void) {
    for (size_t inner = 0; inner <= 17; inner += inner < 3 ? 1 : 7)
        for (size_t n = 0; n <= 9; n++)
            for (int how = 0; how < 4; how++)
                scan_case(n % 3, n, inner, how & 1, how & 2);
}

/* Whether number a of x stands before number b, both of one column. */
static bool stands_before(size_t a, size_t b, bool falling) {
    double p = get(&x, a), q = get(&x, b);
    if (isnan(p) || isnan(q)) return isnan(p) == isnan(q) ? a < b : (bool)isnan(falling ? p : q);
    return p == q ? a < b : falling ? p > q : p < q;
}

static void argsort_case(size_t outer, size_t n, size_t inner, bool falling) {
    static double workspace[4 * MOST];
    size_t count = outer * n * inner;
    draw(&x, count, -3, 3);
    for (size_t i = 0; i < count; i++) { /* many are equal, some zeros negative, some NaN */
        double few = rint(get(&x, i));
        put(&x, i, rng_below(&rng, 9) == 0 ? (double)NAN : few);
    }
    place(&y, count);
    hc_index_kernels(k)->argsort(at(&y, 0), at(&x, 0), outer, n, inner, falling, workspace);
    for (size_t o = 0; o < outer; o++)
        for (size_t i = 0; i < inner; i++)
            for (size_t j = 0; j < n; j++) { /* its place is how many stand before it */
                size_t here = (o * n + j) * inner + i, before = 0;
                for (size_t other = 0; other < n; other++)
                    before += stands_before((o * n + other) * inner + i, here, falling);
                near(&y, (o * n + before) * inner + i, (double)j, 0, 0);
            }
    seal(&y);
}

static void check_argsort(void) {
    EACH_SIZE (n)
        for (size_t inner = 0; inner <= 3; inner++)
            for (int falling = 0; falling < 2; falling++)
                argsort_case(1 + n % 2, n, inner, falling);
}
