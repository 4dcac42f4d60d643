/* The tile: R rows by C vectors of c held in registers while k runs, started from `start` and summed in
 * ascending k. R, C and how the last vector ends are constants of each instance, so that
 * all loops but that over k unroll. With HC_FEW_TILES there are fewer instances: instrumented builds
 * would take minutes. */

/* NEON multiplies by one number of a vector: where a is packed, tiles take it from there. */
#if HC_NEON && !defined(HC_FEW_TILES)
#define HC_LANE_TILES 1
#else
#define HC_LANE_TILES 0
#endif

enum {
#ifdef HC_FEW_TILES
    MOST_ROWS = 2,
    MOST_ROWS_OF_3 = 2,
#else
    MOST_ROWS = HC_VECTOR_REGISTERS == 32 ? 8 : 6,
    MOST_ROWS_OF_3 = HC_NEON                     ? 6
                     : HC_VECTOR_REGISTERS == 32 ? 8
                                                 : 4,
#endif
    MOST_VECTORS = 3,
    ROW_VECTORS = 8 /* of the instance for a single row */
};

/* How the last vector of a tile ends: whole, some of its lanes, at most half of them. */
typedef enum End { END_WHOLE, END_SOME, END_HALF, END_KINDS } End;

typedef struct Tile {
    size_t k;
    const HC_REAL *a; /* (i, p) at i * row + p * col */
    size_t down;      /* from a tile's a to that of the next */
    size_t row, col;
    const HC_REAL *b;
    size_t ldb;
    const HC_REAL *start; /* NULL: zeros */
    size_t lds;
    HC_REAL *c;
    size_t ldc;
    Lanes lanes;
} Tile;

/* One tile below the other while `at_least` of the `left` rows are left; returns how many are then. What t
 * points at moves down with them. */
typedef size_t TileFn(Tile *t, size_t left, size_t at_least);

#if defined(__GNUC__) && !defined(__clang__)
#define UNROLL _Pragma("GCC unroll 16")
#else
#define UNROLL
#endif

HC_INLINE Vec end_load(const HC_REAL *from, End end, Lanes lanes) {
    return end == END_SOME ? vec_load_some(from, lanes) : vec_load(from);
}

HC_INLINE void one_tile(const size_t R, const size_t C, const End end, const bool lane, const Tile *t,
                        const HC_REAL *a, const HC_REAL *start, HC_REAL *c) {
    const size_t whole = C - 1, k = t->k, col = t->col, ldb = t->ldb;
    const HC_REAL *b = t->b;
    const Lanes lanes = t->lanes;
    Vec sum[MOST_ROWS][ROW_VECTORS] = {0};
    Half half[MOST_ROWS] = {0};
    if (start) {
        UNROLL for (size_t i = 0; i < R; i++) {
            const HC_REAL *from = start + i * t->lds;
            UNROLL for (size_t j = 0; j < whole; j++) sum[i][j] = vec_load(from + j * V);
            if (end == END_HALF)
                half[i] = half_load_some(from + whole * V, lanes);
            else
                sum[i][whole] = end_load(from + whole * V, end, lanes);
        }
    }
    const HC_REAL *row[MOST_ROWS] = {0};
    UNROLL for (size_t i = 0; i < R; i++) row[i] = a + i * t->row;
    for (size_t p = 0, at = 0; p < k; p++, at += col, b += ldb) {
        Vec bv[ROW_VECTORS] = {0}, last = {0};
        Half half_b = {0};
        UNROLL for (size_t j = 0; j < whole; j++) bv[j] = vec_load(b + j * V);
        if (end == END_HALF)
            half_b = half_load_some(b + whole * V, lanes);
        else
            last = end_load(b + whole * V, end, lanes);
        Vec av[MOST_ROWS] = {0};
        if (lane) UNROLL for (size_t i = 0; i < R / V; i++) av[i] = vec_load(a + at + i * V);
        UNROLL for (size_t i = 0; i < R; i++) {
            const Vec s = lane ? vec_splat_lane(av[i / V], i % V) : vec_splat(row[i] + at);
            UNROLL for (size_t j = 0; j < whole; j++) sum[i][j] =
                vec_add_product(sum[i][j], s, bv[j]);
            if (end == END_HALF)
                half[i] = half_add_product(half[i], half_of(s), half_b);
            else
                sum[i][whole] = vec_add_product(sum[i][whole], s, last);
        }
    }
    UNROLL for (size_t i = 0; i < R; i++) {
        HC_REAL *to = c + i * t->ldc;
        UNROLL for (size_t j = 0; j < whole; j++) vec_store(to + j * V, sum[i][j]);
        if (end == END_HALF)
            half_store_some(to + whole * V, half[i], lanes);
        else if (end == END_SOME)
            vec_store_some(to + whole * V, sum[i][whole], lanes);
        else
            vec_store(to + whole * V, sum[i][whole]);
    }
}

HC_INLINE size_t tile(const size_t R, const size_t C, const End end, const bool lane, Tile *t, size_t left,
                      size_t at_least) {
    const HC_REAL *a = t->a, *start = t->start;
    HC_REAL *c = t->c;
    do {
        one_tile(R, C, end, lane, t, a, start, c);
        a += t->down;
        c += R * t->ldc;
        if (start) start += R * t->lds;
        left -= R;
    } while (left >= at_least);
    t->a = a;
    t->start = start;
    t->c = c;
    return left;
}

/* The instances, and the table of them: [end][C - 1][R - 1]. */
#define ROWS_TO_2(DO, C, end) DO(1, C, end) DO(2, C, end)
#define ROWS_TO_4(DO, C, end) ROWS_TO_2(DO, C, end) DO(3, C, end) DO(4, C, end)
#define ROWS_TO_6(DO, C, end) ROWS_TO_4(DO, C, end) DO(5, C, end) DO(6, C, end)
#define ROWS_TO_8(DO, C, end) ROWS_TO_6(DO, C, end) DO(7, C, end) DO(8, C, end)
#ifdef HC_FEW_TILES
#define ROWS ROWS_TO_2
#define ROWS_OF_3 ROWS_TO_2
#elif HC_VECTOR_REGISTERS == 32
#define ROWS ROWS_TO_8
#define ROWS_OF_3 ROWS_TO_8
#else
#define ROWS ROWS_TO_6
#define ROWS_OF_3 ROWS_TO_4
#endif

#define DEFINE(R, C, end)                                                                          \
    static size_t tile_##R##_##C##_##end(Tile *t, size_t left, size_t at_least) {                  \
        return tile(R, C, end, false, t, left, at_least);                                          \
    }
#define DEFINE_ALL(end) ROWS(DEFINE, 1, end) ROWS(DEFINE, 2, end) ROWS_OF_3(DEFINE, 3, end)
#define NAME(R, C, end) tile_##R##_##C##_##end,
#define NAME_ALL(end)                                                                              \
    {                                                                                              \
        {ROWS(NAME, 1, end)}, {ROWS(NAME, 2, end)}, {                                              \
            ROWS_OF_3(NAME, 3, end)                                                                \
        }                                                                                          \
    }

DEFINE_ALL(END_WHOLE)
DEFINE_ALL(END_SOME)
#if HC_VECTOR_HALVES
DEFINE_ALL(END_HALF)
#endif

static TileFn *const tiles[END_KINDS][MOST_VECTORS][MOST_ROWS] = {
    NAME_ALL(END_WHOLE),
    NAME_ALL(END_SOME),
#if HC_VECTOR_HALVES
    NAME_ALL(END_HALF),
#endif
};

#if HC_LANE_TILES
/* MOST_ROWS rows of a packed a: [end][C - 1]. */
#define DEFINE_LANES(C, end)                                                                       \
    static size_t lane_tile_##C##_##end(Tile *t, size_t left, size_t at_least) {                   \
        return tile(MOST_ROWS, C, end, true, t, left, at_least);                                   \
    }
DEFINE_LANES(1, END_WHOLE)
DEFINE_LANES(2, END_WHOLE)
DEFINE_LANES(3, END_WHOLE)
DEFINE_LANES(1, END_SOME)
DEFINE_LANES(2, END_SOME)
DEFINE_LANES(3, END_SOME)

static TileFn *const lane_tiles[][MOST_VECTORS] = {
    {lane_tile_1_END_WHOLE, lane_tile_2_END_WHOLE, lane_tile_3_END_WHOLE},
    {lane_tile_1_END_SOME, lane_tile_2_END_SOME, lane_tile_3_END_SOME},
};
#endif

/* One row by ROW_VECTORS whole vectors. */
static void row_tile(const Tile *t) {
    one_tile(1, ROW_VECTORS, END_WHOLE, false, t, t->a, t->start, t->c);
}
