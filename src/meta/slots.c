/* Slots: where tensors live on through a release. */
#include <string.h>

#include "meta/fmodule.h"
#include "tape/moves.h"

static const char cell_name[] = "fast weights kept through a release";

bool hc_slots_create(Tape *tape, HcSlots *slots, Tensor *const *like, size_t count,
                     const char *who) {
    *slots = (HcSlots){.count = count, .cell = {.name = cell_name}};
    slots->memory = hc_tape_alloc(tape, count * sizeof *slots->memory, who);
    slots->room = hc_tape_alloc(tape, count * sizeof *slots->room, who);
    slots->moved = hc_tape_alloc(tape, count * sizeof *slots->moved, who);
    slots->needs = hc_tape_alloc(tape, count * sizeof *slots->needs, who);
    slots->shape = hc_tape_alloc(tape, count * sizeof *slots->shape, who);
    slots->list = hc_tape_alloc(tape, count * sizeof *slots->list, who);
    if (!slots->memory || !slots->room || !slots->moved || !slots->needs || !slots->shape || !slots->list)
        return false;
    for (size_t i = 0; i < count; i++) {
        slots->room[i] = like[i]->form->count;
        slots->memory[i] = hc_tape_alloc(tape, slots->room[i] * tape->item, who);
        if (!slots->memory[i]) return false;
    }
    return true;
}

/* Leaves over slots, also those below the mark, are made anew: the memory may be about to be written. */
static bool moves(const Tensor *x, const TapeMark *mark) {
    uint64_t version;
    return x->index >= mark->nodes ||
           ((x->flags & HC_NODE_BORROWED) && hc_cell(x, &version)->name == cell_name);
}

bool hc_slots_keep(HcSlots *slots, Tensor *const *list, const TapeMark *mark) {
    bool moved = false;
    for (size_t i = 0; i < slots->count; i++) {
        Tensor *x = list[i];
        slots->list[i] = x;
        slots->moved[i] = x && moves(x, mark);
        if (!slots->moved[i]) continue;
        slots->needs[i] = x->flags & HC_NODE_NEEDS;
        slots->shape[i] = hc_form_shape(x->form);
        if (!hc_moves_add(x->tape, "tape_release", x, slots->memory[i])) return false;
        moved = true;
    }
    if (moved) slots->cell.version++;
    return true;
}

bool hc_slots_restore(HcSlots *slots, Tape *tape, Tensor **list, HcWhy why) {
    for (size_t i = 0; i < slots->count; i++) {
        list[i] = slots->list[i];
        if (!slots->moved[i]) continue;
        Tensor *leaf = hc_emit_leaf(tape, "tape_release", slots->shape[i], slots->memory[i], why);
        if (!leaf) return false;
        if (slots->needs[i]) leaf->flags |= HC_NODE_NEEDS;
        leaf->flags |= HC_NODE_BORROWED | HC_NODE_LOST;
        leaf->cell = &slots->cell;
        leaf->attr.version = slots->cell.version;
        list[i] = leaf;
    }
    return true;
}
