/* Settings to an Optim (README.md, section 6). Optimizers, settings and states go by their names, which
 * are PyTorch's in the cases and in the library alike. */
#include <stdio.h>
#include <string.h>

#include "golden.h"

/* Some settings are allowed only beside others (nesterov with momentum, a smallest step below the
 * largest), and every prefix of them has to make sense. So those refused are offered again as long
 * as others were taken meanwhile. */
static bool apply_settings(Optim *optim, size_t number, const Group *group, char *message) {
    Store scratch = {NULL};
    bool *done = store_alloc(&scratch, group->setting_count, sizeof *done);
    size_t left = group->setting_count, before = SIZE_MAX;
    while (left > 0 && left < before) {
        before = left;
        higherc_clear_error();
        for (size_t i = 0; i < group->setting_count; i++) {
            const Setting *setting = &group->settings[i];
            if (done[i] || !optim_set(optim, setting->key, number, setting->value)) continue;
            done[i] = true;
            left--;
        }
    }
    if (left == 0)
        higherc_clear_error();
    else
        snprintf(message, MESSAGE_SIZE, "settings of group %zu: %s", number, higherc_error());
    store_free(&scratch);
    return left == 0;
}

static bool find_params(const Group *group, const Module *net, Param **params, char *message) {
    for (size_t i = 0; i < group->param_count; i++) {
        params[i] = module_param(net, group->params[i]);
        if (params[i]) continue;
        snprintf(message, MESSAGE_SIZE, "a group's parameter: %s", higherc_error());
        return false;
    }
    return true;
}

/* PyTorch takes a group without parameters, the library does not: it is left out. */
size_t optimizer_group(const Case *c, size_t group) {
    size_t number = 0;
    for (size_t i = 0; i < group; i++)
        number += c->groups[i].param_count > 0;
    return c->groups[group].param_count > 0 ? number : SIZE_MAX;
}

/* Makes the optimizer of the first group, and adds one after the other. */
static bool add_group(const Case *c, size_t group, const Module *net, Store *store, Optim **optim,
                      char *message) {
    const Group *from = &c->groups[group];
    if (from->param_count == 0) return true;
    Param **params = store_alloc(store, from->param_count, sizeof *params);
    ParamList list = {params, from->param_count};
    if (!find_params(from, net, params, message)) return false;
    if (*optim && optim_add_group(*optim, list) == optimizer_group(c, group)) return true;
    if (!*optim && (*optim = optim_new(c->optimizer, list))) return true;
    snprintf(message, MESSAGE_SIZE, "group %zu of the optimizer: %s", group, higherc_error());
    return false;
}

Optim *optimizer_build(const Case *c, const Module *net, char *message) {
    Store scratch = {NULL};
    Optim *optim = NULL;
    bool good = true;
    for (size_t i = 0; good && i < c->group_count; i++)
        good = add_group(c, i, net, &scratch, &optim, message);
    if (good && !optim) snprintf(message, MESSAGE_SIZE, "the optimizer has no parameter");
    /* After all groups were added: a new one starts with the first one's settings. */
    for (size_t i = 0; good && optim && i < c->group_count; i++)
        if (c->groups[i].param_count > 0)
            good = apply_settings(optim, optimizer_group(c, i), &c->groups[i], message);
    store_free(&scratch);
    if (good) return optim;
    optim_destroy(optim);
    return NULL;
}

/* ---- state
 * ----------------------------------------------------------------------------------------- */

/* Values of one state of a Param. PyTorch holds ASGD's eta as one number, a library that follows
 * the weight's shape as many equal ones: they pass for one when the case wants one. */
static void copy_state(Entry *got, const Entry *want, const Param *param, const void *state,
                       Store *store) {
    size_t count = param_count(param);
    double *values = store_alloc(store, count, sizeof *values);
    bool equal = true;
    for (size_t i = 0; i < count; i++) {
        values[i] = param_dtype(param) == HC_F32 ? (double)((const float *)state)[i]
                                                 : ((const double *)state)[i];
        equal = equal && values[i] == values[0];
    }
    bool one = equal && count > 0 && want->shape.ndim == 0;
    got->shape = one ? shape_scalar() : param_shape(param);
    got->count = one ? 1 : count;
    got->values = values;
}

bool optimizer_record_state(const Case *c, const Module *net, const Optim *optim, Dict *results,
                            Store *store) {
    static const char prefix[] = "expect/warm_state/";
    for (size_t i = 0; i < c->data.count; i++) {
        const Entry *want = c->data.items[i];
        if (strncmp(want->name, prefix, sizeof prefix - 1) != 0) continue;
        const char *name = want->name + sizeof prefix - 1, *key = strrchr(name, '/');
        if (!key) return false;
        Param *param = module_param(net, store_format(store, "%.*s", (int)(key - name), name));
        Entry *got = dict_add(results, store, want->name + sizeof "expect/" - 1);
        if (!param || !got) return false;
        got->kind = ENTRY_REAL;
        if (strcmp(key + 1, "step") == 0) {
            double *steps = store_alloc(store, 1, sizeof *steps);
            *steps = (double)optim_param_steps(optim, param);
            got->shape = shape_scalar();
            got->count = 1;
            got->values = steps;
            continue;
        }
        const void *state = optim_param_state(optim, param, key + 1);
        if (state)
            copy_state(got, want, param, state, store);
        else
            got->kind = ENTRY_NONE;
    }
    return true;
}
