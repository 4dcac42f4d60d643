/* Forward mode through one step: from tangents of what it begins with to those of what it hands on. */
#ifndef HC_META_UNROLL_PUSH_H
#define HC_META_UNROLL_PUSH_H

#include "grad/sweep.h"
#include "meta/unroll.h"
#include "program/series.h"

/* A step that was just recorded. */
typedef struct HcStepped {
    size_t base, entered; /* its nodes: from here to the tape's top; and of these the first that it made itself */
    const HcPoint *point; /* at which it began; NULL: what goes out comes from the outer tensors alone, no step */
    Tensor *const *begins, *const *ends; /* [u->count] */
    const HcTangents *from; /* NULL without a point */
    HcTangents *to;
} HcStepped;

/* Its first sweep: what goes out, with cotangents u; what came in and the outer tensors, with the cotangents that are
 * linear in u. On the tape. */
typedef struct HcPulled {
    const HcStepped *step;
    Tensor **outs, **us;
    size_t *place, out_count;  /* of outs, in the carried list */
    Tensor **begins, **linear; /* [count + outer]; linear[i] may be NULL */
    size_t *first;             /* [outer]: its first direction */
    Tensor **starts, **vectors; /* of the second sweep: parts that are linear in u, and in one direction ... */
    size_t *from, start_count;  /* ... the tangents (NULL: zeros) of what stands in that place of begins */
} HcPulled;

/* ---- unroll_push.c -------------------------------------------------------------------------- */
/* Sweeps; with HC_SWEEP_ABSTRACT in `flags` nothing is computed. False after hc_fail. */
bool hc_pull(HcUnroll *u, const HcStepped *step, unsigned flags, HcPulled *pulled);
/* After a run of the second sweep, in direction d. */
typedef bool HcPushed(HcUnroll *u, const HcPulled *pulled, const HcSweep *s, size_t d, void *user);
/* Calls fn for each direction. */
bool hc_push(HcUnroll *u, HcPulled *pulled, unsigned flags, HcPushed *fn, void *user);
/* Both, recorded, into step->to. */
bool hc_push_recorded(HcUnroll *u, const HcStepped *step);

/* ---- unroll_push_programs.c ----------------------------------------------------------------- */
/* What a step's recording was, word by word, and the program that pushes through it. */
typedef struct HcNoted {
    uint64_t *words;
    size_t count, capacity;
    size_t program; /* of the series, or SIZE_MAX */
    size_t directions;
    bool *made; /* [directions * u->count]: the program's outputs, in order */
    char *fed;  /* numbers of constants that the step made, for the program to read */
} HcNoted;

/* Programs for steps whose recording is that of an earlier one, but for numbers. Points and tangents lie in turn in two
 * places, so that one kind of step takes two. */
enum { HC_MOST_NOTED = 8 };
typedef struct HcPushes {
    Tape *tape; /* the programs' */
    HcSeries *series;
    HcNoted noted[HC_MOST_NOTED], now;
    size_t oldest; /* of those */
    size_t captures, misses;
    bool off; /* all goes on being recorded */
} HcPushes;

/* Pushes through the step, by a program if there can be one; `left` are to come with it. */
bool hc_push_step(HcUnroll *u, const HcStepped *step, size_t left, HcPushes *pushes);
void hc_pushes_end(HcPushes *pushes);

#endif
