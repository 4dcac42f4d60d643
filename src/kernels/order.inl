/* Along an axis: recurrences and sorting. Arrays are [outer, n, inner], dense. */

static void scan_kernel(void *y_, const void *a_, const void *b_, size_t outer, size_t n, size_t inner, bool back) {
    for (size_t o = 0; o < outer; o++)
        for (size_t step = 0; step < n; step++) {
            const size_t j = back ? n - 1 - step : step, last = back ? j + 1 : j - 1;
            HC_REAL *y = (HC_REAL *)y_ + (o * n + j) * inner;
            const HC_REAL *b = (const HC_REAL *)b_ + (o * n + j) * inner;
            if (step == 0) {
                memcpy(y, b, inner * sizeof *y);
                continue;
            }
            const HC_REAL *before = (const HC_REAL *)y_ + (o * n + last) * inner;
            const HC_REAL *a = a_ ? (const HC_REAL *)a_ + (o * n + (back ? last : j)) * inner : NULL;
            for (size_t i = 0; i < inner; i++)
                y[i] = b[i] + (a ? a[i] * before[i] : before[i]);
        }
}

typedef struct Entry {
    HC_REAL key, place;
} Entry;

/* A NaN is larger than all. Without branches, which could not be foreseen. */
HC_INLINE bool goes_before(HC_REAL a, HC_REAL b, bool falling) {
    const HC_REAL low = falling ? b : a, high = falling ? a : b;
    return (low < high) | ((low == low) & (high != high));
}

/* Rows of so many at a and b as one in `to`; of equals, those at a come first. */
HC_INLINE void merge(Entry *to, const Entry *a, size_t na, const Entry *b, size_t nb, bool falling) {
    const Entry *const end_a = a + na, *const end_b = b + nb;
    while (a < end_a && b < end_b) {
        const bool second = goes_before(b->key, a->key, falling);
        const Entry *from = second ? b : a;
        *to++ = *from;
        a += !second;
        b += second;
    }
    memcpy(to, a, (size_t)(end_a - a) * sizeof *to);
    memcpy(to + (end_a - a), b, (size_t)(end_b - b) * sizeof *to);
}

/* Merges rows of 1, of 2, of 4 ...; returns where they end up. */
HC_INLINE const Entry *sorted(Entry *from, Entry *to, size_t n, bool falling) {
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t first = 0; first < n; first += 2 * width) {
            const size_t rest = n - first, na = rest < width ? rest : width;
            const size_t nb = rest - na < width ? rest - na : width;
            merge(to + first, from + first, na, from + first + na, nb, falling);
        }
        Entry *swap = from;
        from = to;
        to = swap;
    }
    return from;
}

static void argsort_kernel(void *y_, const void *x_, size_t outer, size_t n, size_t inner, bool falling,
                           void *workspace) {
    for (size_t at = 0; at < outer * inner; at++) {
        const HC_REAL *x = (const HC_REAL *)x_ + at / inner * n * inner + at % inner;
        HC_REAL *y = (HC_REAL *)y_ + at / inner * n * inner + at % inner;
        Entry *entry = workspace;
        for (size_t j = 0; j < n; j++)
            entry[j] = (Entry){x[j * inner], (HC_REAL)j};
        const Entry *end = falling ? sorted(entry, entry + n, n, true) : sorted(entry, entry + n, n, false);
        for (size_t j = 0; j < n; j++)
            y[j * inner] = end[j].place;
    }
}
