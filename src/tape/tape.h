/* A tape from within. */
#ifndef HC_TAPE_TAPE_H
#define HC_TAPE_TAPE_H

#include "base/assert.h"
#include "base/inline.h"
#include "base/status.h"
#include "higherc/param.h"
#include "higherc/pool.h"
#include "tape/op.h"

/* An object on the tape that must hear of releases (functional modules, differentiable optimizers). keep, of
 * all of them first, says what lives on (hc_moves_add) and changes nothing else that matters, for it may
 * fail, and then nothing is released; back goes to how things stood at the mark, while all is still there;
 * restore runs when the top is at the mark. It may emit leaves over memory of its own, as many as it moved. */
typedef struct HcScope HcScope;
struct HcScope {
    HcScope *next;  /* older; the first member, which is written over when the object's memory is given up */
    uint32_t check; /* its kind's own word while it is on the tape: another kind may take its place */
    size_t bytes;
    HcPosition place;
    bool (*keep)(HcScope *scope, const TapeMark *mark);
    void (*back)(HcScope *scope, const TapeMark *mark);
    void (*restore)(HcScope *scope, const TapeMark *mark);
};

/* Whether what was made when the arena's top was at `place` is above a mark. */
static inline bool hc_above(HcPosition place, const TapeMark *mark) {
    return hc_position_before((HcPosition){mark->block, mark->offset}, place);
}

/* The leaf of a Param on this tape. The tape holds a reference to the Param meanwhile. */
typedef struct HcParamLeaf {
    Param *param;
    Tensor *leaf;
    uint64_t serial; /* of the leaf, since its node may be taken by another tensor */
    bool used;       /* since the last reset */
} HcParamLeaf;

/* A view that was made dense for tensor_data: what it was, for a release that takes the copy away. */
typedef struct HcDensed HcDensed;
struct HcDensed {
    HcDensed *next; /* older */
    Tensor *tensor;
    uint64_t serial;
    void *data;
    const HcForm *form;
    HcPosition place;
};

typedef struct HcStamp HcStamp; /* tape/stamp.h */
typedef struct HcMove HcMove;   /* tape/moves.h */

/* Memory of one sweep; nested sweeps take the next one. */
typedef struct HcSweepSpace HcSweepSpace;
typedef struct HcHabits HcHabits; /* grad/habit.c */

#define HC_MOST_WORKSPACES 8 /* of a forward */

/* A caller's code at work within the library (a forward, a rule, a callback): what was there before it is still
 * to be read, so that the tape is not reset, trimmed, destroyed nor released below here. */
typedef struct HcCalling {
    size_t depth, nodes;
    HcPosition place;
    size_t told; /* errors, by the thread, before it */
} HcCalling;

/* How operations are made. Who changes it puts back what was there. */
typedef struct HcManner {
    bool recording;  /* with history */
    bool scratching; /* in the scratch store */
    bool abstract;   /* placed, but not run */
} HcManner;

struct HcTape {
    const HcKernels *k;
    size_t item; /* bytes of a number */
    DType dtype;
    HcManner manner;
    bool check_nan, never_reuse;
    bool of_tasks;    /* a worker's: Tasks destroy it */
    bool grads_apart; /* at work for a task, whose gradients must not go to Params */
    bool again;       /* a caller's code runs a second time: what lasts is not written again */
    HcStatus status;
    uint64_t serial; /* of the last tensor made */
    uint64_t resets;
    unsigned asides;   /* resets after which nodes took new places */
    size_t count;      /* nodes */
    size_t most_nodes; /* since the last trim, as far as releases and resets saw */
    Tensor **chunks;
    size_t chunk_count, chunk_capacity;
    unsigned chunk_shift;
    HcBudget budget;
    HcArena data;
    HcForms forms;
    HcScratch scratch;
    HcScratch handles; /* scopes' own memory, which stays with the tape, so that stale ones are told */
    HcScope *scopes;
    HcStamp *stamps;
    HcDensed *densed;
    HcParamLeaf *leaves; /* open addressing, by the Param's address */
    size_t leaf_count, leaf_capacity;
    HcSweepSpace *sweeps;
    HcHabits *habits;
    bool forgetful; /* learns no habits, for tests to compare with */
    void (*free_sweeps)(Tape *tape);
    Tensor **born; /* scratch nodes made and not yet dropped by their maker */
    size_t born_count, born_capacity;
    struct {
        size_t index;
        uint64_t serial; /* 0: none */
    } shared; /* the latest of hc_shared_constants */
    HcMove *moves; /* tape/moves.h */
    size_t move_count, move_capacity;
    struct {
        void *buffer;
        size_t bytes;
    } workspaces[HC_MOST_WORKSPACES];
    size_t workspace_count;
    size_t workspace_most[HC_MOST_WORKSPACES]; /* the most asked of each place ... */
    void *const *fixed_workspaces;             /* ... and buffers of that size to be handed out, or NULL */
    Pool *pool;                                /* for large operations, or NULL */
    HcCalling calling;
    size_t peak;
    size_t read; /* nodes there when a computed value was first read; SIZE_MAX: none was */
    const char *read_op;
    Rng rng;
    char message[HC_MESSAGE_SIZE];
};

/* Keeps an error on the tape (NULL: only in the thread), unless it holds one. Returns false. */
bool hc_fail(Tape *tape, HcStatus status, const char *format, ...) HC_PRINTF(3, 4);
/* Whether the library has a type; else the thread's error says why not. */
bool hc_has_type(const char *who, DType dtype);
bool hc_fail_nomem(Tape *tape, const char *who);
/* Gives a thread without an error that of the tape, which was not cleared. Returns false. */
bool hc_tell_again(const Tape *tape);
#define hc_fail(...) hc_false(hc_fail(__VA_ARGS__))
#define hc_fail_nomem(tape, who) hc_false(hc_fail_nomem(tape, who))
/* For a composite that began on a tape without an error: y, or NULL after what one of its operations told is told as
 * who's. */
void hc_tell_as(const char *who, Tape *tape);
/* What a tape in error tells is "before: rest" from here on; the thread too, unless its error is one of before. */
void hc_tell_anew(Tape *tape, const char *before, const char *rest);
HC_INLINE Tensor *hc_told_as(const char *who, Tape *tape, Tensor *y) {
    if (!y) hc_tell_as(who, tape);
    return y;
}
/* An argument that is NULL, on the tape too unless an earlier error of the thread may be why. Returns false. */
bool hc_null_on(Tape *tape, const char *who, const char *what);
#define hc_null_on(tape, who, what) hc_false(hc_null_on(tape, who, what))

static inline Tensor *hc_node(const Tape *tape, size_t index) {
    HC_ASSERT(index >> tape->chunk_shift < tape->chunk_count);
    return tape->chunks[index >> tape->chunk_shift] +
           (index & (((size_t)1 << tape->chunk_shift) - 1));
}

/* Output i of a node on the tape that has several. */
static inline Tensor *hc_part(const Tensor *parent, size_t i) {
    HC_ASSERT((parent->op->flags & HC_OP_PARTS) && i < parent->form->dim[0]);
    return hc_node(parent->tape, (size_t)parent->index + 1 + i);
}

/* Whether x is still on its tape. Of a scratch node, which has no index, the flags are looked at only where it has
 * more holders than the tape nodes. */
HC_INLINE bool hc_alive(const Tensor *x) {
    return x->check == HC_CHECK_WORD && (x->index < x->tape->count || (x->flags & HC_NODE_SCRATCH));
}

/* A node of several outputs, once its parts are there: to callers its place is no tensor's. A handle of one that stood
 * there before would read numbers of no meaning, and sweep a cotangent of another shape. */
static inline void hc_hide(Tensor *parent) {
    if (parent && !(parent->flags & HC_NODE_SCRATCH)) parent->check = HC_HIDDEN_WORD;
}

/* Says which of them is not right, once one is not. Returns false. */
bool hc_check_slowly(const char *who, Tensor *const *x, size_t count);
#define hc_check_slowly(...) hc_false(hc_check_slowly(__VA_ARGS__))

/* The usual checks of an argument for a builder that looks at it before hc_emit: false for NULL
 * (reported unless an error is there), an expired tensor, or a tape in error. */
HC_INLINE bool hc_check_all(const char *who, Tensor *const *x, size_t count) {
    const Tape *tape = count > 0 && x[0] ? x[0]->tape : NULL;
    if (!tape || tape->status != HC_OK) return hc_check_slowly(who, x, count);
    for (size_t i = 0; i < count; i++)
        if (!x[i] || x[i]->tape != tape || !hc_alive(x[i])) return hc_check_slowly(who, x, count);
    return true;
}

static inline bool hc_check(const char *who, const Tensor *x) {
    Tensor *one = (Tensor *)(uintptr_t)x;
    return hc_check_all(who, &one, 1);
}

/* Notes that the program reads x's numbers: what it records from here on may depend on them. */
void hc_note_read(const Tensor *x);
/* Inside one operation: calls fn for each index in [0, count), on the tape's pool where it has one, as
 * hc_pool_run_near does; worker < hc_workers(tape). What fn computes must not depend on who calls it. */
void hc_parallel(Tape *tape, size_t count, PoolFn *fn, void *user);
size_t hc_workers(const Tape *tape);

/* An error of the thread that a caller's code left there, since so many were told, is the tape's too. False when that
 * has one. */
static inline bool hc_take_error(Tape *tape, size_t told) {
    if (hc_errors_left(told)) hc_fail(tape, higherc_status(), "%s", higherc_error());
    return tape->status == HC_OK;
}

/* Around a call of a caller's code; end with what begin returned: it takes the error. */
static inline HcCalling hc_call_begin(Tape *tape) {
    HcCalling outer = tape->calling;
    tape->calling = (HcCalling){outer.depth + 1, tape->count, hc_arena_top(&tape->data), hc_errors_told()};
    return outer;
}

static inline bool hc_call_end(Tape *tape, HcCalling outer) {
    HC_ASSERT(tape->calling.depth == outer.depth + 1);
    size_t told = tape->calling.told;
    tape->calling = outer;
    return hc_take_error(tape, told);
}

/* Memory that lives as tensors do; NULL after hc_fail. */
static inline void *hc_tape_alloc(Tape *tape, size_t bytes, const char *who) {
    void *memory = hc_arena_alloc(&tape->data, bytes);
    if (!memory) hc_fail_nomem(tape, who);
    return memory;
}
/* Puts an object, whose first member is its scope, on the tape: a copy of `made`; NULL after hc_fail. One without
 * functions only goes when it is released. */
void *hc_tape_add_scope(Tape *tape, const void *made, size_t bytes, uint32_t word, const char *who);

/* Room for so many nodes, so that making them cannot fail for want of it. False when out of memory. */
bool hc_tape_room(Tape *tape, size_t nodes);

/* At a release: drops what the tape remembers of shapes long gone, once there is much of it. */
void hc_tape_tidy(Tape *tape);

/* A constant with these numbers: the same as last time while it is there and they are, and tape->shared.serial is not
 * put to 0. For what is done to many weights in turn; not within rules. */
Tensor *hc_shared_constants(Tape *tape, const double *values, size_t count);

/* Scratch nodes. hold and drop count holders; the last drop frees. */
static inline void hc_hold(Tensor *x) {
    HC_ASSERT(!x || x->check == HC_CHECK_WORD);
    if (x && (x->flags & HC_NODE_SCRATCH)) x->holders++;
}

void hc_free_unheld(Tensor *x);

static inline void hc_drop(Tensor *x) {
    HC_ASSERT(!x || !(x->flags & HC_NODE_SCRATCH) || x->holders > 0);
    if (x && (x->flags & HC_NODE_SCRATCH) && --x->holders == 0) hc_free_unheld(x);
}

/* Drops the maker's hold on all scratch nodes made since there were `from`. */
static inline void hc_drop_born(Tape *tape, size_t from) {
    while (tape->born_count > from)
        hc_drop(tape->born[--tape->born_count]);
}

/* Room for one more in the list of those made. */
static inline bool hc_room_for_born(Tape *tape) {
    return hc_budget_grow(&tape->budget, (void **)&tape->born, &tape->born_capacity,
                          tape->born_count, tape->born_count + 1, sizeof *tape->born);
}
/* A scratch tensor's numbers as a constant on the tape; any other tensor as it is. */
Tensor *hc_keep(Tensor *x, HcWhy why);

/* Drops the references to Params whose leaves were not asked for since the last reset. */
void hc_leaves_reset(Tape *tape);
/* Forgets leaves that are gone, before the memory of their nodes is. */
void hc_leaves_trim(Tape *tape);
void hc_leaves_free(Tape *tape);
/* The cell whose memory x reads, and the version it had, for a node with HC_NODE_BORROWED. */
const HcCell *hc_cell(const Tensor *x, uint64_t *version);

#endif
