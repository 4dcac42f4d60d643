/** @file checkpoint.h
 *  Checkpoints: all that a training run must have to go on with the bits it would have had, in one file.
 *
 *  What belongs to the run is named once; then one call saves all of it, and one brings it back:
 *
 *      size_t iteration = 0;
 *      Rng rng = rng_seed(1);
 *      Checkpoint *run = checkpoint_create();
 *      checkpoint_setting(run, "--hidden", "40");         a run with another is not this one
 *      checkpoint_module(run, "net", net);                weights and buffers
 *      checkpoint_optim(run, "inner", inner);             state, hyperparameters, what it learns, schedules
 *      checkpoint_optim(run, "outer", outer);
 *      checkpoint_rng(run, "tasks", &rng);
 *      checkpoint_count(run, "iteration", &iteration);
 *      if (checkpoint_exists(path) && !checkpoint_load(run, path)) return fail(higherc_error());
 *      while (iteration < 70000) {
 *          ...                                            one meta-iteration
 *          if (++iteration % 1000 == 0) checkpoint_save(run, path);
 *      }
 *
 *  The same program with the same file so begins or goes on, and ends with the same bits however often it was stopped.
 *
 *  A checkpoint is taken between iterations. Not in it is what an iteration makes and leaves behind: tapes, Programs
 *  (captured anew, they have the same bits), functional modules with their fast weights, gradients, an Lbfgs's history.
 *  Nor is what the program decides: frozen Params, modes, overrides, the function of a schedule_lambda. These are
 *  set before loading as they were before saving, and so is what must be there to be filled in: the same layers,
 *  groups, optim_learn. Dropout draws from its tape's stream, which is tape_rng's; within tasks_run a task's tape is
 *  seeded for each task, and the stream that was handed to tasks_run is enough. */
#ifndef HIGHERC_CHECKPOINT_H
#define HIGHERC_CHECKPOINT_H

#include "module.h"
#include "optim.h"
#include "names.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A list of what belongs to a training run. */
typedef struct HcCheckpoint Checkpoint;

/** One that names nothing yet; NULL, HC_ERR_NOMEM, when out of memory. */
HC_API Checkpoint *checkpoint_create(void);
/** Frees it; what was named stays. NULL is fine. */
HC_API void checkpoint_destroy(Checkpoint *checkpoint);

/* ---- what belongs to a run -------------------------------------------------------------------- */
/* Each names something that belongs to the run. A name is copied, and taken once; the order of the calls is part of the
 * file. Nothing is looked at before it is saved or loaded, so that it may change, or grow, in between. Modules,
 * optimizers and variables stay the caller's; a module or optimizer that was destroyed is HC_ERR_STATE then, a variable
 * must still be there. Of Params references are held.
 * Errors: HC_ERR_NAME (taken), HC_ERR_ARG (a NULL), HC_ERR_NOMEM. */

/** Weights and buffers of a module, as module_save saves them. */
HC_API bool checkpoint_module(Checkpoint *checkpoint, const char *name, Module *module);
/** Params that belong to no module and are not learned by a named optimizer (optim_learned); all of one type. */
HC_API bool checkpoint_params(Checkpoint *checkpoint, const char *name, ParamList params);
/** All that optim_save saves; not the Params that it steps. */
HC_API bool checkpoint_optim(Checkpoint *checkpoint, const char *name, Optim *optim);
/** A stream of random numbers: where it is. */
HC_API bool checkpoint_rng(Checkpoint *checkpoint, const char *name, Rng *rng);
/** Something counted, such as the iteration. */
HC_API bool checkpoint_count(Checkpoint *checkpoint, const char *name, size_t *count);
/** A number, such as the best loss so far; NaN and infinite ones too. */
HC_API bool checkpoint_real(Checkpoint *checkpoint, const char *name, double *real);
/** What the run was begun with and must go on with, such as a flag, as text, which is copied. A file that holds another
 *  is refused in words that name both. */
HC_API bool checkpoint_setting(Checkpoint *checkpoint, const char *name, const char *value);

/* ---- saving and loading ------------------------------------------------------------------------ */

/** Writes all of it to a file, the same on every platform, with a checksum: beside its name, then renamed, as
 *  module_save does, so that after a kill or a power cut the last checkpoint or the one before is there, whole.
 *  Errors: HC_ERR_IO when not all of it reached the disk; the old file is then as it was; HC_ERR_STATE (a Param not
 *          initialised, a schedule that optim_save refuses, something destroyed), HC_ERR_DTYPE, HC_ERR_NOMEM. */
HC_API bool checkpoint_save(const Checkpoint *checkpoint, const char *path);
/** Brings all of it back: what is named here must be what the file holds, in this order. All or nothing, whatever the
 *  file holds: when it fails nothing is changed.
 *  Errors: HC_ERR_IO (no file, cut off, damaged, of another kind or version), HC_ERR_NAME (another name, Param or
 *          rule), HC_ERR_SHAPE, HC_ERR_DTYPE, HC_ERR_STATE (another setting, something learned otherwise or destroyed),
 *          HC_ERR_RANGE, HC_ERR_NOMEM. */
HC_API bool checkpoint_load(Checkpoint *checkpoint, const char *path);
/** Whether there is a file of that name, also one that cannot be read: checkpoint_load then says why, and the run does
 *  not begin anew over it. */
HC_API bool checkpoint_exists(const char *path);

#ifdef __cplusplus
}
#endif

#include "names_end.h"
#endif
