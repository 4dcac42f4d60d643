/* Modules by name: their Params and buffers under PyTorch's state-dict names. */
#include <string.h>

#include "formats/targets.h"
#include "nn/module.h"

/* ---- names ------------------------------------------------------------------------------------------------ */

typedef struct Walk {
    HcTargets *targets;
    const char *prefix;
    const HcPlan *plan; /* of the root */
    bool buffers;
    size_t site, unique; /* gone past; met for the first time */
    char *path;          /* of the module being visited, with a dot at its end */
    size_t used, capacity;
} Walk;

static bool push(Walk *walk, const char *name, const char *end) {
    size_t length = strlen(name), last = strlen(end);
    if (!hc_grow((void **)&walk->path, &walk->capacity, walk->used, walk->used + length + last + 1, 1)) return false;
    memcpy(walk->path + walk->used, name, length);
    memcpy(walk->path + walk->used + length, end, last + 1);
    walk->used += length + last;
    return true;
}

/* A site's Param under its path, the first time it is met. */
static bool take(Walk *walk, const HcNamed *named) {
    if (walk->plan->index[walk->site++] != walk->unique) return true;
    size_t before = walk->used;
    bool done = push(walk, named->name, "") &&
                hc_targets_add(walk->targets, walk->prefix, walk->path, named->param->shape, named->param);
    if (done) {
        HcTarget *target = &walk->targets->items[walk->targets->count - 1];
        target->counts = walk->buffers && strcmp(named->name, "num_batches_tracked") == 0;
    }
    walk->used = before;
    walk->unique++;
    return done;
}

static bool visit(Walk *walk, const Module *module) {
    size_t count = walk->buffers ? module->buffer_count : module->param_count, before = walk->used;
    const HcNamed *own = walk->buffers ? module->buffers : module->params;
    bool done = true;
    for (size_t i = 0; i < count && done; i++)
        done = take(walk, &own[i]);
    for (size_t i = 0; i < module->child_count && done; i++) {
        const HcNamed *child = &module->children[i];
        if (child->repeat) continue;
        done = push(walk, child->name, ".") && visit(walk, child->module);
        walk->used = before;
    }
    return done;
}

/* Params, then buffers, in the order of their lists. */
static bool list(HcTargets *targets, const char *who, const char *prefix, const Module *module) {
    Walk walk = {.targets = targets, .prefix = prefix, .plan = &module->param_plan};
    bool done = visit(&walk, module);
    walk = (Walk){.targets = targets,
                  .prefix = prefix,
                  .plan = &module->buffer_plan,
                  .buffers = true,
                  .path = walk.path,
                  .capacity = walk.capacity};
    done = done && visit(&walk, module);
    hc_free(walk.path);
    return done || hc_fail_thread(HC_ERR_NOMEM, "%s: out of memory", who);
}

/* What a name means that is not the first of a Param's. */
static size_t other_name(const void *user, const char *name) {
    const Module *module = user;
    size_t site;
    if (hc_module_site(module, name, false, &site)) return module->param_plan.index[site];
    return hc_module_site(module, name, true, &site)
               ? module->param_plan.unique.count + module->buffer_plan.index[site]
               : SIZE_MAX;
}

/* ---- saving and loading ------------------------------------------------------------------------------------- */

static bool add(Safetensors *file, const char *who, const char *prefix, const Module *module, bool borrowed) {
    HcTargets targets = {.count = 0};
    bool done = list(&targets, who, prefix, module) && hc_targets_store(&targets, file, who, borrowed);
    hc_targets_free(&targets);
    return done;
}

static bool load(const Safetensors *file, const char *who, Module *module, LoadOptions options, LoadReport *report) {
    HcTargets targets = {.alias = other_name, .user = module};
    bool done = list(&targets, who, options.prefix, module) && hc_targets_match(&targets, file, who, options, report);
    if (done) hc_targets_take(&targets);
    hc_targets_free(&targets);
    return done;
}

bool safetensors_add_module(Safetensors *file, const char *prefix, const Module *module) {
    const char *who = "safetensors_add_module";
    if (!file || !module) return hc_null(who, file ? "the module" : "the file");
    return add(file, who, prefix, module, false);
}

bool safetensors_to_module(const Safetensors *file, Module *module, LoadOptions options, LoadReport *report) {
    const char *who = "safetensors_to_module";
    if (report) *report = (LoadReport){.loaded = 0};
    if (!file || !module) return hc_null(who, file ? "the module" : "the file");
    return load(file, who, module, options, report);
}

bool module_save_safetensors(const Module *module, const char *path) {
    const char *who = "module_save_safetensors";
    if (!module || !path) return hc_null(who, module ? "the path" : "the module");
    Safetensors *file = safetensors_create();
    bool done = file && safetensors_set_metadata(file, "format", "pt") && add(file, who, NULL, module, true) &&
                hc_safetensors_write(file, who, path);
    safetensors_destroy(file);
    return done;
}

bool module_load_safetensors(Module *module, const char *path, LoadOptions options, LoadReport *report) {
    const char *who = "module_load_safetensors";
    if (report) *report = (LoadReport){.loaded = 0};
    if (!module || !path) return hc_null(who, module ? "the path" : "the module");
    Safetensors *file = hc_safetensors_for(who, path);
    bool done = file && load(file, who, module, options, report);
    safetensors_destroy(file);
    return done;
}
