/* Pieces of arrays over channels, and what is chosen of them. */
#include "ops/channels.h"

/* Numbers of a piece: two or three arrays of them stay in the nearest caches. */
enum { PIECE = 4096, LEAST_TO_SPLIT = 4 * PIECE };

/* ---- the order of storage ----------------------------------------------------------------------------- */

/* Whether x's numbers lie with the channels last, behind all other axes in their order. */
static bool channels_last(const HcForm *f) {
    size_t step = f->dim[1];
    if (!f->packed || f->dim[1] == 1 || f->stride[1] != 1) return false;
    for (int i = f->ndim - 1; i >= 0; i--) {
        if (i == 1 || f->dim[i] == 1) continue;
        if (f->stride[i] != step) return false;
        step *= f->dim[i];
    }
    return true;
}

static bool has_windows(const Tensor *choice) {
    return choice && choice->attr.window.kernel[0] > 0;
}

const HcForm *hc_over_form(Tensor *y, const Tensor *choice) {
    const HcForm *f = hc_inputs(y)[0]->form;
    const size_t *d = f->dim;
    if (has_windows(choice)) return hc_channels_last(y, d[0], d[1], d[2], d[3]);
    return channels_last(f) ? f : f->plain;
}

/* x in that form as the kernels see it, pixel by pixel where the channels are last. */
static HcChannels seen(const HcForm *f, bool last) {
    size_t channels = f->dim[1], inner = 1;
    for (int i = 2; i < f->ndim; i++)
        inner *= f->dim[i];
    size_t count = f->dim[0] * inner;
    return (HcChannels){last ? count : f->dim[0], channels, last ? 1 : inner, count};
}

/* ---- operands ------------------------------------------------------------------------------------------- */

/* All inputs: those of x's shape in its order, with windows all images channels last; others dense. */
static bool read_operands(HcOver *over) {
    Tensor *y = over->y;
    const HcForm *f = hc_over_form(y, over->choice);
    HC_ASSERT(y->nin <= HC_MOST_OPERANDS);
    if (!f) return false;
    over->s = seen(f, has_windows(over->choice) || channels_last(f));
    for (uint32_t j = 0; j < y->nin; j++) {
        const Tensor *x = hc_inputs(y)[j];
        if (over->choice && x == over->choice)
            over->in[j] = x->data;
        else if (x->form->plain == f->plain)
            over->in[j] = hc_input_as(y, j, f);
        else if (x->form->ndim == 4)
            over->in[j] = hc_channels_last_input(y, j);
        else
            over->in[j] = hc_dense_input(y, j);
        if (!over->in[j]) return false;
    }
    return true;
}

/* ---- pieces -------------------------------------------------------------------------------------------- */

/* Whether an image of windows may be cut between two rows of them. */
static bool may_cut(const HcConv *w) {
    return w->stride[0] >= w->kh && w->pad[0] == 0 && w->dilation[0] == 1;
}

static void cut_images(HcOver *over) {
    const HcForm *x = hc_inputs(over->y)[0]->form;
    const HcConv *w = &over->window;
    size_t row = w->stride[0] * w->w * w->c;
    over->unit = w->h * w->w * w->c;
    over->chosen = w->p * w->q * w->c;
    over->units = x->dim[0];
    if (over->unit <= PIECE || !may_cut(w) || w->p < 2) return;
    over->rows = row < PIECE ? PIECE / row : 1;
    over->bands = (w->p + over->rows - 1) / over->rows;
}

bool hc_over_begin(HcOver *over, Tensor *y, const Tensor *choice) {
    *over = (HcOver){.y = y, .choice = choice, .bands = 1};
    if (!read_operands(over)) return false;
    if (has_windows(choice)) {
        const HcForm *x = hc_inputs(y)[0]->form;
        over->window = hc_pool_geometry(&choice->attr, x, choice->form);
        cut_images(over);
    } else {
        over->unit = over->chosen = over->s.channels * over->s.inner;
        over->units = over->unit ? over->s.outer : 0;
    }
    over->group = over->unit < PIECE && over->unit > 0 ? PIECE / over->unit : 1;
    return true;
}

/* The rows of pixels of an image's band: from the first row of its windows, the last one's to the end. */
static size_t band_end(const HcConv *w, size_t rows_of_windows) {
    return rows_of_windows >= w->p ? w->h : rows_of_windows * w->stride[0];
}

/* The numbers of the largest piece. */
static size_t most_numbers(const HcOver *over) {
    const HcConv *w = &over->window;
    size_t rest = w->p * w->stride[0];
    if (over->bands == 1) return over->group * over->unit;
    return (over->rows * w->stride[0] + (w->h > rest ? w->h - rest : 0)) * w->w * w->c;
}

static void take_band(const HcOver *over, size_t index, HcPiece *p) {
    const HcConv *w = &over->window;
    size_t image = index / over->bands, first = index % over->bands * over->rows;
    size_t last = first + over->rows < w->p ? first + over->rows : w->p;
    size_t top = first * w->stride[0], bottom = band_end(w, last), row = w->w * w->c;
    p->at = image * over->unit + top * row;
    p->count = (bottom - top) * row;
    p->chosen_at = image * over->chosen + first * w->q * w->c;
    p->window.n = 1;
    p->window.h = bottom - top;
    p->window.p = last - first;
}

static void take_group(const HcOver *over, size_t index, HcPiece *p) {
    size_t first = index * over->group, last = first + over->group;
    if (last > over->units) last = over->units;
    p->at = first * over->unit;
    p->count = (last - first) * over->unit;
    p->chosen_at = first * over->chosen;
    p->window.n = last - first;
}

static HcPiece piece(const HcOver *over, size_t index, size_t worker) {
    HcPiece p = {.s = over->s,
                 .window = over->window,
                 .room = over->room ? over->room + worker * over->room_bytes : NULL};
    if (over->bands > 1)
        take_band(over, index, &p);
    else
        take_group(over, index, &p);
    p.s.outer = p.count / (p.s.channels * p.s.inner);
    HC_ASSERT(p.at + p.count <= hc_inputs(over->y)[0]->form->count);
    HC_ASSERT(!over->room || p.count * over->y->tape->item <= over->room_bytes);
    return p;
}

typedef struct Run {
    HcOver *over;
    HcPieceFn *fn;
} Run;

static void run_piece(size_t index, size_t worker, void *user) {
    const Run *run = user;
    HcPiece p = piece(run->over, index, worker);
    run->fn(run->over, &p);
}

bool hc_over_run(HcOver *over, bool together, HcPieceFn *fn) {
    Tensor *y = over->y;
    bool splits = together && over->units * over->unit >= LEAST_TO_SPLIT;
    size_t workers = splits ? hc_workers(y->tape) : 1;
    if (!over->choice && workers == 1) over->group = over->units;
    size_t count = over->units * over->bands;
    if (over->bands == 1) count = (over->units + over->group - 1) / (over->group ? over->group : 1);
    if (over->units == 0) return true;
    if (over->choice) {
        size_t bytes = most_numbers(over) * y->tape->item;
        over->room_bytes = (bytes + HC_ALIGN - 1) / HC_ALIGN * HC_ALIGN;
        over->room = hc_workspace(y, over->room_bytes * workers);
        if (!over->room) return false;
    }
    Run run = {over, fn};
    if (workers > 1) {
        hc_parallel(y->tape, count, run_piece, &run);
        return true;
    }
    for (size_t i = 0; i < count; i++)
        run_piece(i, 0, &run);
    return true;
}

/* ---- what is chosen -------------------------------------------------------------------------------------- */

static const double nothing_below[2] = {0, 0};

static const void *taps(const HcOver *over, const HcPiece *piece) {
    return hc_over_at(over, hc_taps_of(over->choice), piece->chosen_at);
}

static const void *chosen_numbers(const HcOver *over, const HcPiece *piece) {
    return hc_over_at(over, over->choice->data, piece->chosen_at);
}

const void *hc_piece_spread(const HcOver *over, const HcPiece *piece, size_t j) {
    const HcKernels *k = over->y->tape->k;
    const void *g = hc_over_at(over, over->in[j], piece->chosen_at);
    if (!over->choice) return g;
    if (has_windows(over->choice))
        hc_pool_kernels(k)->pool_spread(&piece->window, piece->room, g, taps(over, piece));
    else
        k->gate(piece->room, chosen_numbers(over, piece), 1, g, 1, piece->count, nothing_below);
    return piece->room;
}

void *hc_piece_result(const HcOver *over, const HcPiece *piece) {
    return over->choice ? piece->room : hc_over_at(over, over->y->data, piece->at);
}

void hc_piece_pick(const HcOver *over, const HcPiece *piece) {
    const HcKernels *k = over->y->tape->k;
    void *y = hc_over_at(over, over->y->data, piece->chosen_at);
    if (!over->choice) return;
    if (has_windows(over->choice))
        hc_pool_kernels(k)->pool_pick(&piece->window, y, piece->room, taps(over, piece));
    else
        k->gate(y, chosen_numbers(over, piece), 1, piece->room, 1, piece->count, nothing_below);
}

void hc_piece_choose(const HcOver *over, const HcPiece *piece) {
    const HcKernels *k = over->y->tape->k;
    void *y = hc_over_at(over, over->y->data, piece->chosen_at);
    if (!has_windows(over->choice)) {
        k->relu(y, piece->room, piece->count, NULL);
        return;
    }
    void *tap = hc_over_at(over, hc_taps_of(over->choice), piece->chosen_at);
    hc_pool_kernels(k)->max_pool(&piece->window, y, tap, piece->room, over->choice->attr.window.relu);
}
