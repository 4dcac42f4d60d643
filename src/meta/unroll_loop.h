/* An unrolled loop in a Program: its segments as programs of a series, forward and back, and memory for what goes from
 * one to the next. It outlives the tape. */
#ifndef HC_META_UNROLL_LOOP_H
#define HC_META_UNROLL_LOOP_H

#include "meta/unroll.h"
#include "program/series.h"

/* Tensors' numbers in one block. */
typedef struct HcPacked {
    size_t count;
    size_t *offset, *bytes; /* [count]; of none: 0 bytes */
    size_t total;
    char *numbers;
} HcPacked;

/* A program of the series, and which of a list its outputs are, in order. */
typedef struct HcSegment {
    size_t program;
    const bool *made;
} HcSegment;

typedef struct HcLoop {
    HcSeries *series;
    HcPacked carried, inputs; /* as the segment begins; and what steps read of before, as it lies there */
    size_t *ends;             /* where in the operation's numbers that goes which is carried at the end, or SIZE_MAX */
    char *kept;               /* carried numbers in places 1 and on of the walk */
    HcWalk walk;
    size_t stands; /* the place whose point carried numbers are, or HC_CURRENT */
    HcSegment *forward; /* [walk.segments] */
    HcStamped stamps;   /* what steps met: the tape forgets it with them */
    void **memory;      /* all of the above, and of the passes */
    size_t memory_count, memory_capacity, memory_bytes;
} HcLoop;

/* A backward pass through it. Its list is what is carried, then the inputs. */
typedef struct HcBack {
    HcLoop *loop;
    HcPacked flows;      /* cotangents */
    HcSegment *segments; /* [loop->walk.segments]; made: at the beginning of each; program SIZE_MAX: nothing flows */
    /* Inputs of the operation, after one that is only there to come first; and its parts. */
    size_t given_count, *given, part_count, *parts;
    size_t *offset; /* of each part in the operation's numbers */
} HcBack;

/* The same on the tape, where a Program's backward pass is being recorded; the state of its operation. */
typedef struct HcBackNode {
    HcUnroll *unroll;
    size_t given_count, *given, part_count, *parts, *offset, bytes;
} HcBackNode;

/* ---- unroll_capture.c ----------------------------------------------------------------------- */
bool hc_back_own(Program *program, Tensor *copy);

/* ---- unroll_replay.c ------------------------------------------------------------------------ */
/* Those that a Program runs; attr.custom.state is the loop, or the pass. */
extern const HcOp hc_op_loop, hc_op_loop_back;

#endif
