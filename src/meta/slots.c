/* Slots: where tensors live on through a release. */
#include <string.h>

#include "meta/fmodule.h"

bool hc_slots_create(Tape *tape, HcSlots *slots, Tensor *const *like, size_t count,
                     const char *who) {
    *slots = (HcSlots){.count = count, .cell = {.name = "fast weights kept through a release"}};
    slots->memory = hc_tape_alloc(tape, count * sizeof *slots->memory, who);
    slots->moved = hc_tape_alloc(tape, count * sizeof *slots->moved, who);
    slots->needs = hc_tape_alloc(tape, count * sizeof *slots->needs, who);
    slots->shape = hc_tape_alloc(tape, count * sizeof *slots->shape, who);
    slots->list = hc_tape_alloc(tape, count * sizeof *slots->list, who);
    if (!slots->memory || !slots->moved || !slots->needs || !slots->shape || !slots->list)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!(slots->memory[i] = hc_tape_alloc(tape, like[i]->form->count * tape->item, who)))
            return false;
    return true;
}

void hc_slots_save(HcSlots *slots, Tensor *const *list, const TapeMark *mark) {
    bool wrote = false;
    for (size_t i = 0; i < slots->count; i++) {
        Tensor *x = list[i];
        slots->list[i] = x;
        slots->moved[i] = x && x->index >= mark->nodes;
        if (!slots->moved[i]) continue;
        slots->needs[i] = x->flags & HC_NODE_NEEDS;
        slots->shape[i] = hc_form_shape(x->form);
        if (x->data == slots->memory[i]) continue;
        hc_copy_dense(x, slots->memory[i]);
        wrote = true;
    }
    if (wrote) slots->cell.version++;
}

bool hc_slots_restore(HcSlots *slots, Tape *tape, Tensor **list, HcWhy why) {
    for (size_t i = 0; i < slots->count; i++) {
        list[i] = slots->list[i];
        if (!slots->moved[i]) continue;
        Tensor *leaf = hc_emit_leaf(tape, "tape_release", slots->shape[i], slots->memory[i], why);
        if (!leaf) return false;
        if (slots->needs[i]) leaf->flags |= HC_NODE_NEEDS;
        leaf->flags |= HC_NODE_BORROWED | HC_NODE_LOST;
        leaf->origin = &slots->cell;
        leaf->attr.version = slots->cell.version;
        list[i] = leaf;
    }
    return true;
}
