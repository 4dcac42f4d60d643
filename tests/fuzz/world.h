/* What a fuzzed sequence of calls works with: handles of every kind, live and stale, and the bytes that choose. */
#ifndef FUZZ_WORLD_H
#define FUZZ_WORLD_H

#include <higherc/higherc.h>

typedef enum Kind {
    K_TENSOR,
    K_FMODULE,
    K_DIFFOPT, /* up to here: on a tape */
    K_MODULE,
    K_PARAM,
    K_OPTIM,
    K_GRADS,
    K_PROGRAM,
    K_TASKS,
    K_LBFGS,
    K_CHECKPOINT,
    K_SAFETENSORS,
    K_NPY,
    KINDS
} Kind;

enum { TAPES = 4, HANDLES = 48, LIST = 8, MOST_OUT = 32, NUMBERS = 4096, MOST_DEPTH = 3 };

typedef struct Handle {
    void *object;
    size_t tape;    /* where it is, of the first kinds */
    TapeMark born;  /* what it is above */
    bool stale;     /* to be forgotten after the next call */
    unsigned depth; /* of the callback that made it */
    void *version;  /* of a module: tells when it is gone */
} Handle;

typedef struct World {
    const uint8_t *data;
    size_t left;
    Tape *tapes[TAPES]; /* the last is a callback's own */
    bool never_reuse[TAPES];
    Pool *pools[2]; /* of one thread and of two */
    Handle handles[KINDS][HANDLES];
    TapeMark marks[4];
    size_t mark_count;
    unsigned depth; /* of callbacks */
    bool quiet;     /* while arguments are made callbacks make no calls */
    Frame *frame;   /* of the innermost forward, or NULL */
    /* Of the call in hand: */
    size_t near;                                 /* the tape of its first argument, or TAPES */
    size_t listed;                               /* how long the last list is */
    Handle *gone;                                /* what it destroys */
    size_t gone_tape, reset_tape, released_tape; /* or TAPES */
    TapeMark mark;
    Tensor *out[MOST_OUT]; /* what it wrote; nothing when it failed */
    bool kept;             /* errors on tapes were left there */
} World;

/* The one that callbacks find. */
extern World world;

unsigned world_byte(void);
size_t world_below(size_t n);

/* Tapes, a network, an optimizer and an inner loop to begin with. */
void world_begin(const uint8_t *data, size_t size);
/* Destroys all; false when memory stays behind. */
bool world_end(void);
/* Ends what all worlds share. */
void world_last(void);

/* A handle of that kind: mostly a live one, of the tape in hand; or a stale or foreign one, or NULL. */
void *world_take(Kind kind);
Handle *world_take_handle(Kind kind);
/* Keeps what a call made; where there is no room it is destroyed. */
void world_give(Kind kind, void *object);
void world_give_tape(Tape *tape);
size_t world_tape_index(const Tape *tape);
void world_before_call(void);
/* The thread's and, unless they are to be kept, those of the tapes. */
void world_clear_errors(void);
void world_after_call(void);
/* To be called when a tape is about to be trimmed. */
void world_before_trim(size_t tape);

/* Around a callback: some calls are made from within, and what they made on tapes is forgotten. */
void world_nested(Tape *tape, Frame *frame);
/* Around a callback after which all that was made goes: so do handles to it. */
void world_inner_begin(void);
void world_inner_end(void);

/* One call that the bytes choose; aborts when it breaks what base.h promises. */
void world_call(void);

#endif
