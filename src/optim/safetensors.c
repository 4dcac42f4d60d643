/* An optimizer's state by name. */
#include <stdio.h>
#include <string.h>

#include "formats/targets.h"
#include "optim/save.h"

/* What a target is of: which number, or which state of a Param. */
typedef enum Kind { STEPS, HYPER, STEP, STATE, LEARNED } Kind;

typedef struct Piece {
    Kind kind;
    size_t group, place, which;
    double value;
    void *state; /* read already */
} Piece;

typedef struct Named {
    const Optim *optim;
    const char *who, *prefix;
    HcTargets targets;
    Piece *pieces; /* one for each target */
    size_t capacity;
} Named;

/* ---- the names -------------------------------------------------------------------------------------------- */

static bool no_memory(const Named *n) {
    return hc_fail_thread(HC_ERR_NOMEM, "%s: out of memory", n->who);
}

/* One more, called first + second + third. */
static bool add(Named *n, Piece piece, const char *first, const char *second, const char *third, Shape shape) {
    size_t a = strlen(first), b = strlen(second), c = strlen(third), count = n->targets.count;
    char *name = hc_alloc(a + b + c + 1, 1);
    bool done = name && hc_grow((void **)&n->pieces, &n->capacity, count, count + 1, sizeof piece);
    if (done) {
        memcpy(name, first, a);
        memcpy(name + a, second, b);
        memcpy(name + a + b, third, c + 1);
        done = hc_targets_add(&n->targets, n->prefix, name, shape, NULL);
    }
    hc_free(name);
    if (!done) return no_memory(n);
    n->targets.items[count].optional = piece.kind == STATE;
    n->pieces[count] = piece;
    return true;
}

static bool name_param(Named *n, size_t group, size_t place) {
    const OptimClass *cls = n->optim->cls;
    const Param *p = n->optim->groups[group].params.items[place];
    Piece piece = {.kind = STEP, .group = group, .place = place};
    bool done = add(n, piece, "state.", p->cell.name, ".step", shape_scalar());
    piece.kind = STATE;
    for (size_t s = 0; s < cls->state_count && done; s++) {
        char last[80];
        snprintf(last, sizeof last, ".%s", cls->states[s]);
        piece.which = s;
        done = add(n, piece, "state.", p->cell.name, last, p->shape);
    }
    return done;
}

static bool name_group(Named *n, size_t group) {
    const OptimClass *cls = n->optim->cls;
    char first[48];
    bool done = true;
    snprintf(first, sizeof first, "param_groups.%zu.", group);
    for (size_t h = 0; h < cls->hyper_count && done; h++)
        done = add(n, (Piece){.kind = HYPER, .group = group, .which = h}, first, cls->hypers[h].name, "",
                   shape_scalar());
    for (size_t i = 0; i < n->optim->groups[group].params.count && done; i++)
        done = name_param(n, group, i);
    return done;
}

static bool name_all(Named *n) {
    const Optim *optim = n->optim;
    bool done = add(n, (Piece){.kind = STEPS}, "step", "", "", shape_scalar());
    for (size_t g = 0; g < optim->group_count && done; g++)
        done = name_group(n, g);
    for (size_t i = 0; i < optim->learned.count && done; i++) {
        Param *p = optim->learned.items[i];
        done = add(n, (Piece){.kind = LEARNED}, "learned.", p->cell.name, "", p->shape);
        if (done) n->targets.items[n->targets.count - 1].param = p;
    }
    return done;
}

static void forget(Named *n) {
    for (size_t i = 0; i < n->targets.count && n->pieces; i++)
        hc_free(n->pieces[i].state);
    hc_free(n->pieces);
    hc_targets_free(&n->targets);
}

static const char *rule_key(const Named *n, char text[300]) {
    snprintf(text, 300, "%s%s", n->prefix ? n->prefix : "", "rule");
    return text;
}

/* ---- adding ------------------------------------------------------------------------------------------------- */

static bool store(const Named *n, Safetensors *file, size_t i) {
    const HcTarget *target = &n->targets.items[i];
    const Piece *piece = &n->pieces[i];
    const HcGroup *group = &n->optim->groups[piece->group];
    HcAdded added = {NULL, target->name, hc_stored_type(n->optim->dtype), target->shape, NULL, false};
    int64_t count = 0;
    if (piece->kind == STEPS || piece->kind == STEP) {
        count = (int64_t)(piece->kind == STEPS ? n->optim->steps : group->moments[piece->place].steps);
        added.type = HC_STORED_I64;
        added.values = &count;
    } else if (piece->kind == HYPER) {
        added.type = HC_STORED_F64;
        added.values = &group->hyper[piece->which];
    } else if (piece->kind == STATE) {
        added.values = group->moments[piece->place].state[piece->which];
        if (!added.values) return true;
    } else {
        added.values = target->param->data;
    }
    return hc_safetensors_add(file, n->who, &added);
}

bool safetensors_add_optim(Safetensors *file, const char *prefix, const Optim *optim) {
    Named n = {.optim = optim, .who = "safetensors_add_optim", .prefix = prefix};
    char key[300];
    if (!file || !optim) return hc_null(n.who, file ? "the optimizer" : "the file");
    size_t before = file->count;
    bool done = name_all(&n);
    for (size_t i = 0; i < n.targets.count && done; i++)
        done = store(&n, file, i);
    done = done && safetensors_set_metadata(file, rule_key(&n, key), optim->cls->name);
    if (!done) hc_safetensors_back_to(file, before);
    forget(&n);
    return done;
}

/* ---- loading ------------------------------------------------------------------------------------------------ */

static bool refuse(const Named *n, size_t i, double value, const char *why) {
    return hc_fail_thread(HC_ERR_RANGE, "%s: '%.200s' cannot be %g%s%s", n->who, n->targets.items[i].name, value,
                          why ? ": " : "", why ? why : "");
}

/* Looks at a piece, and makes room for it. */
static bool look(Named *n, size_t i) {
    const HcStored *found = n->targets.items[i].found;
    Piece *piece = &n->pieces[i];
    if (!found || piece->kind == LEARNED) return true;
    if (piece->kind == STATE) {
        piece->state = hc_alloc(found->count, n->optim->tape->item);
        if (!piece->state) return no_memory(n);
        hc_stored_read(found, piece->state, n->optim->dtype);
        return true;
    }
    piece->value = hc_stored_at(found, 0);
    if (piece->kind == HYPER)
        return hc_hyper_accepts(&n->optim->cls->hypers[piece->which], piece->value) ||
               refuse(n, i, piece->value, NULL);
    bool count = piece->value >= 0 && piece->value <= 0x1p53 && piece->value <= (double)(SIZE_MAX / 2) &&
                 (double)(size_t)piece->value == piece->value;
    return count || refuse(n, i, piece->value, NULL);
}

/* The hyperparameters of each group taken together. */
static bool together(const Named *n) {
    for (size_t i = 0; i < n->targets.count; i++) {
        const Piece *first = &n->pieces[i];
        if (first->kind != HYPER || first->which != 0) continue;
        const HcGroup *group = &n->optim->groups[first->group];
        double hyper[HC_MAX_HYPERS];
        for (size_t h = 0; h < n->optim->cls->hyper_count; h++)
            hyper[h] = n->targets.items[i + h].found ? n->pieces[i + h].value : group->hyper[h];
        const char *fault = hc_hypers_fault(n->optim, group, hyper, SIZE_MAX);
        if (fault) return hc_fail_thread(HC_ERR_RANGE, "%s: group %zu: %s", n->who, first->group, fault);
    }
    return true;
}

/* A Param whose step count is there has the states that are there. */
static void take_state(Named *n, Optim *optim, size_t i) {
    Piece *piece = &n->pieces[i];
    const HcTarget *target = &n->targets.items[i], *step = target - 1 - piece->which;
    void **state = &optim->groups[piece->group].moments[piece->place].state[piece->which];
    if (!target->found && (!step->found || target->differs)) return;
    hc_free(*state);
    *state = piece->state;
    piece->state = NULL;
}

static void take(Named *n, Optim *optim) {
    for (size_t i = 0; i < n->targets.count; i++) {
        Piece *piece = &n->pieces[i];
        HcGroup *group = &optim->groups[piece->group];
        if (piece->kind == STATE) take_state(n, optim, i);
        if (!n->targets.items[i].found) continue;
        if (piece->kind == STEPS) optim->steps = (size_t)piece->value;
        if (piece->kind == STEP) group->moments[piece->place].steps = (size_t)piece->value;
        if (piece->kind == HYPER) group->hyper[piece->which] = piece->value;
    }
    hc_targets_take(&n->targets); /* what is learned */
    hc_optim_changed(optim);
}

static bool same_rule(const Named *n, const Safetensors *file) {
    char key[300];
    const char *found = safetensors_metadata(file, rule_key(n, key));
    if (found && strcmp(found, n->optim->cls->name) == 0) return true;
    return hc_fail_thread(HC_ERR_NAME,
                          found ? "%s: the file is of the rule '%.80s', not '%s'"
                                : "%s: the file holds no optimizer: the metadata '%.80s' is missing for '%s'",
                          n->who, found ? found : key, n->optim->cls->name);
}

static bool load(const Safetensors *file, Optim *optim, Named *n, LoadOptions options, LoadReport *report) {
    bool good = same_rule(n, file) && name_all(n) && hc_targets_match(&n->targets, file, n->who, options, report);
    for (size_t i = 0; i < n->targets.count && good; i++)
        good = look(n, i);
    good = good && together(n);
    if (good) take(n, optim);
    forget(n);
    return good;
}

bool safetensors_to_optim(const Safetensors *file, Optim *optim, LoadOptions options, LoadReport *report) {
    Named n = {.optim = optim, .who = "safetensors_to_optim", .prefix = options.prefix};
    HcError before;
    if (report) *report = (LoadReport){.loaded = 0};
    if (!file || !optim) return hc_null(n.who, file ? "the optimizer" : "the file");
    if (!hc_optim_at_rest(optim, n.who)) return false;
    hc_error_take(&before);
    bool done = load(file, optim, &n, options, report);
    hc_optim_fail_beside(optim, &before);
    return done;
}
