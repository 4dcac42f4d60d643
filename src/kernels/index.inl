/* Gather, scatter-add, whole rows of them, one-hot. */

/* A whole number in [0, size)? */
static bool index_of(HC_REAL value, size_t size, size_t *index) {
    if (!(value >= 0 && value < (HC_REAL)size)) return false;
    *index = (size_t)value;
    return (HC_REAL)*index == value && *index < size;
}

static bool gather_kernel(void *y_, const void *x_, const void *index_, size_t outer, size_t axis,
                          size_t picks, size_t inner, size_t *bad) {
    HC_REAL *y = y_;
    const HC_REAL *x = x_, *index = index_;
    size_t at = 0;
    for (size_t o = 0; o < outer; o++)
        for (size_t p = 0; p < picks; p++)
            for (size_t i = 0; i < inner; i++, at++) {
                size_t pick;
                if (!index_of(index[ *bad = at], axis, &pick)) return false;
                y[at] = x[(o * axis + pick) * inner + i];
            }
    return true;
}

static bool scatter_add_kernel(void *y_, const void *x_, const void *index_, size_t outer,
                               size_t axis, size_t picks, size_t inner, size_t *bad) {
    HC_REAL *y = y_;
    const HC_REAL *x = x_, *index = index_;
    size_t at = 0;
    for (size_t o = 0; o < outer; o++)
        for (size_t p = 0; p < picks; p++)
            for (size_t i = 0; i < inner; i++, at++) {
                size_t pick;
                if (!index_of(index[ *bad = at], axis, &pick)) return false;
                y[(o * axis + pick) * inner + i] += x[at];
            }
    return true;
}

static bool scatter_places_kernel(void *y_, const void *index_, size_t outer, size_t axis, size_t picks,
                                  size_t inner, size_t *bad) {
    HC_REAL *y = y_;
    const HC_REAL *index = index_;
    size_t at = 0;
    for (size_t i = 0; i < outer * axis * inner; i++)
        y[i] = -1;
    for (size_t o = 0; o < outer; o++)
        for (size_t p = 0; p < picks; p++)
            for (size_t i = 0; i < inner; i++, at++) {
                size_t pick;
                if (!index_of(index[ *bad = at], axis, &pick)) return false;
                y[(o * axis + pick) * inner + i] = (HC_REAL)p;
            }
    return true;
}

/* Whether all are whole numbers in [0, axis). */
static bool all_fit(const HC_REAL *index, size_t picks, size_t axis, size_t *bad) {
    size_t pick;
    for (size_t p = 0; p < picks; p++)
        if (!index_of(index[ *bad = p], axis, &pick)) return false;
    return true;
}

static bool pick_rows_kernel(void *y_, const void *x_, const void *index_, size_t outer,
                             size_t axis, size_t picks, size_t inner, size_t *bad) {
    HC_REAL *y = y_;
    const HC_REAL *x = x_, *index = index_;
    if (outer > 0 && !all_fit(index, picks, axis, bad)) return false;
    for (size_t o = 0; o < outer; o++, x += axis * inner) {
        if (inner == 1)
            for (size_t p = 0; p < picks; p++)
                y[p] = x[(ptrdiff_t)index[p]];
        else
            for (size_t p = 0; p < picks; p++)
                memcpy(y + p * inner, x + (size_t)index[p] * inner, inner * sizeof *y);
        y += picks * inner;
    }
    return true;
}

static bool add_rows_kernel(void *y_, const void *x_, const void *index_, size_t outer, size_t axis,
                            size_t picks, size_t inner, size_t *bad) {
    HC_REAL *y = y_;
    const HC_REAL *x = x_, *index = index_;
    if (outer > 0 && !all_fit(index, picks, axis, bad)) return false;
    for (size_t o = 0; o < outer; o++, y += axis * inner)
        for (size_t p = 0; p < picks; p++, x += inner) {
            HC_REAL *to = y + (ptrdiff_t)index[p] * (ptrdiff_t)inner;
            for (size_t i = 0; i < inner; i++)
                to[i] += x[i];
        }
    return true;
}

static bool one_hot_kernel(void *y_, const void *index_, size_t n, size_t classes, size_t *bad) {
    HC_REAL *y = y_;
    const HC_REAL *index = index_;
    for (size_t i = 0; i < n; i++) {
        size_t pick;
        if (!index_of(index[ *bad = i], classes, &pick)) return false;
        for (size_t c = 0; c < classes; c++)
            y[i * classes + c] = (HC_REAL)(c == pick);
    }
    return true;
}
