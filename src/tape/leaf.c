/* The leaves of Params on a tape: a table by address. The tape holds a reference to each Param in it, so
 * an address cannot come back as another Param; entries not used between two resets are dropped, so a
 * loop that makes new modules does not collect them. */
#include <string.h>

#include "tape/param.h"

static size_t entry_of(const HcParamLeaf *leaves, size_t capacity, const Param *param) {
    size_t i = (size_t)((uintptr_t)param >> 6) * (size_t)0x9E3779B97F4A7C15u >> 7;
    for (i &= capacity - 1; leaves[i].param && leaves[i].param != param;)
        i = (i + 1) & (capacity - 1);
    return i;
}

static bool there(const HcParamLeaf *entry) {
    return entry->param && entry->leaf && hc_alive(entry->leaf) &&
           entry->leaf->serial == entry->serial;
}

/* A new table without the Params whose leaves are gone: loops that release, and make ever new modules, do not
 * collect them. It has room for as many again. False, with the table as it was, when out of memory. */
static bool rebuild(Tape *tape) {
    size_t kept = 0, capacity = 32;
    for (size_t i = 0; i < tape->leaf_capacity; i++)
        kept += there(&tape->leaves[i]);
    while (capacity < 4 * kept + 1)
        capacity *= 2;
    HcParamLeaf *leaves = hc_budget_alloc(&tape->budget, capacity * sizeof *leaves);
    if (!leaves) return false;
    memset(leaves, 0, capacity * sizeof *leaves);
    for (size_t i = 0; i < tape->leaf_capacity; i++) {
        HcParamLeaf *entry = &tape->leaves[i];
        if (there(entry))
            leaves[entry_of(leaves, capacity, entry->param)] = *entry;
        else
            param_unref(entry->param);
    }
    hc_budget_free(&tape->budget, tape->leaves, tape->leaf_capacity * sizeof *leaves);
    tape->leaves = leaves;
    tape->leaf_capacity = capacity;
    tape->leaf_count = kept;
    return true;
}

static bool fresh(const HcParamLeaf *entry) {
    return entry->leaf && hc_alive(entry->leaf) && entry->leaf->serial == entry->serial &&
           entry->leaf->attr.version == entry->param->cell.version &&
           tensor_requires_grad(entry->leaf) == !entry->param->frozen;
}

Tensor *param_tensor(Tape *tape, Param *param) {
    if (!tape || !param) {
        hc_null_on(tape, "param_tensor", tape ? "the Param" : "the tape");
        return NULL;
    }
    if (tape->status != HC_OK) {
        hc_tell_again(tape);
        return NULL;
    }
    if (param->dtype != tape->dtype) {
        hc_fail(tape, HC_ERR_DTYPE, "param_tensor: '%s' is %s, the tape %s", param->cell.name,
                param->dtype == HC_F32 ? "f32" : "f64", tape->dtype == HC_F32 ? "f32" : "f64");
        return NULL;
    }
    if (!param->ready) {
        hc_fail(tape, HC_ERR_STATE,
                "param_tensor: '%s' is not initialised (module_init, param_set)", param->cell.name);
        return NULL;
    }
    if (tape->leaf_count * 2 >= tape->leaf_capacity && !rebuild(tape)) {
        hc_fail_nomem(tape, "param_tensor");
        return NULL;
    }
    HcParamLeaf *entry = &tape->leaves[entry_of(tape->leaves, tape->leaf_capacity, param)];
    if (!entry->param) {
        *entry = (HcParamLeaf){.param = param_ref(param)};
        tape->leaf_count++;
    }
    HC_ASSERT(tape->leaf_count * 2 <= tape->leaf_capacity); /* so that looking for an entry ends */
    entry->used = true;
    HC_ASSERT(!fresh(entry) || (hc_param_of(entry->leaf) == param && entry->leaf->data == param->data));
    if (fresh(entry)) return entry->leaf;
    Tensor *leaf = hc_emit_tape_leaf(tape, "param_tensor", param->shape, param->data,
                                     param->frozen ? HC_WHY_FROZEN : HC_WHY_NOTHING);
    if (!leaf) return NULL;
    if (!atomic_load(&param->lent)) atomic_store(&param->lent, true); /* a load is much cheaper */
    leaf->cell = &param->cell;
    leaf->attr.version = param->cell.version;
    leaf->flags |= HC_NODE_BORROWED | HC_NODE_PARAM;
    entry->leaf = leaf;
    entry->serial = leaf->serial;
    return leaf;
}

void hc_leaves_reset(Tape *tape) {
    bool stale = false;
    if (tape->leaf_count == 0) return;
    for (size_t i = 0; i < tape->leaf_capacity; i++) {
        HcParamLeaf *entry = &tape->leaves[i];
        stale = stale || (entry->param && !entry->used);
        entry->used = false;
    }
    /* Dropping one entry would break chains of the open addressing, so all go at once; those still in
     * use come back with the next param_tensor. */
    if (!stale) return;
    for (size_t i = 0; i < tape->leaf_capacity; i++)
        param_unref(tape->leaves[i].param);
    memset(tape->leaves, 0, tape->leaf_capacity * sizeof *tape->leaves);
    tape->leaf_count = 0;
}

void hc_leaves_trim(Tape *tape) {
    for (size_t i = 0; i < tape->leaf_capacity; i++) {
        HcParamLeaf *entry = &tape->leaves[i];
        if (entry->leaf && !hc_alive(entry->leaf)) entry->leaf = NULL;
    }
    if (tape->leaf_count > 0) rebuild(tape);
}

void hc_leaves_free(Tape *tape) {
    for (size_t i = 0; i < tape->leaf_capacity; i++)
        param_unref(tape->leaves[i].param);
    hc_budget_free(&tape->budget, tape->leaves, tape->leaf_capacity * sizeof *tape->leaves);
}
