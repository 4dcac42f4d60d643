/* The plan of a tree: where each Param stands, and what it is called. Made anew where the tree changed in its middle,
 * continued where something came at the end of a root. */
#include <string.h>

#include "nn/module.h"

void hc_plan_free(HcPlan *plan) {
    for (size_t i = 0; plan->names && i < plan->unique.count; i++)
        hc_free(plan->names[i]);
    hc_free(plan->names);
    hc_free(plan->unique.items);
    hc_free(plan->index);
    *plan = (HcPlan){.slots = 0};
}

typedef struct Walk {
    HcPlan *plan; /* NULL: only count */
    bool buffers;
    size_t slots;
    bool failed;
    HcParamSet seen;
    char path[256]; /* of the module being visited, with a dot at its end */
} Walk;

/* The Param's full name, where it has another and the plan is to give names. */
static void take_name(Walk *walk, size_t index, const HcNamed *named) {
    char full[512];
    size_t used = strlen(walk->path), length = strlen(named->name);
    if (!walk->plan->names || used + length >= sizeof full) return;
    memcpy(full, walk->path, used);
    memcpy(full + used, named->name, length + 1);
    if (strcmp(full, named->param->cell.name) == 0) return;
    if (!(walk->plan->names[index] = hc_copy_text(full))) walk->failed = true;
}

static void take_param(Walk *walk, const HcNamed *named) {
    size_t slot = walk->slots++;
    if (!walk->plan) return;
    HcPlan *plan = walk->plan;
    size_t index = hc_param_set_add(&walk->seen, named->param, plan->unique.count);
    plan->index[slot] = index;
    if (index < plan->unique.count) return;
    plan->unique.items[plan->unique.count++] = named->param;
    take_name(walk, index, named);
}

/* Own weights first, then the children's; this sets where each child's slots begin. */
static void walk_tree(Walk *walk, Module *module) {
    size_t base = walk->slots, length = strlen(walk->path);
    const HcNamed *own = walk->buffers ? module->buffers : module->params;
    size_t count = walk->buffers ? module->buffer_count : module->param_count;
    for (size_t i = 0; i < count; i++)
        take_param(walk, &own[i]);
    for (size_t i = 0; i < module->child_count; i++) {
        HcChild *child = &module->children[i];
        if (child->repeat) continue;
        if (walk->buffers)
            child->module->buffer_base = walk->slots - base;
        else
            child->module->param_base = walk->slots - base;
        size_t name = strlen(child->name);
        if (length + name + 2 <= sizeof walk->path) {
            memcpy(walk->path + length, child->name, name);
            memcpy(walk->path + length + name, ".", 2);
        }
        walk_tree(walk, child->module);
        walk->path[length] = 0;
    }
}

static bool make_plan(Module *module, bool buffers, HcPlan *plan) {
    Walk count = {.buffers = buffers};
    walk_tree(&count, module);
    *plan = (HcPlan){
        .slots = count.slots, .index_room = count.slots + 1, .unique_room = count.slots + 1};
    plan->unique.items = hc_alloc_zero(count.slots + 1, sizeof(Param *));
    plan->index = hc_alloc_zero(count.slots + 1, sizeof *plan->index);
    bool root = !module->owner; /* names run from there */
    if (root) plan->names = hc_alloc_zero(count.slots + 1, sizeof *plan->names);
    Walk fill = {.plan = plan, .buffers = buffers};
    bool done = plan->unique.items && plan->index && (plan->names || !root) &&
                hc_param_set_create(&fill.seen, count.slots);
    if (done) walk_tree(&fill, module);
    hc_param_set_free(&fill.seen);
    return done && !fill.failed;
}

/* Each Param has an index, given in the order of the slots in which it first stands. */
static bool plan_holds(const HcPlan *plan) {
    size_t seen = 0;
    for (size_t i = 0; i < plan->slots; i++) {
        if (plan->index[i] > seen) return false;
        seen += plan->index[i] == seen;
    }
    return seen == plan->unique.count && plan->slots <= plan->index_room && seen <= plan->unique_room;
}

static void enforce(HcPlan *plan, HcPlan *next) {
    HC_ASSERT(plan_holds(next));
    for (size_t i = 0; next->names && i < next->unique.count; i++) {
        if (next->names[i]) hc_param_rename(next->unique.items[i], next->names[i]);
        next->names[i] = NULL;
    }
    hc_free(next->names); /* what is appended later has no place there */
    next->names = NULL;
    hc_plan_free(plan);
    *plan = *next;
    *next = (HcPlan){.slots = 0};
}

static bool make_plans(Module *module) {
    return make_plan(module, false, &module->param_next) && make_plan(module, true, &module->buffer_next);
}

/* Ends what make_plans began, whether it is to be in force or not. */
static void settle_plans(Module *module, bool made) {
    if (made) {
        enforce(&module->param_plan, &module->param_next);
        enforce(&module->buffer_plan, &module->buffer_next);
    }
    hc_plan_free(&module->param_next);
    hc_plan_free(&module->buffer_next);
}

bool hc_module_replan(Module *module) {
    bool done = true;
    for (Module *m = module; m && done; m = m->owner)
        done = make_plans(m);
    for (Module *m = module; m; m = m->owner) {
        settle_plans(m, done);
        if (done) m->version->changes++;
    }
    return done || hc_fail_thread(HC_ERR_NOMEM, "module: out of memory");
}

bool hc_module_replan_tree(Module *module) {
    for (size_t i = 0; i < module->child_count; i++)
        if (!hc_module_replan_tree(module->children[i].module)) return false;
    bool done = make_plans(module);
    settle_plans(module, done);
    return done || hc_fail_thread(HC_ERR_NOMEM, "module: out of memory");
}

/* ---- at the end of a root's plan, without making it anew ------------------------------------------------- */

static bool plan_room(HcPlan *plan, size_t slots, size_t params) {
    return hc_grow((void **)&plan->index, &plan->index_room, plan->slots, plan->slots + slots,
                   sizeof *plan->index) &&
           hc_grow((void **)&plan->unique.items, &plan->unique_room, plan->unique.count,
                   plan->unique.count + params, sizeof(Param *));
}

/* New names of a child's Params under a root, in its plan to come; false when out of memory. */
static bool name_below(HcPlan *next, const HcPlan *child, const char *name) {
    size_t used = strlen(name);
    next->names = hc_alloc_zero(child->unique.count + 1, sizeof *next->names);
    next->unique.count = next->names ? child->unique.count : 0;
    for (size_t i = 0; i < next->unique.count; i++) {
        char full[512];
        const char *rest = child->unique.items[i]->cell.name;
        size_t length = strlen(rest);
        if (used + 1 + length >= sizeof full) continue;
        memcpy(full, name, used);
        full[used] = '.';
        memcpy(full + used + 1, rest, length + 1);
        if (!(next->names[i] = hc_copy_text(full))) return false;
    }
    return next->names != NULL;
}

static void append_plan(HcPlan *plan, HcPlan *next, const HcPlan *child) {
    HC_ASSERT(plan_holds(child));
    for (size_t i = 0; i < child->unique.count; i++) {
        if (next->names[i]) hc_param_rename(child->unique.items[i], next->names[i]);
        next->names[i] = NULL;
    }
    for (size_t i = 0; i < child->slots; i++)
        plan->index[plan->slots + i] = plan->unique.count + child->index[i];
    if (child->unique.count)
        memcpy(plan->unique.items + plan->unique.count, child->unique.items,
               child->unique.count * sizeof *child->unique.items);
    plan->slots += child->slots;
    plan->unique.count += child->unique.count;
}

/* A child that was a root shares no Param with the tree it comes to: ties are made within one. */
bool hc_module_plan_child(Module *module, Module *child, const char *name) {
    bool done =
        plan_room(&module->param_plan, child->param_plan.slots, child->param_plan.unique.count) &&
        plan_room(&module->buffer_plan, child->buffer_plan.slots,
                  child->buffer_plan.unique.count) &&
        name_below(&module->param_next, &child->param_plan, name) &&
        name_below(&module->buffer_next, &child->buffer_plan, name);
    if (done) {
        child->param_base = module->param_plan.slots;
        child->buffer_base = module->buffer_plan.slots;
        append_plan(&module->param_plan, &module->param_next, &child->param_plan);
        append_plan(&module->buffer_plan, &module->buffer_next, &child->buffer_plan);
        module->version->changes++;
    }
    hc_plan_free(&module->param_next);
    hc_plan_free(&module->buffer_next);
    return done || hc_fail_thread(HC_ERR_NOMEM, "module: out of memory");
}

bool hc_module_plan_own(Module *module, bool buffer, Param *added) {
    HcPlan *plan = buffer ? &module->buffer_plan : &module->param_plan;
    if (module->owner || module->child_count > 0) return hc_module_replan(module);
    if (!plan_room(plan, 1, 1)) return hc_fail_thread(HC_ERR_NOMEM, "module: out of memory");
    plan->index[plan->slots++] = plan->unique.count;
    plan->unique.items[plan->unique.count++] = added;
    module->version->changes++;
    return true;
}

void hc_module_rebase(Module *module) {
    for (; module; module = module->owner) {
        Walk params = {.buffers = false}, buffers = {.buffers = true};
        walk_tree(&params, module);
        walk_tree(&buffers, module);
        HC_ASSERT(params.slots == module->param_plan.slots && buffers.slots == module->buffer_plan.slots);
    }
}
