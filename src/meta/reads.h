/* For operations that run a caller's code again when a gradient comes down: what that code reads, found out as it
 * runs for the first time, and how it runs again. */
#ifndef HC_META_READS_H
#define HC_META_READS_H

#include "ops/cotangent.h"
#include "tape/param.h"
#include "tape/param_set.h"

/* Tensors from before the code ran (those to which a gradient may flow, or all), and Params whose leaves it made and
 * to which one may flow. */
typedef enum HcReadsWhich { HC_READS_NEEDING, HC_READS_ALL } HcReadsWhich;
typedef struct HcReads {
    HcReadsWhich which;
    Tape *tape;
    const char *who;
    Tensor **items;
    size_t count, capacity;
    uint8_t *seen; /* by index, for those from before: 1, or 2 where a gradient may flow */
    size_t nodes;
    Param **params;
    size_t param_count, param_capacity;
    HcParamSet set;
    size_t room; /* of the set */
} HcReads;

/* What is on the tape now is from before. After begin, failed or not, end is to be called. */
bool hc_reads_begin(Tape *tape, const char *who, HcReadsWhich which, HcReads *reads);
/* One more, to which a gradient may flow if it does to x. NULL is none. */
bool hc_reads_add(HcReads *reads, Tensor *x);
/* What nodes made since the mark read. */
bool hc_reads_look(HcReads *reads, const TapeMark *mark);
/* The list, on the tape, those first to which a gradient may flow: Params get leaves there that the code will find when
 * it runs again. NULL after hc_fail. */
Tensor **hc_reads_list(HcReads *reads, size_t *count, size_t *flowing);
void hc_reads_end(HcReads *reads);

/* The tape while code runs again within a rule: in the open, and what it reads is read again. */
typedef struct HcAgain {
    TapeMark mark;
    HcManner manner;
    size_t read;
    const char *read_op;
    Rng rng;
} HcAgain;
HcAgain hc_again_begin(Tape *tape);
void hc_again_end(Tape *tape, HcAgain was);   /* all goes that was made since */
void hc_again_leave(Tape *tape, HcAgain was); /* it stays */

/* A backward pass of a node, in the open: results[j], which it leaves held, is to be the cotangent of input j, where
 * that is needed. */
typedef bool HcPassFn(HcSweep *s, void *state, const bool *needed, Tensor **results);
void hc_again_pass(HcSweep *s, Tensor *y, HcPassFn *fn);

#endif
