/* Plans: where each weight of a tree stands, kept by every module for what is below it. */
#include <string.h>

#include "nn/module.h"

void hc_plan_free(HcPlan *plan) {
    for (size_t i = 0; plan->names && i < plan->unique.count; i++)
        hc_free(plan->names[i]);
    hc_free(plan->names);
    hc_free(plan->unique.items);
    hc_free(plan->index);
    *plan = (HcPlan){.sites = 0};
}

/* ---- the plan -------------------------------------------------------------------------------------- */

/* Of a module's path with its dots; names of modules further down leave out what has no room. */
enum { MOST_PATH = 256 };

typedef struct Walk {
    HcPlan *plan; /* NULL: only count */
    bool buffers;
    size_t sites;
    bool failed;
    HcParamSet seen;
    char path[MOST_PATH]; /* of the module being visited, with a dot at its end */
} Walk;

/* The Param's full name, where it has another and the plan is to give names. */
static void take_name(Walk *walk, size_t index, const HcNamed *named) {
    char full[512];
    size_t used = strlen(walk->path), length = strlen(named->name);
    if (!walk->plan->names) return;
    HC_ASSERT(used + length < sizeof full);
    memcpy(full, walk->path, used);
    memcpy(full + used, named->name, length + 1);
    if (strcmp(full, named->param->cell.name) == 0) return;
    if (!(walk->plan->names[index] = hc_copy_text(full))) walk->failed = true;
}

static void take_param(Walk *walk, const HcNamed *named) {
    size_t site = walk->sites++;
    if (!walk->plan) return;
    HcPlan *plan = walk->plan;
    size_t index = hc_param_set_add(&walk->seen, named->param, plan->unique.count);
    plan->index[site] = index;
    if (index < plan->unique.count) return;
    plan->unique.items[plan->unique.count++] = named->param;
    take_name(walk, index, named);
}

/* Own weights first, then the children's; this sets where each child's sites begin. */
static void walk_tree(Walk *walk, Module *module) {
    size_t base = walk->sites, length = strlen(walk->path);
    const HcNamed *own = walk->buffers ? module->buffers : module->params;
    size_t count = walk->buffers ? module->buffer_count : module->param_count;
    for (size_t i = 0; i < count; i++)
        take_param(walk, &own[i]);
    for (size_t i = 0; i < module->child_count; i++) {
        const HcNamed *child = &module->children[i];
        if (child->repeat) continue;
        if (walk->buffers)
            child->module->buffer_base = walk->sites - base;
        else
            child->module->param_base = walk->sites - base;
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
        .sites = count.sites, .index_room = count.sites + 1, .unique_room = count.sites + 1};
    plan->unique.items = hc_alloc_zero(count.sites + 1, sizeof(Param *));
    plan->index = hc_alloc_zero(count.sites + 1, sizeof *plan->index);
    bool root = !module->owner; /* names run from there */
    if (root) plan->names = hc_alloc_zero(count.sites + 1, sizeof *plan->names);
    Walk fill = {.plan = plan, .buffers = buffers};
    bool done = plan->unique.items && plan->index && (plan->names || !root) &&
                hc_param_set_create(&fill.seen, count.sites);
    if (done) walk_tree(&fill, module);
    hc_param_set_free(&fill.seen);
    return done && !fill.failed;
}

/* Each Param has an index, given in the order of the sites in which it first stands. */
static bool plan_holds(const HcPlan *plan) {
    size_t seen = 0;
    for (size_t i = 0; i < plan->sites; i++) {
        if (plan->index[i] > seen) return false;
        seen += plan->index[i] == seen;
    }
    return seen == plan->unique.count && plan->sites <= plan->index_room && seen <= plan->unique_room;
}

static void enforce(HcPlan *plan, HcPlan *next) {
    HC_ASSERT(plan_holds(next));
    for (size_t i = 0; next->names && i < next->unique.count; i++) {
        if (next->names[i]) hc_param_rename(next->unique.items[i], next->names[i]);
        next->names[i] = NULL;
    }
    hc_free(next->names);
    next->names = NULL;
    hc_plan_free(plan);
    *plan = *next;
    *next = (HcPlan){.sites = 0};
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

/* ---- in place, without making it anew ---------------------------------------------------------------------- */

static HcPlan *plan_of(Module *module, bool buffers) {
    return buffers ? &module->buffer_plan : &module->param_plan;
}

static size_t *base_of(Module *module, bool buffers) {
    return buffers ? &module->buffer_base : &module->param_base;
}

static bool plan_room(HcPlan *plan, size_t sites, size_t params) {
    return hc_grow((void **)&plan->index, &plan->index_room, plan->sites, plan->sites + sites,
                   sizeof *plan->index) &&
           hc_grow((void **)&plan->unique.items, &plan->unique_room, plan->unique.count,
                   plan->unique.count + params, sizeof(Param *));
}

/* The same in the plans of all that hold the module. */
static bool room_above(Module *module, bool buffers, const HcPlan *block) {
    for (; module; module = module->owner)
        if (!plan_room(plan_of(module, buffers), block->sites, block->unique.count)) return false;
    return true;
}

/* Puts sites of Params that are not in the plan yet before site `at`. Those first used further on move up. */
static void insert(HcPlan *plan, size_t at, const HcPlan *block) {
    size_t *index = plan->index, first = plan->unique.count, more = block->unique.count;
    if (at < plan->sites) {
        first = 0;
        for (size_t i = 0; i < at; i++)
            if (index[i] >= first) first = index[i] + 1;
        for (size_t i = at; i < plan->sites; i++)
            index[i] += index[i] >= first ? more : 0;
        memmove(index + at + block->sites, index + at, (plan->sites - at) * sizeof *index);
    }
    for (size_t i = 0; i < block->sites; i++)
        index[at + i] = first + block->index[i];
    Param **items = plan->unique.items + first;
    if (first < plan->unique.count)
        memmove(items + more, items, (plan->unique.count - first) * sizeof *items);
    if (more) memcpy(items, block->unique.items, more * sizeof *items);
    plan->sites += block->sites;
    plan->unique.count += more;
}

static void move_children(Module *module, size_t from, bool buffers, size_t by) {
    for (size_t i = from; i < module->child_count; i++)
        if (!module->children[i].repeat) *base_of(module->children[i].module, buffers) += by;
}

/* From site `at` of the module's own plan on, in that of all that hold it. */
static void insert_above(Module *module, bool buffers, size_t at, const HcPlan *block) {
    for (; block->sites > 0; module = module->owner) {
        insert(plan_of(module, buffers), at, block);
        if (!module->owner) return;
        at += *base_of(module, buffers);
        move_children(module->owner, module->place + 1, buffers, block->sites);
    }
}

static void changed_above(Module *module) {
    for (; module; module = module->owner)
        module->version->changes++;
}

/* The path from the root, with a dot at its end, at the end of `path`; NULL where it is so long that a walk would
 * shorten it. */
static const char *path_of(const Module *module, char path[MOST_PATH]) {
    size_t at = MOST_PATH - 1;
    path[at] = 0;
    for (; module->owner; module = module->owner) {
        const char *name = module->owner->children[module->place].name;
        size_t length = strlen(name);
        if (at < length + 1) return NULL;
        path[--at] = '.';
        at -= length;
        memcpy(path + at, name, length);
    }
    return path + at;
}

/* New names of Params below a path from the root, in a plan to come; false when out of memory. */
static bool name_below(HcPlan *next, const HcPlan *block, const char *path) {
    size_t used = strlen(path);
    next->names = hc_alloc_zero(block->unique.count + 1, sizeof *next->names);
    next->unique.count = next->names ? block->unique.count : 0;
    for (size_t i = 0; i < next->unique.count; i++) {
        char full[512];
        const char *rest = block->unique.items[i]->cell.name;
        size_t length = strlen(rest);
        if (used == 0) continue;
        HC_ASSERT(used + length < sizeof full);
        memcpy(full, path, used);
        memcpy(full + used, rest, length + 1);
        if (!(next->names[i] = hc_copy_text(full))) return false;
    }
    return next->names != NULL;
}

/* Whether a walk may shorten a name of the block below a path of that length. */
static bool is_long(const HcPlan *block, size_t used) {
    for (size_t i = 0; i < block->unique.count; i++)
        if (used + strlen(block->unique.items[i]->cell.name) >= MOST_PATH) return true;
    return false;
}

static void take_names(HcPlan *next, const HcPlan *block) {
    for (size_t i = 0; i < block->unique.count; i++) {
        if (next->names[i]) hc_param_rename(block->unique.items[i], next->names[i]);
        next->names[i] = NULL;
    }
}

bool hc_plan_param(Module *module, bool buffer) {
    char room[MOST_PATH];
    const char *path = path_of(module, room);
    if (!path) return hc_module_replan(module);
    size_t at = (buffer ? module->buffer_count : module->param_count) - 1, none = 0;
    Param *added = (buffer ? module->buffers : module->params)[at].param;
    HcPlan block = {.unique = {&added, 1}, .index = &none, .sites = 1};
    bool done = room_above(module, buffer, &block) && name_below(&module->param_next, &block, path);
    if (done) {
        take_names(&module->param_next, &block);
        move_children(module, 0, buffer, 1);
        insert_above(module, buffer, at, &block);
        changed_above(module);
    }
    hc_plan_free(&module->param_next);
    return done || hc_fail_thread(HC_ERR_NOMEM, "module: out of memory");
}

/* A child that was a root shares no Param with the tree it comes to: ties are made within one. */
bool hc_plan_child(Module *module, Module *child) {
    char room[MOST_PATH];
    const char *path = path_of(child, room);
    if (!path || is_long(&child->param_plan, strlen(path)) || is_long(&child->buffer_plan, strlen(path)))
        return hc_module_replan(module);
    bool done = true;
    for (int buffers = 0; buffers < 2 && done; buffers++)
        done = room_above(module, buffers, plan_of(child, buffers)) &&
               name_below(buffers ? &module->buffer_next : &module->param_next,
                          plan_of(child, buffers), path);
    if (done) {
        take_names(&module->param_next, &child->param_plan);
        take_names(&module->buffer_next, &child->buffer_plan);
        child->param_base = module->param_plan.sites;
        child->buffer_base = module->buffer_plan.sites;
        for (int buffers = 0; buffers < 2; buffers++)
            insert_above(module, buffers, *base_of(child, buffers), plan_of(child, buffers));
        changed_above(module);
    }
    hc_plan_free(&module->param_next);
    hc_plan_free(&module->buffer_next);
    return done || hc_fail_thread(HC_ERR_NOMEM, "module: out of memory");
}

/* What becomes of a plan whose site `at` is another Param's from now on: SIZE_MAX when it must be made anew, else
 * where that one stands, or the number of Params where it does not. */
static size_t place_after_tie(const HcPlan *plan, size_t at, const Param *now) {
    size_t was = plan->index[at], place = 0;
    for (size_t i = 0; i < plan->sites; i++)
        if (plan->index[i] == was && i != at) return SIZE_MAX;
    while (place < plan->unique.count && plan->unique.items[place] != now)
        place++;
    return place < was || place == plan->unique.count ? place : SIZE_MAX;
}

static void tie_site(HcPlan *plan, size_t at, Param *now, size_t place) {
    size_t was = plan->index[at];
    Param **items = plan->unique.items;
    if (place == plan->unique.count) {
        items[was] = now;
        return;
    }
    for (size_t i = at; i < plan->sites; i++)
        plan->index[i] -= plan->index[i] > was;
    plan->index[at] = place;
    plan->unique.count--;
    memmove(items + was, items + was + 1, (plan->unique.count - was) * sizeof *items);
}

bool hc_plan_tie(Module *holder, size_t site) {
    Param *now = holder->params[site].param;
    size_t places[HC_MOST_DEPTH + 1] = {0}, *place = places, at = site;
    for (const Module *m = holder; m; at += m->param_base, m = m->owner, place++) {
        *place = place_after_tie(&m->param_plan, at, now);
        bool named_anew = !m->owner && *place == m->param_plan.unique.count;
        if (*place == SIZE_MAX || named_anew) return hc_module_replan(holder);
    }
    place = places;
    at = site;
    for (Module *m = holder; m; at += m->param_base, m = m->owner)
        tie_site(&m->param_plan, at, now, *place++);
    changed_above(holder);
    return true;
}

void hc_module_rebase(Module *module) {
    for (; module; module = module->owner) {
        walk_tree(&(Walk){.buffers = false}, module);
        walk_tree(&(Walk){.buffers = true}, module);
    }
}
