/* Adam's update and its derivatives. */

static const double adam_constants[HC_ADAM_K_CONSTANTS] = {
    [HC_ADAM_K_BETA1] = 0.875,   [HC_ADAM_K_REST1] = 0.125, [HC_ADAM_K_BETA2] = 0.96875,
    [HC_ADAM_K_REST2] = 0.03125, [HC_ADAM_K_SCALE] = 3.5,   [HC_ADAM_K_EPS] = 0.0625};
#define C(which) adam_constants[HC_ADAM_K_##which]
static Array m, v, constants, rate, given[3];

/* Some second moments are 0. */
static void draw_adam(size_t n) {
    Array *const arrays[] = {&g, &m, &given[0], &given[1], &given[2]};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        draw(arrays[i], n, -1, 1);
    draw(&v, n, 0.1, 1);
    for (size_t i = 2; i < n; i += 5)
        put(&v, i, 0);
    place(&constants, HC_ADAM_K_CONSTANTS);
    for (size_t i = 0; i < HC_ADAM_K_CONSTANTS; i++)
        put(&constants, i, adam_constants[i]);
    draw(&rate, 1, -0.1, -0.05);
}

static void check_adam(void) {
    EACH_SIZE (n)
        for (int first = 0; first < 2; first++) {
            draw_adam(n);
            draw(&x, n, -1, 1);
            place(&y, 3 * n);
            k->adam(at(&y, 0), at(&x, 0), at(&g, 0), first ? NULL : at(&m, 0),
                    first ? NULL : at(&v, 0), at(&rate, 0), at(&constants, 0), n);
            for (size_t i = 0; i < n; i++) {
                double gi = get(&g, i);
                double m1 = C(REST1) * gi + (first ? 0 : C(BETA1) * get(&m, i));
                double v1 = C(REST2) * gi * gi + (first ? 0 : C(BETA2) * get(&v, i));
                double step = get(&rate, 0) * m1 / (C(SCALE) * sqrt(v1) + C(EPS));
                near(&y, i, get(&x, i) + step, 8, 1);
                near(&y, n + i, m1, 4, 1);
                near(&y, 2 * n + i, v1, 4, 1);
            }
            seal(&y);
        }
}

static void check_adam_backward(void) {
    EACH_SIZE (n)
        for (unsigned mode = 0; mode < 16; mode++) {
            bool moments = mode & 8;
            draw_adam(n);
            const void *from[3];
            for (int i = 0; i < 3; i++)
                from[i] = mode >> i & 1 ? at(&given[i], 0) : NULL;
            place(&y, moments ? 3 * n : n);
            k->adam_backward(at(&y, 0), (HcAdamCotangents){from[0], from[1], from[2]}, at(&g, 0),
                             at(&m, 0), at(&v, 0), at(&rate, 0), at(&constants, 0), n, moments);
            for (size_t i = 0; i < n; i++) {
                double root = sqrt(get(&v, i)), q = C(SCALE) * root + C(EPS);
                double tq = from[0] ? get(&rate, 0) * get(&given[0], i) / q : 0;
                double to_m = (from[1] ? get(&given[1], i) : 0) + tq;
                double slope = root > 0 ? C(SCALE) / (2 * root) : 0;
                double to_v = (from[2] ? get(&given[2], i) : 0) - tq * get(&m, i) / q * slope;
                near(&y, i, C(REST1) * to_m + 2 * C(REST2) * get(&g, i) * to_v, 32, 1);
                if (!moments) continue;
                near(&y, n + i, C(BETA1) * to_m, 32, 1);
                near(&y, 2 * n + i, C(BETA2) * to_v, 32, 1);
            }
            seal(&y);
        }
}

static void check_adam_rate(void) {
    EACH_SIZE (n) {
        double sum = 0, total = 1;
        draw_adam(n);
        place(&y, 1);
        k->adam_rate(at(&y, 0), at(&given[0], 0), at(&m, 0), at(&v, 0), at(&constants, 0), n);
        for (size_t i = 0; i < n; i++) {
            double term = get(&given[0], i) * get(&m, i) / (C(SCALE) * sqrt(get(&v, i)) + C(EPS));
            sum += term;
            total += fabs(term);
        }
        near(&y, 0, sum, 8, total);
        seal(&y);
    }
}
