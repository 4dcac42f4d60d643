/** @file base.h
 *  What every other header rests on: the export macro, the version, status codes, the thread's
 *  error, the allocator hook, and random numbers that are the same on every platform.
 *
 *  Four rules hold for the whole library:
 *
 *  - A call that cannot do its work returns NULL or false and says why, once, in words. The first
 *    error stays in the thread (higherc_error()) and, where a tape is concerned, on that tape
 *    (tape_error()), so a program need not check each call: once in each iteration, before what it learned is put
 *    to use, will do.
 *  - A function of the caller's that the library calls (a forward, a rule, a step, a closure, a callback) has failed
 *    when it returns NULL or false, and also when it leaves an error of its own behind: one that it means to ignore
 *    it clears (higherc_clear_error(), tape_clear_error()).
 *  - Every function takes NULL for every handle. A NULL that comes out of an earlier error passes
 *    silently; a NULL without one is itself an error.
 *  - Nothing here prints, exits, aborts or jumps.
 *
 *  To go on after an error, as when memory has ended: higherc_clear_error(), and tape_clear_error() where a tape has
 *  one; then tape_reset() or tape_release() to a mark, and make anew what stood above it. Params, Modules, Optims and
 *  what stands below the mark are as they were: what changes them (steps, loads, a backward pass) does all of it or
 *  nothing. Gradients of tasks that went well before are there until optim_zero_grad().
 *  HC_ERR_NOMEM may come from any call that makes something, whether its comment says so or not. A system that
 *  promises memory it does not have (as Linux may) ends the process instead: give the tape a limit (max_bytes, tape.h).
 *
 *  What is equal bit for bit:
 *
 *  - Everywhere (any processor, compiler, level of instructions): random numbers, initial weights,
 *    elementwise functions, sums, and all that is made of these alone, derivatives and optimizers' steps too.
 *    Not powers in f64, and of numbers in optimizers and schedules those of an exponent that is not whole or a base
 *    past 1: they are the C library's, which differ in the last bits from one to the next (tensor_pow).
 *    Not in a program that flushes subnormal numbers to zero, as one linked with -ffast-math does.
 *  - In one build on one level (HIGHERC_ISA, tape.h) everything, however often it is run, recorded or
 *    replayed, on one thread or many.
 *  - Not between levels and machines: sums inside a product (tensor_matmul, linear, conv2d, attention and
 *    the layers made of them). Their order depends on how wide a vector is, and each step rounds
 *    once where the machine multiplies and adds at once, else twice. They differ in the last bits. */
#ifndef HIGHERC_BASE_H
#define HIGHERC_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "names.h"

#if defined(HIGHERC_SHARED) && defined(_WIN32)
#ifdef HIGHERC_BUILD
#define HC_API __declspec(dllexport)
#else
#define HC_API __declspec(dllimport)
#endif
#elif defined(__GNUC__)
#define HC_API __attribute__((visibility("default")))
#else
#define HC_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** The version of these headers; higherc_version() is that of the library linked. */
#define HC_VERSION_MAJOR 1
/** Its second number. */
#define HC_VERSION_MINOR 0
/** Its third. */
#define HC_VERSION_PATCH 0

/** The version of the library linked, as "major.minor.patch". */
HC_API const char *higherc_version(void);

/** What went wrong, for a program to branch on; the message is for people. */
typedef enum HcStatus {
    HC_OK = 0, /**< no error */
    HC_ERR_ARG,     /**< a NULL, a flag or a number outside what the call accepts */
    HC_ERR_SHAPE,   /**< shapes, axes or counts that do not fit together */
    HC_ERR_DTYPE,   /**< an f32 object met an f64 one */
    HC_ERR_TAPE,    /**< a tensor or mark of another tape */
    HC_ERR_EXPIRED, /**< a tensor or mark used after the reset or release that freed it */
    HC_ERR_NAME,    /**< no parameter, module or hyperparameter of that name */
    HC_ERR_RANGE,   /**< an index outside its axis, or sizes that overflow */
    HC_ERR_STATE,   /**< not initialised, already owned, the wrong mode */
    HC_ERR_GRAD,    /**< a gradient that cannot exist, with the cause */
    HC_ERR_CHANGED, /**< a Param was written in place after it was recorded */
    HC_ERR_NAN,     /**< the NaN check found the first operation to make one */
    HC_ERR_NOMEM,   /**< out of memory, or past a tape's limit */
    HC_ERR_IO       /**< a file could not be written or read in full */
} HcStatus;

/** The constant's name, e.g. "HC_ERR_SHAPE"; "HC_ERR_UNKNOWN" for a number that is none. */
HC_API const char *higherc_status_name(HcStatus status);

/** The calling thread's first error since the last higherc_clear_error(), or NULL. The text is the
 *  thread's own and stays until it is cleared. */
HC_API const char *higherc_error(void);

/** The code that goes with higherc_error(); HC_OK when there is none. */
HC_API HcStatus higherc_status(void);

/** Forgets the thread's error. A tape keeps its own until tape_clear_error(), and tells it again at the next call. */
HC_API void higherc_clear_error(void);

/** Where the library takes its memory. `alloc` returns NULL when it has none; sizes are never 0,
 *  and what it returns is aligned as malloc's is. `release` takes the pointer and the size asked. Both
 *  may be called by several threads at once, and call nothing of the library. */
typedef struct HcAllocator {
    /** Returns `size` bytes (never 0), aligned as malloc's are, or NULL. */
    void *(*alloc)(size_t size, void *user);
    /** Takes back what alloc gave, with the size that was asked for. */
    void (*release)(void *pointer, size_t size, void *user);
    void *user; /**< handed to both */
} Allocator;

/** Replaces malloc and free; NULL restores them.
 *  Call it before anything else, from one thread.
 *  Errors: HC_ERR_STATE while anything allocated through the old one is alive, HC_ERR_ARG when a
 *  function is missing; the allocator then stays as it was. */
HC_API bool higherc_set_allocator(const Allocator *allocator);

/** How many blocks the library holds at this moment, over all threads. 0 after everything was
 *  destroyed, so a test can hold the whole library to it. */
HC_API size_t higherc_live_allocations(void);

/* ---- random numbers ----------------------------------------------------------------------- */

/** A stream of random numbers: Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy
 *  as 1, 2, 3") under a key. A plain value: copy it to repeat a stream, keep it to continue. All
 *  functions take a pointer and advance the stream; a NULL stream is the error HC_ERR_ARG, and 0. */
typedef struct HcRng {
    uint64_t key; /**< which stream: from the seed, or the split */
    uint64_t counter; /**< how far it is: blocks of 128 bits taken, one by each draw of 64 */
} Rng;

/** A stream from a seed; equal seeds give equal numbers on every platform and thread. */
HC_API Rng rng_seed(uint64_t seed);

/** A new, independent stream split off this one, which moves on: give one to each task or thread. */
HC_API Rng rng_split(Rng *rng);

/** 64 random bits. */
HC_API uint64_t rng_u64(Rng *rng);

/** Uniform in [0, 1), a multiple of 2^-53. */
HC_API double rng_uniform(Rng *rng);

/** Standard normal (Box and Muller 1958), by own arithmetic, so the same bits everywhere. */
HC_API double rng_normal(Rng *rng);

/** Standard normal, redrawn while beyond `bound` (> 0) standard deviations. */
HC_API double rng_truncated_normal(Rng *rng, double bound);

/** Uniform whole number in [0, n), without bias; 0 when n is 0. */
HC_API uint64_t rng_below(Rng *rng, uint64_t n);

/** Shuffles `count` indices in place (Fisher and Yates). */
HC_API void rng_shuffle(size_t *items, size_t count, Rng *rng);

#ifdef __cplusplus
}
#endif

#include "names_end.h"
#endif
