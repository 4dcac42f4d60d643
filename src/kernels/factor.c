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
    PANEL = 8   /* columns of an LU factor made one by one */
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
    const size_t top = (n / 2 + PANEL - 1) / PANEL * PANEL, rest = n - top;
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

/* The R by R triangle at u, less what the rows before owe, becomes U with U^T U that; and the
 * reciprocals of its diagonal. */
static bool factor_corner(size_t R, HC_REAL *u, size_t ld, HC_REAL *inverse, size_t *bad) {
    for (size_t q = 0; q < R; q++) {
        HC_REAL pivot = u[q * ld + q];
        for (size_t p = 0; p < q; p++)
            pivot -= u[p * ld + q] * u[p * ld + q];
        if (!(pivot > 0 && pivot <= HC_REAL_MAX)) {
            *bad = q;
            return false;
        }
        u[q * ld + q] = M(sqrt)(pivot);
        inverse[q] = 1 / u[q * ld + q];
        for (size_t j = q + 1; j < R; j++) {
            HC_REAL x = u[q * ld + j];
            for (size_t p = 0; p < q; p++)
                x -= u[p * ld + q] * u[p * ld + j];
            u[q * ld + j] = x * inverse[q];
        }
    }
    return true;
}

/* The upper triangle of u [n, n], in rows ld apart, becomes U with U^T U = u: rows of the system U^T U = u, whose
 * matrix is known as far as it is read. */
static bool factor_few(HC_REAL *u, size_t ld, size_t n, size_t *bad) {
    HC_REAL inverse[TILE_ROWS];
    Rows t = {.a = u, .row = 1, .col = (ptrdiff_t)ld, .ldb = (ptrdiff_t)ld, .inverse = inverse};
    for (size_t i = 0, rows; i < n; i += rows) {
        rows = n - i >= TILE_ROWS ? TILE_ROWS : 1;
        t.first = (ptrdiff_t)i;
        t.b = u + i;
        if (i > 0) strips[UNSOLVED][rows > 1](&t, rows);
        if (!factor_corner(rows, u + i * ld + i, ld, inverse, bad)) {
            *bad += i;
            return false;
        }
        t.b = u + i + rows;
        if (i + rows < n) strips[TIMES][rows > 1](&t, n - i - rows);
    }
    return true;
}

size_t HC_NAMED(cholesky_workspace)(size_t n) {
    const size_t block = least(n, BLOCK);
    return (n * block + (n > BLOCK ? product_room(n) : 0)) * sizeof(HC_REAL);
}

/* Of the columns [j, j + block) of a: what the columns before owe, the factor of the corner, the rows below. */
static bool factor_block(HC_REAL *a, size_t n, size_t j, size_t block, HC_REAL *room, size_t *bad) {
    HC_REAL *corner = a + j * n + j, *below = corner + block * n, *turned = room;
    const size_t rest = n - j - block;
    room += n * least(n, BLOCK);
    if (j > 0) {
        turn(turned, block, a + j * n, n, block, j);
        negate(turned, block, j, block);
        add_product(n - j, block, j, (HcMatrix){a + j * n, n, 1}, turned, block, corner, n, room);
    }
    turn(turned, block, corner, n, block, block);
    if (!factor_few(turned, block, block, bad)) {
        *bad += j;
        return false;
    }
    turn(corner, n, turned, block, block, block);
    for (size_t i = 0; i < block; i++)
        for (size_t l = i + 1; l < n - j; l++)
            corner[i * n + l] = 0;
    if (rest == 0) return true;
    turn(turned, rest, below, n, rest, block);
    solve((HcMatrix){corner, n, 1}, false, false, block, turned, rest, rest, NULL);
    negate(turned, rest, block, rest);
    turn(below, n, turned, rest, block, rest);
    return true;
}

bool HC_NAMED(cholesky)(void *a, size_t n, void *workspace, size_t *bad) {
    for (size_t j = 0; j < n; j += BLOCK)
        if (!factor_block(a, n, j, least(BLOCK, n - j), workspace, bad)) return false;
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

/* A panel, its rows PANEL apart and zeros after column n, one column after the other: the pivot is looked for while the
 * column before is taken off. */
static void factor_panel(HC_REAL *a, size_t m, size_t n, HC_REAL *pivot) {
    size_t at = 0;
    for (size_t i = 1; i < m; i++)
        if (M(fabs)(a[i * PANEL]) > M(fabs)(a[at * PANEL])) at = i;
    for (size_t j = 0; j < n; j++) {
        HC_REAL *row = a + j * PANEL, u[PANEL] = {0}, largest = -1;
        pivot[j] = (HC_REAL)at;
        if (at != j) swap(row, a + at * PANEL, PANEL);
        for (size_t l = j + 1; l < PANEL; l++)
            u[l] = row[l];
        const HC_REAL p = row[j];
        const size_t next = j + 1 < n ? j + 1 : j;
        at = next;
        for (size_t i = j + 1; i < m; i++) {
            HC_REAL *x = a + i * PANEL;
            const HC_REAL factor = p == 0 ? x[j] : x[j] / p;
            for (size_t l = 0; l < PANEL; l++)
                x[l] -= factor * u[l];
            x[j] = factor;
            if (M(fabs)(x[next]) > largest) {
                largest = M(fabs)(x[next]);
                at = i;
            }
        }
    }
}

/* Columns 0 to n of the m >= n rows of a; pivot[i] is a row of a. */
static void factor_lu(HC_REAL *a, size_t lda, size_t m, size_t n, HC_REAL *pivot, HC_REAL *panel,
                      HC_REAL *room) {
    if (n <= PANEL) {
        for (size_t i = 0; i < m; i++)
            for (size_t j = 0; j < PANEL; j++)
                panel[i * PANEL + j] = j < n ? a[i * lda + j] : 0;
        factor_panel(panel, m, n, pivot);
        for (size_t i = 0; i < m; i++)
            memcpy(a + i * lda, panel + i * PANEL, n * sizeof *a);
        return;
    }
    const size_t left = (n / 2 + PANEL - 1) / PANEL * PANEL, right = n - left;
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
    return (n * PANEL + (n > PANEL ? product_room(n) : 0)) * sizeof(HC_REAL);
}

void HC_NAMED(lu)(void *f, size_t n, void *workspace) {
    HC_REAL *a = f, *panel = workspace;
    if (n > 0) factor_lu(a, n, n, n, a + n * n, panel, panel + n * PANEL);
}
