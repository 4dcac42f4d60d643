/* The product c = start + a b, on tiles of c held in registers (gemm_tile.inl).
 *
 * A tile reads b by rows, so b is read in place where its rows are contiguous and it is small or little
 * used, and otherwise packed into a workspace, PACK_K rows by PACK_N columns at a time. Of a large product
 * a is packed too, as many rows at a time as half the second cache holds; the columns of b that all these
 * rows are multiplied by stay in the first meanwhile (Goto and van de Geijn 2008, "Anatomy of
 * high-performance matrix multiplication").
 *
 * However it is cut, an element of c is one chain of multiply-adds from start in ascending k. Only a
 * column, or a row times a transposed matrix, is a sum of lanes (dots below). */
#define HC_CONTRACT /* products may */
#include "kernels/turn.h"
#include "kernels/vector.h"

#include "kernels/gemm_tile.inl"

enum {
    PACK_K = 256,
    PACK_N = 4096 / sizeof(HC_REAL),
    PACK_STEP = MOST_ROWS > 2 ? 8 : 2,
    IN_PLACE = 256 * 1024 / sizeof(HC_REAL), /* numbers of b that the second cache holds easily */
    FEW_ROWS = 2 * MOST_ROWS                 /* too few to be worth packing b for */
};

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

/* The next step through `left`, at most `most` at a time and the last two alike. */
static size_t share(size_t left, size_t most) {
    return left <= most ? left : left < 2 * most ? (left + 1) / 2 : most;
}

#include "kernels/gemm_narrow.inl"

/* ---- columns by rows, in tiles --------------------------------------------------------------- */

typedef struct Block {
    size_t vectors, width; /* width in numbers, at most vectors * V */
    End end;
} Block;

/* What of a product's operands is packed, by pack_a and pack_b. */
typedef struct Layout {
    bool packed_a, packed_b;
} Layout;

/* The next block of columns of `left`: two vectors, or three where else one would be left alone; a's packed rows are
 * too many for three, unless there are registers for these. */
static Block next_block(size_t left, Layout layout) {
    const bool threes = !layout.packed_a || HC_VECTOR_REGISTERS == 32;
    const size_t vectors = (left + V - 1) / V;
    if (HC_LANE_TILES && layout.packed_a && vectors > 4) return (Block){3, 3 * V, END_WHOLE};
    if (vectors > 3 || (vectors == 3 && !threes)) return (Block){2, 2 * V, END_WHOLE};
    const size_t last = left - (vectors - 1) * V;
    return (Block){vectors, left,
                   last == V                           ? END_WHOLE
                   : HC_VECTOR_HALVES && 2 * last <= V ? END_HALF
                                                       : END_SOME};
}

/* Asks for the lines of c that the next tile begins with. */
static void ask_for(const HC_REAL *c, size_t ldc, size_t rows, size_t width) {
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < width; j += 64 / sizeof(HC_REAL))
            vec_prefetch(c + i * ldc + j);
}

/* The tile of so many rows. */
static TileFn *tile_for(const Block *block, size_t rows, bool packed_a) {
#if HC_LANE_TILES
    if (packed_a && rows == MOST_ROWS) return lane_tiles[block->end][block->vectors - 1];
#else
    (void)packed_a;
#endif
    return tiles[block->end][block->vectors - 1][rows - 1];
}

/* One block of columns of c. Tiles are handed on by address: copying one that was just written, by wider loads,
 * would stall. */
HC_INLINE void column_of_tiles(size_t m, const Block *block, Tile *t, Layout layout) {
    const size_t most = block->vectors == 3 && !layout.packed_a ? MOST_ROWS_OF_3 : MOST_ROWS;
    for (size_t left = m; left > 0;) {
        const size_t rows = share(left, most);
        t->down = layout.packed_a ? PACK_STEP * t->k : rows * t->row;
        if (layout.packed_a) ask_for(t->c + rows * t->ldc, t->ldc, least(left - rows, rows), block->width);
        const size_t at_least = layout.packed_a ? left : left < 2 * most ? rows : 2 * most;
        left = tile_for(block, rows, layout.packed_a)(t, left, at_least);
    }
}

/* The whole of c, a block of columns after the other. */
HC_INLINE void all_tiles(size_t m, size_t n, Tile *t, Layout layout) {
    const HC_REAL *a = t->a, *start = t->start;
    HC_REAL *c = t->c;
    for (size_t j = 0; j < n;) {
        const Block block = next_block(n - j, layout);
        t->lanes = vec_lanes(block.width - (block.vectors - 1) * V);
        if (layout.packed_b) t->ldb = block.vectors * V;
        t->a = a;
        t->c = c + j;
        t->start = start ? start + j : NULL;
        column_of_tiles(m, &block, t, layout);
        t->b += layout.packed_b ? block.vectors * V * t->k : block.width;
        j += block.width;
    }
}

#include "kernels/gemm_pack.inl"

/* ---- a side of 1 -------------------------------------------------------------------------------- */

/* c[j * sc] = start[j * ss] + the product of row j of x and y, k numbers each: up to four rows, every row
 * in V lanes. */
HC_INLINE void dot_rows(const size_t R, size_t k, const HC_REAL *x, size_t step, const HC_REAL *y,
                        const HC_REAL *start, size_t ss, HC_REAL *c, size_t sc) {
    Vec sum[4] = {0};
    size_t p = 0;
    for (; p + V <= k; p += V) {
        const Vec yv = vec_load(y + p);
        UNROLL for (size_t j = 0; j < R; j++) sum[j] =
            vec_add_product(sum[j], vec_load(x + j * step + p), yv);
    }
    if (p < k) {
        const Lanes lanes = vec_lanes(k - p);
        const Vec yv = vec_load_some(y + p, lanes);
        UNROLL for (size_t j = 0; j < R; j++) sum[j] =
            vec_add_product(sum[j], vec_load_some(x + j * step + p, lanes), yv);
    }
    UNROLL for (size_t j = 0; j < R; j++) {
        const HC_REAL s = vec_sum(sum[j]);
        c[j * sc] = start ? start[j * ss] + s : s;
    }
}

static void dots(size_t n, size_t k, const HC_REAL *x, size_t step, const HC_REAL *y,
                 const HC_REAL *start, size_t ss, HC_REAL *c, size_t sc) {
    size_t j = 0;
    for (; j + 4 <= n; j += 4, x += 4 * step, c += 4 * sc, start = start ? start + 4 * ss : NULL)
        dot_rows(4, k, x, step, y, start, ss, c, sc);
    for (; j < n; j++, x += step, c += sc, start = start ? start + ss : NULL)
        dot_rows(1, k, x, step, y, start, ss, c, sc);
}

/* One row of c from contiguous rows of b. */
static void one_row(size_t n, Tile *t) {
    const size_t wide = ROW_VECTORS * V;
    size_t j = 0;
    for (; n - j >= wide; j += wide, t->b += wide, t->c += wide) {
        row_tile(t);
        if (t->start) t->start += wide;
    }
    if (j < n) all_tiles(1, n - j, t, (Layout){0});
}

/* y of a dot as contiguous numbers. */
static const HC_REAL *contiguous(size_t k, const HC_REAL *y, size_t step, HC_REAL *room) {
    if (step == 1) return y;
    for (size_t p = 0; p < k; p++)
        room[p] = y[p * step];
    return room;
}

/* ---- the whole --------------------------------------------------------------------------------- */

/* The ways to a product; which one depends on the sizes and strides only. */
typedef enum Way {
    NOTHING_TO_ADD,
    COLUMN_OF_DOTS,
    ROW_OF_DOTS,
    COLUMN_AS_ROW,
    ROW,
    NARROW_STRIPS,
    TURNED_TILES,
    TILES
} Way;

/* Whether vectors of so many numbers are full, but for a fifth at most. */
static bool fills_vectors(size_t n) {
    const size_t unit = HC_VECTOR_HALVES ? V / 2 : V, units = (n + unit - 1) / unit;
    return 5 * n >= 4 * units * unit;
}

/* Whether vectors along the columns would not be full, and along the rows are. */
static bool too_narrow(size_t m, size_t n, size_t k) {
    return n <= 2 * V && !fills_vectors(n) && m >= 2 * V && k >= V;
}

/* Whether rows of a are multiplied as they are turned: columns would leave a fifth of their vectors empty, and the rows
 * do not all fall on the same lines of the first cache. */
static bool in_strips(const HcGemm *g) {
#if HC_NARROW_STRIPS
    const size_t n = g->n, vectors = (n + V - 1) / V;
    return n > 1 && n <= MOST_NARROW && 5 * n < 4 * vectors * V && g->m >= 2 * V && g->k >= V && g->a.col == 1 &&
           g->a.row * sizeof(HC_REAL) % 4096 > 0;
#else
    (void)g;
    return false;
#endif
}

/* Whether the turned product has less to pack, what is turned of start and c counted. */
static bool packs_less_turned(const HcGemm *g) {
    const size_t rows_of_a = g->a.col == 1 ? g->m * g->k : 0; /* else they are packed already */
    return g->b.col != 1 && fills_vectors(g->m) && rows_of_a + 2 * g->m * g->n < g->n * g->k;
}

static Way way(const HcGemm *g) {
    const size_t m = g->m, n = g->n, k = g->k;
    if (in_strips(g)) return NARROW_STRIPS;
    if (m > 1 && n > 1 && k > 0)
        return too_narrow(m, n, k) || packs_less_turned(g) ? TURNED_TILES : TILES;
    if (m == 0 || n == 0 || k == 0) return NOTHING_TO_ADD;
    if (n == 1 && m > 1 && k > 1) {
        if (g->a.col == 1) return COLUMN_OF_DOTS;
        if (g->ldc == 1) return COLUMN_AS_ROW;
    }
    if (m == 1 && n > 1 && k > 1 && g->b.col != 1) return ROW_OF_DOTS;
    return m == 1 && g->b.col == 1 ? ROW : TILES;
}

static HcMatrix transposed(HcMatrix a) {
    return (HcMatrix){a.data, a.col, a.row};
}

/* c^T = start^T + b^T a^T */
static HcGemm turned(const HcGemm *g) {
    return (HcGemm){.m = g->n, .n = g->m, .k = g->k, .a = transposed(g->b), .b = transposed(g->a)};
}

/* How many rows of a are packed at a time, whole tiles: the second cache has room for twice as many. */
static size_t rows_packed(size_t m, size_t k) {
    const size_t tile = least(k, PACK_K) * PACK_STEP * sizeof(HC_REAL);
    const size_t most = hc_second_cache() / 2 / tile, all = (m + MOST_ROWS - 1) / MOST_ROWS;
    return MOST_ROWS * share(all, most > 1 ? most : 1);
}

/* Workspace of tiles, in numbers. */
static size_t tiles_workspace(const HcGemm *g) {
    if (!packs_b(g->m, g->n, g->k, &g->b)) return 0;
    const size_t tiles_of_a = packs_a(g->m, g->n, g->k) ? rows_packed(g->m, g->k) / MOST_ROWS : 0;
    return room_for_b(g->n, g->k) + tiles_of_a * PACK_STEP * least(g->k, PACK_K);
}

static size_t turned_workspace(const HcGemm *g) {
    const HcGemm t = turned(g);
    return g->m * g->n + tiles_workspace(&t);
}

size_t HC_NAMED(gemm_workspace)(const HcGemm *g) {
    size_t numbers = 0;
    switch (way(g)) {
    case COLUMN_OF_DOTS:
        numbers = g->b.row == 1 ? 0 : g->k;
        break;
    case ROW_OF_DOTS:
        numbers = g->a.col == 1 ? 0 : g->k;
        break;
    case NARROW_STRIPS:
        numbers = narrow_room(g);
        break;
    case TURNED_TILES:
        numbers = turned_workspace(g);
        break;
    case TILES:
        numbers = tiles_workspace(g);
        break;
    default:
        break;
    }
    return numbers * sizeof(HC_REAL);
}

/* c = start. */
static void begin(const HcGemm *g) {
    const HC_REAL *start = g->start;
    HC_REAL *c = g->c;
    if (start == c && g->lds == g->ldc) return;
    for (size_t i = 0; i < g->m; i++)
        for (size_t j = 0; j < g->n; j++)
            c[i * g->ldc + j] = start ? start[i * g->lds + j] : 0;
}

/* How many rows of c are computed at a time: all, but where a short k makes many of them, so far apart that they fall
 * on few lines of the first cache: then as many as do not push each other out, if the packed b stays there beside them.
 * Wider vectors write more in the same time. */
static size_t rows_together(const HcGemm *g, bool packed_b) {
    const size_t bytes = g->ldc * sizeof(HC_REAL), spread = HC_VECTOR_BYTES == 64 ? 65536 : 196608;
    const bool push = packed_b && bytes % 2048 == 0 && g->m * bytes >= spread && g->n >= 8 * V;
    if (!push || g->n * g->k * sizeof(HC_REAL) > 49152) return g->m;
    return bytes % 4096 == 0 ? MOST_ROWS : 2 * MOST_ROWS;
}

/* The whole at once, a where it is. */
static void in_one_block(const HcGemm *g, bool packed_b) {
    const Layout layout = {.packed_b = packed_b};
    Tile t; /* all_tiles sets what is left; zeros first would take longer than a small tile's row */
    const HC_REAL *a = g->a.data, *b = packed_b ? g->workspace : g->b.data, *start = g->start;
    HC_REAL *c = g->c;
    t.k = g->k;
    t.row = g->a.row;
    t.col = g->a.col;
    t.ldb = g->b.row;
    t.lds = g->lds;
    t.ldc = g->ldc;
    if (packed_b) pack_b(g->workspace, g->b.data, g->b.row, g->b.col, g->k, g->n, layout);
    for (size_t i = 0, rows, most = rows_together(g, packed_b); i < g->m; i += rows) {
        rows = share(g->m - i, most);
        t.a = a + i * t.row;
        t.b = b;
        t.c = c + i * t.ldc;
        t.start = start ? start + i * t.lds : NULL;
        all_tiles(rows, g->n, &t, layout);
    }
}

/* Blocks of the product, each with what it needs packed into the workspace. */
static void in_blocks(const HcGemm *g, bool packed_b) {
    const size_t m = g->m, n = g->n, k = g->k;
    const bool by_rows = g->a.col == 1;
    const bool packed_a = packed_b && packs_a(m, n, k);
    const Layout layout = {.packed_a = packed_a, .packed_b = packed_b};
    const HC_REAL *a = g->a.data, *b = g->b.data, *start = g->start;
    HC_REAL *c = g->c, *room_b = g->workspace, *room_a = packed_a ? room_b + room_for_b(n, k) : NULL;
    const size_t most_rows = packed_a ? rows_packed(m, k) : m, most_columns = packed_b ? PACK_N : n;
    Tile t = {.ldb = g->b.row, .ldc = g->ldc};
    for (size_t j = 0, nb; j < n; j += nb) {
        nb = least(n - j, most_columns);
        for (size_t p = 0; p < k; p += t.k) {
            t.k = share(k - p, PACK_K);
            const HC_REAL *block = b + p * g->b.row + j * g->b.col;
            if (packed_b) pack_b(room_b, block, g->b.row, g->b.col, t.k, nb, layout);
            for (size_t i = 0, mb; i < m; i += mb) {
                mb = least(m - i, most_rows);
                t.a = a + i * g->a.row + p * g->a.col;
                t.row = g->a.row;
                t.col = g->a.col;
                if (packed_a) {
                    if (by_rows)
                        pack_rows(room_a, t.a, t.row, mb, t.k);
                    else
                        pack_columns(room_a, t.a, t.col, mb, t.k);
                    t.a = room_a;
                    t.row = 1;
                    t.col = PACK_STEP;
                }
                t.b = packed_b ? room_b : block;
                t.c = c + i * t.ldc + j;
                t.start = p > 0 ? t.c : start ? start + i * g->lds + j : NULL;
                t.lds = p > 0 ? t.ldc : g->lds;
                all_tiles(mb, nb, &t, layout);
            }
        }
    }
}

static void in_tiles(const HcGemm *g) {
    const size_t m = g->m, n = g->n, k = g->k;
    const bool packed_b = packs_b(m, n, k, &g->b);
    if (n * k > IN_PLACE || (packed_b && (k > PACK_K || n > PACK_N || packs_a(m, n, k))))
        in_blocks(g, packed_b);
    else
        in_one_block(g, packed_b);
}

/* The transposed product in the workspace: the same sums. */
static void in_turned_tiles(const HcGemm *g) {
    const HC_REAL *start = g->start;
    const size_t m = g->m, n = g->n;
    HC_REAL *workspace = g->workspace;
    HcGemm t = turned(g);
    if (start) {
        for (size_t j = 0; j < n; j++)
            for (size_t i = 0; i < m; i++)
                workspace[j * m + i] = start[i * g->lds + j];
        t.start = workspace;
        t.lds = m;
    }
    t.c = workspace;
    t.ldc = m;
    t.workspace = workspace + m * n;
    in_tiles(&t);
    turn(g->c, g->ldc, workspace, m, n, m);
}

static void column_of_dots(const HcGemm *g) {
    dots(g->m, g->k, g->a.data, g->a.row, contiguous(g->k, g->b.data, g->b.row, g->workspace),
         g->start, g->lds, g->c, g->ldc);
}

static void row_of_dots(const HcGemm *g) {
    dots(g->n, g->k, g->b.data, g->b.col, contiguous(g->k, g->a.data, g->a.col, g->workspace),
         g->start, 1, g->c, 1);
}

/* c has one row: start + a b. */
static void in_row(const HcGemm *g) {
    Tile t;
    t.k = g->k;
    t.a = g->a.data;
    t.row = t.lds = t.ldc = 0;
    t.col = g->a.col;
    t.b = g->b.data;
    t.ldb = g->b.row;
    t.start = g->start;
    t.c = g->c;
    t.lanes = vec_lanes(0); /* until one_row comes to the end */
    one_row(g->n, &t);
}

/* A dense column is the row of the transposed product. */
static void column_as_row(const HcGemm *g) {
    HcGemm t = turned(g);
    t.c = g->c;
    t.start = g->start;
    if (g->start && g->lds != 1) {
        begin(g);
        t.start = g->c;
    }
    in_row(&t);
}

static void (*const ways[])(const HcGemm *g) = {[NOTHING_TO_ADD] = begin,
                                                [COLUMN_OF_DOTS] = column_of_dots,
                                                [ROW_OF_DOTS] = row_of_dots,
                                                [COLUMN_AS_ROW] = column_as_row,
                                                [ROW] = in_row,
#if HC_NARROW_STRIPS
                                                [NARROW_STRIPS] = in_narrow_strips,
#endif
                                                [TURNED_TILES] = in_turned_tiles,
                                                [TILES] = in_tiles};

void HC_NAMED(gemm)(const HcGemm *g) {
    ways[way(g)](g);
}
