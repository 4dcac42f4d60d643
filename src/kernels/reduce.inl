/* Reductions. A row is summed in LANES partial sums, number i to lane i mod LANES, which are then added
 * pairwise: the order is the same at every level, and vectors of any width hold whole lanes. */

enum { LANES = 16, SUM_BLOCK = 4 * LANES };

/* Adds the lanes pairwise. */
static HC_REAL fold_lanes(HC_REAL lane[LANES]) {
    for (size_t half = LANES / 2; half > 0; half /= 2)
        for (size_t l = 0; l < half; l++)
            lane[l] += lane[l + half];
    return lane[0];
}

static HC_REAL sum_row(const HC_REAL *x, size_t n) {
    HC_REAL lane[LANES] = {0}, tail = 0;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t l = 0; l < LANES; l++)
            lane[l] += x[i + l];
    for (; i < n; i++)
        tail += x[i];
    return fold_lanes(lane) + tail;
}

static void squared_distance_kernel(void *y_, const void *a_, const void *b_, size_t n, double c) {
    HC_REAL *y = y_, lane[LANES] = {0}, tail = 0;
    const HC_REAL *a = a_, *b = b_;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t l = 0; l < LANES; l++)
            lane[l] += (a[i + l] - b[i + l]) * (a[i + l] - b[i + l]);
    for (; i < n; i++)
        tail += (a[i] - b[i]) * (a[i] - b[i]);
    y[0] = (HC_REAL)c * (fold_lanes(lane) + tail);
}

static void scaled_difference_kernel(void *y_, const void *s_, const void *a_, const void *b_,
                                     size_t n, double c) {
    HC_REAL *y = y_, factor = (HC_REAL)c * *(const HC_REAL *)s_;
    const HC_REAL *a = a_, *b = b_;
    if (b)
        for (size_t i = 0; i < n; i++)
            y[i] = factor * (a[i] - b[i]);
    else
        for (size_t i = 0; i < n; i++)
            y[i] = factor * a[i];
}

static void sum_rows_kernel(void *y_, const void *x_, size_t stride, size_t m, size_t n) {
    HC_REAL *y = y_;
    const HC_REAL *x = x_;
    if (n == 1)
        for (size_t i = 0; i < m; i++)
            y[i] += x[i * stride];
    else
        for (size_t i = 0; i < m; i++)
            y[i] += sum_row(x + i * stride, n);
}

/* Columns [0, width) in registers, row after row. */
HC_INLINE void sum_block(const size_t width, HC_REAL *restrict y, const HC_REAL *restrict x,
                         size_t stride, size_t m) {
    HC_REAL sum[SUM_BLOCK];
    for (size_t l = 0; l < width; l++)
        sum[l] = y[l];
    for (size_t i = 0; i < m; i++)
        for (size_t l = 0; l < width; l++)
            sum[l] += x[i * stride + l];
    for (size_t l = 0; l < width; l++)
        y[l] = sum[l];
}

static void sum_some_rows(HC_REAL *y, const HC_REAL *x, size_t stride, size_t m, size_t n) {
    size_t j = 0;
    for (; j + SUM_BLOCK <= n; j += SUM_BLOCK)
        sum_block(SUM_BLOCK, y + j, x + j, stride, m);
    for (; j + LANES <= n; j += LANES)
        sum_block(LANES, y + j, x + j, stride, m);
    for (; j + LANES / 2 <= n; j += LANES / 2)
        sum_block(LANES / 2, y + j, x + j, stride, m);
    for (; j < n; j++)
        sum_block(1, y + j, x + j, stride, m);
}

/* So many rows at a time that a block of columns does not walk through more pages than are at hand. */
static void sum_cols_kernel(void *y_, const void *x_, size_t stride, size_t m, size_t n) {
    enum { ROWS_AT_A_TIME = 16 };
    HC_REAL *y = y_;
    const HC_REAL *x = x_;
    for (; m > ROWS_AT_A_TIME && n > SUM_BLOCK; m -= ROWS_AT_A_TIME, x += ROWS_AT_A_TIME * stride)
        sum_some_rows(y, x, stride, ROWS_AT_A_TIME, n);
    sum_some_rows(y, x, stride, m, n);
}

/* `keeps` holds for a NaN on neither side; a NaN that is old stays, and one that is new comes in. */
#define HC_EXTREME(name, keeps)                                                                    \
    static inline HC_REAL name##_of(HC_REAL old, HC_REAL now) {                                    \
        return keeps || old != old ? old : now;                                                    \
    }                                                                                              \
    static void name##_rows_kernel(void *y_, const void *x_, size_t stride, size_t m, size_t n) {  \
        HC_REAL *y = y_;                                                                           \
        const HC_REAL *x = x_;                                                                     \
        for (size_t i = 0; i < m; i++, x += stride) {                                              \
            size_t j = 0;                                                                          \
            if (n >= LANES) {                                                                      \
                HC_REAL lane[LANES];                                                               \
                for (size_t l = 0; l < LANES; l++)                                                 \
                    lane[l] = x[l];                                                                \
                for (j = LANES; j + LANES <= n; j += LANES)                                        \
                    for (size_t l = 0; l < LANES; l++)                                             \
                        lane[l] = name##_of(lane[l], x[j + l]);                                    \
                for (size_t l = 0; l < LANES; l++)                                                 \
                    y[i] = name##_of(y[i], lane[l]);                                               \
            }                                                                                      \
            for (; j < n; j++)                                                                     \
                y[i] = name##_of(y[i], x[j]);                                                      \
        }                                                                                          \
    }                                                                                              \
    static void name##_cols_kernel(void *y_, const void *x_, size_t stride, size_t m, size_t n) {  \
        HC_REAL *y = y_;                                                                           \
        const HC_REAL *x = x_;                                                                     \
        for (size_t i = 0; i < m; i++)                                                             \
            for (size_t j = 0; j < n; j++)                                                         \
                y[j] = name##_of(y[j], x[i * stride + j]);                                         \
    }
HC_EXTREME(max, old >= now)
HC_EXTREME(min, old <= now)

static void argmax_rows_kernel(void *y_, const void *x_, size_t m, size_t n) {
    HC_REAL *y = y_;
    const HC_REAL *x = x_;
    for (size_t i = 0; i < m; i++, x += n) {
        size_t best = 0;
        for (size_t j = 1; j < n && x[best] == x[best]; j++)
            if (x[j] > x[best] || x[j] != x[j]) best = j;
        y[i] = (HC_REAL)best;
    }
}

static HC_REAL row_max(const HC_REAL *x, size_t n) {
    HC_REAL lane[LANES];
    for (size_t l = 0; l < LANES; l++)
        lane[l] = x[0];
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t l = 0; l < LANES; l++)
            lane[l] = x[i + l] > lane[l] ? x[i + l] : lane[l];
    HC_REAL most = x[0];
    for (; i < n; i++)
        most = x[i] > most ? x[i] : most;
    for (size_t l = 0; l < LANES; l++)
        most = lane[l] > most ? lane[l] : most;
    return most;
}

/* y[j] = e^(x[j] - most). */
static void exp_row(HC_REAL *y, const HC_REAL *x, HC_REAL most, size_t n) {
    HC_INDEPENDENT
    for (size_t j = 0; j < n; j++)
        y[j] = real_exp(x[j] - most);
}

static void softmax_rows_kernel(void *y_, const void *x_, size_t m, size_t n) {
    HC_REAL *y = y_;
    const HC_REAL *x = x_;
    for (size_t i = 0; i < m; i++, x += n, y += n) {
        exp_row(y, x, row_max(x, n), n);
        const HC_REAL sum = sum_row(y, n);
        for (size_t j = 0; j < n; j++)
            y[j] /= sum;
    }
}

/* ln of the sum of e^(x[j] - most), a stretch of the row at a time. */
static HC_REAL log_sum_exp(const HC_REAL *x, HC_REAL most, size_t n) {
    enum { STRETCH = 8 * LANES };
    HC_REAL room[STRETCH], sum = 0;
    for (size_t j = 0; j < n; j += STRETCH) {
        const size_t count = n - j < STRETCH ? n - j : STRETCH;
        exp_row(room, x + j, most, count);
        sum += sum_row(room, count);
    }
    return real_log(sum);
}

static void log_softmax_rows_kernel(void *y_, const void *x_, size_t m, size_t n) {
    HC_REAL *y = y_;
    const HC_REAL *x = x_;
    for (size_t i = 0; i < m; i++, x += n, y += n) {
        const HC_REAL most = row_max(x, n), shift = log_sum_exp(x, most, n);
        HC_INDEPENDENT
        for (size_t j = 0; j < n; j++)
            y[j] = (x[j] - most) - shift;
    }
}
