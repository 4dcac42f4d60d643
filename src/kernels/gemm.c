/* The product c += a b. b is read in row-contiguous panels: where its rows are contiguous and it is
 * small, in place; otherwise packed, PANEL_K rows by PANEL_N columns at a time, into working memory that
 * stays in cache. A tile of TILE_M rows by two vectors of c is held in registers while k runs. The order
 * of summation is k ascending, started from c, for every path. Products with a side of 1 have loops of
 * their own. */
#include "kernels/real.h"

#if defined(__GNUC__) && defined(__AVX512F__)
#define VECTOR_BYTES 64
#elif defined(__GNUC__) && defined(__AVX__)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif

enum {
    V = VECTOR_BYTES / sizeof(HC_REAL), /* numbers in a vector */
    TILE_M = VECTOR_BYTES == 16 ? 4 : 5,
    TILE_N = 2 * V,
    WIDE_M = VECTOR_BYTES == 16 ? 3 : 4,
    PANEL_K = 256,
    PANEL_N = 512
};

#ifdef __GNUC__
typedef HC_REAL Vector
    __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(HC_REAL)), may_alias));
#else
typedef struct Vector {
    HC_REAL lane[V];
} Vector;
#endif

/* c[rows, 2 V] += a b, with b's rows ldb apart. rows is a constant wherever this is inlined. */
static inline void tile(const size_t rows, size_t k, const HC_REAL *restrict a, size_t ar,
                        size_t ac, const HC_REAL *restrict b, size_t ldb, HC_REAL *restrict c,
                        size_t ldc) {
#ifdef __GNUC__
    Vector lo[TILE_M], hi[TILE_M];
    for (size_t i = 0; i < rows; i++) {
        lo[i] = *(const Vector *)(c + i * ldc);
        hi[i] = *(const Vector *)(c + i * ldc + V);
    }
    for (size_t p = 0; p < k; p++) {
        const Vector bl = *(const Vector *)(b + p * ldb), bh = *(const Vector *)(b + p * ldb + V);
        for (size_t i = 0; i < rows; i++) {
            const HC_REAL s = a[i * ar + p * ac];
            lo[i] += s * bl;
            hi[i] += s * bh;
        }
    }
    for (size_t i = 0; i < rows; i++) {
        *(Vector *)(c + i * ldc) = lo[i];
        *(Vector *)(c + i * ldc + V) = hi[i];
    }
#else
    for (size_t p = 0; p < k; p++)
        for (size_t i = 0; i < rows; i++)
            for (size_t j = 0; j < TILE_N; j++)
                c[i * ldc + j] += a[i * ar + p * ac] * b[p * ldb + j];
#endif
}

/* The same for three vectors and WIDE_M rows, which fill the registers of AVX2 exactly. */
static inline void wide_tile(const size_t rows, size_t k, const HC_REAL *restrict a, size_t ar,
                             size_t ac, const HC_REAL *restrict b, size_t ldb, HC_REAL *restrict c,
                             size_t ldc) {
#ifdef __GNUC__
    Vector lo[WIDE_M], mid[WIDE_M], hi[WIDE_M];
    for (size_t i = 0; i < rows; i++) {
        lo[i] = *(const Vector *)(c + i * ldc);
        mid[i] = *(const Vector *)(c + i * ldc + V);
        hi[i] = *(const Vector *)(c + i * ldc + 2 * V);
    }
    for (size_t p = 0; p < k; p++) {
        const HC_REAL *row = b + p * ldb;
        const Vector bl = *(const Vector *)row, bm = *(const Vector *)(row + V),
                     bh = *(const Vector *)(row + 2 * V);
        for (size_t i = 0; i < rows; i++) {
            const HC_REAL s = a[i * ar + p * ac];
            lo[i] += s * bl;
            mid[i] += s * bm;
            hi[i] += s * bh;
        }
    }
    for (size_t i = 0; i < rows; i++) {
        *(Vector *)(c + i * ldc) = lo[i];
        *(Vector *)(c + i * ldc + V) = mid[i];
        *(Vector *)(c + i * ldc + 2 * V) = hi[i];
    }
#else
    for (size_t p = 0; p < k; p++)
        for (size_t i = 0; i < rows; i++)
            for (size_t j = 0; j < 3 * V; j++)
                c[i * ldc + j] += a[i * ar + p * ac] * b[p * ldb + j];
#endif
}

/* The same for one vector's width. */
static inline void narrow_tile(const size_t rows, size_t k, const HC_REAL *restrict a, size_t ar,
                               size_t ac, const HC_REAL *restrict b, size_t ldb,
                               HC_REAL *restrict c, size_t ldc) {
#ifdef __GNUC__
    Vector sum[TILE_M];
    for (size_t i = 0; i < rows; i++)
        sum[i] = *(const Vector *)(c + i * ldc);
    for (size_t p = 0; p < k; p++) {
        const Vector row = *(const Vector *)(b + p * ldb);
        for (size_t i = 0; i < rows; i++)
            sum[i] += a[i * ar + p * ac] * row;
    }
    for (size_t i = 0; i < rows; i++)
        *(Vector *)(c + i * ldc) = sum[i];
#else
    for (size_t p = 0; p < k; p++)
        for (size_t i = 0; i < rows; i++)
            for (size_t j = 0; j < V; j++)
                c[i * ldc + j] += a[i * ar + p * ac] * b[p * ldb + j];
#endif
}

/* Fewer columns than a vector holds. */
static void edge(size_t rows, size_t cols, size_t k, const HC_REAL *a, size_t ar, size_t ac,
                 const HC_REAL *b, size_t ldb, HC_REAL *c, size_t ldc) {
    for (size_t i = 0; i < rows; i++)
        for (size_t p = 0; p < k; p++) {
            const HC_REAL s = a[i * ar + p * ac];
            for (size_t j = 0; j < cols; j++)
                c[i * ldc + j] += s * b[p * ldb + j];
        }
}

/* Rows of c, TILE_M at a time, against a panel of b with contiguous rows. */
static void panel(size_t m, size_t n, size_t k, const HC_REAL *a, size_t ar, size_t ac,
                  const HC_REAL *b, size_t ldb, HC_REAL *c, size_t ldc) {
    size_t j = 0;
    /* An odd number of vectors begins with three, so that none is left alone. */
    if (n / V % 2 == 1 && n / V >= 3) {
        size_t i = 0;
        for (; i + WIDE_M <= m; i += WIDE_M)
            wide_tile(WIDE_M, k, a + i * ar, ar, ac, b, ldb, c + i * ldc, ldc);
        for (; i + 2 <= m; i += 2)
            wide_tile(2, k, a + i * ar, ar, ac, b, ldb, c + i * ldc, ldc);
        if (i < m) wide_tile(1, k, a + i * ar, ar, ac, b, ldb, c + i * ldc, ldc);
        j = 3 * V;
    }
    for (; j + TILE_N <= n; j += TILE_N) {
        size_t i = 0;
        for (; i + TILE_M <= m; i += TILE_M)
            tile(TILE_M, k, a + i * ar, ar, ac, b + j, ldb, c + i * ldc + j, ldc);
        for (; i + 2 <= m; i += 2)
            tile(2, k, a + i * ar, ar, ac, b + j, ldb, c + i * ldc + j, ldc);
        if (i < m) tile(1, k, a + i * ar, ar, ac, b + j, ldb, c + i * ldc + j, ldc);
    }
    for (; j + V <= n; j += V) {
        size_t i = 0;
        for (; i + TILE_M <= m; i += TILE_M)
            narrow_tile(TILE_M, k, a + i * ar, ar, ac, b + j, ldb, c + i * ldc + j, ldc);
        for (; i < m; i++)
            narrow_tile(1, k, a + i * ar, ar, ac, b + j, ldb, c + i * ldc + j, ldc);
    }
    if (j < n) edge(m, n - j, k, a, ar, ac, b + j, ldb, c + j, ldc);
}

/* ---- a side of 1 -------------------------------------------------------------------------------- */

/* c[i] += s x[i], with c's and x's strides. */
static void axpy(size_t n, HC_REAL s, const HC_REAL *x, size_t sx, HC_REAL *c, size_t sc) {
    if (sx == 1 && sc == 1)
        for (size_t i = 0; i < n; i++)
            c[i] += s * x[i];
    else
        for (size_t i = 0; i < n; i++)
            c[i * sc] += s * x[i * sx];
}

static HC_REAL dot(size_t n, const HC_REAL *x, const HC_REAL *y) {
    HC_REAL lane[TILE_N] = {0}, sum = 0;
    size_t i = 0;
    for (; i + TILE_N <= n; i += TILE_N)
        for (size_t l = 0; l < TILE_N; l++)
            lane[l] += x[i + l] * y[i + l];
    for (; i < n; i++)
        sum += x[i] * y[i];
    for (size_t l = 0; l < TILE_N; l++)
        sum += lane[l];
    return sum;
}

/* c[i] += row i of x times y: n rows, k numbers each. */
static void matvec(size_t n, size_t k, const HC_REAL *x, size_t row, size_t col, const HC_REAL *y,
                   size_t sy, HC_REAL *c, size_t sc) {
    if (col == 1 && sy == 1 && k > 1)
        for (size_t i = 0; i < n; i++)
            c[i * sc] += dot(k, x + i * row, y);
    else
        for (size_t p = 0; p < k; p++)
            axpy(n, y[p * sy], x + p * col, row, c, sc);
}

/* ---- packing ------------------------------------------------------------------------------------- */

static bool in_place(size_t n, size_t k, HcMatrix b) {
    return b.col == 1 && n * k <= 64 * 1024;
}

static bool thin(size_t m, size_t n, size_t k) {
    return m <= 1 || n <= 1 || k <= 1;
}

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

size_t HC_NAMED(gemm_work)(size_t m, size_t n, size_t k, HcMatrix a, HcMatrix b) {
    (void)a;
    if (thin(m, n, k) || in_place(n, k, b)) return 0;
    return least(k, PANEL_K) * least(n, PANEL_N) * sizeof(HC_REAL);
}

enum { BLOCK = 8 };

/* A whole block, transposed: constant bounds let the compiler unroll it. */
static inline void turn_block(HC_REAL *restrict to, size_t nb, const HC_REAL *restrict b,
                              size_t col) {
    for (size_t j = 0; j < BLOCK; j++) {
        const HC_REAL *from = b + j * col;
        HC_REAL *out = to + j;
        out[0 * nb] = from[0];
        out[1 * nb] = from[1];
        out[2 * nb] = from[2];
        out[3 * nb] = from[3];
        out[4 * nb] = from[4];
        out[5 * nb] = from[5];
        out[6 * nb] = from[6];
        out[7 * nb] = from[7];
    }
}

/* to[p][j] = b[p, j] for kb rows of nb: in blocks, so that both sides stay in cache when transposed. */
static void pack(HC_REAL *restrict to, const HC_REAL *restrict b, size_t row, size_t col, size_t kb,
                 size_t nb) {
    if (col == 1) {
        for (size_t p = 0; p < kb; p++)
            memcpy(to + p * nb, b + p * row, nb * sizeof *to);
        return;
    }
    for (size_t j0 = 0; j0 < nb; j0 += BLOCK)
        for (size_t p0 = 0; p0 < kb; p0 += BLOCK) {
            size_t j1 = least(j0 + BLOCK, nb), p1 = least(p0 + BLOCK, kb);
            if (row == 1 && j1 - j0 == BLOCK && p1 - p0 == BLOCK) {
                turn_block(to + p0 * nb + j0, nb, b + p0 + j0 * col, col);
                continue;
            }
            for (size_t p = p0; p < p1; p++)
                for (size_t j = j0; j < j1; j++)
                    to[p * nb + j] = b[p * row + j * col];
        }
}

void HC_NAMED(gemm)(size_t m, size_t n, size_t k, HcMatrix ma, HcMatrix mb, void *c_, size_t ldc,
                    void *work) {
    const HC_REAL *a = ma.data, *b = mb.data;
    HC_REAL *c = c_;
    if (m == 0 || n == 0 || k == 0) return;
    if (k == 1) {
        for (size_t i = 0; i < m; i++)
            axpy(n, a[i * ma.row], b, mb.col, c + i * ldc, 1);
    } else if (n == 1) {
        matvec(m, k, a, ma.row, ma.col, b, mb.row, c, ldc);
    } else if (m == 1) {
        matvec(n, k, b, mb.col, mb.row, a, ma.col, c, 1);
    } else if (in_place(n, k, mb)) {
        panel(m, n, k, a, ma.row, ma.col, b, mb.row, c, ldc);
    } else {
        for (size_t j = 0; j < n; j += PANEL_N)
            for (size_t p = 0; p < k; p += PANEL_K) {
                size_t nb = least(PANEL_N, n - j), kb = least(PANEL_K, k - p);
                pack(work, b + p * mb.row + j * mb.col, mb.row, mb.col, kb, nb);
                panel(m, nb, kb, a + p * ma.col, ma.row, ma.col, work, nb, c + j, ldc);
            }
    }
}
