/* Normalisation over channels: sums per channel, and blends of whole arrays with numbers per channel.
 *
 * An array [outer, channels, inner] is taken in slabs: one channel, whose runs of `inner` numbers lie
 * apart, or, where inner is 1 (channels last), a block of neighbouring channels, row by row. A slab of one
 * channel is small enough to stay in the nearest cache from one pass over it to the next. */

enum { BLOCK = 64 };

typedef struct Slab {
    size_t at, outer, step; /* its first number; rows, and how far apart they are */
    size_t run;             /* numbers of the one channel in a row; 0: a block */
    size_t width;           /* channels */
} Slab;

static Slab slab_of(HcChannels s, size_t channel) {
    if (s.inner != 1)
        return (Slab){channel * s.inner, s.outer, s.channels * s.inner, s.inner, 1};
    size_t width = s.channels - channel;
    return (Slab){channel, s.outer, s.channels, 0, width < BLOCK ? width : BLOCK};
}

/* Adds to out[j] a formula in each of channel j's numbers a and b and its constant m. */
#define HC_SLAB_SUM(name, formula)                                                                 \
    static HC_REAL name##_run(const HC_REAL *a_, const HC_REAL *b_, HC_REAL m, size_t n) {         \
        HC_REAL lane[LANES] = {0}, tail = 0;                                                       \
        size_t i = 0;                                                                              \
        for (; i + LANES <= n; i += LANES)                                                         \
            for (size_t l = 0; l < LANES; l++) {                                                   \
                HC_REAL a = a_[i + l], b = b_[i + l];                                              \
                (void)a, (void)b, (void)m;                                                         \
                lane[l] += formula;                                                                \
            }                                                                                      \
        for (; i < n; i++) {                                                                       \
            HC_REAL a = a_[i], b = b_[i];                                                          \
            (void)a, (void)b;                                                                      \
            tail += formula;                                                                       \
        }                                                                                          \
        return fold_lanes(lane) + tail;                                                            \
    }                                                                                              \
    static void name##_rows(HC_REAL *out, const HC_REAL *a_, const HC_REAL *b_,                    \
                            const HC_REAL *m_, Slab s, size_t width) {                             \
        HC_REAL sum[BLOCK];                                                                        \
        for (size_t j = 0; j < width; j++)                                                         \
            sum[j] = out[j];                                                                       \
        for (size_t o = 0; o < s.outer; o++, a_ += s.step, b_ += s.step)                           \
            for (size_t j = 0; j < width; j++) {                                                   \
                HC_REAL a = a_[j], b = b_[j], m = m_[j];                                           \
                (void)a, (void)b, (void)m;                                                         \
                sum[j] += formula;                                                                 \
            }                                                                                      \
        for (size_t j = 0; j < width; j++)                                                         \
            out[j] = sum[j];                                                                       \
    }                                                                                              \
    static void name(HC_REAL *out, const HC_REAL *a, const HC_REAL *b, const HC_REAL *m, Slab s) { \
        if (s.run) {                                                                               \
            for (size_t o = 0; o < s.outer; o++)                                                   \
                *out += name##_run(a + s.at + o * s.step, b + s.at + o * s.step, *m, s.run);       \
        } else if (s.width == BLOCK)                                                               \
            name##_rows(out, a + s.at, b + s.at, m, s, BLOCK);                                     \
        else                                                                                       \
            name##_rows(out, a + s.at, b + s.at, m, s, s.width);                                   \
    }

HC_SLAB_SUM(slab_total, a)
HC_SLAB_SUM(slab_spread, (a - m) * (a - m))
HC_SLAB_SUM(slab_dot, a *b)

/* Adds both sums over a channel's numbers in one pass: of g, and of g (x - m). */
static void slab_sums_run(HC_REAL *plain, HC_REAL *cross, const HC_REAL *x, const HC_REAL *g,
                          HC_REAL m, size_t n) {
    HC_REAL lane[LANES] = {0}, lane_x[LANES] = {0}, tail = 0, tail_x = 0;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t l = 0; l < LANES; l++) {
            lane[l] += g[i + l];
            lane_x[l] += g[i + l] * (x[i + l] - m);
        }
    for (; i < n; i++) {
        tail += g[i];
        tail_x += g[i] * (x[i] - m);
    }
    *plain += fold_lanes(lane) + tail;
    *cross += fold_lanes(lane_x) + tail_x;
}

static void slab_sums_rows(HC_REAL *plain, HC_REAL *cross, const HC_REAL *x, const HC_REAL *g,
                           const HC_REAL *m, Slab s, size_t width) {
    HC_REAL sum[BLOCK], sum_x[BLOCK];
    for (size_t j = 0; j < width; j++) {
        sum[j] = plain[j];
        sum_x[j] = cross[j];
    }
    for (size_t o = 0; o < s.outer; o++, x += s.step, g += s.step)
        for (size_t j = 0; j < width; j++) {
            sum[j] += g[j];
            sum_x[j] += g[j] * (x[j] - m[j]);
        }
    for (size_t j = 0; j < width; j++) {
        plain[j] = sum[j];
        cross[j] = sum_x[j];
    }
}

static void slab_sums(HC_REAL *plain, HC_REAL *cross, const HC_REAL *x, const HC_REAL *g,
                      const HC_REAL *m, Slab s) {
    if (s.run) {
        for (size_t o = 0, at = s.at; o < s.outer; o++, at += s.step)
            slab_sums_run(plain, cross, x + at, g + at, *m, s.run);
    } else if (s.width == BLOCK)
        slab_sums_rows(plain, cross, x + s.at, g + s.at, m, s, BLOCK);
    else
        slab_sums_rows(plain, cross, x + s.at, g + s.at, m, s, s.width);
}

/* The rows of a slab that stay in the nearest cache. */
enum { PIECE_BYTES = 16384 };

/* Mean and sum of squared distances to it, in one pass over memory: piece by piece, each from the cache, and
 * joined (Chan, Golub and LeVeque 1979). */
static void slab_moments(HC_REAL *mean, HC_REAL *spread, const HC_REAL *x, Slab slab) {
    static const HC_REAL none[BLOCK];
    size_t row = slab.run ? slab.run : slab.width, rows = PIECE_BYTES / sizeof *x / row, seen = 0;
    for (size_t j = 0; j < slab.width; j++)
        mean[j] = spread[j] = 0;
    if (rows == 0) rows = 1;
    for (Slab piece = slab; seen < slab.outer; piece.at += piece.outer * piece.step) {
        HC_REAL piece_mean[BLOCK] = {0}, piece_spread[BLOCK] = {0};
        size_t left = slab.outer - seen;
        piece.outer = left < rows ? left : rows;
        HC_REAL count = (HC_REAL)piece.outer * (HC_REAL)(slab.run ? slab.run : 1);
        HC_REAL share = (HC_REAL)piece.outer / (HC_REAL)(seen + piece.outer);
        HC_REAL before = (HC_REAL)seen * (HC_REAL)(slab.run ? slab.run : 1);
        slab_total(piece_mean, x, x, none, piece);
        for (size_t j = 0; j < slab.width; j++)
            piece_mean[j] *= 1 / count;
        slab_spread(piece_spread, x, x, piece_mean, piece);
        for (size_t j = 0; j < slab.width; j++) {
            HC_REAL apart = piece_mean[j] - mean[j];
            mean[j] += apart * share;
            spread[j] += piece_spread[j] + apart * apart * (before * share);
        }
        seen += piece.outer;
    }
}

/* What a blend takes of each channel: its mean and the factors of xhat, g, v and 1. */
typedef struct Factors {
    HC_REAL m[BLOCK], x[BLOCK], one[BLOCK], g[BLOCK], v[BLOCK];
} Factors;

/* y = a formula in x, g, v and the factors k of the channel. */
#define HC_SLAB_BLEND(name, formula)                                                               \
    static void name##_rows(HC_REAL *restrict y, const HC_REAL *x_, const HC_REAL *g_, const HC_REAL *v_,   \
                            const Factors *k, Slab s, size_t width) {                              \
        for (size_t o = 0; o < s.outer; o++, y += s.step, x_ += s.step, g_ += s.step, v_ += s.step) \
            for (size_t j = 0; j < width; j++) {                                                   \
                HC_REAL x = x_[j], g = g_[j], v = v_[j];                                           \
                HC_REAL km = k->m[j], kx = k->x[j], k1 = k->one[j], kg = k->g[j], kv = k->v[j];    \
                (void)g, (void)v, (void)kg, (void)kv;                                              \
                y[j] = formula;                                                                    \
            }                                                                                      \
    }                                                                                              \
    static void name(HC_REAL *restrict y, const HC_REAL *x_, const HC_REAL *g_, const HC_REAL *v_, \
                     const Factors *k, Slab s) {                                                   \
        if (!s.run) {                                                                              \
            if (s.width == BLOCK)                                                                  \
                name##_rows(y + s.at, x_ + s.at, g_ + s.at, v_ + s.at, k, s, BLOCK);               \
            else                                                                                   \
                name##_rows(y + s.at, x_ + s.at, g_ + s.at, v_ + s.at, k, s, s.width);             \
            return;                                                                                \
        }                                                                                          \
        HC_REAL km = k->m[0], kx = k->x[0], k1 = k->one[0], kg = k->g[0], kv = k->v[0];            \
        (void)kg, (void)kv;                                                                        \
        for (size_t o = 0, at = s.at; o < s.outer; o++, at += s.step)                              \
            for (size_t i = at; i < at + s.run; i++) {                                             \
                HC_REAL x = x_[i], g = g_[i], v = v_[i];                                           \
                (void)g, (void)v;                                                                  \
                y[i] = formula;                                                                    \
            }                                                                                      \
    }

HC_SLAB_BLEND(blend_x, (x - km) * kx + k1)
HC_SLAB_BLEND(blend_xg, (x - km) * kx + k1 + g * kg)
HC_SLAB_BLEND(blend_xgv, (x - km) * kx + k1 + g * kg + v * kv)

static HC_REAL per_deviation(const HC_REAL *moments, HcChannels s, size_t c, double eps) {
    return 1 / M(sqrt)(moments[s.channels + c] + (HC_REAL)eps);
}

static HC_REAL per_value(HcChannels s) {
    return 1 / (HC_REAL)s.count;
}

/* ---- the kernels ------------------------------------------------------------------------------------ */

static void channel_moments_kernel(void *moments, const void *x, HcChannels s) {
    HC_REAL *mean = moments, *var = mean + s.channels, share = per_value(s);
    Slab slab;
    for (size_t c = 0; c < s.channels; c += slab.width) {
        slab = slab_of(s, c);
        slab_moments(mean + c, var + c, x, slab);
        for (size_t j = c; j < c + slab.width; j++)
            var[j] *= share;
    }
}

static void channel_sums_kernel(void *sums, const void *x, const void *moments, const void *g,
                                HcChannels s) {
    HC_REAL *plain = sums, *with_x = plain + s.channels;
    const HC_REAL *mean = moments;
    Slab slab;
    for (size_t c = 0; c < s.channels; c += slab.width) {
        slab = slab_of(s, c);
        slab_sums(plain + c, with_x + c, x, g, mean + c, slab);
    }
}

static void channel_dots_kernel(void *dots_, const void *g, const void *v, HcChannels s) {
    HC_REAL *dots = dots_;
    Slab slab;
    for (size_t c = 0; c < s.channels; c += slab.width) {
        slab = slab_of(s, c);
        slab_dot(dots + c, g, v, dots, slab);
    }
}

static void batch_norm_kernel(void *y, const void *x, const void *moments, const void *weight,
                              const void *bias, double eps, HcChannels s) {
    const HC_REAL *mean = moments, *w = weight, *b = bias;
    Slab slab;
    for (size_t c = 0; c < s.channels; c += slab.width) {
        Factors k;
        slab = slab_of(s, c);
        for (size_t j = 0; j < slab.width; j++) {
            k.m[j] = mean[c + j];
            k.x[j] = per_deviation(moments, s, c + j, eps) * w[c + j];
            k.one[j] = b[c + j];
            k.g[j] = k.v[j] = 0;
        }
        blend_x(y, x, x, x, &k, slab);
    }
}

static void batch_norm_backward_kernel(void *y, const void *x, const void *moments,
                                       const void *weight, const void *g, const void *sums,
                                       double eps, HcChannels s) {
    const HC_REAL *mean = moments, *w = weight, *g0 = sums, *g1 = g0 + s.channels;
    HC_REAL share = per_value(s);
    Slab slab;
    for (size_t c = 0; c < s.channels; c += slab.width) {
        Factors k;
        slab = slab_of(s, c);
        for (size_t j = 0; j < slab.width; j++) {
            HC_REAL r = per_deviation(moments, s, c + j, eps), wr = w[c + j] * r;
            k.m[j] = mean[c + j];
            k.x[j] = -wr * (g1[c + j] * share) * r;
            k.one[j] = -wr * (g0[c + j] * share);
            k.g[j] = wr;
            k.v[j] = 0;
        }
        blend_xg(y, x, g, x, &k, slab);
    }
}

static void batch_norm_slope_kernel(void *slope_, const void *moments, const void *sums_g,
                                    const void *sums_v, double eps, HcChannels s) {
    HC_REAL *slope = slope_, share = per_value(s);
    const HC_REAL *g0 = sums_g, *g1 = g0 + s.channels, *v0 = sums_v, *v1 = v0 + s.channels;
    for (size_t c = 0; c < s.channels; c++)
        slope[c] = (slope[c] - (g0[c] * v0[c] + g1[c] * v1[c]) * share) *
                   per_deviation(moments, s, c, eps);
}

/* -(w r^2 / n) (g1 v + v1 g + xhat (slope / r - 2 g1 v1 / n) - (g1 v0 + v1 g0) / n) */
static void batch_norm_second_kernel(void *y, const void *x, const void *moments,
                                     const void *weight, const void *g, const void *v,
                                     const void *sums_g, const void *sums_v, const void *slope_,
                                     double eps, HcChannels s) {
    const HC_REAL *mean = moments, *w = weight, *slope = slope_;
    const HC_REAL *g0 = sums_g, *g1 = g0 + s.channels, *v0 = sums_v, *v1 = v0 + s.channels;
    HC_REAL share = per_value(s);
    Slab slab;
    for (size_t c = 0; c < s.channels; c += slab.width) {
        Factors k;
        slab = slab_of(s, c);
        for (size_t j = 0; j < slab.width; j++) {
            size_t i = c + j;
            HC_REAL r = per_deviation(moments, s, i, eps), f = -w[i] * r * r * share;
            k.m[j] = mean[i];
            k.x[j] = f * (slope[i] - 2 * g1[i] * v1[i] * share * r);
            k.one[j] = -f * (g1[i] * v0[i] + v1[i] * g0[i]) * share;
            k.g[j] = f * v1[i];
            k.v[j] = f * g1[i];
        }
        blend_xgv(y, x, g, v, &k, slab);
    }
}
