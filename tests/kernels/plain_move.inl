/* Choosing, filling, moving, converting. */

static void check_select(void) {
    EACH_SIZE (n)
        for (size_t mode = 0; mode < 8; mode++) {
            size_t sp = mode & 1, sa = mode >> 1 & 1, sb = mode >> 2;
            draw(&x, n + 1, -1, 1);
            draw(&z, n + 1, -1, 1);
            draw(&w, n + 1, -1, 1);
            for (size_t i = mode & 1; i <= n; i += 2)
                put(&w, i, 0);
            place(&y, n);
            k->select(at(&y, 0), at(&w, 0), sp, at(&x, 0), sa, at(&z, 0), sb, n);
            for (size_t i = 0; i < n; i++)
                near(&y, i, get(&w, i * sp) != 0 ? get(&x, i * sa) : get(&z, i * sb), 0, 0);
            seal(&y);
        }
}

static void check_fill(void) {
    EACH_SIZE (n) {
        place(&y, n);
        k->fill(at(&y, 0), n, -0.1);
        for (size_t i = 0; i < n; i++)
            near(&y, i, rounded(-0.1), 0, 0);
        seal(&y);
    }
}

static void check_copy(void) {
    EACH_SIZE (n)
        for (size_t mode = 0; mode < 9; mode++) {
            size_t sy = mode / 3 + 1, sx = mode % 3;
            draw(&x, n * 2 + 1, -1, 1);
            draw(&y, n * sy, 2, 3);
            Array before = y;
            k->copy(at(&y, 0), sy, at(&x, 0), sx, n);
            for (size_t i = 0; i < n * sy; i++)
                near(&y, i, i % sy ? get(&before, i) : get(&x, i / sy * sx), 0, 0);
            seal(&y);
        }
}

static void check_transpose(void) {
    EACH_SIZE (n)
        for (size_t m = 0; m <= 10; m++)
            for (size_t more = 0; more < 3; more++) {
                size_t sx = m + more, sy = n + more / 2;
                draw(&x, n * sx, -1, 1);
                draw(&y, m * sy, 2, 3);
                Array before = y;
                k->transpose(at(&y, 0), sy, at(&x, 0), sx, m, n);
                for (size_t i = 0; i < m * sy; i++)
                    near(&y, i, i % sy < n ? get(&x, i % sy * sx + i / sy) : get(&before, i), 0, 0);
                seal(&y);
            }
}

static void count_calls(void *user) {
    ++*(size_t *)user;
}

static void check_call(void) {
    size_t calls = 0;
    k->call(count_calls, &calls);
    expect(calls == 1, 1, calls);
}

/* From one type to the other and back, of numbers that both have. */
#define CONVERSIONS(suffix, type)                                                                  \
    static void check_from_##suffix(void) {                                                        \
        type from[MOST];                                                                           \
        EACH_SIZE (n) {                                                                            \
            for (size_t i = 0; i < n; i++)                                                         \
                from[i] = (type)(rng_uniform(&rng) - 0.5);                                         \
            place(&y, n);                                                                          \
            k->from_##suffix(at(&y, 0), from, n);                                                  \
            for (size_t i = 0; i < n; i++)                                                         \
                near(&y, i, rounded((double)from[i]), 0, 0);                                       \
            seal(&y);                                                                              \
        }                                                                                          \
    }                                                                                              \
    static void check_to_##suffix(void) {                                                          \
        type to[MOST + 1];                                                                         \
        EACH_SIZE (n) {                                                                            \
            draw(&x, n, -1, 1);                                                                    \
            to[n] = 7;                                                                             \
            k->to_##suffix(to, at(&x, 0), n);                                                      \
            for (size_t i = 0; i < n; i++)                                                         \
                expect(to[i] == (type)get(&x, i), n, i);                                           \
            expect(to[n] == 7, n, n);                                                              \
        }                                                                                          \
    }
CONVERSIONS(f32, float)
CONVERSIONS(f64, double)

static void check_has_nan(void) {
    EACH_SIZE (n) {
        draw(&x, n + 1, -1, 1);
        put(&x, n, NAN); /* what lies beyond does not count */
        if (n) put(&x, n - 1, INFINITY);
        expect(!k->has_nan(at(&x, 0), n), n, n);
        for (size_t i = 0; i < n; i++) {
            double was = get(&x, i);
            put(&x, i, NAN);
            expect(k->has_nan(at(&x, 0), n), n, i);
            put(&x, i, was);
        }
    }
}
