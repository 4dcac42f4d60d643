/* How batch norm's operations go over arrays [N, C, ...]: in an order of storage that suits, a piece at a
 * time, so that what is made of a piece on the way stays in a near cache, and through what follows the norm.
 *
 * A *choice* is the record of a ReLU and a max-pool behind a norm: a node that holds their result and, with
 * windows, where in its window each number was found (pool.c). As a map it is linear once it is made: it
 * *picks* from an array like x, and its adjoint *spreads* over one. Without windows, what is above 0 is
 * chosen, and all arrays are like x. */
#ifndef HC_OPS_CHANNELS_H
#define HC_OPS_CHANNELS_H

#include "ops/windows.h"

enum { HC_MOST_OPERANDS = 10 };

/* A forward under way. */
typedef struct HcOver {
    Tensor *y;
    const void
        *in[HC_MOST_OPERANDS]; /* as the kernels take them: like x in its order, others dense */
    HcChannels s;              /* x as the kernels see it */
    const Tensor *choice;      /* or NULL */
    HcConv window;             /* of a choice with windows, else with n = 0 */
    size_t unit, chosen, units,
        group;          /* numbers of an image (or row) and of its choice; a piece's images */
    size_t rows, bands; /* or, of windows: an image's bands with so many rows of windows each */
    char *room;
    size_t room_bytes; /* of each worker */
} HcOver;

/* Of x: `count` numbers from number `at` on, and of what is chosen. */
typedef struct HcPiece {
    HcChannels s;
    HcConv window;
    size_t at, count, chosen_at;
    void *room; /* for `count` numbers where there is a choice */
} HcPiece;

typedef void HcPieceFn(const HcOver *over, const HcPiece *piece);

/* The form of x, y's input 0, that is worked in; NULL after hc_fail. */
const HcForm *hc_over_form(Tensor *y, const Tensor *choice);
/* Begins a forward of y, whose input 0 is x, with a choice or none; false after hc_fail. */
bool hc_over_begin(HcOver *over, Tensor *y, const Tensor *choice);
/* Calls fn for each piece, in order. together: on the tape's pool, for what only writes its own piece. */
bool hc_over_run(HcOver *over, bool together, HcPieceFn *fn);

/* Number `at` of an operand or result. */
static inline void *hc_over_at(const HcOver *over, const void *data, size_t at) {
    return (char *)(uintptr_t)data + at * over->y->tape->item;
}
/* A piece of input j, which is like x. */
static inline const void *hc_piece_of(const HcOver *over, const HcPiece *piece, size_t j) {
    return hc_over_at(over, over->in[j], piece->at);
}
/* A piece of input j, which is what is chosen, spread in the piece's room; without a choice it is like x. */
const void *hc_piece_spread(const HcOver *over, const HcPiece *piece, size_t j);
/* Where a piece of the result is made that hc_piece_pick then picks from: in the result itself without a
 * choice. */
void *hc_piece_result(const HcOver *over, const HcPiece *piece);
void hc_piece_pick(const HcOver *over, const HcPiece *piece);
/* The largest of each window of a piece of the norm, and ReLU, into the result, which is a choice. */
void hc_piece_choose(const HcOver *over, const HcPiece *piece);

#endif
