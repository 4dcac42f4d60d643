#include "fuzz/world.h"

#include <string.h>

#include "fuzz/own.h"
#include "meta/diffopt.h"
#include "nn/module.h"
#include "support/failing.h"
#include "tape/stamp.h"

World world;

unsigned world_byte(void) {
    if (world.left == 0) return 0;
    world.left--;
    return *world.data++;
}

size_t world_below(size_t n) {
    return world_byte() % n;
}

size_t world_tape_index(const Tape *tape) {
    for (size_t i = 0; tape && i < TAPES; i++)
        if (world.tapes[i] == tape) return i;
    return TAPES;
}

/* ---- handles --------------------------------------------------------------------------------- */

static const Tape *tape_of(Kind kind, void *object) {
    if (kind == K_TENSOR) return tensor_tape(object);
    if (kind == K_FMODULE) return ((FModule *)object)->tape;
    return kind == K_DIFFOPT ? ((DiffOpt *)object)->tape : NULL;
}

static void forget(Handle *h) {
    if (h->version) hc_version_unref(h->version);
    *h = (Handle){.object = NULL};
}

static void destroy(Kind kind, void *object) {
    if (kind == K_MODULE && !((Module *)object)->owner) module_destroy(object);
    if (kind == K_PARAM) param_unref(object);
    if (kind == K_OPTIM) optim_destroy(object);
    if (kind == K_GRADS) grads_destroy(object);
    if (kind == K_LBFGS) lbfgs_destroy(object);
    if (kind == K_CHECKPOINT) checkpoint_destroy(object);
    if (kind == K_SAFETENSORS) safetensors_destroy(object);
    if (kind == K_NPY) npy_destroy(object);
    if (kind == K_PROGRAM) program_destroy(object);
    if (kind == K_TASKS) tasks_destroy(object);
}

void world_give(Kind kind, void *object) {
    size_t tape = TAPES;
    Handle *free = NULL;
    if (!object) return;
    if (kind <= K_DIFFOPT && (tape = world_tape_index(tape_of(kind, object))) == TAPES) return;
    if (kind == K_PARAM) param_ref(object);
    for (size_t i = 0; i < HANDLES; i++) {
        Handle *h = &world.handles[kind][i];
        if (h->object == object && kind > K_DIFFOPT) {
            if (kind == K_PARAM) param_unref(object);
            return;
        }
        if (!h->object && !free) free = h;
    }
    if (!free && kind <= K_DIFFOPT) free = &world.handles[kind][world_below(HANDLES)];
    if (!free) {
        destroy(kind, object);
        return;
    }
    forget(free);
    *free = (Handle){.object = object, .tape = tape, .depth = world.depth};
    if (tape < TAPES) free->born = tape_mark(world.tapes[tape]);
    if (kind == K_MODULE) free->version = hc_version_ref(((Module *)object)->version);
}

void world_give_tape(Tape *tape) {
    for (size_t i = 0; tape && i < TAPES - 1; i++)
        if (!world.tapes[i]) {
            world.tapes[i] = tape;
            world.never_reuse[i] = tape->never_reuse;
            return;
        }
    tape_destroy(tape);
}

static bool fits(Kind kind, const Handle *h) {
    if (!h->object) return false;
    if (kind == K_TENSOR && !hc_alive(h->object)) return false;
    if (kind <= K_DIFFOPT && world.near < TAPES) return h->tape == world.near && !h->stale;
    return !h->stale;
}

Handle *world_take_handle(Kind kind) {
    unsigned byte = world_byte();
    Handle *list = world.handles[kind];
    if (byte >= 248) return NULL;
    if (byte < 232) /* the first that fits, from where the byte says */
        for (size_t i = 0; i < HANDLES; i++) {
            Handle *h = &list[(byte + i) % HANDLES];
            if (!fits(kind, h)) continue;
            if (world.near == TAPES && kind <= K_DIFFOPT) world.near = h->tape;
            return h;
        }
    return list[byte % HANDLES].object ? &list[byte % HANDLES] : NULL;
}

void *world_take(Kind kind) {
    Handle *h = world_take_handle(kind);
    return h ? h->object : NULL;
}

/* ---- around calls ---------------------------------------------------------------------------- */

/* Handles on a tape that was reset, or released to the mark. A tensor's place is a tensor's still; of the other kinds
 * a handle may be kept where addresses are not used again, and over a reset for one call. */
static void make_stale(size_t tape, const TapeMark *mark) {
    for (Kind kind = K_FMODULE; kind <= K_DIFFOPT; kind++)
        for (size_t i = 0; i < HANDLES; i++) {
            Handle *h = &world.handles[kind][i];
            HcPosition place = {h->born.block, h->born.offset};
            if (!h->object || h->tape != tape || world.never_reuse[tape]) continue;
            if (!mark)
                h->stale = true;
            else if (hc_above(place, mark))
                forget(h);
        }
}

static void forget_tape(size_t tape) {
    for (Kind kind = K_TENSOR; kind <= K_DIFFOPT; kind++)
        for (size_t i = 0; i < HANDLES; i++)
            if (world.handles[kind][i].object && world.handles[kind][i].tape == tape)
                forget(&world.handles[kind][i]);
    world.tapes[tape] = NULL;
}

void world_before_trim(size_t tape) {
    for (Kind kind = K_TENSOR; kind <= K_DIFFOPT; kind++)
        for (size_t i = 0; i < HANDLES; i++) {
            Handle *h = &world.handles[kind][i];
            if (!h->object || h->tape != tape) continue;
            if (h->stale || (kind == K_TENSOR && !hc_alive(h->object))) forget(h);
        }
}

void world_clear_errors(void) {
    higherc_clear_error();
    for (size_t i = 0; i < TAPES && !world.kept; i++)
        tape_clear_error(world.tapes[i]);
}

void world_before_call(void) {
    World *w = &world;
    w->kept = world_byte() >= 240;
    world_clear_errors();
    w->near = w->gone_tape = w->reset_tape = w->released_tape = TAPES;
    w->listed = 0;
    w->gone = NULL;
    memset(w->out, 0, sizeof w->out);
}

static bool module_is_gone(const Handle *h) {
    return h->version && ((HcVersion *)h->version)->changes == UINT64_MAX;
}

void world_after_call(void) {
    World *w = &world;
    bool done = higherc_status() == HC_OK;
    for (Kind kind = 0; kind < KINDS; kind++)
        for (size_t i = 0; i < HANDLES; i++)
            if (w->handles[kind][i].stale || module_is_gone(&w->handles[kind][i]))
                forget(&w->handles[kind][i]);
    if (!done) return;
    if (w->gone && w->gone->object) forget(w->gone);
    if (w->gone_tape < TAPES) forget_tape(w->gone_tape);
    if (w->reset_tape < TAPES) make_stale(w->reset_tape, NULL);
    if (w->released_tape < TAPES) make_stale(w->released_tape, &w->mark);
}

void world_inner_begin(void) {
    world.depth++;
}

void world_inner_end(void) {
    for (Kind kind = 0; kind <= K_DIFFOPT; kind++)
        for (size_t i = 0; i < HANDLES; i++)
            if (world.handles[kind][i].depth == world.depth) forget(&world.handles[kind][i]);
    world.depth--;
}

void world_nested(Tape *tape, Frame *frame) {
    World outer = world;
    size_t calls = world_below(8);
    if (world.quiet || world.depth >= MOST_DEPTH || calls > 4) return;
    world_inner_begin();
    world.frame = frame;
    bool own = tape && world_tape_index(tape) == TAPES;
    if (own) {
        world.tapes[TAPES - 1] = tape;
        world.never_reuse[TAPES - 1] = false;
    }
    for (size_t i = 0; i < calls; i++)
        world_call();
    world_inner_end();
    bool leaves = world_byte() >= 240; /* what went wrong, for the library to find */
    if (!leaves) higherc_clear_error();
    for (size_t i = 0; i < TAPES; i++)
        if (!leaves || world.tapes[i] != tape) tape_clear_error(world.tapes[i]);
    world.frame = outer.frame;
    if (own) forget_tape(TAPES - 1);
    world.tapes[TAPES - 1] = outer.tapes[TAPES - 1];
    world.near = outer.near;
    world.listed = outer.listed;
    world.gone = outer.gone;
    world.gone_tape = outer.gone_tape;
    world.reset_tape = outer.reset_tape;
    world.released_tape = outer.released_tape;
    world.mark = outer.mark;
    world.kept = outer.kept;
    memcpy(world.out, outer.out, sizeof outer.out);
}

/* ---- begin and end --------------------------------------------------------------------------- */

static size_t blocks_before;
static Pool *pools[2];

static void begin_tape(size_t tape) {
    Tape *t = world.tapes[tape];
    Rng rng = rng_seed(tape);
    DType dtype = tape_dtype(t);
    Module *layers[] = {module_linear(3, 3), own_module(),
                        module_batch_norm1d(3, batch_norm_options()), module_linear(3, 3)};
    Module *net = module_sequential(layers, 4);
    module_to(net, dtype);
    module_init(net, &rng);
    world_give(K_MODULE, net);
    Optim *optim = optim_new(tape == 1 ? "sgd" : "adam", module_params(net));
    world_give(K_OPTIM, optim);
    world_give(K_PARAM, module_param(net, "0.weight"));
    Checkpoint *run = checkpoint_create();
    checkpoint_module(run, "net", net);
    checkpoint_optim(run, "optim", optim);
    world_give(K_CHECKPOINT, run);
    Safetensors *file = safetensors_create();
    safetensors_add_module(file, tape == 1 ? "0." : NULL, net);
    safetensors_add_optim(file, "w", optim);
    world_give(K_SAFETENSORS, file);
    Tensor *x = tensor_normal(t, shape2(2, 3), 0, 1, &rng);
    world_give(K_TENSOR, x);
    world_give(K_TENSOR, tensor_leaf(tensor_normal(t, shape2(3, 2), 0, 1, &rng)));
    world_give(K_TENSOR, tensor_from_i64(t, shape1(2), (int64_t[]){0, 1}));
    world_give(K_TENSOR, tensor_leaf(tensor_normal(t, shape1(3), 0, 1, &rng)));
    world_give(K_TENSOR, tensor_leaf(tensor_normal(t, shape4(2, 3, 4, 4), 0, 1, &rng)));
    world_give(K_TENSOR, tensor_leaf(tensor_normal(t, shape4(3, 3, 2, 2), 0, 1, &rng)));
    world_give(K_TENSOR, tensor_leaf(tensor_normal(t, shape3(2, 3, 5), 0, 1, &rng)));
    world_give(K_TENSOR, tensor_leaf(tensor_normal(t, shape3(3, 3, 2), 0, 1, &rng)));
    world_give(K_TENSOR, tensor_from_i64(t, shape2(2, 3), (int64_t[]){0, 1, 0, 0, 1, 1}));
    Tensor *loss = tensor_mean(tensor_square(module_forward(module_find(net, "0"), x)));
    world_give(K_PROGRAM, program_capture(t, &x, 1, &loss, 1, loss));
    FModuleOptions options = fmodule_options(false);
    options.mode = (FMode)(tape % 3);
    FModule *f = fmodule_create_with(t, net, options);
    world_give(K_FMODULE, f);
    world_give(K_DIFFOPT, diffopt_create(optim, f));
    world_give(K_TENSOR, tensor_mean(tensor_square(fmodule_forward(f, x))));
    world_give(K_GRADS, grads_create(module_params(net)));
    world_give(K_TASKS, tasks_create(world.pools[tape % 2], module_params(net), dtype));
    world.marks[world.mark_count++] = tape_mark(t);
}

void world_begin(const uint8_t *data, size_t size) {
    if (!pools[0]) {
        failing_begin();
        failing_largest((size_t)1 << 20);
        for (size_t i = 0; i < 2; i++)
            pools[i] = pool_create(i + 1);
    }
    failing_never();
    higherc_clear_error();
    blocks_before = higherc_live_allocations();
    memset(&world, 0, sizeof world);
    memcpy(world.pools, pools, sizeof pools);
    for (size_t i = 0; i < TAPES - 1; i++) {
        TapeOptions options = tape_options(i == 2 ? HC_F64 : HC_F32);
        options.never_reuse = world.never_reuse[i] = i == 1;
        options.block_bytes = 512;
        world.tapes[i] = tape_create_with(options);
        begin_tape(i);
    }
    world.data = data;
    world.left = size;
}

bool world_end(void) {
    failing_never();
    for (size_t i = 0; i < TAPES; i++)
        tape_destroy(world.tapes[i]);
    for (Kind kind = K_MODULE; kind < KINDS; kind++)
        for (size_t i = 0; i < HANDLES; i++) {
            Handle *h = &world.handles[kind][i];
            if (h->object && !module_is_gone(h)) destroy(kind, h->object);
        }
    for (Kind kind = 0; kind < KINDS; kind++)
        for (size_t i = 0; i < HANDLES; i++)
            forget(&world.handles[kind][i]);
    higherc_clear_error();
    return higherc_live_allocations() == blocks_before;
}

void world_last(void) {
    for (size_t i = 0; i < 2; i++)
        pool_destroy(pools[i]);
    failing_end();
}
