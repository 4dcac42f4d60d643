/** @file workload.h
 *  What the benchmark program measures. A workload makes its data when it is created; `iterate` is all
 *  that is timed. Names end in a number where there is one to choose: "unroll-50". */
#ifndef BENCH_WORKLOAD_H
#define BENCH_WORKLOAD_H

#include <higherc/higherc.h>

typedef struct Settings {
    const char *name;
    size_t number; /**< at the end of the name */
    size_t threads;
    bool replay;  /**< run a captured Program; otherwise record each iteration afresh */
    bool unrolls; /**< the inner loop is an unroll, which keeps: */
    UnrollKeep keep;
    size_t every, megabytes;
} Settings;
/** How an inner loop of so many steps is unrolled. */
UnrollOptions settings_unroll(const Settings *settings, size_t steps);

typedef struct Workload {
    const char *stem; /**< the name up to its number */
    bool numbered;
    size_t least, most; /**< of the number; 0: any */
    bool afresh;   /**< is never replayed */
    bool threaded; /**< can use more than one thread */
    bool unrolls;  /**< its inner loop can be an unroll */
    size_t tasks;  /**< of one iteration; its time is told per this many. 0: the whole iteration */
    void *(*create)(Settings settings);
    /** One outer iteration, the step of the outer optimizer included. */
    bool (*iterate)(void *state);
    /** Writes data, weights and the meta-gradient of the first iteration, for the peers to compare
     * with. Before any iterate. NULL: it has no peers. */
    bool (*record)(void *state, const char *folder);
    /** The Program that it runs, or NULL; for --stats. NULL: it does not say. */
    const Program *(*program)(const void *state);
    void (*destroy)(void *state);
} Workload;

enum { LONG_SINE = 1000 }; /**< so many steps of maml-sine are one curve's, in forward mode */
extern const Workload workload_maml_sine, workload_omniglot, workload_unroll, workload_mlp_step,
    workload_sine_forward, workload_sine_steps;
enum { WORKLOADS_JVP = 9 };
extern const Workload workloads_jvp[WORKLOADS_JVP];

/** Into folder/name, raw floats. */
bool record_floats(const char *folder, const char *name, const float *values, size_t count);
/** The values of Params, or their gradients, one after the other. */
bool record_params(const char *folder, const char *name, ParamList params, bool gradients);

/** Standard normal numbers, and whole ones below `bound`. NULL when out of memory. */
float *random_normals(size_t count, Rng *rng);
float *random_classes(size_t count, size_t bound, Rng *rng);

#endif
