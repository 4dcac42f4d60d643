/* How a convolution walks its images: which pixel of the source each tap of a pixel of the target reads,
 * forward and back. Included by conv.c. */

enum {
    FEW_CHANNELS = 8, /* fewer are unfolded */
    PICKING = 8       /* what picking pixels out costs a tap, in channels */
};

#define NOWHERE SIZE_MAX

/* One direction: pixels of the target image are written, those of the source read. */
typedef struct Walk {
    size_t images, height, width; /* of the target */
    size_t source_height, source_width;
    size_t channels, results; /* of a group: read and written */
    size_t source_step, step; /* from pixel to pixel: the channels of all groups */
    size_t groups, kh, kw, taps;
    const size_t *row_at, *col_at; /* [height, kh], [width, kw]: offset of the source, or NOWHERE */
    /* Where no tap of a row and none of a column is NOWHERE, their sources lie at fixed distances. */
    const size_t *row_whole, *col_whole;
    const ptrdiff_t *distance; /* [taps], from the first tap's */
    bool sparse;               /* so many taps are NOWHERE that it pays to pick the others out */
} Walk;

/* The source of target i under tap k along one axis. Back: the target was the source. */
static size_t source_of(bool back, size_t i, size_t k, size_t stride, size_t pad, size_t dilation,
                        size_t size) {
    size_t at = back ? i + pad : i * stride + k * dilation, less = back ? k * dilation : pad;
    if (at < less || (back && (at - less) % stride != 0)) return NOWHERE;
    at = back ? (at - less) / stride : at - less;
    return at < size ? at : NOWHERE;
}

/* Along one axis: at [targets, taps], and which targets are whole; how many are not NOWHERE. */
static size_t fill_axis(size_t *at, size_t *whole, bool back, const HcConv *g, int axis,
                        size_t targets, size_t taps, size_t size, size_t step) {
    size_t found = 0;
    for (size_t i = 0; i < targets; i++) {
        size_t before = found;
        for (size_t k = 0; k < taps; k++, at++) {
            *at = source_of(back, i, k, g->stride[axis], g->pad[axis], g->dilation[axis], size);
            if (*at == NOWHERE) continue;
            *at *= step;
            found++;
        }
        whole[i] = found - before == taps;
    }
    return found;
}

/* The first whole target, or the first of all. */
static size_t first_whole(const size_t *whole, size_t targets) {
    for (size_t i = 0; i < targets; i++)
        if (whole[i]) return i;
    return 0;
}

static void fill_distances(const Walk *w, ptrdiff_t *to) {
    const size_t *row = w->row_at + first_whole(w->row_whole, w->height) * w->kh;
    const size_t *col = w->col_at + first_whole(w->col_whole, w->width) * w->kw;
    for (size_t i = 0; i < w->kh; i++)
        for (size_t j = 0; j < w->kw; j++)
            *to++ = (ptrdiff_t)row[i] - (ptrdiff_t)row[0] + (ptrdiff_t)col[j] - (ptrdiff_t)col[0];
}

/* Writes the tables to `workspace`, behind which *rest is free. */
static Walk walk_of(const HcConv *g, bool back, void *workspace, void **rest) {
    size_t c = g->c / g->groups, o = g->o / g->groups;
    Walk w = {.images = g->n,
              .height = back ? g->h : g->p,
              .width = back ? g->w : g->q,
              .source_height = back ? g->p : g->h,
              .source_width = back ? g->q : g->w,
              .channels = back ? o : c,
              .results = back ? c : o,
              .source_step = back ? g->o : g->c,
              .step = back ? g->c : g->o,
              .groups = g->groups,
              .kh = g->kh,
              .kw = g->kw,
              .taps = g->kh * g->kw};
    size_t *row_at = workspace, *col_at = row_at + w.height * w.kh;
    size_t *row_whole = col_at + w.width * w.kw, *col_whole = row_whole + w.height;
    ptrdiff_t *distance = (ptrdiff_t *)(col_whole + w.width);
    size_t rows = fill_axis(row_at, row_whole, back, g, 0, w.height, w.kh, w.source_height,
                            w.source_width * w.source_step);
    size_t cols =
        fill_axis(col_at, col_whole, back, g, 1, w.width, w.kw, w.source_width, w.source_step);
    w.row_at = row_at;
    w.col_at = col_at;
    w.row_whole = row_whole;
    w.col_whole = col_whole;
    w.distance = distance;
    if (w.height > 0 && w.width > 0) fill_distances(&w, distance);
    /* To pick out, sums are loaded and stored once a tap. */
    w.sparse = (double)rows * (double)cols * (double)(w.channels + PICKING) <
               (double)(w.height * w.width) * (double)(w.taps * w.channels);
    *rest = distance + w.taps;
    return w;
}

/* A place among the target's pixels, in order. (Handed by address: by value, its three fields just stored
 * would be loaded as one vector, which stalls.) */
typedef struct Pixel {
    size_t image, row, col;
} Pixel;

static void next_pixel(const Walk *w, Pixel *at) {
    if (++at->col < w->width) return;
    at->col = 0;
    if (++at->row < w->height) return;
    at->row = 0;
    at->image++;
}

static const HC_REAL *image_of(const Walk *w, const Pixel *at, const HC_REAL *source) {
    return source + at->image * w->source_height * w->source_width * w->source_step;
}

/* The source under the first tap, if none of the taps is outside; else NULL. */
static const HC_REAL *whole_source(const Walk *w, const Pixel *at, const HC_REAL *source) {
    if (!w->row_whole[at->row] || !w->col_whole[at->col]) return NULL;
    return image_of(w, at, source) + w->row_at[at->row * w->kh] + w->col_at[at->col * w->kw];
}

/* The sources of one pixel for all taps, `apart` pointers from each other. */
static void find_sources(const Walk *w, const Pixel *at, const HC_REAL *source,
                         const HC_REAL *zeros, const HC_REAL **to, size_t apart) {
    const HC_REAL *image = image_of(w, at, source), *whole = whole_source(w, at, source);
    for (size_t t = 0; whole && t < w->taps; t++)
        to[t * apart] = whole + w->distance[t];
    for (size_t i = 0; !whole && i < w->kh; i++) {
        size_t row = w->row_at[at->row * w->kh + i];
        for (size_t j = 0; j < w->kw; j++, to += apart) {
            size_t col = w->col_at[at->col * w->kw + j];
            *to = row == NOWHERE || col == NOWHERE ? zeros : image + row + col;
        }
    }
}

static bool unfolds(const Walk *w) {
    return w->channels < FEW_CHANNELS && w->taps > 1;
}

/* How many pixels from one on lie in a row and read whole windows. */
static size_t whole_run(const Walk *w, const Pixel *at, size_t most) {
    size_t run = 0;
    while (run < most && at->col + run < w->width && w->col_whole[at->col + run])
        run++;
    return run;
}

/* n numbers, `step` apart. */
static void unfold_run(HC_REAL *to, const HC_REAL *from, size_t step, size_t n) {
    size_t i = 0;
    if (step == 1) {
        for (; i + V <= n; i += V)
            vec_store(to + i, vec_load(from + i));
        if (i < n)
            vec_store_some(to + i, vec_load_some(from + i, vec_lanes(n - i)), vec_lanes(n - i));
    } else {
        for (; i < n; i++)
            to[i] = from[i * step];
    }
}

static void unfold_pixel(const Walk *w, const Pixel *at, const HC_REAL *source, HC_REAL *to,
                         size_t apart) {
    const HC_REAL *image = image_of(w, at, source);
    for (size_t i = 0; i < w->kh; i++)
        for (size_t j = 0; j < w->kw; j++) {
            size_t row = w->row_at[at->row * w->kh + i], col = w->col_at[at->col * w->kw + j];
            bool outside = row == NOWHERE || col == NOWHERE;
            for (size_t c = 0; c < w->channels; c++, to += apart)
                *to = outside ? 0 : image[row + col + c];
        }
}

/* to[tap][channel][pixel] of `count` pixels, `apart` numbers from channel to channel; goes on to the pixel
 * behind them. */
static void unfold(const Walk *w, Pixel *at, size_t count, const HC_REAL *source, HC_REAL *to,
                   size_t apart) {
    for (size_t i = 0, run; i < count; i += run) {
        const HC_REAL *whole = whole_source(w, at, source);
        run = whole ? whole_run(w, at, count - i) : 1;
        const size_t *col = w->col_at + at->col * w->kw;
        const size_t step = run > 1 ? col[w->kw] - col[0] : 1;
        for (size_t t = 0; whole && t < w->taps; t++)
            for (size_t c = 0; c < w->channels; c++)
                unfold_run(to + (t * w->channels + c) * apart + i, whole + w->distance[t] + c, step,
                           run);
        if (!whole) unfold_pixel(w, at, source, to + i, apart);
        at->col += run - 1;
        next_pixel(w, at);
    }
}
