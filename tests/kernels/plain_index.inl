/* Indexing, and dropout, which picks by random words. */

typedef bool IndexFn(void *y, const void *x, const void *index, size_t outer, size_t axis,
                     size_t picks, size_t inner, size_t *bad);

/* From x, [outer, axis, inner], to y, [outer, picks, inner], or (adds) the other way; whole: an index for each row
 * of `inner` numbers. */
static void index_case(IndexFn *fn, bool adds, bool whole, bool wrong, const size_t shape[4]) {
    size_t outer = shape[0], axis = shape[1], picks = shape[2], inner = shape[3], bad = 99;
    size_t wide = outer * axis * inner, narrow = outer * picks * inner;
    size_t indices = whole ? picks : narrow;
    draw(&x, adds ? narrow : wide, -1, 1);
    place(&w, indices);
    for (size_t i = 0; i < indices; i++)
        put(&w, i, (double)rng_below(&rng, axis));
    if (wrong && indices) put(&w, indices / 2, picks % 4 ? no_index[picks % 6] : (double)axis);
    double want[MOST];
    if (adds)
        draw(&y, wide, -1, 1);
    else
        place(&y, narrow);
    for (size_t i = 0; adds && i < wide; i++)
        want[i] = get(&y, i);
    bool done = fn(at(&y, 0), at(&x, 0), at(&w, 0), outer, axis, picks, inner, &bad);
    bool right = !(wrong && indices && outer);
    expect(done == right && (done || bad == indices / 2), picks, bad);
    if (!done || !right) return;
    for (size_t i = 0; i < narrow; i++) {
        size_t pick = (size_t)get(&w, whole ? i / inner % picks : i);
        size_t from = (i / inner / picks * axis + pick) * inner + i % inner;
        if (adds)
            want[from] = rounded(want[from] + get(&x, i));
        else
            want[i] = get(&x, from);
    }
    for (size_t i = 0; i < y.count; i++)
        near(&y, i, want[i], 0, 0);
    seal(&y);
}

static void index_cases(IndexFn *fn, bool adds, bool whole) {
    for (size_t inner = 1; inner <= 33; inner += inner < 4 ? 1 : 7)
        for (size_t axis = 1; axis <= 7; axis += 2)
            for (size_t picks = 0; picks <= 9; picks++)
                for (int wrong = 0; wrong < 2; wrong++)
                    index_case(fn, adds, whole, wrong,
                               (const size_t[]){1 + picks % 3, axis, picks, inner});
}

static void check_gather(void) {
    index_cases(hc_index_kernels(k)->gather, false, false);
}

static void check_scatter_add(void) {
    index_cases(hc_index_kernels(k)->scatter_add, true, false);
}

static void scatter_places_case(size_t outer, size_t axis, size_t picks, size_t inner, bool wrong) {
    size_t indices = outer * picks * inner, bad = 99;
    double want[MOST];
    place(&w, indices);
    for (size_t i = 0; i < indices; i++)
        put(&w, i, (double)rng_below(&rng, axis));
    if (wrong && indices) put(&w, indices / 2, picks % 4 ? no_index[picks % 6] : (double)axis);
    place(&y, outer * axis * inner);
    bool done = hc_index_kernels(k)->scatter_places(at(&y, 0), at(&w, 0), outer, axis, picks, inner, &bad);
    expect(done == !(wrong && indices) && (done || bad == indices / 2), picks, bad);
    if (!done) return;
    for (size_t i = 0; i < y.count; i++)
        want[i] = -1;
    for (size_t i = 0; i < indices; i++)
        want[(i / inner / picks * axis + (size_t)get(&w, i)) * inner + i % inner] = (double)(i / inner % picks);
    for (size_t i = 0; i < y.count; i++)
        near(&y, i, want[i], 0, 0);
    seal(&y);
}

static void check_scatter_places(void) {
    for (size_t inner = 1; inner <= 9; inner += 4)
        for (size_t axis = 1; axis <= 7; axis += 2)
            for (size_t picks = 0; picks <= 9; picks++)
                for (int wrong = 0; wrong < 2; wrong++)
                    scatter_places_case(picks % 3, axis, picks, inner, wrong);
}

static void check_pick_rows(void) {
    index_cases(hc_index_kernels(k)->pick_rows, false, true);
}

static void check_add_rows(void) {
    index_cases(hc_index_kernels(k)->add_rows, true, true);
}

static void check_one_hot(void) {
    for (size_t classes = 1; classes <= 33; classes += 1 + classes / 4)
        for (size_t n = 0; n <= 9; n++)
            for (int wrong = 0; wrong < 2; wrong++) {
                size_t bad = 99;
                place(&w, n);
                for (size_t i = 0; i < n; i++)
                    put(&w, i, (double)rng_below(&rng, classes));
                if (wrong && n) put(&w, n / 2, n % 4 ? no_index[n % 6] : (double)classes);
                place(&y, n * classes);
                bool done = hc_index_kernels(k)->one_hot(at(&y, 0), at(&w, 0), n, classes, &bad);
                expect(done == !(wrong && n) && (done || bad == n / 2), n, bad);
                if (!done) continue;
                for (size_t i = 0; i < n * classes; i++)
                    near(&y, i, i % classes == (size_t)get(&w, i / classes), 0, 0);
                seal(&y);
            }
}

/* One number dropped or kept, in place or not; a quarter, none and all. */
static void check_dropout(void) {
    static const uint64_t drops[] = {(uint64_t)1 << 30, 0, (uint64_t)1 << 32};
    uint32_t words[4];
    EACH_SIZE (n)
        for (size_t d = 0; d < 3; d++)
            for (int in_place = 0; in_place < 2; in_place++) {
                draw(&x, n, -1, 1);
                y = x;
                if (!in_place) place(&y, n);
                k->dropout(at(&y, 0), in_place ? at(&y, 0) : at(&x, 0), n, 77, n, drops[d], 1.25);
                for (size_t i = 0; i < n; i++) {
                    hc_philox(77, n + i / 4, words);
                    near(&y, i, words[i % 4] >= drops[d] ? rounded(1.25 * get(&x, i)) : 0, 0, 0);
                }
                seal(&y);
            }
}
