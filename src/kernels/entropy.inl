/* Cross-entropy of rows of scores: its value, its gradient, and the two halves of the gradient of that. */

static HC_REAL dot_row(const HC_REAL *a, const HC_REAL *b, size_t n) {
    HC_REAL lane[LANES] = {0}, tail = 0;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t l = 0; l < LANES; l++)
            lane[l] += a[i + l] * b[i + l];
    for (; i < n; i++)
        tail += a[i] * b[i];
    return fold_lanes(lane) + tail;
}

static bool cross_entropy_kernel(void *y_, const void *x_, const void *target_, size_t m, size_t n,
                                 size_t *bad) {
    HC_REAL *y = y_;
    const HC_REAL *x = x_, *target = target_;
    for (size_t i = 0, t; i < m; i++, x += n) {
        if (!index_of(target[ *bad = i], n, &t)) return false;
        const HC_REAL most = row_max(x, n);
        y[i] = log_sum_exp(x, most, n) - (x[t] - most);
    }
    return true;
}

static bool cross_entropy_slope_kernel(void *y_, const void *x_, const void *target_,
                                       const void *g_, size_t m, size_t n, size_t *bad) {
    HC_REAL *y = y_;
    const HC_REAL *x = x_, *target = target_, *g = g_;
    for (size_t i = 0, t; i < m; i++, x += n, y += n) {
        if (!index_of(target[ *bad = i], n, &t)) return false;
        exp_row(y, x, row_max(x, n), n);
        const HC_REAL sum = sum_row(y, n), of_target = y[t] / sum, gi = g[i];
        for (size_t j = 0; j < n; j++)
            y[j] = gi * (y[j] / sum);
        y[t] = gi * (of_target - 1);
    }
    return true;
}

static bool cross_entropy_fold_kernel(void *y_, const void *x_, const void *target_, const void *v_,
                                      size_t m, size_t n, size_t *bad) {
    enum { STRETCH = 8 * LANES };
    HC_REAL *y = y_, room[STRETCH];
    const HC_REAL *x = x_, *target = target_, *v = v_;
    for (size_t i = 0, t; i < m; i++, x += n, v += n) {
        if (!index_of(target[ *bad = i], n, &t)) return false;
        const HC_REAL most = row_max(x, n);
        HC_REAL sum = 0, weighted = 0;
        for (size_t j = 0; j < n; j += STRETCH) {
            const size_t count = n - j < STRETCH ? n - j : STRETCH;
            exp_row(room, x + j, most, count);
            sum += sum_row(room, count);
            weighted += dot_row(room, v + j, count);
        }
        y[i] = weighted / sum - v[t];
    }
    return true;
}

static void cross_entropy_bend_kernel(void *y_, const void *x_, const void *g_, const void *v_,
                                      size_t m, size_t n) {
    HC_REAL *y = y_;
    const HC_REAL *x = x_, *g = g_, *v = v_;
    for (size_t i = 0; n > 0 && i < m; i++, x += n, v += n, y += n) {
        exp_row(y, x, row_max(x, n), n);
        const HC_REAL sum = sum_row(y, n), mean = dot_row(y, v, n) / sum, gi = g[i];
        HC_INDEPENDENT
        for (size_t j = 0; j < n; j++)
            y[j] = gi * (y[j] / sum) * (v[j] - mean);
    }
}
