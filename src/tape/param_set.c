/* Sets of Params. */
#include "tape/param_set.h"

#include "base/alloc.h"

size_t hc_param_set_capacity(size_t most) {
    size_t capacity = 4;
    while (capacity < SIZE_MAX / 4 && capacity / 2 < most)
        capacity *= 2;
    return capacity;
}

bool hc_param_set_create(HcParamSet *set, size_t most) {
    set->capacity = hc_param_set_capacity(most);
    set->entries = hc_alloc_zero(set->capacity, sizeof *set->entries);
    return set->entries != NULL;
}

void hc_param_set_free(HcParamSet *set) {
    hc_free(set->entries);
    set->entries = NULL;
}

static struct HcParamEntry *entry(const HcParamSet *set, const Param *param) {
    size_t i = (size_t)((uint64_t)((uintptr_t)param >> 4) * 0x9E3779B97F4A7C15u >> 24);
    for (i &= set->capacity - 1; set->entries[i].param && set->entries[i].param != param;)
        i = (i + 1) & (set->capacity - 1);
    return &set->entries[i];
}

size_t hc_param_set_find(const HcParamSet *set, const Param *param) {
    const struct HcParamEntry *found = entry(set, param);
    return found->param ? found->number : SIZE_MAX;
}

size_t hc_param_set_add(HcParamSet *set, const Param *param, size_t number) {
    struct HcParamEntry *found = entry(set, param);
    if (!found->param) *found = (struct HcParamEntry){param, number};
    return found->number;
}
