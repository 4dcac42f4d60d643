/* A narrow product, c = start + a b of a few columns, with vectors along the rows of a. These are turned in registers
 * as they are multiplied, Q numbers of each at a time, so that a is read once; b is packed, a row in whole vectors. */

#define HC_NARROW_STRIPS (HC_VECTOR_BYTES == 64) /* with fewer registers, packing a is as fast */

enum { MOST_NARROW = HC_NARROW_STRIPS ? 10 : 0 }; /* columns */

/* Workspace, in numbers: whole vectors of each row of b, and what a turn writes past the last. */
static size_t narrow_room(const HcGemm *g) {
    return (g->n + V - 1) / V * V * g->k + V / 4 * V;
}

#if HC_NARROW_STRIPS

enum { Q = V / 4 }; /* numbers in a quarter of a vector */

/* Q numbers of rows i, i + Q, i + 2 Q and i + 3 Q; past the last row stands the last. */
HC_INLINE Vec four_rows(const HC_REAL *from, size_t step, size_t rows, size_t i, size_t width) {
    Vec x = {0};
    UNROLL for (int part = 0; part < 4; part++) {
        const HC_REAL *at = from + least(i + (size_t)part * Q, rows - 1) * step;
#if HC_REAL_BITS == 32
        const __m128 row = width == Q ? _mm_loadu_ps(at) : _mm_maskz_loadu_ps((__mmask8)vec_lanes(width), at);
        x = part ? _mm512_mask_broadcast_f32x4(x, (Lanes)(15 << 4 * part), row) : _mm512_zextps128_ps512(row);
#else
        const __m128d row = width == Q ? _mm_loadu_pd(at) : _mm_maskz_loadu_pd(vec_lanes(width), at);
        x = part ? _mm512_mask_broadcast_f64x2(x, (Lanes)(3 << 2 * part), row) : _mm512_zextpd128_pd512(row);
#endif
    }
    return x;
}

/* to[p] = the numbers p of V rows, or of as many as there are, for Q numbers or fewer. */
HC_INLINE void turn_quarter(Vec to[Q], const HC_REAL *from, size_t step, size_t rows, size_t width) {
    const Vec a = four_rows(from, step, rows, 0, width), b = four_rows(from, step, rows, 1, width);
#if HC_REAL_BITS == 32
    const Vec c = four_rows(from, step, rows, 2, width), d = four_rows(from, step, rows, 3, width);
    const Vec ab0 = _mm512_unpacklo_ps(a, b), ab1 = _mm512_unpackhi_ps(a, b), cd0 = _mm512_unpacklo_ps(c, d),
              cd1 = _mm512_unpackhi_ps(c, d);
    to[0] = _mm512_shuffle_ps(ab0, cd0, 0x44);
    to[1] = _mm512_shuffle_ps(ab0, cd0, 0xee);
    to[2] = _mm512_shuffle_ps(ab1, cd1, 0x44);
    to[3] = _mm512_shuffle_ps(ab1, cd1, 0xee);
#else
    to[0] = _mm512_unpacklo_pd(a, b);
    to[1] = _mm512_unpackhi_pd(a, b);
#endif
}

/* to[p * V + i] = from[i * step + p] for V rows, or as many as there are, of `width` numbers; in p whole quarters. */
static void turn_some(HC_REAL *to, const HC_REAL *from, size_t step, size_t rows, size_t width) {
    for (size_t p = 0; p < width; p += Q) {
        Vec turned[Q];
        if (width - p >= Q)
            turn_quarter(turned, from + p, step, rows, Q);
        else
            turn_quarter(turned, from + p, step, rows, width - p);
        UNROLL for (size_t q = 0; q < Q; q++) vec_store(to + (p + q) * V, turned[q]);
    }
}

/* Numbers j to j + V - 1 of row p of b, at j * k + p * V of the workspace. */
static void pack_narrow(const HcGemm *g) {
    const HC_REAL *b = g->b.data;
    HC_REAL *to = g->workspace;
    for (size_t j = 0, width; j < g->n; j += width, to += g->k * V) {
        width = least(g->n - j, V);
        if (g->b.row == 1)
            turn_some(to, b + j * g->b.col, g->b.col, width, g->k);
        else
            for (size_t p = 0; p < g->k; p++)
                vec_store(to + p * V, vec_load_some(b + p * g->b.row + j, vec_lanes(width)));
    }
}

/* sum[s][j] += av[s] b[j], b being a row that pack_narrow made: past its columns, of whatever is there. */
HC_INLINE void add_products(const size_t S, const size_t C, Vec sum[2][MOST_NARROW], Vec av0, Vec av1,
                            const HC_REAL *b, size_t next) {
    UNROLL for (size_t j = 0; j < C; j++) {
        const Vec bv = vec_splat(b + j / V * next + j % V);
        sum[0][j] = vec_add_product(sum[0][j], av0, bv);
        if (S > 1) sum[1][j] = vec_add_product(sum[1][j], av1, bv);
    }
}

/* S times V rows of c, or as many as there are: at most C columns. */
HC_INLINE void narrow_strip(const size_t S, const size_t C, const HcGemm *g, const HC_REAL *a, size_t rows,
                            const HC_REAL *start, HC_REAL *c) {
    _Alignas(64) HC_REAL room[(MOST_NARROW + V) * V];
    HC_REAL *square = room + MOST_NARROW * V;
    const size_t n = g->n, k = g->k, row = g->a.row, next = k * V;
    const HC_REAL *b = g->workspace;
    Vec sum[2][MOST_NARROW] = {0};
    if (start)
        UNROLL for (size_t s = 0; s < S; s++) {
            turn_some(room, start + s * V * g->lds, g->lds, least(rows - s * V, V), n);
            UNROLL for (size_t j = 0; j < C; j++) sum[s][j] = vec_load(room + least(j, n - 1) * V);
        }
    size_t p = 0;
    if (rows == S * V)
        for (; p + Q <= k; p += Q, b += Q * V) {
            Vec av[2][Q];
            UNROLL for (size_t s = 0; s < S; s++) turn_quarter(av[s], a + s * V * row + p, row, V, Q);
            UNROLL for (size_t q = 0; q < Q; q++) add_products(S, C, sum, av[0][q], av[S - 1][q], b + q * V, next);
        }
    for (size_t depth; p < k; p += depth) {
        depth = least(k - p, Q);
        UNROLL for (size_t s = 0; s < S; s++)
            turn_some(room + s * Q * V, a + s * V * row + p, row, least(rows - s * V, V), depth);
        for (size_t q = 0; q < depth; q++, b += V)
            add_products(S, C, sum, vec_load(room + q * V), vec_load(room + ((S - 1) * Q + q) * V), b, next);
    }
    UNROLL for (size_t s = 0; s < S; s++) {
        UNROLL for (size_t j = 0; j < C; j++) vec_store(room + j * V, sum[s][j]);
        for (size_t j = 0; j < n; j += V) {
            const size_t width = least(n - j, V);
            turn_some(square, room + j * V, V, width, V);
            for (size_t i = 0; i < V && s * V + i < rows; i++)
                vec_store_some(c + (s * V + i) * g->ldc + j, vec_load(square + i * V), vec_lanes(width));
        }
    }
}

typedef void NarrowFn(const HcGemm *g, const HC_REAL *a, size_t rows, const HC_REAL *start, HC_REAL *c);

#define DEFINE_NARROW(S, C)                                                                        \
    static void narrow_##S##_##C(const HcGemm *g, const HC_REAL *a, size_t rows,                   \
                                 const HC_REAL *start, HC_REAL *c) {                               \
        narrow_strip(S, C, g, a, rows, start, c);                                                  \
    }
DEFINE_NARROW(1, 5)
DEFINE_NARROW(1, 10)
DEFINE_NARROW(2, 5)
DEFINE_NARROW(2, 10)

static void in_narrow_strips(const HcGemm *g) {
    static NarrowFn *const strips[2][2] = {{narrow_1_5, narrow_1_10}, {narrow_2_5, narrow_2_10}};
    const HC_REAL *a = g->a.data, *start = g->start;
    HC_REAL *c = g->c;
    pack_narrow(g);
    for (size_t left = g->m, rows; left > 0; left -= rows, a += rows * g->a.row, c += rows * g->ldc) {
        rows = least(left, 2 * V);
        strips[rows > V][g->n > 5](g, a, rows, start, c);
        if (start) start += rows * g->lds;
    }
}
#endif
