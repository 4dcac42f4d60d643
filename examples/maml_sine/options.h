/** @file options.h
 *  What the command line can set, and the paper's protocol as the default. */
#ifndef MAML_SINE_OPTIONS_H
#define MAML_SINE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "task.h"

typedef struct Options {
    size_t iterations;  /**< meta-iterations */
    size_t shots;       /**< K: support points of a task, and as many query points */
    size_t inner_steps; /**< gradient steps on a task while training */
    double inner_lr;    /**< their step size (with learn_lr: where the learned ones start) */
    double outer_lr;    /**< of Adam on the initial weights */
    size_t tasks;       /**< per meta-iteration */
    size_t hidden;      /**< width of both hidden layers */
    bool first_order;   /**< leave the second derivatives out */
    bool learn_lr;      /**< Meta-SGD: one learned step size per weight */
    uint64_t seed;
    bool no_replay; /**< record every task afresh; results do not depend on it */
    size_t threads; /**< at work on the tasks of a meta-iteration; results do not depend on it */
    size_t eval_tasks;
    size_t eval_steps;
    const char *out; /**< folder for results.csv and the pictures */
    const char *checkpoint; /**< file to go on from and to save to, or NULL */
    size_t every;           /**< iterations between saves */
    bool quiet;      /**< no progress on stderr */
} Options;

typedef enum OptionsResult { OPTIONS_RUN, OPTIONS_HELP, OPTIONS_BAD } OptionsResult;

/** Fills in the defaults and reads the command line. `--flag value` and `--flag=value` are the
 * same. What is wrong is told on stderr, in one line. */
OptionsResult options_parse(Options *options, int argc, char **argv);

/** The text of --help, on stdout. */
void options_help(void);

#endif
