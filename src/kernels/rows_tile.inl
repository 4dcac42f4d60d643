/* The tile of a triangular system: R rows of b by C vectors held in registers while what they owe to the rows before
 * them is added, then solved. R, C and how it ends are constants of each instance. */

enum {
    TILE_ROWS = 4, /* of the larger instance; the other has one */
    FEW_ROWS = 64, /* systems of no more are solved by tiles alone */
    STRIP = 6 * V  /* columns of b that stay in the first cache then */
};

/* b' = the rows before. With OVER and ONES solved rows are stored negative, so that a product can add what comes of
 * them; else they are taken off. */
typedef enum Finish {
    UNSOLVED, /* b - a b' */
    TIMES,    /* solved, the diagonal's reciprocals given */
    OVER,     /* divided by the diagonal */
    ONES      /* the diagonal is ones */
} Finish;

typedef struct Rows {
    const HC_REAL *a; /* element (i, p) at i * row + p * col */
    ptrdiff_t row, col;
    HC_REAL *b;
    ptrdiff_t ldb;
    const HC_REAL *inverse; /* with TIMES, of the tile's rows */
    ptrdiff_t first;        /* the tile's first row: of a, and of b */
    Lanes lanes;
} Rows;

HC_INLINE Vec owed(Vec x, const HC_REAL *factor, Vec row, Finish finish) {
    const Vec s = vec_splat(factor);
    return finish == OVER || finish == ONES ? vec_add_product(x, s, row)
                                            : vec_take_product(x, s, row);
}

/* Columns j and after; `some`: of the last vector some lanes. */
HC_INLINE void rows_tile(const size_t R, const size_t C, const Finish finish, const bool some,
                         const Rows *t, size_t j) {
    const ptrdiff_t row = t->row, col = t->col, ldb = t->ldb;
    const HC_REAL *a = t->a + t->first * row, *before = t->b + j;
    HC_REAL *b = t->b + t->first * ldb + j;
    const Lanes lanes = t->lanes;
    const HC_REAL *factors[TILE_ROWS] = {0};
    Vec x[TILE_ROWS][3] = {0};
    UNROLL for (size_t r = 0; r < R; r++) {
        factors[r] = a + (ptrdiff_t)r * row;
        UNROLL for (size_t c = 0; c < C; c++) {
            const HC_REAL *from = b + (ptrdiff_t)r * ldb + c * V;
            x[r][c] = some && c == C - 1 ? vec_load_some(from, lanes) : vec_load(from);
        }
    }
    for (ptrdiff_t p = 0; p < t->first; p++, before += ldb) {
        Vec y[3] = {0};
        UNROLL for (size_t c = 0; c < C; c++) y[c] =
            some && c == C - 1 ? vec_load_some(before + c * V, lanes) : vec_load(before + c * V);
        UNROLL for (size_t r = 0; r < R; r++) UNROLL for (size_t c = 0; c < C; c++) x[r][c] =
            owed(x[r][c], factors[r] + p * col, y[c], finish);
    }
    UNROLL for (size_t r = 0; r < R; r++) {
        const HC_REAL *own = factors[r] + t->first * col;
        const size_t solved = finish == UNSOLVED ? 0 : r;
        UNROLL for (size_t q = 0; q < solved; q++)
            UNROLL for (size_t c = 0; c < C; c++) x[r][c] =
                owed(x[r][c], own + (ptrdiff_t)q * col, x[q][c], finish);
        UNROLL for (size_t c = 0; c < C; c++) {
            if (finish == TIMES) x[r][c] = vec_times(x[r][c], vec_splat(t->inverse + r));
            if (finish == OVER) x[r][c] = vec_over(x[r][c], vec_splat(own + (ptrdiff_t)r * col));
            if (finish == OVER || finish == ONES) x[r][c] = vec_negative(x[r][c]);
            HC_REAL *to = b + (ptrdiff_t)r * ldb + c * V;
            if (some && c == C - 1)
                vec_store_some(to, x[r][c], lanes);
            else
                vec_store(to, x[r][c]);
        }
    }
}

/* R rows of `width` columns. */
HC_INLINE void rows_strips(const size_t R, const Finish finish, Rows *t, size_t width) {
    size_t j = 0;
    for (; width - j >= 3 * V; j += 3 * V)
        rows_tile(R, 3, finish, false, t, j);
    if (width - j >= 2 * V) {
        rows_tile(R, 2, finish, false, t, j);
        j += 2 * V;
    } else if (width - j >= V) {
        rows_tile(R, 1, finish, false, t, j);
        j += V;
    }
    if (j == width) return;
    t->lanes = vec_lanes(width - j);
    rows_tile(R, 1, finish, true, t, j);
}

#define DEFINE_STRIPS(R, finish)                                                                   \
    static void strips_##R##_##finish(Rows *t, size_t width) {                                     \
        rows_strips(R, finish, t, width);                                                          \
    }
#define DEFINE_BOTH(finish) DEFINE_STRIPS(4, finish) DEFINE_STRIPS(1, finish)
DEFINE_BOTH(UNSOLVED)
DEFINE_BOTH(TIMES)
DEFINE_BOTH(OVER)
DEFINE_BOTH(ONES)

typedef void StripsFn(Rows *t, size_t width);

/* [finish][whether of several rows] */
static StripsFn *const strips[4][2] = {{strips_1_UNSOLVED, strips_4_UNSOLVED},
                                       {strips_1_TIMES, strips_4_TIMES},
                                       {strips_1_OVER, strips_4_OVER},
                                       {strips_1_ONES, strips_4_ONES}};
