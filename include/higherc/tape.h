/** @file tape.h
 *  The gradient tape: a record of every operation, in the order it ran.
 *
 *  A *gradient tape*, tape for short, is a list. Each tensor operation appends a node that holds its result and
 *  remembers its inputs; walking the list backwards applies the chain rule. Nothing else is needed
 *  to differentiate a program, loops and branches included, because what is recorded is what ran.
 *
 *  It also owns the memory of all that stands on it, so there are two lifetimes. A Tape lives from tape_create to
 *  tape_destroy. What is made *on* it (Tensor, FModule, DiffOpt) is freed by tape_reset, or by tape_release down to a
 *  mark; the memory stays with the tape for the next iteration, so a steady loop stops calling the allocator. A tape
 *  belongs to one thread at a time; different tapes are independent. */
#ifndef HIGHERC_TAPE_H
#define HIGHERC_TAPE_H

#include "base.h"
#include "pool.h"
#include "names.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The type of all numbers on a tape, and of a Param. */
typedef enum HcDType {
    HC_F32 = 0, /**< float: 24 bits, some 7 digits */
    HC_F64 = 1  /**< double: 53 bits, some 16 digits */
} DType;

/** A gradient tape: the record of operations, and all memory of what is made on it. */
typedef struct HcTape Tape;
/** A node of a tape: numbers, their shape, and how they were made (tensor.h). */
typedef struct HcTensor Tensor;

/** How a tape is made; take it from tape_options() and change fields by name. */
typedef struct HcTapeOptions {
    DType dtype; /**< of all numbers on it */
    size_t max_bytes;   /**< the most it may hold (reserved_bytes of TapeStats); past it HC_ERR_NOMEM. SIZE_MAX: none */
    size_t block_bytes; /**< first block of its arena; small values stress memory handling */
    bool never_reuse;   /**< never hand out an address twice: finds use after release, leaks. Also on for each
                             tape when the environment variable HIGHERC_NEVER_REUSE is set */
    bool check_nan;     /**< see tape_check_nan */
} TapeOptions;

/** The defaults: no limit, no checks. */
HC_API TapeOptions tape_options(DType dtype);

/** A new, empty tape; NULL when out of memory or dtype is none. The environment variable HIGHERC_ISA
 *  (baseline, avx2, avx512, neon) chooses among the kernels of this machine, of which the best are taken
 *  otherwise; with any other name no tape is made, HC_ERR_ARG. */
HC_API Tape *tape_create(DType dtype);

/** A new tape with options. */
HC_API Tape *tape_create_with(TapeOptions options);

/** Frees the tape and all that was made on it; Params, Modules and Optims stay. NULL is fine.
 *  While the library runs code of yours on the tape (a module's forward, an update rule, a custom operation, a
 *  gradient callback), destroying, resetting and trimming it, and a release below where that code began,
 *  are refused with HC_ERR_STATE on the tape. */
HC_API void tape_destroy(Tape *tape);

/** The type of its numbers; HC_F32 for NULL. */
HC_API DType tape_dtype(const Tape *tape);

/** Frees everything made on the tape and keeps the memory. An error stays until it is cleared.
 *  A tensor made before a loop that begins with tape_reset must not be used in it: make it anew in each turn, or keep
 *  its numbers in an array or a Param. Such a use is the error HC_ERR_EXPIRED in the loop's first two turns, for the
 *  first two resets of a tape (without max_bytes, and up to 1 MiB of nodes) give new tensors new places; later a handle
 *  kept over a reset is told until something else is made in its place, and from then on it is silently that other
 *  thing. With HIGHERC_NEVER_REUSE set in the environment (or never_reuse in the options) it is always told, and memory
 *  grows from turn to turn: for a short run that looks for such a handle. */
HC_API void tape_reset(Tape *tape);

/** A place on the tape; a plain value. */
typedef struct HcTapeMark {
    uint64_t tape; /**< whose; all fields are for tape_release alone */
    uint64_t last; /**< serial number of the last node, or how often an empty tape was reset */
    size_t nodes; /**< how many there were */
    size_t block; /**< of the arena */
    size_t offset; /**< in that block */
} TapeMark;

/** The present end of the tape. It serves any number of releases, until the tape is reset or released
 *  below it. Marking allocates nothing and needs no counterpart. */
HC_API TapeMark tape_mark(Tape *tape);

/** Frees everything made since the mark. Functional modules and differentiable optimizers made
 *  before it go back to where they stood at the mark; those in HC_EVAL, and those just truncated by
 *  diffopt_detach, keep their present weights, buffers and state.
 *  Errors: HC_ERR_TAPE (a mark of another tape), HC_ERR_EXPIRED (the tape was reset, or released
 *  below the mark, since); nothing is freed then. HC_ERR_NOMEM when what is to be kept could not
 *  be: it is then as it was at the mark. */
HC_API bool tape_release(Tape *tape, TapeMark mark);

/** Gives back to the allocator what the tape holds but does not use: numbers and shapes at once, the memory of
 *  nodes (128 bytes each) with the trim after. So a tensor that a reset or release made stale is still told
 *  (HC_ERR_EXPIRED) after one trim. After two it must not be handed to anything: its memory may be gone, and that
 *  cannot be told; no more can what stood on a destroyed tape. Functional modules and differentiable optimizers are
 *  told after any number. */
HC_API void tape_trim(Tape *tape);

/** The tape's first error since the last clear; while there is one, every operation on the tape
 *  returns NULL (reading a number NaN, a step false) and no gradient is added anywhere. Marks, releases and resets
 *  work, and it survives them. How to go on: base.h. */
HC_API HcStatus tape_status(const Tape *tape);
HC_API const char *tape_error(const Tape *tape); /**< in words, or NULL */
/** Forgets the tape's error, so that operations work again; the thread's own stays until higherc_clear_error().
 *  NULL is fine. */
HC_API void tape_clear_error(Tape *tape);

/** What a tape holds, and held. */
typedef struct HcTapeStats {
    size_t nodes;          /**< on the tape now */
    size_t live_bytes;     /**< of nodes and data now */
    size_t peak_bytes;     /**< the most live_bytes has been */
    size_t reserved_bytes; /**< held from the allocator, used or not */
    size_t mallocs;        /**< allocator calls since creation: constant in a steady loop */
} TapeStats;
/** Of this tape, now; all 0 for NULL. */
HC_API TapeStats tape_stats(const Tape *tape);

/** Seeds the tape's own random stream, from which dropout draws its masks. */
HC_API void tape_seed(Tape *tape, uint64_t seed);
/** That stream: to be saved with a run (checkpoint.h), say. It lives as long as the tape. NULL, and an error, for
 *  NULL. */
HC_API Rng *tape_rng(Tape *tape);

/** Switches history on or off and returns what it was (a new tape: on). While off, operations give
 *  plain values through which no gradient flows. */
HC_API bool tape_set_recording(Tape *tape, bool on);
/** Whether history is on; false for NULL. */
HC_API bool tape_recording(const Tape *tape);

/** While on, the first operation that makes a NaN out of inputs without one is the error
 *  HC_ERR_NAN, which names it. Returns what it was. */
HC_API bool tape_check_nan(Tape *tape, bool on);

/** Gives the tape a pool (NULL: none, as at first), whose threads share large operations; returns
 *  the one it had. The bits of the results are the same with and without. The tape holds on to the pool,
 *  which may be destroyed first. A Program captured on the tape uses it too. Within tasks_run it is best left
 *  alone: there the tasks themselves are what runs in parallel. */
HC_API Pool *tape_set_pool(Tape *tape, Pool *pool);

/** Writes the graph for Graphviz: all below `output`, or the whole tape when that is NULL.
 *  Takes the place of an older file whole, or not at all.
 *  Errors: HC_ERR_IO when not all of it reached the disk; HC_ERR_NOMEM. */
HC_API bool tape_write_dot(Tape *tape, Tensor *output, const char *path);

#ifdef __cplusplus
}
#endif

#include "names_end.h"
#endif
