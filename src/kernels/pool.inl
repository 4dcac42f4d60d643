/* Pooling of images stored channels last: all inner loops run over the channels of a pixel. Sums go in
 * the order of the pixels of a window. */

/* ---- the largest ------------------------------------------------------------------------------- */

/* The pixel of x under tap (i, j) of window (p, q), or false outside the image. */
static bool pool_source(const HcConv *g, size_t p, size_t q, size_t i, size_t j, size_t *pixel) {
    size_t row = p * g->stride[0] + i * g->dilation[0], col = q * g->stride[1] + j * g->dilation[1];
    if (row < g->pad[0] || row - g->pad[0] >= g->h) return false;
    if (col < g->pad[1] || col - g->pad[1] >= g->w) return false;
    *pixel = (row - g->pad[0]) * g->w + col - g->pad[1];
    return true;
}

enum { TOGETHER = 4 };

/* Taps of a window inside the image, in order, as many at a time as loops over channels take together. */
typedef struct Spots {
    size_t p, q; /* the window */
    size_t i, j; /* the tap after these */
    size_t count;
    size_t at[TOGETHER]; /* the first number of its pixel in the image */
    HC_REAL tap[TOGETHER];
} Spots;

static bool next_spots(const HcConv *g, Spots *s) {
    size_t pixel;
    for (s->count = 0; s->i < g->kh; s->i++, s->j = 0)
        for (; s->j < g->kw; s->j++) {
            if (!pool_source(g, s->p, s->q, s->i, s->j, &pixel)) continue;
            if (s->count == TOGETHER) return true;
            s->at[s->count] = pixel * g->c;
            s->tap[s->count++] = (HC_REAL)(s->i * g->kw + s->j);
        }
    return s->count > 0;
}

/* Whether all windows lie inside the image and have taps for one time: then those of the first, moved, are those
 * of any. */
static bool first_spots(const HcConv *g, Spots *first) {
    *first = (Spots){.p = 0};
    return g->p > 0 && g->q > 0 && g->pad[0] == 0 && g->pad[1] == 0 && g->kh * g->kw <= TOGETHER &&
           next_spots(g, first);
}

/* Begins with a window: its spots are there if they are always the first, moved. */
static Spots spots_of(const HcConv *g, const Spots *first, size_t p, size_t q) {
    Spots s = *first;
    const size_t moved = (p * g->stride[0] * g->w + q * g->stride[1]) * g->c;
    for (size_t k = 0; k < TOGETHER; k++)
        s.at[k] += moved;
    s.p = p;
    s.q = q;
    return s;
}

/* All spots of a window, some at a time. */
#define FOR_SPOTS(s, first, p_, q_)                                                                \
    for (Spots s = spots_of(g, first, p_, q_); s.count > 0 || next_spots(g, &s); s.count = 0)

/* A later number wins if it is larger, or NaN. */
static bool wins(HC_REAL value, HC_REAL most) {
    return value > most || value != value;
}

static void take_larger(HC_REAL *restrict y, HC_REAL *restrict tap, const HC_REAL *restrict x,
                        HC_REAL now, size_t c) {
    for (size_t l = 0; l < c; l++) {
        const bool won = wins(x[l], y[l]);
        y[l] = won ? x[l] : y[l];
        tap[l] = won ? now : tap[l];
    }
}

static void take_largest(HC_REAL *restrict y, HC_REAL *restrict tap, const HC_REAL *x,
                         const Spots *s, size_t c) {
    const HC_REAL *restrict x0 = x + s->at[0], *restrict x1 = x + s->at[1];
    const HC_REAL *restrict x2 = x + s->at[2], *restrict x3 = x + s->at[3];
    const HC_REAL t0 = s->tap[0], t1 = s->tap[1], t2 = s->tap[2], t3 = s->tap[3];
    for (size_t l = 0; l < c; l++) {
        const bool won1 = wins(x1[l], x0[l]);
        const HC_REAL y1 = won1 ? x1[l] : x0[l], u1 = won1 ? t1 : t0;
        const bool won2 = wins(x2[l], y1);
        const HC_REAL y2 = won2 ? x2[l] : y1, u2 = won2 ? t2 : u1;
        const bool won3 = wins(x3[l], y2);
        y[l] = won3 ? x3[l] : y2;
        tap[l] = won3 ? t3 : u2;
    }
}

/* To relu(y), and no tap where that is not above 0; a window without a tap stays. */
static void cut_below(HC_REAL *restrict y, HC_REAL *restrict tap, size_t c) {
    for (size_t l = 0; l < c; l++) {
        const HC_REAL value = y[l], now = tap[l];
        const bool stays = value > 0 || value != value || now < 0;
        tap[l] = value > 0 ? now : -1;
        y[l] = stays ? value : 0;
    }
}

static void largest_of_window(const HcConv *g, const Spots *first, size_t p, size_t q, HC_REAL *y,
                              HC_REAL *tap, const HC_REAL *x) {
    size_t seen = 0;
    FOR_SPOTS(s, first, p, q) {
        for (size_t k = 0; k < s.count; k++, seen++)
            if (seen == 0) {
                copy_kernel(y, 1, x + s.at[k], 1, g->c);
                fill_kernel(tap, g->c, (double)s.tap[k]);
            } else {
                take_larger(y, tap, x + s.at[k], s.tap[k], g->c);
            }
    }
    if (seen > 0) return;
    fill_kernel(y, g->c, (double)-INFINITY); /* dilated past the image */
    fill_kernel(tap, g->c, -1);
}

static void max_pool_kernel(const HcConv *g, void *y_, void *tap_, const void *x_, bool relu) {
    HC_REAL *y = y_, *tap = tap_;
    const HC_REAL *x = x_;
    Spots first;
    const bool four = first_spots(g, &first) && first.count == TOGETHER;
    for (size_t n = 0; n < g->n; n++, x += g->h * g->w * g->c)
        for (size_t p = 0; p < g->p; p++)
            for (size_t q = 0; q < g->q; q++, y += g->c, tap += g->c) {
                const Spots s = spots_of(g, &first, p, q);
                if (four)
                    take_largest(y, tap, x, &s, g->c);
                else
                    largest_of_window(g, &first, p, q, y, tap, x);
                if (relu) cut_below(y, tap, g->c);
            }
}

/* y[l] = x at its tap, where that is one of the spots. */
static void pick_spots(HC_REAL *restrict y, const HC_REAL *x, const HC_REAL *restrict tap,
                       const Spots *s, size_t c) {
    const HC_REAL *restrict x0 = x + s->at[0], *restrict x1 = x + s->at[1];
    const HC_REAL *restrict x2 = x + s->at[2], *restrict x3 = x + s->at[3];
    const HC_REAL t0 = s->tap[0], t1 = s->tap[1], t2 = s->tap[2], t3 = s->tap[3];
    for (size_t l = 0; l < c; l++) {
        const HC_REAL early = tap[l] == t0 ? x0[l] : tap[l] == t1 ? x1[l] : y[l];
        y[l] = tap[l] == t2 ? x2[l] : tap[l] == t3 ? x3[l] : early;
    }
}

static void pool_pick_kernel(const HcConv *g, void *y_, const void *x_, const void *tap_) {
    HC_REAL *y = y_;
    const HC_REAL *x = x_, *tap = tap_;
    Spots first;
    first_spots(g, &first);
    for (size_t n = 0; n < g->n; n++, x += g->h * g->w * g->c)
        for (size_t p = 0; p < g->p; p++)
            for (size_t q = 0; q < g->q; q++, y += g->c, tap += g->c) {
                fill_kernel(y, g->c, 0);
                FOR_SPOTS(s, &first, p, q) {
                    for (size_t k = s.count; k < TOGETHER; k++) { /* the last one again */
                        s.at[k] = s.at[s.count - 1];
                        s.tap[k] = s.tap[s.count - 1];
                    }
                    pick_spots(y, x, tap, &s, g->c);
                }
            }
}

/* Windows apart: a pixel under a spot has one number to take. */
static void put_spots(HC_REAL *gx, const HC_REAL *restrict gy, const HC_REAL *restrict tap,
                      const Spots *s, size_t c) {
    HC_REAL *restrict g0 = gx + s->at[0], *restrict g1 = gx + s->at[1];
    HC_REAL *restrict g2 = gx + s->at[2], *restrict g3 = gx + s->at[3];
    const HC_REAL t0 = s->tap[0], t1 = s->tap[1], t2 = s->tap[2], t3 = s->tap[3];
    for (size_t l = 0; l < c; l++) {
        const HC_REAL value = gy[l], now = tap[l];
        g0[l] = now == t0 ? value : 0;
        g1[l] = now == t1 ? value : 0;
        g2[l] = now == t2 ? value : 0;
        g3[l] = now == t3 ? value : 0;
    }
}

/* Numbers add up. */
static void add_spot(HC_REAL *restrict gx, const HC_REAL *restrict gy, const HC_REAL *restrict tap,
                     HC_REAL now, size_t c) {
    for (size_t l = 0; l < c; l++)
        gx[l] += tap[l] == now ? gy[l] : 0;
}

static void pool_spread_kernel(const HcConv *g, void *gx_, const void *gy_, const void *tap_) {
    HC_REAL *gx = gx_;
    const HC_REAL *gy = gy_, *tap = tap_;
    const bool apart = g->stride[0] >= g->kh && g->stride[1] >= g->kw && g->dilation[0] == 1 &&
                       g->dilation[1] == 1;
    const bool all = apart && g->kh * g->kw == TOGETHER && g->p * g->kh == g->h &&
                     g->q * g->kw == g->w && g->pad[0] == 0 && g->pad[1] == 0;
    Spots first;
    first_spots(g, &first);
    if (!all) fill_kernel(gx, g->n * g->h * g->w * g->c, 0);
    for (size_t n = 0; n < g->n; n++, gx += g->h * g->w * g->c)
        for (size_t p = 0; p < g->p; p++)
            for (size_t q = 0; q < g->q; q++, gy += g->c, tap += g->c)
                FOR_SPOTS(s, &first, p, q) {
                    if (apart && s.count == TOGETHER) {
                        put_spots(gx, gy, tap, &s, g->c);
                        continue;
                    }
                    for (size_t k = 0; k < s.count; k++)
                        add_spot(gx + s.at[k], gy, tap, s.tap[k], g->c);
                }
}

/* ---- averages --------------------------------------------------------------------------------- */

static HC_REAL window_count(const HcWindows *w, size_t p, size_t q) {
    return (HC_REAL)(w->count ? w->count : (w->bottom[p] - w->top[p]) * (w->right[q] - w->left[q]));
}

static void avg_pool_kernel(const HcWindows *w, void *y_, const void *x_) {
    HC_REAL *restrict y = y_;
    const HC_REAL *x = x_;
    for (size_t n = 0; n < w->n; n++, x += w->h * w->w * w->c)
        for (size_t p = 0; p < w->p; p++)
            for (size_t q = 0; q < w->q; q++, y += w->c) {
                const HC_REAL count = window_count(w, p, q);
                for (size_t l = 0; l < w->c; l++)
                    y[l] = 0;
                for (size_t i = w->top[p]; i < w->bottom[p]; i++)
                    for (size_t j = w->left[q]; j < w->right[q]; j++) {
                        const HC_REAL *restrict from = x + (i * w->w + j) * w->c;
                        for (size_t l = 0; l < w->c; l++)
                            y[l] += from[l];
                    }
                for (size_t l = 0; l < w->c; l++)
                    y[l] /= count;
            }
}

static void avg_spread_kernel(const HcWindows *w, void *gx_, const void *gy_) {
    HC_REAL *gx = gx_;
    const HC_REAL *restrict gy = gy_;
    fill_kernel(gx, w->n * w->h * w->w * w->c, 0);
    for (size_t n = 0; n < w->n; n++, gx += w->h * w->w * w->c)
        for (size_t p = 0; p < w->p; p++)
            for (size_t q = 0; q < w->q; q++, gy += w->c) {
                const HC_REAL count = window_count(w, p, q);
                for (size_t i = w->top[p]; i < w->bottom[p]; i++)
                    for (size_t j = w->left[q]; j < w->right[q]; j++) {
                        HC_REAL *restrict to = gx + (i * w->w + j) * w->c;
                        for (size_t l = 0; l < w->c; l++)
                            to[l] += gy[l] / count;
                    }
            }
}
