/* The program layer: a recorded graph made ready to run again. It knows nodes, sweeps and kernels' steps;
 * it does not know modules or optimizers.
 *
 *   capture.c  what is needed, in which order, as private copies of nodes
 *   repeat.c   what is computed twice rather than kept
 *   call.c     calls of kernels
 *   plan.c     where each result lives: memory by liveness
 *   trace.c    which kernels, on which addresses
 *   fuse.c     elementwise ones block by block
 *   direct.c   gradients without a copy
 *   trim.c     what a run does not look at goes
 *   run.c      inputs in, steps, outputs and gradients out
 *   stamped.c  what must be as it was recorded with
 *   owned.c    what operations keep with it, and its end
 *   series.c   many programs of a few shapes, for operations that run recordings of their own */
#ifndef HC_PROGRAM_PROGRAM_H
#define HC_PROGRAM_PROGRAM_H

#include "base/assert.h"
#include "higherc/program.h"
#include "tape/param.h"
#include "tape/stamp.h"

/* A leaf that reads a Param where it lives. */
typedef struct HcParamUse {
    Param *param;
    const void *data; /* as captured */
} HcParamUse;

typedef struct HcCall HcCall;     /* program/call.h */
typedef struct HcSeries HcSeries; /* program/series.h */

/* What an operation keeps with a program. */
typedef struct HcOwned {
    const void *key; /* what it is found again by */
    void *object;
    void (*destroy)(void *object);
    size_t (*bytes)(const void *object, size_t *table_bytes); /* of all it holds; and of that, what are no numbers */
} HcOwned;

/* What it must still be made with. */
typedef struct HcStamped {
    struct HcMet {
        HcVersion *version;
        uint64_t changes;
    } *items;
    size_t count, capacity;
} HcStamped;

struct HcProgram {
    Tape *tape; /* kernels, forms, workspaces and the error; nothing is recorded on it */
    Tensor *nodes;
    size_t count;   /* of those captured ... */
    size_t kept;    /* ... and of those that trim.c leaves */
    Tensor **links; /* inputs of nodes that have many */
    Tensor **steps; /* the nodes to be computed, in order, until they are traced */
    size_t step_count;
    HcCall *calls; /* what the steps come down to */
    size_t call_count, call_capacity;
    Tensor **inputs, **outputs, **grads;
    size_t input_count, output_count, grad_count;
    Param **grad_params; /* [grad_count] */
    size_t
        *grad_calls; /* the product that makes it and may aim elsewhere (direct.c), or SIZE_MAX */
    HcParamUse *uses;
    size_t use_count;
    HcStamped stamps;
    void *workspaces[HC_MOST_WORKSPACES]; /* of traced forwards */
    char *constants, *memory;
    size_t constant_bytes, memory_bytes, table_bytes;
    HcSeries *series; /* whose memory, constants and workspaces it uses, and whose program's tape; or NULL */
    HcOwned *owned;
    size_t owned_count, owned_capacity;
};

/* Leaves an object with the program, or destroys it: false when out of memory. */
bool hc_program_own(Program *program, HcOwned owned);
/* The object with that key, or NULL. */
void *hc_program_owned(const Program *program, const void *key);
void hc_program_free(Program *program);
/* What it takes itself: without its tape, and what belongs to a series. */
ProgramStats hc_program_own_stats(const Program *program);
/* Adds all that a tape has met to a list, which must begin zeroed: which of them a node depends on is not known. False
 * when out of memory. */
bool hc_stamped_add(HcStamped *stamped, const Tape *tape);
/* Whether all is as it was then; else false after hc_fail on the tape. */
bool hc_stamped_check(const HcStamped *stamped, Tape *tape, const char *who);
void hc_stamped_free(HcStamped *stamped);
/* Runs its calls. False after hc_fail on its tape. */
bool hc_program_run_calls(Program *program);
/* Whether Params that it reads are where they were; else false after hc_fail. */
bool hc_program_check_uses(Program *program, const char *who);

/* Gives every node its memory, and lists the steps. False when out of memory. */
bool hc_program_plan(Program *program);

#endif
