/* Rows of scores: softmax, and the cross-entropy of classes with what comes of it. */

/* The softmax of row i of x into p, and its logarithm into logs. */
static void softmax_of(size_t i, size_t n, double *p, double *logs) {
    double most = -INFINITY, sum = 0;
    for (size_t j = 0; j < n; j++) /* of fmax GCC 12 makes an error of its own on AArch64 */
        if (get(&x, i * n + j) > most) most = get(&x, i * n + j);
    for (size_t j = 0; j < n; j++)
        sum += exp(get(&x, i * n + j) - most);
    for (size_t j = 0; j < n; j++) {
        logs[j] = get(&x, i * n + j) - most - log(sum);
        p[j] = exp(logs[j]);
    }
}

static void softmax(void (*fn)(void *, const void *, size_t, size_t), bool log_of_it) {
    double p[MOST], logs[MOST];
    EACH_SIZE (n)
        for (size_t rows = 0; n > 0 && rows <= 6; rows += 3)
            for (int in_place = 0; in_place < 2; in_place++) {
                draw(&x, rows * n, -9, 9);
                if (in_place) y = x;
                if (!in_place) place(&y, rows * n);
                fn(at(&y, 0), in_place ? at(&y, 0) : at(&x, 0), rows, n);
                for (size_t i = 0; i < rows; i++) {
                    softmax_of(i, n, p, logs);
                    for (size_t j = 0; j < n; j++)
                        near(&y, i * n + j, log_of_it ? logs[j] : p[j], 8,
                             log_of_it ? 20 : p[j] * (1 - logs[j]));
                }
                seal(&y);
            }
}

static void check_softmax_rows(void) {
    softmax(hc_row_kernels(k)->softmax_rows, false);
}

static void check_log_softmax_rows(void) {
    softmax(hc_row_kernels(k)->log_softmax_rows, true);
}

/* w: targets of the rows of x, one of them wrong. */
static void draw_targets(size_t rows, size_t n, bool wrong) {
    place(&w, rows);
    for (size_t i = 0; i < rows; i++)
        put(&w, i, (double)rng_below(&rng, n));
    if (wrong && rows) put(&w, rows / 2, n % 7 ? no_index[n % 6] : (double)n);
}

typedef enum Entropy { ITSELF, SLOPE, FOLD, BEND } Entropy;

static bool run_entropy(Entropy which, size_t rows, size_t n, size_t *bad) {
    void *out = at(&y, 0), *scores = at(&x, 0), *target = at(&w, 0), *gi = at(&g, 0);
    void *other = at(&z, 0);
    if (which == ITSELF) return hc_row_kernels(k)->cross_entropy(out, scores, target, rows, n, bad);
    if (which == SLOPE) return hc_row_kernels(k)->cross_entropy_slope(out, scores, target, gi, rows, n, bad);
    if (which == FOLD) return hc_row_kernels(k)->cross_entropy_fold(out, scores, target, other, rows, n, bad);
    hc_row_kernels(k)->cross_entropy_bend(out, scores, gi, other, rows, n);
    return true;
}

static void check_row(Entropy which, size_t i, size_t n) {
    double p[MOST], logs[MOST], mean = 0, gi = get(&g, i);
    size_t target = (size_t)get(&w, i);
    softmax_of(i, n, p, logs);
    for (size_t j = 0; j < n; j++)
        mean += p[j] * get(&z, i * n + j);
    if (which == ITSELF) near(&y, i, -logs[target], 8, 20);
    if (which == FOLD) near(&y, i, mean - get(&z, i * n + target), 16, 1);
    for (size_t j = 0; j < n && (which == SLOPE || which == BEND); j++) {
        double d = j == target, v = get(&z, i * n + j);
        near(&y, i * n + j, which == SLOPE ? gi * (p[j] - d) : gi * p[j] * (v - mean), 16, 1);
    }
}

static void entropy(Entropy which) {
    EACH_SIZE (n)
        for (size_t rows = 0; n > 0 && rows <= 6; rows += 3)
            for (int wrong = 0; wrong < (which == BEND ? 1 : 2); wrong++) {
                size_t bad = 99;
                draw(&x, rows * n, -9, 9);
                draw(&z, rows * n, -1, 1);
                draw(&g, rows, -1, 1);
                draw_targets(rows, n, wrong);
                place(&y, which == SLOPE || which == BEND ? rows * n : rows);
                bool done = run_entropy(which, rows, n, &bad);
                expect(done == !(wrong && rows) && (done || bad == rows / 2), n, bad);
                for (size_t i = 0; done && i < rows; i++)
                    check_row(which, i, n);
                if (done) seal(&y);
            }
}

static void check_cross_entropy(void) {
    entropy(ITSELF);
}

static void check_cross_entropy_slope(void) {
    entropy(SLOPE);
}

static void check_cross_entropy_fold(void) {
    entropy(FOLD);
}

static void check_cross_entropy_bend(void) {
    entropy(BEND);
}
