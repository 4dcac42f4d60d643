/* A set of Params, each with a number: open addressing by address. */
#ifndef HC_TAPE_PARAM_SET_H
#define HC_TAPE_PARAM_SET_H

#include "higherc/param.h"

typedef struct HcParamSet {
    struct HcParamEntry {
        const Param *param;
        size_t number;
    } *entries;
    size_t capacity;
} HcParamSet;

/* How many entries, zeroed, make room for `most` Params; for a set in memory of the caller's. */
size_t hc_param_set_capacity(size_t most);
/* Room for `most` Params; false when out of memory. */
bool hc_param_set_create(HcParamSet *set, size_t most);
void hc_param_set_free(HcParamSet *set);
/* The number of a Param; SIZE_MAX when it is not there. */
size_t hc_param_set_find(const HcParamSet *set, const Param *param);
/* Its number; a new one gets the number given. */
size_t hc_param_set_add(HcParamSet *set, const Param *param, size_t number);

#endif
