/* Convolution and its two gradients over images stored channels last.
 *
 * Forward and gradient to the input are one implicit product: a tile of ROWS pixels times some vectors of
 * channels is held in registers while taps and source channels run, each row reading its source pixel
 * through a pointer (to zeros outside the image), so no image is unfolded or padded. The gradient to
 * the weight is for each tap a product over the pixels. Source images with very few channels are
 * unfolded some pixels at a time, so that the inner loop stays long.
 *
 * However it is cut, an element is one chain of multiply-adds: from `start`, in ascending tap and, within
 * that, channel; of a weight in ascending pixels. It does not depend on how the weight is stored. */
#define HC_CONTRACT /* products may */
#include "kernels/turn.h"
#include "kernels/vector.h"

#include "kernels/conv_walk.inl"

#if defined(__GNUC__) && !defined(__clang__)
#define UNROLL _Pragma("GCC unroll 16")
#else
#define UNROLL
#endif

enum {
    ROWS = HC_VECTOR_REGISTERS == 32 ? 12
           : HC_VECTOR_BYTES == 32   ? 6
                                     : 4,
    WIDE = 2,                                      /* vectors of a tile */
    SUM_ROWS = HC_VECTOR_REGISTERS == 32 ? 8 : 4,  /* of a tile of a weight's gradient */
    FLAT_ROWS = HC_VECTOR_REGISTERS == 32 ? 9 : 3, /* the same of unfolded images: 3 x 3 taps */
    SUM_MOST = 9,
    SUM_WIDE = HC_VECTOR_BYTES == 32 ? 3 : 2,
    PIXELS = 128,     /* of one pass over a weight's gradient, and of what is unfolded at a time */
    TAP_PIXELS = 640, /* of one pass tap by tap, so that few tiles are not full */
    FLAT = ROWS * (PIXELS / ROWS) /* unfolded pixels that are whole tiles */
};

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

/* ---- the weight ------------------------------------------------------------------------------- */

/* As the tiles read it: the results of (tap, channel) are contiguous. */
typedef struct Filter {
    const HC_REAL *data;
    size_t tap, channel; /* strides */
} Filter;

/* Brings a group's weight, whose element (result, channel, tap) has the strides given, into that order:
 * in place if it is so already, else copied to `to`. */
static Filter filter_of(const Walk *w, const HC_REAL *from, size_t result, size_t channel,
                        size_t tap, HC_REAL *to) {
    size_t n = w->results, k = w->channels, taps = w->taps;
    if (result == 1 && !unfolds(w)) return (Filter){from, tap, channel};
    if (tap == 1 && !unfolds(w)) {
        if (channel == taps)
            turn(to, n, from, result, n, k * taps);
        else
            for (size_t c = 0; c < k; c++)
                turn(to + c * taps * n, n, from + c * channel, result, n, taps);
        return (Filter){to, n, taps * n};
    }
    for (size_t t = 0; t < taps; t++)
        if (channel == 1)
            turn(to + t * k * n, n, from + t * tap, result, n, k);
        else
            for (size_t c = 0; c < k; c++)
                for (size_t j = 0; j < n; j++)
                    to[(t * k + c) * n + j] = from[j * result + c * channel + t * tap];
    return (Filter){to, k * n, n};
}

/* ---- tiles of the target ---------------------------------------------------------------------- */

typedef struct Tile {
    size_t taps, channels;
    const HC_REAL *const *rows; /* [tap][ROWS], or NULL: */
    const HC_REAL *unfolded;    /* [channel][PIXELS], of one tap that stands for all */
    const HC_REAL *weight;
    size_t tap, channel;         /* its strides */
    const HC_REAL *const *start; /* of each row; NULL: zeros */
    HC_REAL *const *to;
    size_t live;  /* rows that count */
    size_t first; /* result */
    Lanes lanes;
} Tile;

typedef void TileFn(const Tile *t);

HC_INLINE Vec end_load(const HC_REAL *from, bool whole, Lanes lanes) {
    return whole ? vec_load(from) : vec_load_some(from, lanes);
}

/* C vectors wide, the last one whole or not; of rows or of what is unfolded. */
HC_INLINE void tile(const size_t C, const bool whole, const bool flat, const Tile *t) {
    const size_t channels = t->channels, step = t->channel;
    const Lanes lanes = t->lanes;
    Vec sum[ROWS][WIDE] = {0};
    if (t->start) {
        UNROLL for (size_t i = 0; i < ROWS; i++) {
            const HC_REAL *from = t->start[i < t->live ? i : 0] + t->first;
            UNROLL for (size_t j = 0; j < C; j++) sum[i][j] =
                end_load(from + j * V, whole || j + 1 < C, lanes);
        }
    }
    for (size_t tap = 0; tap < t->taps; tap++) {
        const HC_REAL *const *rows = flat ? NULL : t->rows + tap * ROWS;
        const HC_REAL *unfolded = t->unfolded;
        const HC_REAL *weight = t->weight + tap * t->tap + t->first;
        for (size_t c = 0; c < channels; c++, weight += step) {
            Vec wv[WIDE];
            UNROLL for (size_t j = 0; j < C; j++) wv[j] =
                end_load(weight + j * V, whole || j + 1 < C, lanes);
            UNROLL for (size_t i = 0; i < ROWS; i++) {
                const Vec s = vec_splat(flat ? unfolded + i : rows[i] + c);
                UNROLL for (size_t j = 0; j < C; j++) sum[i][j] =
                    vec_add_product(sum[i][j], s, wv[j]);
            }
            if (flat) unfolded += PIXELS;
        }
    }
    UNROLL for (size_t i = 0; i < ROWS; i++) {
        if (i >= t->live) break;
        HC_REAL *to = t->to[i] + t->first;
        UNROLL for (size_t j = 0; j < C; j++) {
            if (whole || j + 1 < C)
                vec_store(to + j * V, sum[i][j]);
            else
                vec_store_some(to + j * V, sum[i][j], lanes);
        }
    }
}

#define TILE(name, C, whole, flat)                                                                 \
    static void name(const Tile *t) {                                                              \
        tile(C, whole, flat, t);                                                                   \
    }
TILE(tile_1, 1, true, false)
TILE(tile_2, 2, true, false)
TILE(tile_1_some, 1, false, false)
TILE(tile_2_some, 2, false, false)
TILE(flat_1, 1, true, true)
TILE(flat_2, 2, true, true)
TILE(flat_1_some, 1, false, true)
TILE(flat_2_some, 2, false, true)

/* All results of one tile of pixels. */
static void across(Tile t, size_t results) {
    static TileFn *const fn[2][WIDE][2] = {{{tile_1_some, tile_1}, {tile_2_some, tile_2}},
                                           {{flat_1_some, flat_1}, {flat_2_some, flat_2}}};
    for (t.first = 0; t.first < results;) {
        size_t width = least(results - t.first, WIDE * V), vectors = (width + V - 1) / V;
        bool whole = width % V == 0;
        t.lanes = vec_lanes(whole ? V - 1 : width % V);
        fn[t.rows == NULL][vectors - 1][whole](&t);
        t.first += width;
    }
}

/* What a pass over the target of one group works with. */
typedef struct Pass {
    const Walk *walk;
    Filter filter;
    const HC_REAL *from, *start, *zeros;
    HC_REAL *to;
    size_t start_step;
    size_t pixel, last; /* of the target: where it begins and ends */
    void *workspace;
} Pass;

static Pixel first_pixel(const Pass *p) {
    const size_t width = p->walk->width, size = p->walk->height * width;
    if (p->pixel == 0 || size == 0) return (Pixel){0, 0, 0};
    return (Pixel){p->pixel / size, p->pixel % size / width, p->pixel % width};
}

/* The places of a pixel's results, and where their sums start. */
static void find_target(const Pass *p, size_t pixel, HC_REAL **to, const HC_REAL **start) {
    *to = p->to + pixel * p->walk->step;
    *start = p->start ? p->start + pixel * p->start_step : NULL;
}

/* Tile after tile, all taps. Workspace: the rows' sources. */
static void by_tiles(const Pass *p) {
    const Walk *w = p->walk;
    const size_t pixels = p->last;
    const HC_REAL **sources = p->workspace, *start[ROWS];
    HC_REAL *to[ROWS];
    Tile t = {w->taps,
              w->channels,
              sources,
              NULL,
              p->filter.data,
              p->filter.tap,
              p->filter.channel,
              p->start ? start : NULL,
              to,
              .live = 0};
    for (size_t i = 0; i < ROWS * w->taps; i++)
        sources[i] = p->zeros;
    Pixel at = first_pixel(p);
    for (size_t first = p->pixel; first < pixels; first += ROWS) {
        t.live = least(ROWS, pixels - first);
        for (size_t i = 0; i < t.live; i++, next_pixel(w, &at)) {
            find_sources(w, &at, p->from, p->zeros, sources + i, ROWS);
            find_target(p, first + i, &to[i], &start[i]);
        }
        across(t, w->results);
    }
}

/* The same of images with few channels. Workspace: some pixels unfolded. */
static void by_unfolded(const Pass *p) {
    const Walk *w = p->walk;
    const size_t pixels = p->last, length = w->taps * w->channels;
    HC_REAL *unfolded = p->workspace, *to[ROWS];
    const HC_REAL *start[ROWS];
    Pixel at = first_pixel(p);
    for (size_t i = 0; i < PIXELS * length; i++)
        unfolded[i] = 0;
    for (size_t first = p->pixel; first < pixels; first += FLAT) {
        const size_t count = least(FLAT, pixels - first);
        unfold(w, &at, count, p->from, unfolded, PIXELS);
        for (size_t i = 0; i < count; i += ROWS) {
            const size_t live = least(ROWS, count - i);
            for (size_t k = 0; k < live; k++)
                find_target(p, first + i + k, &to[k], &start[k]);
            across((Tile){1, length, NULL, unfolded + i, p->filter.data, 0, p->filter.channel,
                          p->start ? start : NULL, to, .live = live},
                   w->results);
        }
    }
}

/* Pixels that one list of tiles goes over; in the workspace, for a stack may be small. */
typedef struct Picked {
    const HC_REAL *source[TAP_PIXELS + ROWS], *start[TAP_PIXELS];
    HC_REAL *to[TAP_PIXELS];
    size_t count;
} Picked;

enum { PICKED = (sizeof(Picked) + sizeof(void *) - 1) / sizeof(void *) }; /* in pointers */

/* Whole tiles of pixels that find a source under each tap: source is that under the first. */
static void whole_pixels(const Pass *p, const Picked *picked, const HC_REAL **rows) {
    const Walk *w = p->walk;
    for (size_t i = 0; i < picked->count; i += ROWS) {
        for (size_t k = 0; k < ROWS; k++)
            for (size_t t = 0; t < w->taps; t++)
                rows[t * ROWS + k] = picked->source[i + k] + w->distance[t];
        across((Tile){w->taps, w->channels, rows, NULL, p->filter.data, p->filter.tap,
                      p->filter.channel, p->start ? picked->start + i : NULL, picked->to + i,
                      .live = ROWS},
               w->results);
    }
}

/* One tap of pixels that find a source under it; it adds to what is there. */
static void one_tap(const Pass *p, size_t tap, Picked *picked) {
    const Walk *w = p->walk;
    for (size_t i = 0; i < ROWS; i++)
        picked->source[picked->count + i] = p->zeros;
    for (size_t i = 0; i < picked->count; i += ROWS)
        across((Tile){1, w->channels, picked->source + i, NULL,
                      p->filter.data + tap * p->filter.tap, 0, p->filter.channel, picked->start + i,
                      picked->to + i, .live = least(ROWS, picked->count - i)},
               w->results);
}

/* Others: for one tap after another. */
typedef struct Others {
    const HC_REAL **sources; /* [tap][TAP_PIXELS] */
    HC_REAL *to[TAP_PIXELS];
    size_t count;
} Others;

static void put_other(const Pass *p, Others *others, HC_REAL *to, const HC_REAL *start) {
    if (start != to)
        for (size_t i = 0; i < p->walk->results; i++)
            to[i] = start ? start[i] : 0;
    others->to[others->count++] = to;
}

/* Finds what to do with `count` pixels from one on. */
static void sort_pixels(const Pass *p, size_t first, size_t count, Pixel *at, Picked *whole,
                        Others *others) {
    const Walk *w = p->walk;
    whole->count = others->count = 0;
    for (size_t i = 0; i < count; i++, next_pixel(w, at)) {
        const size_t k = whole->count;
        const HC_REAL *start;
        HC_REAL *to;
        find_target(p, first + i, &to, &start);
        whole->source[k] = whole_source(w, at, p->from);
        whole->start[k] = start;
        whole->to[k] = to;
        whole->count += whole->source[k] != NULL;
        if (whole->source[k]) continue;
        find_sources(w, at, p->from, p->zeros, others->sources + others->count, TAP_PIXELS);
        put_other(p, others, to, start);
    }
    for (; whole->count % ROWS != 0;) {
        const size_t k = --whole->count;
        for (size_t t = 0; t < w->taps; t++)
            others->sources[t * TAP_PIXELS + others->count] = whole->source[k] + w->distance[t];
        put_other(p, others, whole->to[k], whole->start[k]);
    }
}

/* Some pixels at a time: whole tiles of those that find all their sources, then the others tap after tap, each
 * with those only for which it finds one. Workspace: a Picked, the sources of a tile's rows, and of the
 * others. */
static void by_taps(const Pass *p) {
    const Walk *w = p->walk;
    const size_t pixels = p->last;
    Picked *picked = p->workspace;
    const HC_REAL **rows = (const HC_REAL **)p->workspace + PICKED;
    Others others;
    Pixel at = first_pixel(p);
    others.sources = rows + ROWS * w->taps;
    for (size_t first = p->pixel; first < pixels; first += TAP_PIXELS) {
        sort_pixels(p, first, least(TAP_PIXELS, pixels - first), &at, picked, &others);
        whole_pixels(p, picked, rows);
        for (size_t tap = 0; tap < w->taps; tap++) {
            picked->count = 0;
            for (size_t i = 0; i < others.count; i++) {
                const size_t k = picked->count;
                picked->source[k] = others.sources[tap * TAP_PIXELS + i];
                picked->start[k] = picked->to[k] = others.to[i];
                picked->count += picked->source[k] != p->zeros;
            }
            one_tap(p, tap, picked);
        }
    }
}

/* Workspace: what walk_of writes, zeros, the weight, and a pass's own. */
static void run(const HcConv *g, bool back, HC_REAL *to, const HC_REAL *from, const HC_REAL *weight,
                const HC_REAL *start, size_t start_step, size_t first, size_t last, void *workspace) {
    void *rest;
    const Walk w = walk_of(g, back, workspace, &rest);
    const HC_REAL **sources = rest;
    const size_t pointers = w.sparse ? PICKED + (ROWS + TAP_PIXELS) * w.taps : ROWS * w.taps;
    HC_REAL *unfolded = (HC_REAL *)(sources + pointers);
    HC_REAL *zeros = unfolded + (unfolds(&w) ? PIXELS * w.taps * w.channels : 0);
    HC_REAL *packed = zeros + w.channels;
    for (size_t c = 0; c < w.channels; c++)
        zeros[c] = 0;
    for (size_t group = 0; group < w.groups; group++) {
        const HC_REAL *own = weight + group * (g->o / g->groups) * g->w_out;
        const Pass p = {.walk = &w,
                        .filter = filter_of(&w, own, back ? g->w_in : g->w_out,
                                            back ? g->w_out : g->w_in, g->w_tap, packed),
                        .from = from + group * w.channels,
                        .start = start ? start + group * w.results : NULL,
                        .zeros = zeros,
                        .to = to + group * w.results,
                        .start_step = start_step,
                        .pixel = first,
                        .last = last,
                        .workspace = unfolds(&w) ? (void *)unfolded : (void *)sources};
        if (unfolds(&w))
            by_unfolded(&p);
        else if (w.sparse)
            by_taps(&p);
        else
            by_tiles(&p);
    }
}

void HC_NAMED(conv)(const HcConv *g, void *y, const void *x, const void *weight, const void *start,
                    size_t start_step, size_t first, size_t last, void *workspace) {
    run(g, false, y, x, weight, start, start_step, first, last, workspace);
}

void HC_NAMED(conv_input)(const HcConv *g, void *gx, const void *gy, const void *weight,
                          const void *start, size_t start_step, size_t first, size_t last, void *workspace) {
    run(g, true, gx, gy, weight, start, start_step, first, last, workspace);
}

/* ---- gradient to the weight ----------------------------------------------------------------------- */

#include "kernels/conv_weight.inl"

/* Workspace: what walk_of writes, the sources of a pass, pairs, places of the sums, unfolded rows. */
void HC_NAMED(conv_weight)(const HcConv *g, void *gw_, const void *gy_, const void *x_, bool add,
                           HcSpan taps, HcSpan results, void *workspace) {
    HC_REAL *gw = gw_;
    const HC_REAL *gy = gy_, *x = x_;
    void *rest;
    const Walk w = walk_of(g, false, workspace, &rest);
    const bool flat = unfolds(&w);
    const size_t pixels = w.images * w.height * w.width;
    const HC_REAL **sources = rest;
    Pair *pair = (Pair *)(sources + PIXELS * w.taps);
    HC_REAL **to = (HC_REAL **)(pair + PIXELS);
    HC_REAL *zeros = (HC_REAL *)(to + w.taps * w.channels), *unfolded = zeros + w.channels;
    for (size_t c = 0; c < w.channels; c++)
        zeros[c] = 0;
    for (size_t group = 0; group < w.groups; group++) {
        for (size_t t = 0; t < w.taps; t++)
            for (size_t c = 0; c < w.channels; c++)
                to[t * w.channels + c] =
                    gw + group * w.results * g->w_out + t * g->w_tap + c * g->w_in;
        Pixel at = {0, 0, 0};
        size_t first = 0;
        do { /* once at least: without a pixel the gradient is zero */
            size_t count = least(PIXELS, pixels - first);
            const HC_REAL *cotangent = gy + first * w.step + group * w.results;
            Sum s = {.pair = pair, .fresh = first == 0 && !add};
            if (flat) {
                unfold(&w, &at, count, x + group * w.channels, unfolded, PIXELS);
                for (size_t i = 0; i < count; i++)
                    pair[i] = (Pair){unfolded + i + taps.first * w.channels * PIXELS,
                                     cotangent + i * w.step};
                s.count = count;
                s.to = to + taps.first * w.channels;
                sum_pairs(s, (taps.last - taps.first) * w.channels, results, of_unfolded);
            } else {
                for (size_t i = 0; i < count; i++, next_pixel(&w, &at))
                    find_sources(&w, &at, x + group * w.channels, zeros, sources + i, PIXELS);
            }
            for (size_t t = taps.first; !flat && t < taps.last; t++) {
                s.count = 0;
                for (size_t i = 0; i < count; i++) {
                    const HC_REAL *source = sources[t * PIXELS + i];
                    if (source != zeros) pair[s.count++] = (Pair){source, cotangent + i * w.step};
                }
                s.to = to + t * w.channels;
                sum_pairs(s, w.channels, results, of_pixels);
            }
            first += count;
        } while (first < pixels);
    }
}

size_t HC_NAMED(conv_workspace)(const HcConv *g) {
    size_t taps = g->kh * g->kw, c = g->c / g->groups, o = g->o / g->groups;
    size_t most = c > o ? c : o;
    size_t tables = (g->h + g->p) * (g->kh + 1) + (g->w + g->q) * (g->kw + 1) + taps;
    size_t pointers = PICKED + (ROWS + TAP_PIXELS) * taps + taps * most;
    size_t unfolded = (size_t)PIXELS * taps * FEW_CHANNELS;
    return tables * sizeof(size_t) + pointers * sizeof(void *) + PIXELS * sizeof(Pair) +
           (2 * most + unfolded + taps * c * o) * sizeof(HC_REAL);
}
