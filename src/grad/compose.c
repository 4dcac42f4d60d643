/* The gradient of an operation that is fused for speed, by what it is made of: its composition is recorded
 * on the same inputs and swept. Closed at any order, since a composition is ordinary operations. */
#include "grad/sweep.h"

/* The inputs that want a cotangent, each once; their number. */
static size_t wanted_inputs(const HcSweep *s, const Tensor *y, Tensor **wanted, unsigned *place) {
    size_t count = 0;
    for (unsigned j = 0; j < y->nin; j++) {
        Tensor *x = hc_inputs(y)[j];
        bool again = !hc_needs(s, j);
        for (size_t i = 0; i < count; i++)
            again = again || wanted[i] == x;
        if (again) continue;
        place[count] = j;
        wanted[count++] = x;
    }
    return count;
}

void hc_sweep_composed(HcSweep *s, Tensor *y, Tensor *gy) {
    Tape *tape = s->tape;
    Tensor *wanted[HC_MOST_COMPOSED], *grads[HC_MOST_COMPOSED];
    unsigned place[HC_MOST_COMPOSED];
    bool scratching = tape->scratching, recording = tape->recording;
    size_t count = wanted_inputs(s, y, wanted, place);
    TapeMark mark = tape_mark(tape);
    tape->scratching = false;
    tape->recording = true;
    Tensor *composed = y->op->compose(y);
    tape->scratching = scratching;
    tape->recording = recording;
    unsigned flags = HC_SWEEP_CUT | (s->flags & (HC_SWEEP_RECORD | HC_SWEEP_ABSTRACT));
    if (composed && hc_sweep_all(composed, gy, wanted, count, flags, grads))
        for (size_t i = 0; i < count; i++) {
            /* What may read the composition's memory is copied before that goes. */
            hc_give(s, place[i], grads[i] && scratching ? tensor_clone(grads[i]) : grads[i]);
            hc_drop(grads[i]);
        }
    if (scratching) tape_release(tape, mark);
}
