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

/* A NaN is larger than all. */
static bool goes_before(HC_REAL a, HC_REAL b, bool falling) {
    const HC_REAL low = falling ? b : a, high = falling ? a : b;
    return low < high || (low == low && high != high);
}

/* The rows [first, middle) and [middle, end) of `from` as one in `to`; of equals, those of the first come first. */
static void merge(size_t *to, const size_t *from, size_t first, size_t middle, size_t end, const HC_REAL *key,
                  bool falling) {
    size_t left = first, right = middle;
    for (size_t at = first; at < end; at++) {
        const bool take_right =
            left == middle || (right < end && goes_before(key[from[right]], key[from[left]], falling));
        to[at] = from[take_right ? right++ : left++];
    }
}

/* Merges rows of 1, of 2, of 4 ... */
static void argsort_kernel(void *y_, const void *x_, size_t outer, size_t n, size_t inner, bool falling,
                           void *workspace) {
    size_t *from = workspace, *to = from + n;
    HC_REAL *key = (HC_REAL *)(void *)(to + n);
    for (size_t at = 0; at < outer * inner; at++) {
        const size_t start = at / inner * n * inner + at % inner;
        for (size_t j = 0; j < n; j++) {
            key[j] = ((const HC_REAL *)x_)[start + j * inner];
            from[j] = j;
        }
        for (size_t width = 1; width < n; width *= 2) {
            for (size_t first = 0; first < n; first += 2 * width) {
                const size_t middle = first + width < n ? first + width : n;
                merge(to, from, first, middle, middle + width < n ? middle + width : n, key, falling);
            }
            size_t *swap = from;
            from = to;
            to = swap;
        }
        for (size_t j = 0; j < n; j++)
            ((HC_REAL *)y_)[start + j * inner] = (HC_REAL)from[j];
    }
}
