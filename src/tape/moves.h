/* Moves: tensors to be written, in a row, to memory that outlives them: weights, buffers, state. Some of them
 * may read the very memory that others are written to (a rule that hands one state on to the next, weights
 * that were swapped), so what reads memory that is not the tape's own is copied apart before anything is
 * written. Used in this order: add all, hold, make; nothing else may stand between. */
#ifndef HC_TAPE_MOVES_H
#define HC_TAPE_MOVES_H

#include "tape/tape.h"

/* One more, of a tensor of the tape, to be stored row-major. False after hc_fail, with the list empty. */
bool hc_moves_add(Tape *tape, const char *who, const Tensor *from, void *to);
/* Copies apart what must be. False after hc_fail, with nothing written and the list empty. */
bool hc_moves_hold(Tape *tape, const char *who);
/* Writes; cannot fail. The list is empty then. */
void hc_moves_make(Tape *tape);
/* Empties the list instead. */
void hc_moves_drop(Tape *tape);
void hc_moves_free(Tape *tape);

#endif
