/* Adam's update of a weight in one pass, and its gradient in one more (kernels.h). The arithmetic of the
 * update is, in its order, that of the operations it is made of, so both give the same bits. */

/* The arrays are arguments of their own, so that the compiler knows that none overlaps another. m and v are
 * 0 while `first`. */
static inline void adam_loop(HC_REAL *restrict p1, HC_REAL *restrict m1, HC_REAL *restrict v1,
                             const HC_REAL *restrict p, const HC_REAL *restrict g,
                             const HC_REAL *restrict m, const HC_REAL *restrict v, HC_REAL rate,
                             const HC_REAL *c, bool first, size_t n) {
    const HC_REAL beta1 = c[HC_ADAM_K_BETA1], rest1 = c[HC_ADAM_K_REST1],
                  beta2 = c[HC_ADAM_K_BETA2], rest2 = c[HC_ADAM_K_REST2],
                  scale = c[HC_ADAM_K_SCALE], eps = c[HC_ADAM_K_EPS];
    for (size_t i = 0; i < n; i++) {
        HC_REAL moment = rest1 * g[i], second = rest2 * (g[i] * g[i]);
        if (!first) {
            moment = moment + beta1 * m[i];
            second = second + beta2 * v[i];
        }
        m1[i] = moment;
        v1[i] = second;
        p1[i] = rate * (moment / (M(sqrt)(second) * scale + eps)) + p[i];
    }
}

static void adam_kernel(void *y_, const void *p, const void *g, const void *m, const void *v,
                        const void *rate, const void *c, size_t n) {
    HC_REAL *y = y_;
    if (m)
        adam_loop(y, y + n, y + 2 * n, p, g, m, v, *(const HC_REAL *)rate, c, false, n);
    else
        adam_loop(y, y + n, y + 2 * n, p, g, m, v, *(const HC_REAL *)rate, c, true, n);
}

/* has_...: whether that cotangent is there; constants where it matters. */
static inline void adam_pull(HcAdamCotangents from, bool has_p, bool has_m, bool has_v,
                             HC_REAL *restrict gg, HC_REAL *restrict gm, HC_REAL *restrict gv,
                             const HC_REAL *restrict g, const HC_REAL *restrict m,
                             const HC_REAL *restrict v, bool moments, HC_REAL rate,
                             const HC_REAL *restrict c, size_t n) {
    const HC_REAL *restrict tp = from.p, *restrict tm = from.m, *restrict tv = from.v;
    const HC_REAL scale = c[HC_ADAM_K_SCALE], eps = c[HC_ADAM_K_EPS], beta1 = c[HC_ADAM_K_BETA1],
                  rest1 = c[HC_ADAM_K_REST1], beta2 = c[HC_ADAM_K_BETA2],
                  rest2 = 2 * c[HC_ADAM_K_REST2];
    for (size_t i = 0; i < n; i++) {
        HC_REAL root = M(sqrt)(v[i]), inverse = 1 / (root * scale + eps);
        HC_REAL t = has_p ? rate * tp[i] * inverse : 0;
        HC_REAL slope = v[i] == 0 ? 0 : scale / 2 / root;
        HC_REAL to_m = (has_m ? tm[i] : 0) + t;
        HC_REAL to_v = (has_v ? tv[i] : 0) - t * (m[i] * inverse) * slope;
        gg[i] = rest1 * to_m + rest2 * g[i] * to_v;
        if (!moments) continue;
        gm[i] = beta1 * to_m;
        gv[i] = beta2 * to_v;
    }
}

static void adam_backward_kernel(void *y_, HcAdamCotangents from, const void *g_, const void *m_,
                                 const void *v_, const void *rate_, const void *constants, size_t n,
                                 bool moments) {
    HC_REAL *y = y_;
    HC_REAL *gm = moments ? y + n : NULL, *gv = moments ? y + 2 * n : NULL;
    const HC_REAL *g = g_, *m = m_, *v = v_, *c = constants, rate = *(const HC_REAL *)rate_;
    if (from.p && from.m && from.v && moments)
        adam_pull(from, true, true, true, y, gm, gv, g, m, v, true, rate, c, n);
    else if (from.p && from.m && from.v)
        adam_pull(from, true, true, true, y, gm, gv, g, m, v, false, rate, c, n);
    else if (from.p && !from.m && !from.v && moments)
        adam_pull(from, true, false, false, y, gm, gv, g, m, v, true, rate, c, n);
    else
        adam_pull(from, from.p != NULL, from.m != NULL, from.v != NULL, y, gm, gv, g, m, v, moments,
                  rate, c, n);
}

static void adam_rate_kernel(void *y_, const void *t_, const void *m_, const void *v_,
                             const void *constants, size_t n) {
    HC_REAL *y = y_, lane[LANES] = {0}, tail = 0;
    const HC_REAL *t = t_, *m = m_, *v = v_, *c = constants;
    const HC_REAL scale = c[HC_ADAM_K_SCALE], eps = c[HC_ADAM_K_EPS];
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t l = 0; l < LANES; l++)
            lane[l] += t[i + l] * (m[i + l] / (M(sqrt)(v[i + l]) * scale + eps));
    for (; i < n; i++)
        tail += t[i] * (m[i] / (M(sqrt)(v[i]) * scale + eps));
    y[0] = fold_lanes(lane) + tail;
}
