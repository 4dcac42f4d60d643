/** @file few_shot.h
 *  What MAML's workloads share: a meta-batch of tasks, each with support points to take SGD steps on and
 *  query points to be judged by, run on the threads of a pool, recorded afresh or replayed. */
#ifndef BENCH_FEW_SHOT_H
#define BENCH_FEW_SHOT_H

#include "workload.h"

enum { FEW_SHOT_X, FEW_SHOT_Y, FEW_SHOT_XQ, FEW_SHOT_YQ, FEW_SHOT_INPUTS };

/** Filled in by a workload; few_shot_begin makes the rest. */
typedef struct FewShot {
    Settings settings;
    Module *net;
    Optim *inner, *outer;
    Tensor *(*loss)(Tensor *prediction, Tensor *target);
    size_t steps;
    size_t tasks; /* of a meta-batch */
    size_t pool;  /* tasks there are data of; a multiple of `tasks` */
    Shape shape[FEW_SHOT_INPUTS];
    float *data[FEW_SHOT_INPUTS]; /* of `pool` tasks, one after the other */

    Pool *threads;
    Tasks *runner;
    Rng rng;
    size_t next; /* task of the pool */
} FewShot;

bool few_shot_begin(FewShot *shot);
/** Ends and frees all of a FewShot, itself too. */
void few_shot_destroy(void *state);
bool few_shot_iterate(void *state);
bool few_shot_record(void *state, const char *folder);

#endif
