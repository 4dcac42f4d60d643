/* Triangular systems, Cholesky's and the LU factorization: halves or blocks, so that nearly all is done by the product
 * (Toledo 1997, "Locality of reference in LU decomposition with partial pivoting"; Higham 2002, "Accuracy and Stability
 * of Numerical Algorithms", chapters 8 to 10), and tiles of rows for what is small (rows_tile.inl). */
#define HC_CONTRACT /* products may */
#include "kernels/turn.h"
#include "kernels/vector.h"

#if defined(__GNUC__) && !defined(__clang__)
#define UNROLL _Pragma("GCC unroll 8")
#else
#define UNROLL
#endif

#include "kernels/rows_tile.inl"

enum {
    BLOCK = 64, /* columns of Cholesky's factor made at a time */
    PANEL = 12  /* columns of an LU factor that are made one by one, at most */
};

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Room for any product whose sides are at most n, of numbers: what the kernel asks for n, the transposed result of a
 * narrow one, and rows of a packed. */
static size_t product_room(size_t n) {
    const HcGemm g = {.m = n, .n = n, .k = n, .a = {NULL, n, 1}, .b = {NULL, 1, n}, .ldc = n};
    return HC_NAMED(gemm_workspace)(&g) / sizeof(HC_REAL) + n * 2 * V + 8 * least(n, 256);
}

static void negate(HC_REAL *a, size_t lda, size_t m, size_t n) {
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++)
            a[i * lda + j] = -a[i * lda + j];
}

/* c += a b */
static void add_product(size_t m, size_t n, size_t k, HcMatrix a, const HC_REAL *b, size_t ldb,
                        HC_REAL *c, size_t ldc, HC_REAL *room) {
    HC_NAMED(gemm)(&(HcGemm){m, n, k, a, {b, ldb, 1}, c, ldc, c, ldc, room});
}

/* ---- triangular systems ---------------------------------------------------------------------- */

/* Rows of a few unknowns, in strips of columns; b becomes -x. */
static void solve_few(Rows *t, Finish finish, size_t n, size_t width) {
    HC_REAL *b = t->b;
    for (size_t j = 0; j < width; j += STRIP) {
        const size_t strip = least(STRIP, width - j);
        size_t i = 0;
        t->b = b + j;
        for (; n - i >= TILE_ROWS; i += TILE_ROWS) {
            t->first = (ptrdiff_t)i;
            strips[finish][1](t, strip);
        }
        for (; i < n; i++) {
            t->first = (ptrdiff_t)i;
            strips[finish][0](t, strip);
        }
    }
}

/* b becomes -x, the half first whose unknowns stand alone. An upper triangle is a lower one read from the end. */
static void solve(HcMatrix a, bool upper, bool unit, size_t n, HC_REAL *b, size_t ldb, size_t width,
                  HC_REAL *room) {
    const HC_REAL *from = a.data;
    if (n <= FEW_ROWS) {
        Rows t = {.a = from,
                  .row = (ptrdiff_t)a.row,
                  .col = (ptrdiff_t)a.col,
                  .b = b,
                  .ldb = (ptrdiff_t)ldb};
        if (upper) {
            t.a += (n - 1) * (a.row + a.col);
            t.b += (n - 1) * ldb;
            t.row = -t.row;
            t.col = -t.col;
            t.ldb = -t.ldb;
        }
        solve_few(&t, unit ? ONES : OVER, n, width);
        return;
    }
    const size_t top = (n / 2 + 7) / 8 * 8, rest = n - top;
    const HcMatrix last = {from + top * (a.row + a.col), a.row, a.col};
    HC_REAL *below = b + top * ldb;
    if (upper) {
        solve(last, upper, unit, rest, below, ldb, width, room);
        add_product(top, width, rest, (HcMatrix){from + top * a.col, a.row, a.col}, below, ldb, b,
                    ldb, room);
        solve(a, upper, unit, top, b, ldb, width, room);
    } else {
        solve(a, upper, unit, top, b, ldb, width, room);
        add_product(rest, width, top, (HcMatrix){from + top * a.row, a.row, a.col}, b, ldb, below,
                    ldb, room);
        solve(last, upper, unit, rest, below, ldb, width, room);
    }
}

size_t HC_NAMED(solve_triangular_workspace)(const HcTriangle *t) {
    return t->n <= FEW_ROWS ? 0 : product_room(t->n > t->width ? t->n : t->width) * sizeof(HC_REAL);
}

bool HC_NAMED(solve_triangular)(const HcTriangle *t, size_t *bad) {
    const HC_REAL *a = t->a.data;
    if (t->n == 0 || t->width == 0) return true;
    for (size_t i = 0; !t->unit && i < t->n; i++)
        if (a[i * (t->a.row + t->a.col)] == 0) {
            *bad = i;
            return false;
        }
    solve(t->a, t->upper, t->unit, t->n, t->b, t->ldb, t->width, t->workspace);
    negate(t->b, t->ldb, t->n, t->width);
    return true;
}

/* ---- Cholesky -------------------------------------------------------------------------------- */

/* Matrices side by side, whose triangles' chains of square roots and divisions overlap. */
typedef struct Group {
    HC_REAL *u[HC_TOGETHER];
    size_t count, ld;
    size_t failed[HC_TOGETHER]; /* at which pivot, or SIZE_MAX */
    HC_REAL inverse[HC_TOGETHER][TILE_ROWS];
} Group;

/* The R by R triangles at (i, i), less what the rows before owe, become U with U^T U that. */
HC_INLINE void factor_corners(const size_t R, Group *g, size_t i) {
    HC_REAL x[TILE_ROWS][TILE_ROWS][HC_TOGETHER], inverse[HC_TOGETHER];
    const size_t ld = g->ld;
    for (size_t l = 0; l < HC_TOGETHER; l++) {
        const HC_REAL *u = g->u[l < g->count ? l : 0] + i * ld + i;
        UNROLL for (size_t q = 0; q < R; q++) UNROLL for (size_t j = q; j < R; j++) x[q][j][l] =
            u[q * ld + j];
    }
    UNROLL for (size_t q = 0; q < R; q++) {
        UNROLL for (size_t j = q; j < R; j++)
            UNROLL for (size_t p = 0; p < q; p++) for (size_t l = 0; l < HC_TOGETHER; l++)
                x[q][j][l] -= x[p][q][l] * x[p][j][l];
        for (size_t l = 0; l < g->count; l++)
            if (!(x[q][q][l] > 0 && x[q][q][l] <= HC_REAL_MAX) && g->failed[l] == SIZE_MAX)
                g->failed[l] = i + q;
        for (size_t l = 0; l < HC_TOGETHER; l++) {
            x[q][q][l] = M(sqrt)(x[q][q][l]);
            inverse[l] = 1 / x[q][q][l];
        }
        UNROLL for (size_t j = q + 1; j < R; j++) for (size_t l = 0; l < HC_TOGETHER; l++)
            x[q][j][l] *= inverse[l];
        for (size_t l = 0; l < HC_TOGETHER; l++)
            g->inverse[l][q] = inverse[l];
    }
    for (size_t l = 0; l < g->count; l++) {
        HC_REAL *u = g->u[l] + i * ld + i;
        UNROLL for (size_t q = 0; q < R; q++) UNROLL for (size_t j = q; j < R; j++) u[q * ld + j] =
            x[q][j][l];
    }
}

/* The upper triangles of u [n, n], in rows ld apart, become U with U^T U = u: rows of the system U^T U = u, whose
 * matrix is known as far as it is read. False, with *bad the pivot of the first of the matrices that has none, counted
 * through those before it. */
static bool factor_few(Group *g, size_t n, size_t *bad) {
    for (size_t l = 0; l < HC_TOGETHER; l++)
        g->failed[l] = SIZE_MAX;
    for (size_t i = 0, rows; i < n; i += rows) {
        const bool several = n - i >= TILE_ROWS;
        rows = several ? TILE_ROWS : 1;
        Rows t = {
            .row = 1, .col = (ptrdiff_t)g->ld, .ldb = (ptrdiff_t)g->ld, .first = (ptrdiff_t)i};
        for (size_t l = 0; i > 0 && l < g->count; l++) {
            t.a = g->u[l];
            t.b = g->u[l] + i;
            strips[UNSOLVED][several](&t, rows);
        }
        if (several)
            factor_corners(TILE_ROWS, g, i);
        else
            factor_corners(1, g, i);
        for (size_t l = 0; i + rows < n && l < g->count; l++) {
            t.a = g->u[l];
            t.b = g->u[l] + i + rows;
            t.inverse = g->inverse[l];
            strips[TIMES][several](&t, n - i - rows);
        }
    }
    for (size_t l = 0; l < g->count; l++)
        if (g->failed[l] != SIZE_MAX) {
            *bad = l * n + g->failed[l];
            return false;
        }
    return true;
}

size_t HC_NAMED(cholesky_workspace)(size_t n) {
    return (n <= BLOCK ? HC_TOGETHER * n * n : n * BLOCK + product_room(n)) * sizeof(HC_REAL);
}

/* The upper triangle of u from the lower one of a, or the other way, in blocks that meet it. */
static void turn_triangle(HC_REAL *to, size_t ldt, const HC_REAL *from, size_t ldf, size_t n,
                          bool lower) {
    for (size_t i = 0; i < n; i += HC_TURN) {
        const size_t across = least(HC_TURN, n - i);
        turn(to + i * (ldt + 1), ldt, from + i * (ldf + 1), ldf, lower ? across : n - i,
             lower ? n - i : across);
    }
}

static void clear(HC_REAL *a, size_t n) {
    const HC_REAL zero = 0;
    const Vec zeros = vec_splat(&zero);
    if (n < V) {
        vec_store_some(a, zeros, vec_lanes(n));
        return;
    }
    for (size_t j = 0; j + V < n; j += V)
        vec_store(a + j, zeros);
    vec_store(a + n - V, zeros);
}

/* The lower triangle of a [n, n], whose rows are lda apart, from the upper one of u, and zeros above. */
static void lower_of(HC_REAL *a, size_t lda, const HC_REAL *u, size_t n) {
    turn_triangle(a, lda, u, n, n, true);
    for (size_t i = 0; i + 1 < n; i++)
        clear(a + i * lda + i + 1, n - i - 1);
}

/* Matrices of one block, dense. */
static bool factor_group(HC_REAL *a, size_t count, size_t n, HC_REAL *room, size_t *bad) {
    Group g = {.count = count, .ld = n};
    for (size_t l = 0; l < count; l++) {
        g.u[l] = room + l * n * n;
        turn_triangle(g.u[l], n, a + l * n * n, n, n, false);
    }
    if (!factor_few(&g, n, bad)) return false;
    for (size_t l = 0; l < count; l++)
        lower_of(a + l * n * n, n, g.u[l], n);
    return true;
}

/* Of the columns [j, j + block) of a: what the columns before owe, the factor of the corner, the rows below. */
static bool factor_block(HC_REAL *a, size_t n, size_t j, size_t block, HC_REAL *room, size_t *bad) {
    HC_REAL *corner = a + j * n + j, *below = corner + block * n, *turned = room;
    const size_t rest = n - j - block;
    room += n * BLOCK;
    if (j > 0) {
        turn(turned, block, a + j * n, n, block, j);
        negate(turned, block, j, block);
        add_product(n - j, block, j, (HcMatrix){a + j * n, n, 1}, turned, block, corner, n, room);
    }
    turn_triangle(turned, block, corner, n, block, false);
    if (!factor_few(&(Group){.u = {turned}, .count = 1, .ld = block}, block, bad)) {
        *bad += j;
        return false;
    }
    lower_of(corner, n, turned, block);
    for (size_t i = 0; i < block; i++)
        memset(corner + i * n + block, 0, rest * sizeof *a);
    if (rest == 0) return true;
    turn(turned, rest, below, n, rest, block);
    solve((HcMatrix){corner, n, 1}, false, false, block, turned, rest, rest, NULL);
    negate(turned, rest, block, rest);
    turn(below, n, turned, rest, block, rest);
    return true;
}

bool HC_NAMED(cholesky)(void *a_, size_t count, size_t n, void *workspace, size_t *bad) {
    HC_REAL *a = a_;
    if (n > 0 && n <= BLOCK) return factor_group(a, count, n, workspace, bad);
    for (size_t l = 0; l < count; l++)
        for (size_t j = 0; j < n; j += BLOCK)
            if (!factor_block(a + l * n * n, n, j, least(BLOCK, n - j), workspace, bad)) {
                *bad += l * n;
                return false;
            }
    return true;
}

/* ---- LU -------------------------------------------------------------------------------------- */

static void swap(HC_REAL *restrict a, HC_REAL *restrict b, size_t n) {
    for (size_t j = 0; j < n; j++) {
        const HC_REAL kept = a[j];
        a[j] = b[j];
        b[j] = kept;
    }
}

/* Swaps rows i and pivot[i] of `width` columns. */
static void swap_all(HC_REAL *a, size_t lda, const HC_REAL *pivot, size_t n, size_t width) {
    for (size_t i = 0; i < n; i++)
        if ((size_t)pivot[i] != i) swap(a + i * lda, a + (size_t)pivot[i] * lda, width);
}

#if HC_REAL_BITS == 32
typedef int32_t Bits;
#define SIZE_BITS INT32_MAX
#else
typedef int64_t Bits;
#define SIZE_BITS INT64_MAX
#endif

/* Of a number's size: in the order of sizes, and a NaN above all. */
HC_INLINE Bits bits_of(const HC_REAL *x) {
    Bits bits;
    memcpy(&bits, x, sizeof bits);
    return bits & SIZE_BITS;
}

static size_t largest(const HC_REAL *x, size_t n) {
    Bits most = 0;
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        const Bits size = bits_of(x + i);
        most = size > most ? size : most;
    }
    while (at + 1 < n && bits_of(x + at) != most)
        at++;
    return at;
}

/* Columns of m rows that begin ld apart and of which a vector past the last row may be written; one after the other. */
static void factor_panel(HC_REAL *a, size_t ld, size_t m, size_t n, HC_REAL *pivot) {
    for (size_t j = 0; j < n; j++) {
        HC_REAL *column = a + j * ld;
        const size_t at = j + largest(column + j, m - j);
        pivot[j] = (HC_REAL)at;
        for (size_t c = 0; c < n && at != j; c++) {
            const HC_REAL kept = a[c * ld + j];
            a[c * ld + j] = a[c * ld + at];
            a[c * ld + at] = kept;
        }
        if (column[j] == 0) continue; /* and so are those below */
        const Vec p = vec_splat(column + j);
        for (size_t i = j + 1; i < m; i += V)
            vec_store(column + i, vec_over(vec_load(column + i), p));
        for (size_t c = j + 1; c < n; c++) {
            HC_REAL *other = a + c * ld;
            const Vec u = vec_splat(other + j);
            for (size_t i = j + 1; i < m; i += V)
                vec_store(other + i,
                          vec_take_product(vec_load(other + i), vec_load(column + i), u));
        }
    }
}

/* Columns 0 to n of the m >= n rows of a; pivot[i] is a row of a. */
static void factor_lu(HC_REAL *a, size_t lda, size_t m, size_t n, HC_REAL *pivot, HC_REAL *panel,
                      HC_REAL *room) {
    if (n <= PANEL) {
        const size_t ld = m + V;
        for (size_t j = 0; j < n; j++)
            memset(panel + j * ld + m, 0, V * sizeof *a);
        turn(panel, ld, a, lda, m, n);
        factor_panel(panel, ld, m, n, pivot);
        turn(a, lda, panel, ld, n, m);
        return;
    }
    const size_t left = (n / 2 + 3) / 4 * 4, right = n - left;
    HC_REAL *beside = a + left, *below = a + left * lda;
    factor_lu(a, lda, m, left, pivot, panel, room);
    swap_all(beside, lda, pivot, left, right);
    solve((HcMatrix){a, lda, 1}, false, true, left, beside, lda, right, room);
    add_product(m - left, right, left, (HcMatrix){below, lda, 1}, beside, lda, below + left, lda,
                room);
    negate(beside, lda, left, right);
    factor_lu(below + left, lda, m - left, right, pivot + left, panel, room);
    swap_all(below, lda, pivot + left, right, left);
    for (size_t i = left; i < n; i++)
        pivot[i] += (HC_REAL)left;
}

size_t HC_NAMED(lu_workspace)(size_t n) {
    return ((n + V) * PANEL + (n > PANEL ? product_room(n) : 0)) * sizeof(HC_REAL);
}

void HC_NAMED(lu)(void *f, size_t n, void *workspace) {
    HC_REAL *a = f, *panel = workspace;
    if (n > 0) factor_lu(a, n, n, n, a + n * n, panel, panel + (n + V) * PANEL);
}
