/* The tree: building, names, lists, destruction. */
#include "nn/module.h"

#include <string.h>

/* ---- making and destroying ------------------------------------------------------------------------ */

Module *module_create(const ModuleClass *cls, void *state) {
    Module *module = cls && cls->forward ? hc_alloc_zero(1, sizeof *module) : NULL;
    if (!module) {
        if (!cls || !cls->forward)
            hc_fail_thread(HC_ERR_ARG, "module_create: %s",
                           cls ? "no forward" : "the class is NULL");
        else
            hc_fail_thread(HC_ERR_NOMEM, "module_create: out of memory");
        if (cls && cls->destroy_state && state) cls->destroy_state(state);
        return NULL;
    }
    module->version = hc_version_create("module");
    if (!module->version) {
        hc_free(module);
        hc_fail_thread(HC_ERR_NOMEM, "module_create: out of memory");
        if (cls->destroy_state && state) cls->destroy_state(state);
        return NULL;
    }
    module->version->local = true;
    module->cls = *cls;
    if (!cls->name) module->cls.name = "custom";
    module->state = state;
    module->training = true;
    return module;
}

Module *hc_module_with(const ModuleClass *cls, const void *state, size_t bytes) {
    void *copy = hc_copy_bytes(state, bytes);
    if (copy) return module_create(cls, copy);
    hc_fail_thread(HC_ERR_NOMEM, "module_%s: out of memory", cls->name);
    return NULL;
}

static void destroy_tree(Module *module) {
    for (size_t i = 0; i < module->child_count; i++) {
        hc_free(module->children[i].name);
        if (!module->children[i].repeat) destroy_tree(module->children[i].module);
    }
    for (size_t i = 0; i < module->param_count; i++) {
        hc_free(module->params[i].name);
        param_unref(module->params[i].param);
    }
    for (size_t i = 0; i < module->buffer_count; i++) {
        hc_free(module->buffers[i].name);
        param_unref(module->buffers[i].param);
    }
    if (module->cls.destroy_state && module->state) module->cls.destroy_state(module->state);
    hc_plan_free(&module->param_plan);
    hc_plan_free(&module->buffer_plan);
    module->version->changes = UINT64_MAX;
    module->version->gone = true;
    hc_version_unref(module->version);
    hc_free(module->norms);
    hc_free(module->params);
    hc_free(module->buffers);
    hc_free(module->children);
    hc_names_free(&module->param_names);
    hc_names_free(&module->buffer_names);
    hc_names_free(&module->child_names);
    hc_free(module);
}

void module_destroy(Module *module) {
    if (!module) return;
    if (module->owner)
        hc_fail_thread(HC_ERR_STATE,
                       "module_destroy: the %s module belongs to another, which destroys it",
                       module->cls.name);
    else if (hc_module_at_rest(module, "module_destroy")) {
        HcRunning here;
        hc_module_enter(&here, module, "destroy_state");
        destroy_tree(module);
        hc_module_leave(&here);
    }
}

/* ---- adding ------------------------------------------------------------------------------------------ */

static bool good_name(const char *who, const char *name) {
    if (!name) return hc_null(who, "the name");
    if (!*name || strchr(name, '.') || strlen(name) > 63)
        return hc_fail_thread(HC_ERR_ARG, "%s: '%.64s' is no name: 1 to 63 letters without dots",
                              who, name);
    return true;
}

static Param *add(Module *module, const char *who, const char *name, Shape shape, bool buffer) {
    if (!module) {
        hc_null(who, "the module");
        return NULL;
    }
    if (!good_name(who, name) || !hc_module_at_rest(module, who)) return NULL;
    if (hc_module_number(module, false, name) < module->param_count ||
        hc_module_number(module, true, name) < module->buffer_count) {
        hc_fail_thread(HC_ERR_NAME, "%s: there is a '%s' already", who, name);
        return NULL;
    }
    HcNamed **list = buffer ? &module->buffers : &module->params;
    size_t *count = buffer ? &module->buffer_count : &module->param_count;
    size_t *capacity = buffer ? &module->buffer_capacity : &module->param_capacity;
    HcNames *names = buffer ? &module->buffer_names : &module->param_names;
    HcNamed added = {.name = hc_copy_text(name),
                     .hash = hc_name_hash(name, strlen(name)),
                     .param = hc_param_for(who, name, shape, module->dtype)};
    if (added.name && added.param && hc_names_room(names, *list, *count) &&
        hc_grow((void **)list, capacity, *count, *count + 1, sizeof **list)) {
        (*list)[(*count)++] = added;
        if (hc_plan_param(module, buffer)) {
            hc_names_put(names, *list, *count - 1);
            return added.param;
        }
        (*count)--;
        hc_module_rebase(module);
    }
    hc_free(added.name);
    param_unref(added.param);
    hc_fail_thread(HC_ERR_NOMEM, "%s: out of memory", who);
    return NULL;
}

Param *module_add_param(Module *module, const char *name, Shape shape) {
    return add(module, "module_add_param", name, shape, false);
}

Param *hc_module_own_param(Module *module, const char *name, Shape shape) {
    char who[80];
    snprintf(who, sizeof who, "module_%.64s", module->cls.name);
    return add(module, who, name, shape, false);
}

bool module_add_buffer(Module *module, const char *name, Shape shape, double value) {
    Param *buffer = add(module, "module_add_buffer", name, shape, true);
    if (buffer) param_fill(buffer, value);
    return buffer != NULL;
}

static bool append_child(Module *module, const char *who, const char *name, Module *child) {
    if (hc_module_child(module, name, strlen(name)) < module->child_count)
        return hc_fail_thread(HC_ERR_NAME, "%s: there is a '%s' already", who, name);
    size_t depth = 1;
    for (const Module *m = module; m; m = m->owner)
        depth++;
    if (depth + child->height > HC_MOST_DEPTH)
        return hc_fail_thread(HC_ERR_RANGE, "%s: '%s' would be nested more than %d deep", who, name,
                              HC_MOST_DEPTH);
    if (child->dtype != module->dtype)
        return hc_fail_thread(HC_ERR_DTYPE, "%s: '%s' is %s, the module %s (module_to)", who, name,
                              child->dtype == HC_F32 ? "f32" : "f64", module->dtype == HC_F32 ? "f32" : "f64");
    HcNamed added = {.name = hc_copy_text(name),
                     .hash = hc_name_hash(name, strlen(name)),
                     .repeat = child->owner != NULL,
                     .module = child};
    if (!added.name || !hc_names_room(&module->child_names, module->children, module->child_count) ||
        !hc_grow((void **)&module->children, &module->child_capacity, module->child_count,
                 module->child_count + 1, sizeof added)) {
        hc_free(added.name);
        return hc_fail_thread(HC_ERR_NOMEM, "%s: out of memory", who);
    }
    Module *owner = child->owner;
    if (!owner) child->place = module->child_count;
    module->children[module->child_count++] = added;
    child->owner = module;
    bool done = added.repeat || hc_plan_child(module, child);
    for (Module *m = module, *below = child; done && m; below = m, m = m->owner)
        if (m->height < below->height + 1) m->height = below->height + 1;
    if (done) {
        hc_names_put(&module->child_names, module->children, module->child_count - 1);
        return true;
    }
    module->child_count--;
    child->owner = owner;
    hc_free(added.name);
    hc_module_rebase(module);
    return false;
}

bool hc_module_adopt(const char *who, Module *module, const char *name, Module *child) {
    if (!module || !child) return hc_null(who, module ? "the child" : "the module");
    if (!hc_module_at_rest(module, who) || !hc_module_at_rest(child, who)) return false;
    if (child->owner && child->owner != module)
        return hc_fail_thread(HC_ERR_STATE, "%s: '%s' belongs to another module already", who, name ? name : "(NULL)");
    for (const Module *m = module; m; m = m->owner)
        if (m == child) return hc_fail_thread(HC_ERR_STATE, "%s: a module cannot hold itself", who);
    return good_name(who, name) && append_child(module, who, name, child);
}

bool module_add_child(Module *module, const char *name, Module *child) {
    if (hc_module_adopt("module_add_child", module, name, child)) return true;
    for (const Module *m = module; m; m = m->owner)
        if (m == child) return false; /* the caller's still */
    if (child && !child->owner) module_destroy(child);
    return false;
}

/* What was handed over and stands in no tree goes, once. All are looked at, and strung together, before the first
 * of them goes and takes its children along. */
static void destroy_roots(Module *const *children, size_t count) {
    static Module end;
    Module *roots = &end;
    for (size_t i = 0; i < count; i++)
        if (children[i] && !children[i]->owner) {
            children[i]->owner = roots;
            roots = children[i];
        }
    while (roots != &end) {
        Module *root = roots;
        roots = root->owner;
        root->owner = NULL;
        module_destroy(root);
    }
}

Module *hc_module_of(const ModuleClass *cls, const void *state, size_t bytes, Module *const *children, size_t count) {
    char who[32], name[24];
    snprintf(who, sizeof who, "module_%s", cls->name);
    bool sound = children || count == 0;
    if (!sound) hc_null(who, "children");
    Module *module = NULL;
    if (sound) module = state ? hc_module_with(cls, state, bytes) : module_create(cls, NULL);
    bool done = module != NULL;
    for (size_t i = 0; i < count && done; i++) {
        snprintf(name, sizeof name, "%zu", i);
        done = hc_module_adopt(who, module, name, children[i]);
    }
    if (done) return module;
    /* It owns all that it was handed, also now. */
    destroy_roots(children, children ? count : 0);
    module_destroy(module);
    return NULL;
}

/* ---- finding -------------------------------------------------------------------------------------------- */

Module *hc_module_walk(const Module *module, const char *path, size_t length, size_t *param_base,
                       size_t *buffer_base) {
    while (length > 0) {
        const char *dot = memchr(path, '.', length);
        size_t step = dot ? (size_t)(dot - path) : length;
        size_t child = hc_module_child(module, path, step);
        if (child == module->child_count) return NULL;
        module = module->children[child].module;
        *param_base += module->param_base;
        *buffer_base += module->buffer_base;
        path += step + (dot != NULL);
        length -= step + (dot != NULL);
    }
    return (Module *)(uintptr_t)module;
}

bool hc_module_site(const Module *module, const char *path, bool buffer, size_t *site) {
    const char *dot = strrchr(path, '.'), *name = dot ? dot + 1 : path;
    size_t param_base = 0, buffer_base = 0;
    if (dot && (dot == path || dot[-1] == '.')) return false; /* a module without a name */
    module =
        hc_module_walk(module, path, dot ? (size_t)(dot - path) : 0, &param_base, &buffer_base);
    if (!module) return false;
    size_t number = hc_module_number(module, buffer, name);
    *site = (buffer ? buffer_base : param_base) + number;
    return number < (buffer ? module->buffer_count : module->param_count);
}

static Param *find_param(const Module *module, const char *path, bool buffer, const char *who) {
    size_t site;
    if (!module || !path) {
        hc_null(who, module ? "the path" : "the module");
        return NULL;
    }
    if (!hc_module_site(module, path, buffer, &site)) {
        hc_fail_thread(HC_ERR_NAME, "%s: there is no '%s'", who, path);
        return NULL;
    }
    const HcPlan *plan = buffer ? &module->buffer_plan : &module->param_plan;
    return plan->unique.items[plan->index[site]];
}

Param *module_param(const Module *module, const char *path) {
    return find_param(module, path, false, "module_param");
}

Param *module_buffer(const Module *module, const char *path) {
    return find_param(module, path, true, "module_buffer");
}

Module *module_find(const Module *module, const char *path) {
    size_t params = 0, buffers = 0;
    if (!module || !path) {
        hc_null("module_find", module ? "the path" : "the module");
        return NULL;
    }
    Module *found = hc_module_walk(module, path, strlen(path), &params, &buffers);
    if (!found) hc_fail_thread(HC_ERR_NAME, "module_find: there is no '%s'", path);
    return found;
}

bool module_tie(Module *module, const char *path, const char *source) {
    const char *who = "module_tie";
    if (!module) return hc_null(who, "the module");
    if (!path || !source) return hc_null(who, path ? "the source" : "the path");
    if (!hc_module_at_rest(module, who)) return false;
    Param *from = find_param(module, source, false, who),
          *to = find_param(module, path, false, who);
    if (!from || !to) return false;
    char a[HC_SHAPE_TEXT], b[HC_SHAPE_TEXT];
    if (!shape_equal(from->shape, to->shape))
        return hc_fail_thread(HC_ERR_SHAPE, "%s: '%s' is %s, '%s' is %s: both must be of one shape", who, path,
                              hc_shape_text(to->shape, a), source, hc_shape_text(from->shape, b));
    const char *dot = strrchr(path, '.'), *name = dot ? dot + 1 : path;
    size_t unused = 0;
    Module *holder = hc_module_walk(module, path, dot ? (size_t)(dot - path) : 0, &unused, &unused);
    size_t number = hc_module_number(holder, false, name);
    HcNamed *at = &holder->params[number];
    if (from == to) return true;
    at->param = param_ref(from);
    if (hc_plan_tie(holder, number)) {
        param_unref(to);
        return true;
    }
    at->param = to;
    param_unref(from);
    hc_module_rebase(holder);
    return false;
}

/* ---- looking -------------------------------------------------------------------------------------------- */

ParamList module_params(const Module *module) {
    return module ? module->param_plan.unique : (ParamList){NULL, 0};
}

ParamList module_buffers(const Module *module) {
    return module ? module->buffer_plan.unique : (ParamList){NULL, 0};
}

const char *module_name(const Module *module) {
    return module ? module->cls.name : NULL;
}

void *module_state(const Module *module) {
    return module ? module->state : NULL;
}

DType module_dtype(const Module *module) {
    return module ? module->dtype : HC_F32;
}

bool module_training(const Module *module) {
    return module && module->training;
}

void module_train(Module *module, bool training) {
    if (!module) return;
    module->training = training;
    for (size_t i = 0; i < module->child_count; i++)
        module_train(module->children[i].module, training);
}

static void set_dtype(Module *module, DType dtype) {
    module->dtype = dtype;
    for (size_t i = 0; i < module->child_count; i++)
        set_dtype(module->children[i].module, dtype);
}

bool module_to(Module *module, DType dtype) {
    if (!module) return hc_null("module_to", "the module");
    if (!hc_has_type("module_to", dtype)) return false;
    if (module->owner)
        return hc_fail_thread(HC_ERR_STATE, "module_to: the %s module belongs to another: convert the whole tree",
                              module->cls.name);
    if (!hc_module_at_rest(module, "module_to")) return false;
    if (module->dtype == dtype) return true;
    ParamList lists[2] = {module_params(module), module_buffers(module)};
    size_t total = lists[0].count + lists[1].count, made = 0;
    void **data = hc_alloc_zero(total, sizeof *data);
    for (size_t l = 0; data && l < 2; l++)
        for (size_t i = 0; i < lists[l].count; i++)
            if ((data[made] = hc_param_converted(lists[l].items[i], dtype))) made++;
    bool done = data && made == total;
    for (size_t l = 0, at = 0; done && l < 2; l++)
        for (size_t i = 0; i < lists[l].count; i++)
            hc_param_convert(lists[l].items[i], dtype, data[at++]);
    for (size_t i = 0; !done && i < made; i++)
        hc_free(data[i]);
    hc_free(data);
    if (!done) return hc_fail_thread(HC_ERR_NOMEM, "module_to: out of memory");
    set_dtype(module, dtype);
    return true;
}

bool module_print(const Module *module, FILE *out) {
    if (!module || !out)
        return hc_null("module_print", module ? "the file" : "the module");
    ParamList params = module_params(module);
    size_t total = 0;
    char shape[HC_SHAPE_TEXT];
    bool done = fprintf(out, "%-32s %-20s %12s\n", module->cls.name, "shape", "count") > 0;
    for (size_t i = 0; i < params.count; i++) {
        const Param *p = params.items[i];
        total += p->count;
        done = fprintf(out, "  %-30s %-20s %12zu%s\n", p->cell.name, hc_shape_text(p->shape, shape),
                       p->count, p->frozen ? "  frozen" : "") > 0 &&
               done;
    }
    done =
        fprintf(out, "  %-30s %-20s %12zu\n", "total", "", total) > 0 && fflush(out) == 0 && done;
    done = done && !ferror(out); /* not every fprintf tells */
    return done || hc_fail_thread(HC_ERR_IO, "module_print: could not write");
}
