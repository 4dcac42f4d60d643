/* Checkpoints as files: what is in one and in what order of bytes, what is refused and in what words, and that nothing
 * is changed then. That runs go on with their bits is in meta_checkpoint. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "optim/checkpoint.h"
#include "support/failing.h"
#include "support/refuse.h"

static const char path[] = "checkpoint.tmp", other_path[] = "checkpoint_other.tmp";

/* ---- something to save ----------------------------------------------------------------------------------------- */

/* Something of each kind. */
typedef struct World {
    Module *net;
    Optim *optim;
    Param *loose;
    Rng rng;
    size_t iteration;
    double best;
    Checkpoint *checkpoint;
} World;

static Hyper halves(size_t step, void *user) {
    (void)user;
    return hyper_const(step < 5 ? 1 : 0.5);
}

static bool name_all(World *w, const char *hidden) {
    Checkpoint *c = w->checkpoint;
    return checkpoint_setting(c, "--hidden", hidden) && checkpoint_module(c, "net", w->net) &&
           checkpoint_params(c, "loose", (ParamList){&w->loose, 1}) && checkpoint_optim(c, "sgd", w->optim) &&
           checkpoint_rng(c, "tasks", &w->rng) && checkpoint_count(c, "iteration", &w->iteration) &&
           checkpoint_real(c, "best", &w->best);
}

/* All numbers of modules and Params `value`. */
static bool make(World *w, double value) {
    *w = (World){.rng = {.key = 0x0102030405060708u, .counter = (uint64_t)value}, .iteration = 300, .best = -value};
    Schedule own = schedule_lambda(halves, NULL), warmup = schedule_warmup(3, hyper_const(0.25)),
             both = schedule_then(&warmup, 3, &own);
    w->net = module_linear(1, 2);
    bool done = module_add_buffer(w->net, "seen", shape1(1), value);
    for (size_t i = 0; i < module_params(w->net).count; i++)
        done = param_fill(module_params(w->net).items[i], value) && done;
    w->optim = optim_sgd(module_params(w->net), sgd_options(0.5));
    done = done && optim_set(w->optim, "momentum", 0, 0.5) && optim_learn(w->optim, "lr", 0, HC_LEARN_GROUP) &&
           optim_schedule(w->optim, "lr", 0, &both);
    w->loose = param_create("mask", shape2(1, 2), HC_F64);
    w->checkpoint = checkpoint_create();
    return done && param_fill(w->loose, value);
}

static void end(World *w) {
    checkpoint_destroy(w->checkpoint);
    optim_destroy(w->optim);
    module_destroy(w->net);
    param_unref(w->loose);
}

static void begin(World *w, double value, const char *hidden) {
    CHECK(make(w, value) && name_all(w, hidden));
    for (size_t i = 0; i < 2; i++)
        CHECK(param_add_grad_f64(module_params(w->net).items[i], (double[]){0.5, -value}, 2));
    CHECK(optim_step(w->optim));
}

/* ---- files ----------------------------------------------------------------------------------------------------- */

enum { ROOM = 4096 };

static size_t read_bytes(const char *from, unsigned char *bytes) {
    FILE *file = fopen(from, "rb");
    size_t size = file ? fread(bytes, 1, ROOM, file) : 0;
    if (file) fclose(file);
    CHECK(size > 0 && size < ROOM);
    return size;
}

static void seal(unsigned char *bytes, size_t size) {
    uint32_t crc = hc_crc32(0, bytes, size - HC_FILE_TAIL);
    for (size_t i = 0; i < HC_FILE_TAIL; i++)
        bytes[size - HC_FILE_TAIL + i] = (unsigned char)(crc >> 8 * i);
}

/* Whether it would save what is in the file. */
static bool holds(const World *w, const char *file) {
    static unsigned char mine[ROOM], bytes[ROOM];
    CHECK(checkpoint_save(w->checkpoint, other_path));
    size_t size = read_bytes(other_path, mine);
    return read_bytes(file, bytes) == size && memcmp(mine, bytes, size) == 0;
}

static void round_trip(void) {
    World w, v;
    begin(&w, 1, "40");
    begin(&v, 2, "40");
    w.best = (double)INFINITY;
    CHECK(checkpoint_save(w.checkpoint, path) && !holds(&v, path));
    CHECK(checkpoint_load(v.checkpoint, path) && holds(&v, path));
    CHECK(v.rng.counter == 1 && v.rng.key == 0x0102030405060708u && v.best == (double)INFINITY);
    CHECK(param_get(v.loose, 1) == 1 && param_get(module_buffer(v.net, "seen"), 0) == 1);
    CHECK(optim_steps(v.optim) == 1);
    CHECK(param_get(module_param(v.net, "bias"), 1) == param_get(module_param(w.net, "bias"), 1));
    end(&w);
    end(&v);
}

/* A rule of few words. */
static bool update(OptimUpdate *u, void *user) {
    (void)user;
    u->state[0] = u->state[0] ? tensor_add(u->state[0], u->grad) : u->grad;
    u->param = hyper_axpy(u->hypers[0], u->state[0], u->param);
    return true;
}

static const OptimClass plus = {.name = "plus",
                                .hypers = &(const OptimHyper){"lr", 0.25, 0, 1, false},
                                .hyper_count = 1,
                                .states = (const char *const[]){"sum"},
                                .state_count = 1,
                                .update = update};

/* The bytes that stand for these numbers, on every platform; a program of later must read them. */
static void first_version(void) {
    static const unsigned char bytes[] = {
        'h', 'i', 'g', 'h', 'e', 'r', 'c', '\n', 't', 'r', 'a', 'i', 'n', 'i', 'n', 'g', 1, 0, 0, 0, /* head */
        7, 0, 0, 0, 0, 0, 0, 0,
        5, 0, 0, 0, 'n', 'o', 't', 'e', 's', 7, 0, 0, 0, 2, 0, 0, 0, 'o', 'k',
        3, 0, 0, 0, 'n', 'e', 't', 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, /* a module: version, type */
        1, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 'w', 'e', 'i', 'g', 'h', 't', 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0,
        1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xC0, 0x3F, /* (1, 1): 1.5 */
        0, 0, 0, 0, 0, 0, 0, 0,                   /* no buffers */
        5, 0, 0, 0, 'l', 'o', 'o', 's', 'e', 2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, /* f64, 1 Param */
        1, 0, 0, 0, 'p', 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x04, 0xC0, /* (1): -2.5 */
        3, 0, 0, 0, 'o', 'p', 't', 3, 0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 'p', 'l', 'u', 's', 0, 0, 0, 0,
        3, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 's', 'u', 'm', /* steps, states */
        1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, /* a group, a hyperparameter */
        2, 0, 0, 0, 'l', 'r', 0, 0, 0, 0, 0, 0, 0xE0, 0x3F, 0, 0, 0, 0, /* 0.5, not learned */
        1, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 'w', 'e', 'i', 'g', 'h', 't', 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0,
        1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0x80, 0x3E, /* 2 steps; 0.25 */
        0, 0, 0, 0, 0, 0, 0, 0, /* nothing learned */
        1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* lr of group 0 */
        1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xE0, 0x3F, 9, 0, 0, 0, 0, 0, 0, 0, /* schedule_step(9, 0.5) */
        3, 0, 0, 0, 'r', 'n', 'g', 4, 0, 0, 0, 8, 7, 6, 5, 4, 3, 2, 1, 9, 0, 0, 0, 0, 0, 0, 0x10,
        2, 0, 0, 0, 'i', 't', 5, 0, 0, 0, 0x2C, 1, 0, 0, 0, 0, 0, 0, /* 300 */
        4, 0, 0, 0, 'l', 'o', 's', 's', 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xE8, 0x3F, /* 0.75 */
        0, 0, 0, 0};
    static unsigned char sealed[sizeof bytes], again[ROOM];
    memcpy(sealed, bytes, sizeof bytes);
    seal(sealed, sizeof sealed);
    Module *net = module_linear_no_bias(1, 1);
    Param *loose = param_create("p", shape1(1), HC_F64);
    Optim *optim = optim_create(&plus, module_params(net), NULL);
    Rng rng = rng_seed(0);
    size_t it = 0;
    double loss = 0;
    Checkpoint *c = checkpoint_create();
    CHECK(checkpoint_setting(c, "notes", "ok") && checkpoint_module(c, "net", net) &&
          checkpoint_params(c, "loose", (ParamList){&loose, 1}) && checkpoint_optim(c, "opt", optim) &&
          checkpoint_rng(c, "rng", &rng) && checkpoint_count(c, "it", &it) && checkpoint_real(c, "loss", &loss));
    CHECK(hc_checkpoint_load_bytes(c, "first", sealed, sizeof sealed));
    CHECK(param_get(module_param(net, "weight"), 0) == 1.5 && param_get(loose, 0) == -2.5);
    CHECK(optim_steps(optim) == 3 && optim_get(optim, "lr", 0) == 0.5);
    CHECK(optim_param_steps(optim, module_param(net, "weight")) == 2);
    CHECK(it == 300 && loss == 0.75 && rng.key == 0x0102030405060708u && rng.counter == 0x1000000000000009u);
    CHECK(checkpoint_save(c, path) && read_bytes(path, again) == sizeof sealed);
    CHECK(memcmp(again, sealed, sizeof sealed) == 0);
    checkpoint_destroy(c);
    optim_destroy(optim);
    param_unref(loose);
    module_destroy(net);
}

/* ---- what is refused ------------------------------------------------------------------------------------------- */

/* Nothing in a file is passed over: one that was cut off or has a byte changed, also under a right checksum, is refused
 * and changes nothing, or is saved again as it is. */
static void every_byte(void) {
    static unsigned char bytes[ROOM], changed[ROOM];
    World w, v;
    begin(&w, 1, "40");
    begin(&v, 2, "40");
    CHECK(checkpoint_save(w.checkpoint, path));
    CHECK(checkpoint_save(v.checkpoint, "checkpoint_before.tmp"));
    size_t size = read_bytes(path, bytes), loaded = 0;
    for (size_t cut = 0; cut < size; cut++) {
        CHECK(!hc_checkpoint_load_bytes(v.checkpoint, "cut", bytes, cut));
        CHECK_ERROR(cut < 8 ? "checkpoint_load: 'cut' is no file of this library" : "is cut off");
        if (cut < HC_FILE_HEAD + HC_FILE_TAIL) continue;
        memcpy(changed, bytes, size);
        seal(changed, cut);
        CHECK(!hc_checkpoint_load_bytes(v.checkpoint, "cut", changed, cut));
        CHECK_ERROR(cut == size - 1 ? "checkpoint_load: 'cut: best' is damaged: less than it should hold"
                                    : "checkpoint_load: ");
    }
    CHECK(holds(&v, "checkpoint_before.tmp"));
    for (size_t at = 0; at < size; at++) {
        memcpy(changed, bytes, size);
        changed[at] ^= 0x04;
        CHECK(!hc_checkpoint_load_bytes(v.checkpoint, "changed", changed, size));
        CHECK_ERROR("checkpoint_load: 'changed'");
        if (at >= size - HC_FILE_TAIL) continue;
        seal(changed, size);
        if (!hc_checkpoint_load_bytes(v.checkpoint, "changed", changed, size)) {
            CHECK_ERROR("checkpoint_load: ");
            continue;
        }
        FILE *file = fopen(path, "wb");
        CHECK(file && fwrite(changed, 1, size, file) == size && fclose(file) == 0);
        CHECK(holds(&v, path) || SIZE_MAX < UINT64_MAX); /* where a schedule's steps are as many as can be counted */
        CHECK(checkpoint_load(v.checkpoint, "checkpoint_before.tmp"));
        loaded++;
    }
    CHECK(loaded > 0 && holds(&v, "checkpoint_before.tmp"));
    remove("checkpoint_before.tmp");
    end(&w);
    end(&v);
}

/* A file with all but one thing as the run has it. */
static void refused(World *v, HcStatus status, const char *words) {
    CHECK(checkpoint_save(v->checkpoint, "checkpoint_before.tmp"));
    CHECK(!checkpoint_load(v->checkpoint, path) && higherc_status() == status);
    CHECK_ERROR(words);
    CHECK(holds(v, "checkpoint_before.tmp"));
    remove("checkpoint_before.tmp");
    end(v);
}

static void another_run(void) {
    World w, v;
    begin(&w, 1, "40");
    begin(&v, 2, "20");
    CHECK(checkpoint_count(w.checkpoint, "more", &w.iteration) && checkpoint_save(w.checkpoint, path));
    refused(&v, HC_ERR_STATE, "checkpoint_load: 'checkpoint.tmp' was saved with --hidden 40, not 20");
    begin(&v, 2, "40");
    refused(&v, HC_ERR_NAME, "'checkpoint.tmp' holds a 'more' that is not asked for");
    begin(&v, 2, "40");
    CHECK(checkpoint_count(v.checkpoint, "more", &v.iteration) && checkpoint_count(v.checkpoint, "last", &v.iteration));
    refused(&v, HC_ERR_NAME, "'checkpoint.tmp' holds no 'last'");
    CHECK(make(&v, 2));
    CHECK(checkpoint_module(v.checkpoint, "net", v.net));
    refused(&v, HC_ERR_NAME, "'checkpoint.tmp' has '--hidden' in the place of 'net'");
    CHECK(make(&v, 2));
    CHECK(checkpoint_count(v.checkpoint, "--hidden", &v.iteration));
    refused(&v, HC_ERR_NAME, "in 'checkpoint.tmp', '--hidden' is no count");
    CHECK(make(&v, 2));
    module_destroy(v.net);
    v.net = module_linear(1, 3);
    Rng rng = rng_seed(1);
    CHECK(module_init(v.net, &rng) && module_add_buffer(v.net, "seen", shape1(1), 0) && name_all(&v, "40"));
    refused(&v, HC_ERR_SHAPE, "in 'checkpoint.tmp: net', 'weight' has another shape than (3, 1)");
    CHECK(make(&v, 2));
    CHECK(module_to(v.net, HC_F64) && name_all(&v, "40"));
    refused(&v, HC_ERR_DTYPE, "'checkpoint.tmp: net' was saved as f32");
    CHECK(make(&v, 2));
    optim_destroy(v.optim);
    v.optim = optim_new("adam", module_params(v.net));
    CHECK(name_all(&v, "40"));
    refused(&v, HC_ERR_NAME, "in 'checkpoint.tmp: sgd' the rule is 'sgd', not 'adam'");
    CHECK(make(&v, 2));
    optim_destroy(v.optim);
    v.optim = optim_new("sgd", module_params(v.net));
    CHECK(name_all(&v, "40"));
    refused(&v, HC_ERR_STATE, "is learned otherwise in 'checkpoint.tmp: sgd'");
    CHECK(make(&v, 2));
    CHECK(optim_schedule(v.optim, "lr", 0, NULL) && name_all(&v, "40"));
    refused(&v, HC_ERR_STATE, "'checkpoint.tmp: sgd' has a schedule_lambda on 'lr'");
    end(&w);
}

/* A count that does not fit here is none. */
static void too_large(void) {
    static unsigned char bytes[ROOM];
    size_t count = 5;
    Checkpoint *c = checkpoint_create();
    CHECK(checkpoint_count(c, "n", &count) && checkpoint_save(c, path));
    size_t size = read_bytes(path, bytes);
    memset(bytes + size - HC_FILE_TAIL - 8, 0xFF, 8);
    seal(bytes, size);
    CHECK(hc_checkpoint_load_bytes(c, "large", bytes, size) == (SIZE_MAX == UINT64_MAX));
    if (SIZE_MAX == UINT64_MAX)
        CHECK(count == SIZE_MAX);
    else
        CHECK_ERROR("checkpoint_load: 'large: n' holds 18446744073709551615, more than this machine counts");
    checkpoint_destroy(c);
}

static void files_that_cannot_be(void) {
    World w;
    begin(&w, 1, "40");
    Checkpoint *c = w.checkpoint;
    CHECK(!checkpoint_save(c, "no/such/folder/file"));
    CHECK_ERROR("checkpoint_save: 'no/such/folder/file' could not be opened for writing");
    CHECK(!checkpoint_load(c, "no/such/file"));
    CHECK_ERROR("checkpoint_load: 'no/such/file' could not be opened");
    FILE *full = fopen("/dev/full", "wb");
    if (full) {
        fclose(full);
        CHECK(!checkpoint_save(c, "/dev/full"));
        CHECK_ERROR("checkpoint_save: '/dev/full' could not be written in full");
    }
    CHECK(module_save(w.net, path) && !checkpoint_load(c, path));
    CHECK_ERROR("holds something else than 'training'");
    CHECK(checkpoint_save(c, path) && !module_load(w.net, path));
    CHECK_ERROR("holds something else than 'module'");
    for (int i = 0; i < 3000; i++)
        CHECK(checkpoint_exists(path)); /* and leaves nothing open */
    CHECK(checkpoint_load(c, path));
    CHECK(remove(path) == 0 && !checkpoint_exists(path) && !checkpoint_exists("no/such/file"));
    CHECK(!higherc_error());
    end(&w);
}

/* ---- objects and names ----------------------------------------------------------------------------------------- */

static void nulls(void) {
    Checkpoint *c = checkpoint_create();
    const ParamList none = {NULL, 0};
    Module *net = module_linear(1, 1);
    Rng rng = rng_seed(1);
    size_t count = 0;
    double real = 0;
    checkpoint_destroy(NULL);
    REFUSED_NULL(checkpoint_module(NULL, "net", net));
    REFUSED_NULL(checkpoint_module(c, NULL, net));
    REFUSED_NULL(checkpoint_module(c, "net", NULL));
    REFUSED_NULL(checkpoint_params(NULL, "p", none));
    REFUSED_NULL(checkpoint_params(c, "p", (ParamList){NULL, 2}));
    REFUSED_NULL(checkpoint_optim(NULL, "o", NULL));
    REFUSED_NULL(checkpoint_optim(c, "o", NULL));
    REFUSED_NULL(checkpoint_rng(NULL, "r", &rng));
    REFUSED_NULL(checkpoint_rng(c, "r", NULL));
    REFUSED_NULL(checkpoint_count(NULL, "n", &count));
    REFUSED_NULL(checkpoint_count(c, "n", NULL));
    REFUSED_NULL(checkpoint_real(NULL, "x", &real));
    REFUSED_NULL(checkpoint_real(c, "x", NULL));
    REFUSED_NULL(checkpoint_setting(NULL, "s", ""));
    REFUSED_NULL(checkpoint_setting(c, "s", NULL));
    REFUSED_NULL(checkpoint_save(NULL, path));
    REFUSED_NULL(checkpoint_save(c, NULL));
    REFUSED_NULL(checkpoint_load(NULL, path));
    REFUSED_NULL(checkpoint_load(c, NULL));
    REFUSED_NULL(checkpoint_exists(NULL));
    REFUSED_NULL(tape_rng(NULL) != NULL);
    CHECK(!checkpoint_module(c, NULL, net));
    CHECK_ERROR("checkpoint_module: the name is NULL");
    CHECK(!checkpoint_real(c, "x", NULL));
    CHECK_ERROR("checkpoint_real: where the number stands is NULL");
    CHECK(!checkpoint_save(c, NULL));
    CHECK_ERROR("checkpoint_save: the path is NULL");
    CHECK(!checkpoint_load(NULL, path));
    CHECK_ERROR("checkpoint_load: the checkpoint is NULL");
    CHECK(checkpoint_params(c, "none", none) && checkpoint_save(c, path) && checkpoint_load(c, path));
    checkpoint_destroy(c);
    module_destroy(net);
}

static Hyper strange(const Schedule *s, size_t step) {
    (void)s;
    (void)step;
    return hyper_const(1);
}

/* What cannot be saved can be loaded into. */
static void not_ready(void) {
    Schedule none = {.factor = strange};
    Module *net = module_linear(1, 2), *raw = module_linear(1, 2);
    Rng rng = rng_seed(1);
    CHECK(module_init(net, &rng));
    Optim *optim = optim_new("sgd", module_params(net)), *other = optim_new("sgd", module_params(raw));
    CHECK(optim_schedule(other, "lr", 0, &none));
    Checkpoint *a = checkpoint_create(), *b = checkpoint_create();
    CHECK(checkpoint_module(a, "net", net) && checkpoint_optim(a, "sgd", optim) && checkpoint_save(a, path));
    CHECK(checkpoint_module(b, "net", raw) && !checkpoint_save(b, other_path));
    CHECK_ERROR("checkpoint_save: 'weight' is not initialised");
    CHECK(checkpoint_optim(b, "sgd", other) && checkpoint_load(b, path) && checkpoint_save(b, other_path));
    CHECK(optim_schedule(other, "lr", 0, &none) && !checkpoint_save(b, other_path));
    CHECK_ERROR("checkpoint_save: the schedule of 'lr' cannot be saved: no schedule_ function made it");
    checkpoint_destroy(a);
    checkpoint_destroy(b);
    optim_destroy(optim);
    optim_destroy(other);
    module_destroy(net);
    module_destroy(raw);
}

static void objects(void) {
    World w;
    begin(&w, 1, "40");
    Checkpoint *c = w.checkpoint;
    CHECK(!checkpoint_count(c, "net", &w.iteration) && higherc_status() == HC_ERR_NAME);
    CHECK_ERROR("checkpoint_count: there is a 'net' already");
    CHECK(checkpoint_save(c, path));
    Checkpoint *one = checkpoint_create();
    CHECK(checkpoint_module(one, "net", w.net) && checkpoint_save(one, other_path));
    CHECK(module_to(w.net, HC_F64) && !checkpoint_load(one, other_path));
    CHECK_ERROR("'checkpoint_other.tmp: net' was saved as f32 (module_to converts)");
    CHECK(checkpoint_save(one, other_path) && checkpoint_load(one, other_path));
    CHECK(module_add_buffer(w.net, "more", shape1(2), 3) && !checkpoint_load(one, other_path));
    CHECK_ERROR("'checkpoint_other.tmp: net' holds 1 tensors, not 2");
    CHECK(checkpoint_save(one, other_path) && checkpoint_load(one, other_path));
    CHECK(module_to(w.net, HC_F32));
    checkpoint_destroy(one);
    Param *raw[] = {param_create("raw", shape1(2), HC_F32), param_create("more", shape1(2), HC_F32),
                    module_param(w.net, "bias")};
    Checkpoint *two = checkpoint_create();
    CHECK(checkpoint_params(two, "raw", (ParamList){raw, 1}) && !checkpoint_save(two, other_path));
    CHECK_ERROR("checkpoint_save: 'raw' is not initialised");
    CHECK(param_fill(raw[0], 1) && param_fill(raw[1], 1) && checkpoint_params(two, "all", (ParamList){raw, 3}));
    CHECK(checkpoint_save(two, other_path) && module_to(w.net, HC_F64) && !checkpoint_save(two, other_path));
    CHECK_ERROR("checkpoint_save: of the Params 'all', 'bias' is of the other type");
    CHECK(!checkpoint_load(two, other_path) && higherc_status() == HC_ERR_DTYPE);
    higherc_clear_error();
    checkpoint_destroy(two);
    param_unref(raw[0]);
    param_unref(raw[1]);
    optim_destroy(w.optim);
    CHECK(!checkpoint_save(c, path) && higherc_status() == HC_ERR_STATE);
    CHECK_ERROR("checkpoint_save: the optimizer 'sgd' was destroyed");
    CHECK(!checkpoint_load(c, path));
    CHECK_ERROR("checkpoint_load: the optimizer 'sgd' was destroyed");
    w.optim = NULL;
    module_destroy(w.net);
    CHECK(!checkpoint_save(c, path));
    CHECK_ERROR("checkpoint_save: the module 'net' was destroyed");
    w.net = NULL;
    end(&w);
}

/* ---- a schedule of one's own, which is called while a file is looked at ------------------------------------------ */

static World *loading;
static int turn;

/* Pulls away what it can. */
static Hyper pulls(size_t step, void *user) {
    (void)user;
    if (loading && turn == 0) {
        checkpoint_destroy(loading->checkpoint);
        CHECK_ERROR("checkpoint_destroy: from within what the checkpoint is at work on");
        REFUSED(checkpoint_count(loading->checkpoint, "late", &loading->iteration));
        REFUSED(checkpoint_load(loading->checkpoint, path));
        optim_destroy(loading->optim);
        CHECK_ERROR("optim_destroy: from within what the optimizer is at work on");
        REFUSED(optim_add_group(loading->optim, (ParamList){&loading->loose, 1}) == 0);
        REFUSED(optim_load(loading->optim, path));
    }
    if (loading && turn == 1) CHECK(module_add_param(loading->net, "late", shape1(1)));
    if (loading && turn == 2) {
        module_destroy(loading->net);
        loading->net = NULL;
    }
    return hyper_const(step < 5 ? 1 : 0.5);
}

static void pulled_away(void) {
    static const char *const words[] = {NULL, "holds 2 tensors, not 3", "the module 'net' was destroyed"};
    for (turn = 0; turn < 3; turn++)
        for (int last = 0; last < 2; last++) { /* the module stands after the optimizer */
            World w;
            Schedule own = schedule_lambda(pulls, NULL);
            loading = NULL;
            CHECK(make(&w, 1) && optim_schedule(w.optim, "lr", 0, &own));
            CHECK(checkpoint_count(w.checkpoint, "iteration", &w.iteration));
            if (!last) CHECK(checkpoint_module(w.checkpoint, "net", w.net));
            CHECK(checkpoint_optim(w.checkpoint, "sgd", w.optim));
            if (last) CHECK(checkpoint_module(w.checkpoint, "net", w.net));
            CHECK(checkpoint_save(w.checkpoint, path));
            w.iteration = 7;
            loading = &w;
            CHECK(checkpoint_load(w.checkpoint, path) == (turn == 0));
            if (turn > 0) CHECK_ERROR(words[turn]);
            CHECK(w.iteration == (turn == 0 ? 300 : 7));
            end(&w);
        }
}

/* From within a step of an optimizer it is not loaded; whatever is named before. */
static Hyper loads(size_t step, void *user) {
    (void)step;
    (void)user;
    if (loading) REFUSED(checkpoint_load(loading->checkpoint, path));
    return hyper_const(1);
}

static void at_work(void) {
    World w;
    Schedule own = schedule_lambda(loads, NULL);
    loading = NULL;
    CHECK(make(&w, 1) && optim_schedule(w.optim, "lr", 0, &own) && name_all(&w, "40"));
    CHECK(checkpoint_save(w.checkpoint, path) && param_add_grad_f64(module_param(w.net, "bias"), (double[]){1, 1}, 2));
    loading = &w;
    w.iteration = 7;
    CHECK(optim_step(w.optim) && w.iteration == 7 && optim_steps(w.optim) == 1);
    loading = NULL;
    CHECK(checkpoint_load(w.checkpoint, path) && w.iteration == 300 && optim_steps(w.optim) == 0);
    end(&w);
}

/* ---- memory ---------------------------------------------------------------------------------------------------- */

static bool scenario(void) {
    World w;
    bool done = make(&w, 1) && name_all(&w, "40") && checkpoint_save(w.checkpoint, path);
    w.iteration = 7;
    bool loaded = done && checkpoint_load(w.checkpoint, path);
    CHECK(!done || w.iteration == (loaded ? 300 : 7));
    end(&w);
    return loaded;
}

int main(void) {
    round_trip();
    first_version();
    every_byte();
    another_run();
    too_large();
    files_that_cannot_be();
    nulls();
    not_ready();
    objects();
    pulled_away();
    at_work();
    fail_each_allocation("checkpoint", scenario);
    remove(path);
    remove(other_path);
    CHECK(higherc_error() == NULL);
    return check_done();
}
