/* Slots: where tensors live on through a release. */
#include <string.h>

#include "meta/fmodule.h"
#include "tape/moves.h"

static const char cell_name[] = "fast weights kept through a release";

bool hc_slots_create(Tape *tape, HcSlots *slots, Tensor *const *like, size_t count,
                     const char *who) {
    *slots = (HcSlots){.count = count, .cell = {.name = cell_name}};
    slots->slot = hc_tape_alloc(tape, count * sizeof *slots->slot, who);
    slots->list = hc_tape_alloc(tape, count * sizeof *slots->list, who);
    if (!slots->slot || !slots->list) return false;
    for (size_t i = 0; i < count; i++) {
        HcSlot *slot = &slots->slot[i];
        slot->room = like[i]->form->count;
        slot->memory = hc_tape_alloc(tape, slot->room * tape->item, who);
        if (!slot->memory) return false;
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
        HcSlot *slot = &slots->slot[i];
        slots->list[i] = x;
        slot->moved = x && moves(x, mark);
        if (!slot->moved) continue;
        slot->needs = x->flags & HC_NODE_NEEDS;
        slot->shape = hc_form_shape(x->form);
        if (!hc_moves_add(x->tape, "tape_release", x, slot->memory)) return false;
        moved = true;
    }
    if (moved) slots->cell.version++;
    return true;
}

bool hc_slots_restore(HcSlots *slots, Tape *tape, Tensor **list, HcWhy why) {
    for (size_t i = 0; i < slots->count; i++) {
        const HcSlot *slot = &slots->slot[i];
        list[i] = slots->list[i];
        if (!slot->moved) continue;
        Tensor *leaf = hc_emit_leaf(tape, "tape_release", slot->shape, slot->memory, why);
        if (!leaf) return false;
        if (slot->needs) leaf->flags |= HC_NODE_NEEDS;
        leaf->flags |= HC_NODE_BORROWED | HC_NODE_LOST;
        leaf->cell = &slots->cell;
        leaf->attr.version = slots->cell.version;
        list[i] = leaf;
    }
    return true;
}
