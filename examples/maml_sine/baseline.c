/* The paper's baseline: a net pretrained on all tasks. It learns the mean over all sine curves,
 * since nothing tells it which curve a point belongs to; fine-tuning has to do the rest. */
#include "baseline.h"

#include "interrupt.h"
#include "task.h"

size_t pretrain(Learner *learner, Tape *tape, size_t steps, double lr, Rng *rng,
                Progress *progress) {
    Optim *adam = optim_adam(module_params(learner->net), adam_options(lr));
    size_t done = 0;
    while (adam && done < steps && !higherc_error() && !interrupt_take()) {
        float x_values[PRETRAIN_BATCH], y_values[PRETRAIN_BATCH];
        for (size_t i = 0; i < PRETRAIN_BATCH; i++) { /* each point of a task of its own */
            SineTask task = task_draw(rng);
            Points point;
            task_sample(&task, &point, 1, rng);
            x_values[i] = point.x[0];
            y_values[i] = point.y[0];
        }

        tape_reset(tape);
        Tensor *x = tensor_from_f32(tape, shape2(PRETRAIN_BATCH, 1), x_values);
        Tensor *y = tensor_from_f32(tape, shape2(PRETRAIN_BATCH, 1), y_values);
        Tensor *loss = tensor_mse_loss(module_forward(learner->net, x), y);
        optim_zero_grad(adam);
        tensor_backward(loss);
        optim_step(adam);
        progress_update(progress, ++done, tensor_item(loss));
    }
    optim_destroy(adam);
    return done;
}
