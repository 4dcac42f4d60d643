/** @file program.h
 *  Programs: a recorded graph made ready to run again with other numbers, to replay it.
 *
 *  Meta-learning records the same graph a hundred thousand times. A Program takes what a tape has
 *  recorded once, with the backward pass of one loss, and runs it again without recording: nothing is
 *  allocated, no shape is looked at, memory is shared by what is never needed at the same time, and a
 *  large result that is cheap to make again is not kept for a late reader.
 *
 *      Tensor *x = tensor_from_f32(tape, ...), *y = ...;          record as ever
 *      ... inner loop ...
 *      Tensor *loss = tensor_mse_loss(fmodule_forward(fnet, xq), yq);
 *      Program *p = program_capture(tape, (Tensor *[]){x, y, xq, yq}, 4, &loss, 1, loss);
 *      for (each task) {
 *          program_set_f32(p, 0, shape, support_x); ...           new numbers for x, y, xq, yq
 *          program_run(p);                                        adds into the Params' grads
 *          total += program_item(p, 0);                           the new loss
 *      }
 *
 *  A run gives the same bits as recording afresh would.
 *
 *  What is read anew at each run: the inputs, and Params where they live, so an outer optimizer's
 *  in-place steps are seen. Everything else is as it was at the capture: constants that were no inputs,
 *  the settings and state of the optimizers that diffopt_create branched from, which layers were in
 *  training mode. When settings or state of such an optimizer have changed since (optim_set, optim_step,
 *  loading), a run is refused (HC_ERR_CHANGED); make a hyperparameter that is to change an input tensor
 *  (diffopt_override), or learn it (optim_learn).
 *
 *  What the host does in between cannot be seen. A loop that ran five times runs five times again; an
 *  `if` on a value that was read from a tensor is refused where it can be known: capture fails when it
 *  meets anything recorded after a computed value was read (tensor_item, tensor_data, tensor_copy_to_*).
 *
 *  A loop run by unroll() (unroll.h) keeps its checkpoints in a Program too, and is captured a segment at a time.
 *
 *  A Program outlives its tape's reset. Several may stand side by side, one belongs to one thread at a
 *  time, and those of several threads may share Params as tapes do (see tasks.h). */
#ifndef HIGHERC_PROGRAM_H
#define HIGHERC_PROGRAM_H

#include "grad.h"
#include "names.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A captured graph with memory of its own, ready to run again. */
typedef struct HcProgram Program;

/** Captures what `outputs` and the gradients of `backward_of` need of what the tape has recorded.
 *  inputs:      constants of the tape (tensor_from_f32 and the like) to be given new numbers, each once.
 *  outputs:     tensors to be read after a run; may be none.
 *  backward_of: a scalar whose gradients to all Params it reaches a run adds up, as tensor_backward does;
 *               NULL for none.
 *  The tape is left as it was; the lists are copied.
 *  Ownership:   the caller's, until program_destroy; holds references to the Params. Tape, Module and Optims may
 *               be destroyed before it.
 *  Errors:      HC_ERR_STATE for what cannot be run again, named (a value read by the host before, a
 *               dropout without a stream of its own, a gradient whose graph was released),
 *               HC_ERR_CHANGED for steps of a loop that, called again, gave other weights than before,
 *               HC_ERR_ARG for an input that is no constant or is listed twice, and for neither an output nor
 *               a loss; HC_ERR_SHAPE for a loss that is no scalar; HC_ERR_GRAD as tensor_backward. */
HC_API Program *program_capture(Tape *tape, Tensor *const *inputs, size_t input_count,
                                Tensor *const *outputs, size_t output_count, Tensor *backward_of);
/** Frees it, and lets go of the Params. NULL is fine. */
HC_API void program_destroy(Program *program);

/** Gives an input, by its place in the list captured, new numbers, row-major, which are copied, converted to
 *  the tape's type and kept until they are set again.
 *  Errors: HC_ERR_RANGE (no input of that number), HC_ERR_SHAPE (not the shape captured), HC_ERR_ARG (values
 *          is NULL). */
HC_API bool program_set_f32(Program *program, size_t input, Shape shape, const float *values);
/** The same from double. */
HC_API bool program_set_f64(Program *program, size_t input, Shape shape, const double *values);

/** Runs it, and adds the gradients of backward_of to the Params' grads; when it fails nothing is added.
 *  Errors: HC_ERR_CHANGED (a Param or optimizer is not as it was captured), and those of the operations
 *  (an index out of its range). */
HC_API bool program_run(Program *program);
/** The same, adding into `grads`; Params it lacks are left out, none of its Params reached is an error. */
HC_API bool program_run_into(Program *program, Grads *grads);

/** An output's numbers after the last run (before the first: as recorded), row-major, of the tape's
 *  type; valid until the next run. NULL, and HC_ERR_RANGE, for an output that is none. */
HC_API const void *program_output(const Program *program, size_t output);
/** ndim -1, and HC_ERR_RANGE, for an output that is none. */
HC_API Shape program_output_shape(const Program *program, size_t output);
/** The one number of an output with one element; NaN, and an error, for another. */
HC_API double program_item(const Program *program, size_t output);

/** The program's last error in words (kept until its next success), or NULL. */
HC_API const char *program_error(const Program *program);

/** How large a Program is. */
typedef struct HcProgramStats {
    size_t nodes; /**< captured, views and constants included */
    size_t steps; /**< operations a run carries out */
    size_t bytes; /**< all memory it holds */
    size_t table_bytes; /**< of that, for what is to be done; the rest is for numbers */
} ProgramStats;
/** All 0 for NULL. */
HC_API ProgramStats program_stats(const Program *program);

#ifdef __cplusplus
}
#endif

#include "names_end.h"
#endif
