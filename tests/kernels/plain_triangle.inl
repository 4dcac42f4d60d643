/* Triangles, and what an LU factorization says beside its factors. */

static void check_swap_rows(void) {
    for (size_t n = 0; n <= 9; n++)
        for (size_t width = 0; width <= 17; width += 1 + width / 3) {
            double want[MOST];
            draw(&y, n * width, -1, 1);
            place(&w, n);
            for (size_t i = 0; i < n; i++)
                put(&w, i, (double)(i + rng_below(&rng, n - i)));
            for (size_t i = 0; i < n * width; i++)
                want[i] = get(&y, i);
            x = y;
            hc_factor_kernels(k)->swap_rows(at(&y, 0), at(&w, 0), n, width, false);
            for (size_t i = 0; i < n; i++)
                for (size_t j = 0; j < width; j++) {
                    size_t other = (size_t)get(&w, i);
                    double kept = want[i * width + j];
                    want[i * width + j] = want[other * width + j];
                    want[other * width + j] = kept;
                }
            for (size_t i = 0; i < n * width; i++)
                near(&y, i, want[i], 0, 0);
            seal(&y);
            hc_factor_kernels(k)->swap_rows(at(&y, 0), at(&w, 0), n, width, true);
            for (size_t i = 0; i < n * width; i++)
                near(&y, i, get(&x, i), 0, 0);
        }
}

/* Whose diagonal is `diagonal`, and in which rows i and to[i] were swapped. */
static void det_case(size_t n, const double *diagonal, const size_t *to, double want) {
    draw(&x, n * n + n, -1, 1);
    for (size_t i = 0; i < n; i++) {
        put(&x, i * n + i, diagonal[i]);
        put(&x, n * n + i, (double)to[i]);
    }
    for (int sign = 0; sign < 2; sign++) {
        place(&y, 1);
        hc_factor_kernels(k)->lu_det(at(&y, 0), at(&x, 0), n, sign);
        near(&y, 0, !sign || isnan(want) ? want : (want > 0) - (want < 0), 0, 0);
        expect(want != 0 || !signbit(get(&y, 0)), n, 0);
        seal(&y);
    }
}

static void check_lu_det(void) {
    det_case(0, NULL, NULL, 1);
    det_case(1, (const double[]){-2}, (const size_t[]){0}, -2);
    det_case(3, (const double[]){2, -3, 0.5}, (const size_t[]){0, 1, 2}, -3);
    det_case(3, (const double[]){2, -3, 0.5}, (const size_t[]){2, 1, 2}, 3);
    det_case(3, (const double[]){2, -3, 0.5}, (const size_t[]){2, 2, 2}, -3);
    det_case(2, (const double[]){-1, 0}, (const size_t[]){0, 1}, 0);
    det_case(2, (const double[]){1, NAN}, (const size_t[]){1, 1}, NAN);
}

static void check_triangle(void) {
    static const int64_t offsets[] = {0, 1, -1, 3, -4, 40, -40, INT32_MIN, INT32_MAX};
    for (size_t m = 0; m <= 9; m++)
        for (size_t n = 0; n <= 33; n += 1 + n / 3)
            for (size_t o = 0; o < sizeof offsets / sizeof *offsets; o++)
                for (int upper = 0; upper < 2; upper++) {
                    draw(&x, m * n, -1, 1);
                    place(&y, m * n);
                    k->triangle(at(&y, 0), at(&x, 0), m, n, offsets[o], upper, 0.5);
                    for (size_t i = 0; i < m * n; i++) {
                        int64_t above = (int64_t)(i % n) - (int64_t)(i / n) - offsets[o];
                        double kept = above == 0 ? 0.5 : upper ? above > 0 : above < 0;
                        near(&y, i, kept * get(&x, i), 0, 0);
                    }
                    seal(&y);
                }
}
