/* Pooling of images stored channels last: all inner loops run over the channels of a pixel. Sums go in
 * the order of the pixels of a window. */

/* The pixel of x under tap (i, j) of window (p, q), or false outside the image. */
static bool pool_source(const HcConv *g, size_t p, size_t q, size_t i, size_t j, size_t *pixel) {
    size_t row = p * g->stride[0] + i * g->dilation[0], col = q * g->stride[1] + j * g->dilation[1];
    if (row < g->pad[0] || row - g->pad[0] >= g->h) return false;
    if (col < g->pad[1] || col - g->pad[1] >= g->w) return false;
    *pixel = (row - g->pad[0]) * g->w + col - g->pad[1];
    return true;
}

/* A later number wins if it is larger, or NaN. */
static void take_larger(HC_REAL *restrict y, HC_REAL *restrict tap, const HC_REAL *restrict x,
                        HC_REAL now, size_t c) {
    for (size_t l = 0; l < c; l++) {
        const HC_REAL value = x[l], most = y[l];
        const bool wins = value > most || value != value;
        y[l] = wins ? value : most;
        tap[l] = wins ? now : tap[l];
    }
}

static void max_pool_kernel(const HcConv *g, void *y_, void *tap_, const void *x_) {
    HC_REAL *y = y_, *tap = tap_;
    const HC_REAL *x = x_;
    size_t pixel;
    for (size_t n = 0; n < g->n; n++, x += g->h * g->w * g->c)
        for (size_t p = 0; p < g->p; p++)
            for (size_t q = 0; q < g->q; q++, y += g->c, tap += g->c) {
                bool first = true;
                for (size_t i = 0; i < g->kh; i++)
                    for (size_t j = 0; j < g->kw; j++) {
                        if (!pool_source(g, p, q, i, j, &pixel)) continue;
                        const HC_REAL now = (HC_REAL)(i * g->kw + j);
                        if (first) {
                            copy_kernel(y, 1, x + pixel * g->c, 1, g->c);
                            fill_kernel(tap, g->c, (double)now);
                        } else {
                            take_larger(y, tap, x + pixel * g->c, now, g->c);
                        }
                        first = false;
                    }
                if (!first) continue;
                fill_kernel(y, g->c, (double)-INFINITY); /* dilated past the image */
                fill_kernel(tap, g->c, -1);
            }
}

static void pool_relu_kernel(void *y_, void *tap_, size_t n) {
    HC_REAL *restrict y = y_, *restrict tap = tap_;
    for (size_t i = 0; i < n; i++) {
        const HC_REAL value = y[i], now = tap[i];
        const bool stays = value > 0 || value != value || now < 0;
        tap[i] = value > 0 ? now : -1;
        y[i] = stays ? value : 0;
    }
}

static void pool_pick_kernel(const HcConv *g, void *y_, const void *x_, const void *tap_) {
    HC_REAL *restrict y = y_;
    const HC_REAL *x = x_, *restrict tap = tap_;
    size_t pixel;
    for (size_t n = 0; n < g->n; n++, x += g->h * g->w * g->c)
        for (size_t p = 0; p < g->p; p++)
            for (size_t q = 0; q < g->q; q++, y += g->c, tap += g->c) {
                for (size_t l = 0; l < g->c; l++)
                    y[l] = 0;
                for (size_t i = 0; i < g->kh; i++)
                    for (size_t j = 0; j < g->kw; j++) {
                        if (!pool_source(g, p, q, i, j, &pixel)) continue;
                        const HC_REAL now = (HC_REAL)(i * g->kw + j);
                        const HC_REAL *restrict from = x + pixel * g->c;
                        for (size_t l = 0; l < g->c; l++)
                            y[l] = tap[l] == now ? from[l] : y[l];
                    }
            }
}

/* Where windows lie side by side each pixel has one number to take, else numbers add up. */
static void pool_spread_kernel(const HcConv *g, void *gx_, const void *gy_, const void *tap_) {
    HC_REAL *gx = gx_;
    const HC_REAL *restrict gy = gy_, *restrict tap = tap_;
    const bool apart = g->stride[0] >= g->kh && g->stride[1] >= g->kw && g->dilation[0] == 1 &&
                       g->dilation[1] == 1;
    const bool all =
        apart && g->p * g->kh == g->h && g->q * g->kw == g->w && g->pad[0] == 0 && g->pad[1] == 0;
    size_t pixel;
    if (!all) fill_kernel(gx, g->n * g->h * g->w * g->c, 0);
    for (size_t n = 0; n < g->n; n++, gx += g->h * g->w * g->c)
        for (size_t p = 0; p < g->p; p++)
            for (size_t q = 0; q < g->q; q++, gy += g->c, tap += g->c)
                for (size_t i = 0; i < g->kh; i++)
                    for (size_t j = 0; j < g->kw; j++) {
                        if (!pool_source(g, p, q, i, j, &pixel)) continue;
                        const HC_REAL now = (HC_REAL)(i * g->kw + j);
                        HC_REAL *restrict to = gx + pixel * g->c;
                        if (apart)
                            for (size_t l = 0; l < g->c; l++)
                                to[l] = tap[l] == now ? gy[l] : 0;
                        else
                            for (size_t l = 0; l < g->c; l++)
                                to[l] += tap[l] == now ? gy[l] : 0;
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
