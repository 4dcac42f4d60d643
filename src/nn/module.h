/* The nn layer: modules and frames. It knows tensors, Params and operations; it does not know whether
 * the weights a forward is handed are base or fast ones. */
#ifndef HC_NN_MODULE_H
#define HC_NN_MODULE_H

#include "higherc/module.h"
#include "nn/names.h"
#include "ops/ops.h"
#include "tape/param.h"
#include "tape/param_set.h"
#include "tape/stamp.h"

/* Trees are walked by recursion; at this depth that fits small stacks of threads. */
#define HC_MOST_DEPTH 256

/* The weights of a tree are numbered twice. A *site* is a place where some module of the tree holds a
 * Param, counted in tree order, a child standing at two places counted once; the sites of a subtree are
 * contiguous. An *index* is the place of the Param in module_params, where each stands once. */
typedef struct HcPlan {
    ParamList unique;
    size_t *index; /* of each site */
    size_t sites;
    size_t index_room, unique_room;
    char **names; /* while it is made: the new names of those in unique, NULL where they stay */
} HcPlan;

/* A weight that a forward is handed as g v / |v|: where v and g stand, and the axis along which g runs. */
typedef struct HcWeightNorm {
    size_t v, g;
    int axis;
} HcWeightNorm;

struct HcModule {
    ModuleClass cls;
    void *state;
    Module *owner;
    HcNamed *params, *buffers, *children;
    size_t param_count, buffer_count, child_count;
    size_t param_capacity, buffer_capacity, child_capacity;
    HcNames param_names, buffer_names, child_names;
    size_t param_base, buffer_base; /* of its first site in its owner's */
    size_t place;                   /* the first among its owner's children */
    HcPlan param_plan, buffer_plan;
    HcPlan param_next, buffer_next; /* made, but not in force yet */
    HcVersion *version;             /* of the plans; UINT64_MAX changes: the module is gone */
    HcWeightNorm *norms;
    size_t norm_count, norm_capacity;
    size_t height; /* levels below */
    DType dtype;
    bool training;
    bool takes_relu, takes_pool; /* its forward heeds such a Frame.tail */
};

/* Where a forward's weights come from. tensor gives the weight with that index of the root's list, or
 * NULL after hc_fail. */
typedef struct HcBinding {
    const char *who; /* the function called */
    Module *root;
    Tape *tape;
    bool training;
    bool no_statistics; /* running ones are neither read nor kept */
    size_t step;        /* how many the weights have taken on the tape */
    Tensor *(*param)(void *user, size_t index);
    Tensor *(*buffer)(void *user, size_t index);
    bool (*set_buffer)(void *user, size_t index, Tensor *value);
    void *user;
} HcBinding;

/* Where a name stands among the module's own Params or buffers, or its children; their count where it does not. */
size_t hc_module_number(const Module *module, bool buffer, const char *name);
size_t hc_module_child(const Module *module, const char *name, size_t length);

/* A buffer's present numbers on a tape: a copy, since buffers change. */
Tensor *hc_buffer_tensor(Tape *tape, Param *buffer);
/* Writes it in place; false after hc_fail. */
bool hc_buffer_write(Param *buffer, const Tensor *value);

struct HcFrame {
    Module *module;
    const HcBinding *binding;
    size_t param_base, buffer_base; /* of the module's first site in the root's */
    HcTail tail;                    /* wanted of the result; only what the module takes */
};

/* Runs a module on a binding; the bases are those of its sites in the root. */
bool hc_module_run(const HcBinding *binding, Module *module, size_t param_base, size_t buffer_base,
                   Tensor *const *in, size_t nin, Tensor **out, size_t nout);
/* The same by number, for layers that know their own; normalised where the module says so. The child's own forward
 * makes the tail. */
Tensor *hc_frame_param_at(Frame *frame, size_t site);
/* That of the layer's maker, which need not have made one; what a caller added there has another name: NULL. */
Tensor *hc_frame_own_param(Frame *frame, size_t site, const char *name);
bool hc_frame_call_child(Frame *frame, size_t child, HcTail tail, Tensor *const *in, size_t nin,
                         Tensor **out, size_t nout);

/* Code of a caller's that is at work on a tree in this thread. */
typedef struct HcRunning HcRunning;
struct HcRunning {
    const Module *root;
    const char *what;
    const HcRunning *outer;
};

void hc_module_enter(HcRunning *here, const Module *root, const char *what);
void hc_module_leave(const HcRunning *here);
/* Whether no such code of the module, of its tree or of one that holds it is at work in this thread; false after
 * hc_fail_thread. */
bool hc_module_at_rest(const Module *module, const char *who);

/* Sets each g to |v|, so that the weight is v. */
bool hc_weight_norm_init(Module *module);
/* One tensor in, one out; false after hc_fail. */
bool hc_one_to_one(Frame *frame, size_t nin, size_t nout);
/* The options of a max_pool2d layer, NULL for any other. */
const Pool2dOptions *hc_max_pool2d_options(const Module *module);
/* module_add_param for makers of modules, whose names are theirs: module_<class>. */
Param *hc_module_own_param(Module *module, const char *name, Shape shape);
/* A module of a class whose state is `bytes` plain bytes, copied; NULL after hc_fail_thread. */
Module *hc_module_with(const ModuleClass *cls, const void *state, size_t bytes);

/* One of children that are named "0", "1", ... and owned from here on, also when it fails; state NULL: none. NULL
 * after hc_fail_thread. */
Module *hc_module_of(const ModuleClass *cls, const void *state, size_t bytes, Module *const *children, size_t count);
/* As module_add_child, but a child that is not taken stays the caller's. */
bool hc_module_adopt(const char *who, Module *module, const char *name, Module *child);
/* Walks a path like "body.2" below `module`; adds up site bases. NULL when there is none. */
Module *hc_module_walk(const Module *module, const char *path, size_t length, size_t *param_base,
                       size_t *buffer_base);
/* The site in the root of a path like "body.2.weight"; false when there is none. */
bool hc_module_site(const Module *module, const char *path, bool buffer, size_t *site);
void hc_plan_free(HcPlan *plan);
/* Take what was added last into the plans of a module and of all that hold it: a Param or buffer, a child that was a
 * root; or that a site of the module's own holds another Param now, which the tree has already. False when out of
 * memory: as with replan. */
bool hc_plan_param(Module *module, bool buffer);
bool hc_plan_child(Module *module, Module *child);
bool hc_plan_tie(Module *holder, size_t site);
/* Recounts sites and names, here and in all owners. False when out of memory, with the plans and names as
 * they were: undo then what was changed, and call rebase. */
bool hc_module_replan(Module *module);
void hc_module_rebase(Module *module);
/* The same for every module of a tree. */
bool hc_module_replan_tree(Module *module);

#endif
