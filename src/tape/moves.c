/* Tensors written in a row to memory that some of them may read. */
#include "tape/moves.h"

struct HcMove {
    const Tensor *from;
    void *to;
    void *held; /* its numbers, apart; or NULL */
};

static size_t bytes_of(const Tensor *x) {
    return x->form->count * x->tape->item;
}

/* It is there already. */
static bool at_home(const HcMove *move) {
    return move->from->data == move->to && hc_is_dense(move->from->form);
}

/* Memory of a cell or of the caller's; the tape's own is written by the operation that made it alone. */
static bool reads_foreign(const Tensor *x) {
    return (x->flags & HC_NODE_BORROWED) || !hc_arena_holds(&x->tape->data, x->data);
}

bool hc_moves_add(Tape *tape, const char *who, const Tensor *from, void *to) {
    if (!hc_budget_grow(&tape->budget, (void **)&tape->moves, &tape->move_capacity,
                        tape->move_count, tape->move_count + 1, sizeof *tape->moves)) {
        hc_moves_drop(tape);
        return hc_fail_nomem(tape, who);
    }
    HC_ASSERT(tape->move_count == 0 || !tape->moves[tape->move_count - 1].held);
    tape->moves[tape->move_count++] = (HcMove){.from = from, .to = to};
    return true;
}

bool hc_moves_hold(Tape *tape, const char *who) {
    for (size_t i = 0; i < tape->move_count; i++) {
        HcMove *move = &tape->moves[i];
        if (at_home(move) || !reads_foreign(move->from)) continue;
        move->held = hc_scratch_alloc(&tape->scratch, bytes_of(move->from));
        if (!move->held) {
            hc_moves_drop(tape);
            return hc_fail_nomem(tape, who);
        }
        hc_copy_dense(move->from, move->held);
    }
    return true;
}

void hc_moves_make(Tape *tape) {
    for (size_t i = 0; i < tape->move_count; i++) {
        const HcMove *move = &tape->moves[i];
        if (at_home(move)) continue;
        HC_ASSERT(move->held || !reads_foreign(move->from));
        if (move->held)
            tape->k->copy(move->to, 1, move->held, 1, move->from->form->count);
        else
            hc_copy_dense(move->from, move->to);
    }
    hc_moves_drop(tape);
}

void hc_moves_drop(Tape *tape) {
    while (tape->move_count > 0) {
        const HcMove *move = &tape->moves[--tape->move_count];
        hc_scratch_free(&tape->scratch, move->held, bytes_of(move->from));
    }
}

void hc_moves_free(Tape *tape) {
    hc_budget_free(&tape->budget, tape->moves, tape->move_capacity * sizeof *tape->moves);
}
