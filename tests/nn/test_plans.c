/* Plans kept up to date in place are those made anew, whatever is added and tied where; and large trees are built in
 * time: these sizes would take a walk through the tree for each addition past the time limit. */
#include "nn/module.h"

#include <higherc/higherc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/check.h"

enum { MANY = 40000, TIES = 10000 };

static bool forward(Frame *frame, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    (void)frame, (void)nin, (void)nout;
    out[0] = in[0];
    return true;
}

static const ModuleClass cls = {.name = "part", .forward = forward};

/* ---- the same as made anew ---------------------------------------------------------------------------- */

typedef struct Copy {
    size_t sites, count, param_base, buffer_base;
    size_t *index;
    Param **items;
    char **names;
} Copy;

enum { MOST_MODULES = 200 };

typedef struct Copies {
    Copy of[2][MOST_MODULES];
    size_t count;
} Copies;

static Copy copy_of(const Module *m, const HcPlan *plan) {
    Copy c = {plan->sites, plan->unique.count, m->param_base, m->buffer_base, NULL, NULL, NULL};
    c.index = malloc((c.sites + 1) * sizeof *c.index);
    c.items = malloc((c.count + 1) * sizeof *c.items);
    c.names = malloc((c.count + 1) * sizeof *c.names);
    for (size_t i = 0; i < c.sites; i++)
        c.index[i] = plan->index[i];
    for (size_t i = 0; i < c.count; i++) {
        c.items[i] = plan->unique.items[i];
        c.names[i] = malloc(strlen(param_name(c.items[i])) + 1);
        strcpy(c.names[i], param_name(c.items[i]));
    }
    return c;
}

static void take(const Module *m, Copies *all) {
    all->of[0][all->count] = copy_of(m, &m->param_plan);
    all->of[1][all->count++] = copy_of(m, &m->buffer_plan);
    for (size_t i = 0; i < m->child_count; i++)
        if (!m->children[i].repeat) take(m->children[i].module, all);
}

static bool same(const Copy *a, const Copy *b) {
    bool is = a->sites == b->sites && a->count == b->count && a->param_base == b->param_base &&
              a->buffer_base == b->buffer_base;
    for (size_t i = 0; is && i < a->sites; i++)
        is = a->index[i] == b->index[i];
    for (size_t i = 0; is && i < a->count; i++)
        is = a->items[i] == b->items[i] && strcmp(a->names[i], b->names[i]) == 0;
    return is;
}

static void drop(Copies *all) {
    for (size_t k = 0; k < 2 * all->count; k++) {
        Copy *c = &all->of[k % 2][k / 2];
        for (size_t i = 0; i < c->count; i++)
            free(c->names[i]);
        free(c->names);
        free(c->items);
        free(c->index);
    }
    all->count = 0;
}

static bool as_made_anew(Module *root) {
    static Copies before, after;
    take(root, &before);
    bool is = hc_module_replan_tree(root);
    take(root, &after);
    for (size_t k = 0; k < 2 * before.count && is; k++)
        is = same(&before.of[k % 2][k / 2], &after.of[k % 2][k / 2]);
    drop(&before);
    drop(&after);
    return is;
}

/* A module of the tree, each with some chance. */
static Module *pick(Module *m, Rng *rng) {
    while (m->child_count > 0 && rng_u64(rng) % 3 > 0)
        m = m->children[rng_u64(rng) % m->child_count].module;
    return m;
}

/* The path of a weight from the root; false for a module without one. */
static bool path_to(Module *m, Rng *rng, char path[300]) {
    path[0] = 0;
    while (m->child_count > 0 && (m->param_count == 0 || rng_u64(rng) % 3 > 0)) {
        const HcNamed *child = &m->children[rng_u64(rng) % m->child_count];
        strcat(strcat(path, child->name), ".");
        m = child->module;
    }
    if (m->param_count == 0) return false;
    strcat(path, m->params[rng_u64(rng) % m->param_count].name);
    return true;
}

static Module *small(Rng *rng) {
    if (rng_u64(rng) % 2) return module_linear(1, 1);
    Module *inner[] = {module_create(&cls, NULL), module_linear(1, 1)};
    return module_sequential(inner, 2);
}

static void grows(uint64_t seed) {
    Rng rng = rng_seed(seed);
    Module *root = module_create(&cls, NULL);
    for (int i = 0; i < 60; i++) {
        char name[16], path[300], source[300];
        Module *m = pick(root, &rng);
        snprintf(name, sizeof name, "n%d", i);
        uint64_t what = rng_u64(&rng) % 8;
        if (what < 2)
            CHECK(module_add_param(m, name, shape2(1, 1)) != NULL);
        else if (what < 3)
            CHECK(module_add_buffer(m, name, shape1(2), 1));
        else if (what < 6)
            CHECK(module_add_child(m, name, small(&rng)));
        else if (what < 7 && m->child_count > 0)
            CHECK(module_add_child(m, name, m->children[0].module)); /* at a second place */
        else if (path_to(root, &rng, path) && path_to(root, &rng, source) &&
                 shape_equal(param_shape(module_param(root, path)),
                             param_shape(module_param(root, source))))
            CHECK(module_tie(root, path, source));
        CHECK(as_made_anew(root));
    }
    Module *copy = module_clone(root);
    CHECK(module_params(copy).count == module_params(root).count);
    CHECK(as_made_anew(copy));
    module_destroy(copy);
    module_destroy(root);
}

/* Paths that are longer than a walk keeps: built from the root, from the leaves, and with long names in both. */
static void long_paths(void) {
    enum { DEEP = 9 };
    char name[64] = {0}, path[(DEEP + 1) * 64 + 8] = {0};
    memset(name, 'n', sizeof name - 1);
    Module *down[DEEP + 1], *up[DEEP + 1];
    for (int i = 0; i <= DEEP; i++) {
        down[i] = module_create(&cls, NULL);
        up[i] = module_create(&cls, NULL);
        if (i < DEEP) strcat(strcat(path, name), ".");
    }
    for (int i = 0; i < DEEP; i++) {
        CHECK(module_add_child(down[i], name, down[i + 1]));
        CHECK(module_add_param(down[i + 1], name, shape1(1)) && module_add_buffer(down[i + 1], "b", shape1(1), 0));
        CHECK(as_made_anew(down[0]));
    }
    for (int i = DEEP; i-- > 0;) {
        CHECK(module_add_param(up[i + 1], name, shape1(1)) && module_add_child(up[i], name, up[i + 1]));
        CHECK(as_made_anew(up[i]));
    }
    strcat(path, name);
    CHECK(module_param(down[0], path) == module_params(down[0]).items[DEEP - 1]);
    CHECK(module_param(up[0], path) == module_params(up[0]).items[DEEP - 1]);
    CHECK(module_params(down[0]).count == DEEP && module_buffers(down[0]).count == DEEP);
    for (size_t i = 0; i < DEEP; i++) /* as files have them */
        CHECK(strcmp(param_name(module_params(down[0]).items[i]), param_name(module_params(up[0]).items[i])) == 0);
    module_destroy(down[0]);
    module_destroy(up[0]);
}

/* ---- many -------------------------------------------------------------------------------------------- */

typedef enum Where { LAST, FIRST } Where;

/* Three levels, with a sibling before or behind. */
static Module *held(Where where, Module **inner) {
    Module *root = module_create(&cls, NULL), *middle = module_create(&cls, NULL);
    *inner = module_create(&cls, NULL);
    CHECK(module_add_child(root, "middle", middle));
    if (where == LAST) CHECK(module_add_child(middle, "sibling", module_linear(1, 1)));
    CHECK(module_add_child(middle, "inner", *inner));
    if (where == FIRST) CHECK(module_add_child(middle, "sibling", module_linear(1, 1)));
    return root;
}

static void many(Where where, bool children) {
    Module *inner, *root = held(where, &inner);
    for (int i = 0; i < MANY; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        bool done = children ? module_add_child(inner, name, module_linear_no_bias(1, 1))
                             : module_add_param(inner, name, shape1(1)) != NULL;
        if (!done) CHECK(false);
    }
    CHECK(module_params(root).count == MANY + 2);
    const char *last = children ? "middle.inner.39999.weight" : "middle.inner.39999";
    Param *param = module_param(root, last);
    CHECK(param == module_params(inner).items[MANY - 1]);
    CHECK(param == module_params(root).items[where == LAST ? MANY + 1 : MANY - 1]);
    CHECK(strcmp(param_name(param), last) == 0);
    module_destroy(root);
}

/* Each second weight is the one before it. */
static void many_ties(void) {
    Module *inner, *root = held(LAST, &inner);
    for (int i = 0; i < 2 * TIES; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        if (!module_add_param(inner, name, shape1(1))) CHECK(false);
    }
    for (int i = 0; i < TIES; i++) {
        char path[32], source[32];
        snprintf(path, sizeof path, "middle.inner.%d", 2 * i + 1);
        snprintf(source, sizeof source, "middle.inner.%d", 2 * i);
        if (!module_tie(root, path, source)) CHECK(false);
    }
    CHECK(module_params(root).count == TIES + 2);
    CHECK(module_param(root, "middle.inner.19999") == module_param(root, "middle.inner.19998"));
    module_destroy(root);
}

int main(void) {
    for (uint64_t seed = 0; seed < 200; seed++)
        grows(seed);
    long_paths();
    many(LAST, false);
    many(FIRST, false);
    many(LAST, true);
    many(FIRST, true);
    many_ties();
    return check_done();
}
