/* Named tensors held against what is to take them. */
#include "formats/targets.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "tape/param.h"

LoadOptions load_options(void) {
    return (LoadOptions){.prefix = NULL};
}

void hc_targets_free(HcTargets *targets) {
    for (size_t i = 0; i < targets->count; i++)
        hc_free(targets->items[i].name);
    hc_free(targets->items);
    *targets = (HcTargets){.count = 0};
}

bool hc_targets_add(HcTargets *targets, const char *prefix, const char *name, Shape shape, Param *param) {
    size_t before = prefix ? strlen(prefix) : 0, length = strlen(name);
    char *full = hc_alloc(before + length + 1, 1);
    if (!full || !hc_grow((void **)&targets->items, &targets->capacity, targets->count, targets->count + 1,
                          sizeof *targets->items)) {
        hc_free(full);
        return false;
    }
    if (before) memcpy(full, prefix, before);
    memcpy(full + before, name, length + 1);
    targets->items[targets->count] = (HcTarget){.name = full, .shape = shape, .param = param};
    targets->count++;
    return true;
}

bool hc_targets_add_params(HcTargets *targets, const char *who, const char *prefix, ParamList params) {
    if (!params.items && params.count > 0) return hc_null(who, "the list");
    for (size_t i = 0; i < params.count; i++) {
        Param *p = params.items[i];
        if (!p) return hc_null(who, "a Param");
        if (!hc_targets_add(targets, prefix, p->cell.name, p->shape, p))
            return hc_fail_thread(HC_ERR_NOMEM, "%s: out of memory", who);
    }
    return true;
}

/* ---- the report ------------------------------------------------------------------------------------------ */

typedef enum Kind { MISSING, LEFT_OVER, OTHER_SHAPE, KINDS } Kind;

typedef struct Match {
    HcTargets *targets;
    const Safetensors *file;
    LoadReport report;
    size_t used; /* of its text */
    Kind last;   /* what was told last */
    bool full;
} Match;

static void say(Match *m, const char *words) {
    static const char more[] = " ...";
    const size_t room = sizeof m->report.text - sizeof more;
    size_t length = strlen(words);
    if (m->full) return;
    if (m->used + length > room) {
        m->full = true;
        words = more;
        length = sizeof more - 1;
    }
    memcpy(m->report.text + m->used, words, length + 1);
    m->used += length;
}

static void tell(Match *m, Kind kind, const char *name, const Shape *here, const Shape *there) {
    static const char *const heads[KINDS] = {"missing: ", "left over: ", "of another shape: "};
    char text[HC_SHAPE_TEXT];
    say(m, m->used == 0 ? "" : kind == m->last ? ", " : "; ");
    if (m->used == 0 || kind != m->last) say(m, heads[kind]);
    m->last = kind;
    say(m, name);
    say(m, here && there ? " is " : " ");
    say(m, hc_shape_text(here ? *here : *there, text));
    if (!here || !there) return;
    say(m, " here and ");
    say(m, hc_shape_text(*there, text));
    say(m, " in the file");
}

/* ---- matching -------------------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b) {
    return strcmp((*(HcTarget *const *)a)->name, (*(HcTarget *const *)b)->name);
}

/* The target that a name of the file means, or NULL. `sorted` goes by name, as the file's do, and *next along it. */
static HcTarget *target_of(const HcTargets *targets, HcTarget *const *sorted, size_t *next, const char *name,
                           size_t prefix) {
    int order = -1;
    while (*next < targets->count && (order = strcmp(sorted[*next]->name, name)) < 0)
        ++*next;
    if (*next < targets->count && order == 0) return sorted[*next];
    size_t number = targets->alias ? targets->alias(targets->user, name + prefix) : SIZE_MAX;
    return number == SIZE_MAX ? NULL : &targets->items[number];
}

static void match_all(Match *m, HcTarget *const *sorted, const char *prefix) {
    size_t length = prefix ? strlen(prefix) : 0, next = 0;
    for (size_t i = 0; i < m->file->count; i++) {
        const HcNumbers *numbers = m->file->sorted[i];
        if (strncmp(numbers->name, prefix ? prefix : "", length) != 0) continue;
        HcTarget *target = target_of(m->targets, sorted, &next, numbers->name, length);
        if (!target) {
            m->report.left_over++;
            tell(m, LEFT_OVER, numbers->name, NULL, &numbers->stored.shape);
        } else if (shape_equal(target->shape, numbers->stored.shape)) {
            target->found = &numbers->stored;
        } else {
            target->differs = true;
            m->report.other_shape++;
            tell(m, OTHER_SHAPE, numbers->name, &target->shape, &numbers->stored.shape);
        }
    }
    for (size_t i = 0; i < m->targets->count; i++) {
        const HcTarget *target = &m->targets->items[i];
        m->report.loaded += target->found != NULL;
        if (target->found || target->differs || target->optional) continue;
        m->report.missing++;
        tell(m, MISSING, target->name, &target->shape, NULL);
    }
}

static bool match_sorted(Match *m, HcTarget **sorted, const char *who, LoadOptions options) {
    for (size_t i = 0; i < m->targets->count; i++)
        sorted[i] = &m->targets->items[i];
    if (m->targets->count) qsort(sorted, m->targets->count, sizeof *sorted, by_name);
    for (size_t i = 1; i < m->targets->count; i++)
        if (strcmp(sorted[i - 1]->name, sorted[i]->name) == 0)
            return hc_fail_thread(HC_ERR_NAME, "%s: two are called '%.200s'", who, sorted[i]->name);
    match_all(m, sorted, options.prefix);
    const LoadReport *r = &m->report;
    bool named = (r->missing == 0 || options.missing) && (r->left_over == 0 || options.left_over);
    bool shaped = r->other_shape == 0 || options.other_shape;
    return (named && shaped) || hc_fail_thread(named ? HC_ERR_SHAPE : HC_ERR_NAME, "%s: %s", who, r->text);
}

bool hc_targets_match(HcTargets *targets, const Safetensors *file, const char *who, LoadOptions options,
                      LoadReport *report) {
    Match m = {.targets = targets, .file = file};
    HcTarget **sorted = hc_alloc(targets->count, sizeof *sorted);
    bool fits =
        sorted ? match_sorted(&m, sorted, who, options) : hc_fail_thread(HC_ERR_NOMEM, "%s: out of memory", who);
    hc_free(sorted);
    if (!fits) m.report.loaded = 0;
    if (report) *report = m.report;
    return fits;
}

void hc_targets_take(const HcTargets *targets) {
    for (size_t i = 0; i < targets->count; i++) {
        const HcTarget *target = &targets->items[i];
        if (!target->found || !target->param) continue;
        hc_stored_read(target->found, target->param->data, target->param->dtype);
        hc_param_written(target->param);
    }
}

/* ---- lists of Params --------------------------------------------------------------------------------------- */

/* Whole numbers that are exact either way. */
static bool counts(const Param *p) {
    for (size_t i = 0; i < p->count; i++) {
        double value = param_get(p, i);
        if (!(value >= 0 && value < 0x1p53 && value == floor(value))) return false;
    }
    return true;
}

static bool store_counts(const HcTarget *target, Safetensors *file, const char *who) {
    const Param *p = target->param;
    int64_t *values = hc_alloc(p->count, sizeof *values);
    if (!values) return hc_fail_thread(HC_ERR_NOMEM, "%s: out of memory", who);
    for (size_t i = 0; i < p->count; i++)
        values[i] = (int64_t)param_get(p, i);
    const HcAdded added = {NULL, target->name, HC_STORED_I64, p->shape, values, false};
    bool done = hc_safetensors_add(file, who, &added);
    hc_free(values);
    return done;
}

static bool store(const HcTarget *target, Safetensors *file, const char *who, bool borrowed) {
    const Param *p = target->param;
    if (!p->ready)
        return hc_fail_thread(HC_ERR_STATE, "%s: '%s' is not initialised (module_init, param_set)", who, p->cell.name);
    if (target->counts && counts(p)) return store_counts(target, file, who);
    const HcAdded added = {NULL, target->name, hc_stored_type(p->dtype), p->shape, p->data, borrowed};
    return hc_safetensors_add(file, who, &added);
}

bool hc_targets_store(const HcTargets *targets, Safetensors *file, const char *who, bool borrowed) {
    size_t before = file->count;
    bool done = true;
    for (size_t i = 0; i < targets->count && done; i++)
        done = store(&targets->items[i], file, who, borrowed);
    if (!done) hc_safetensors_back_to(file, before);
    return done;
}

bool safetensors_add_params(Safetensors *file, const char *prefix, ParamList params) {
    const char *who = "safetensors_add_params";
    HcTargets targets = {.count = 0};
    bool done = (file || hc_null(who, "the file")) && hc_targets_add_params(&targets, who, prefix, params) &&
                hc_targets_store(&targets, file, who, false);
    hc_targets_free(&targets);
    return done;
}

bool safetensors_to_params(const Safetensors *file, ParamList params, LoadOptions options, LoadReport *report) {
    const char *who = "safetensors_to_params";
    HcTargets targets = {.count = 0};
    if (report) *report = (LoadReport){.loaded = 0};
    bool done = (file || hc_null(who, "the file")) && hc_targets_add_params(&targets, who, options.prefix, params) &&
                hc_targets_match(&targets, file, who, options, report);
    if (done) hc_targets_take(&targets);
    hc_targets_free(&targets);
    return done;
}
