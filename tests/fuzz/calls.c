/* Sequences of public calls, with right and wrong arguments: each row of calls.def is one that the bytes may
 * choose. Whatever they choose nothing crashes, nothing stays behind, and a call fails if and only if it says why. */
#include <stdlib.h>

#include "fuzz/structs.h"
#include "fuzz/target.h"
#include "support/failing.h"

/* ---- rows ------------------------------------------------------------------------------------ */

const size_t fuzz_length = 2000;

/* ---- results --------------------------------------------------------------------------------- */

static size_t row; /* of the call in hand */
static size_t calls_made[1024], calls_done[1024];

/* The next allocations fail, now and then. */
static void begin(void) {
    unsigned byte = world_byte();
    calls_made[row]++;
    world_clear_errors(); /* what was said of arguments while they were looked at */
    if (byte >= 244) failing_after(byte - 244);
}

static void judge(const char *name, bool done) {
    bool clear = higherc_status() == HC_OK, untouched = true;
    failing_never();
    for (size_t i = 0; i < TAPES; i++)
        clear = clear && tape_status(world.tapes[i]) == HC_OK;
    for (size_t i = 0; i < MOST_OUT; i++)
        untouched = untouched && !world.out[i];
    calls_done[row] += done;
    if (world.kept || (done && clear) || (!done && !clear && untouched)) return;
    printf("  %s %s%s: %s\n", name, done ? "succeeded" : "failed",
           done || untouched ? "" : " and wrote",
           higherc_error() ? higherc_error() : "without an error");
    fflush(stdout);
    abort();
}

static void give_DONE(const char *name, bool done) {
    judge(name, done);
    for (size_t i = 0; done && i < MOST_OUT; i++)
        if (world.out[i]) world_give(K_TENSOR, world.out[i]);
}

#define GIVE(word, type, kind)                                                                     \
    static void give_##word(const char *name, type *object) {                                      \
        judge(name, object != NULL);                                                               \
        world_give(kind, object);                                                                  \
    }
GIVE(T, Tensor, K_TENSOR)
GIVE(FMODULE, FModule, K_FMODULE)
GIVE(DIFFOPT, DiffOpt, K_DIFFOPT)
GIVE(MODULE, Module, K_MODULE)
GIVE(OPTIM, Optim, K_OPTIM)
GIVE(GRADS, Grads, K_GRADS)
GIVE(LBFGS, Lbfgs, K_LBFGS)
GIVE(CHECKPOINT, Checkpoint, K_CHECKPOINT)
GIVE(SAFETENSORS, Safetensors, K_SAFETENSORS)
GIVE(NPY, Npy, K_NPY)
GIVE(PROGRAM, Program, K_PROGRAM)
GIVE(TASKS, Tasks, K_TASKS)

/* Borrowed; the world keeps a reference of its own. */
static void give_PARAM(const char *name, Param *param) {
    judge(name, param != NULL);
    world_give(K_PARAM, param);
}
/* A reference of the caller's. */
static void give_OWN_PARAM(const char *name, Param *param) {
    give_PARAM(name, param);
    param_unref(param);
}
static void give_REF(const char *name, Param *param) {
    (void)name;
    failing_never();
    param_unref(param);
}
static void give_TAPE(const char *name, Tape *tape) {
    judge(name, tape != NULL);
    world_give_tape(tape);
}
static void give_POOL(const char *name, Pool *pool) {
    judge(name, pool != NULL);
    pool_destroy(pool);
}
/* The Tasks' own. */
static void give_TASKS_SUM(const char *name, const Grads *sum) {
    judge(name, sum != NULL);
}
static void give_REFUSED(const char *name, bool done) {
    judge(name, done);
    if (done) abort();
}
static void give_MARK(const char *name, TapeMark mark) {
    (void)name;
    failing_never();
    world.marks[world_below(4)] = mark;
}

/* ---- the calls ------------------------------------------------------------------------------- */

#define USE_QUERY(name, call)                                                                      \
    (void)call;                                                                                    \
    failing_never()
#define USE_NOTHING(name, call)                                                                    \
    call;                                                                                          \
    failing_never()
#define USE_DONE(name, call) give_DONE(name, call)
#define USE_T(name, call) give_T(name, call)
#define USE_FMODULE(name, call) give_FMODULE(name, call)
#define USE_DIFFOPT(name, call) give_DIFFOPT(name, call)
#define USE_MODULE(name, call) give_MODULE(name, call)
#define USE_OPTIM(name, call) give_OPTIM(name, call)
#define USE_GRADS(name, call) give_GRADS(name, call)
#define USE_LBFGS(name, call) give_LBFGS(name, call)
#define USE_CHECKPOINT(name, call) give_CHECKPOINT(name, call)
#define USE_SAFETENSORS(name, call) give_SAFETENSORS(name, call)
#define USE_NPY(name, call) give_NPY(name, call)
#define USE_PROGRAM(name, call) give_PROGRAM(name, call)
#define USE_TASKS(name, call) give_TASKS(name, call)
#define USE_TASKS_SUM(name, call) give_TASKS_SUM(name, call)
#define USE_PARAM(name, call) give_PARAM(name, call)
#define USE_OWN_PARAM(name, call) give_OWN_PARAM(name, call)
#define USE_REF(name, call) give_REF(name, call)
#define USE_TAPE(name, call) give_TAPE(name, call)
#define USE_POOL(name, call) give_POOL(name, call)
#define USE_REFUSED(name, call) give_REFUSED(name, call)
#define USE_MARK(name, call) give_MARK(name, call)

#define TAKE(word, variable) A_##word variable = take_##word()
#define CALLER(name, takes, use)                                                                   \
    static void call_##name(void) {                                                                \
        takes begin();                                                                             \
        use;                                                                                       \
    }
#define CALL0(R, name) CALLER(name, , USE_##R(#name, name()))
#define CALL1(R, name, A) CALLER(name, TAKE(A, a);, USE_##R(#name, name(a)))
#define CALL2(R, name, A, B) CALLER(name, TAKE(A, a); TAKE(B, b);, USE_##R(#name, name(a, b)))
#define CALL3(R, name, A, B, C)                                                                    \
    CALLER(name, TAKE(A, a); TAKE(B, b); TAKE(C, c);, USE_##R(#name, name(a, b, c)))
#define CALL4(R, name, A, B, C, D)                                                                 \
    CALLER(name, TAKE(A, a); TAKE(B, b); TAKE(C, c); TAKE(D, d);, USE_##R(#name, name(a, b, c, d)))
#define CALL5(R, name, A, B, C, D, E)                                                              \
    CALLER(name, TAKE(A, a); TAKE(B, b); TAKE(C, c); TAKE(D, d); TAKE(E, e);                       \
           , USE_##R(#name, name(a, b, c, d, e)))
#define CALL6(R, name, A, B, C, D, E, F)                                                           \
    CALLER(name, TAKE(A, a); TAKE(B, b); TAKE(C, c); TAKE(D, d); TAKE(E, e); TAKE(F, f);           \
           , USE_##R(#name, name(a, b, c, d, e, f)))
#define CALL7(R, name, A, B, C, D, E, F, G)                                                        \
    CALLER(name, TAKE(A, a); TAKE(B, b); TAKE(C, c); TAKE(D, d); TAKE(E, e); TAKE(F, f);           \
           TAKE(G, g);, USE_##R(#name, name(a, b, c, d, e, f, g)))
#define HEADER(name)
#define CALL(n, R, ...) CALL##n(R, __VA_ARGS__)
#include "fuzz/calls.def"
#undef HEADER
#undef CALL

typedef struct Row {
    const char *name;
    void (*call)(void); /* NULL: of a header, whose functions follow */
    const char *result;
} Row;

#define HEADER(name) {#name, NULL, NULL},
#define ROW(R, name, ...) {#name, call_##name, #R},
#define CALL(n, R, ...) ROW(R, __VA_ARGS__, 0)
static const Row rows[] = {
#include "fuzz/calls.def"
    {NULL, NULL, NULL}};

enum { ROWS = sizeof rows / sizeof *rows - 1, MOST_HEADERS = 32 };

void world_call(void) {
    static size_t first[MOST_HEADERS], headers, frames;
    for (size_t i = 0; i <= ROWS && (headers == 0 || first[headers - 1] <= ROWS); i++)
        if (!rows[i].call) {
            if (rows[i].name && strcmp(rows[i].name, "frame") == 0) frames = headers;
            first[headers++] = i + 1;
        }
    size_t header = world_below(headers - 1), outer = row;
    if (world.frame && world_byte() < 160) header = frames;
    size_t count = first[header + 1] - 1 - first[header];
    row = first[header] + world_below(count);
    world_before_call();
    rows[row].call();
    world_after_call();
    row = outer;
}

bool fuzz_run(const uint8_t *data, size_t size) {
    world_begin(data, size);
    while (world.left > 0)
        world_call();
    if (world_end()) return true;
    printf("  memory was left behind\n");
    return false;
}

/* Nearly every call that promises something must have kept it once. */
bool fuzz_end(size_t generated) {
    size_t made = 0, done = 0, never = 0;
    world_last();
    remove(scratch_file);
    for (size_t i = 0; i < ROWS; i++) {
        made += calls_made[i];
        done += calls_done[i];
        if (!generated || !rows[i].call) continue;
        bool promises = !strstr("QUERY NOTHING REF MARK REFUSED", rows[i].result);
        if (calls_made[i] > 0 && (!promises || calls_done[i] > 0)) continue;
        printf("  %s never %s\n", rows[i].name, calls_made[i] ? "succeeded" : "called");
        never++;
    }
    printf("%zu calls, %zu that promise something kept it\n", made, done);
    return made > 0 && never * 20 < ROWS;
}
