/* MAML (Finn, Abbeel, Levine 2017) on a meta-batch; the mean of the tasks' query losses is minimised. */
#include "few_shot.h"

#include <stdlib.h>

/* What inner steps read; it stays until the gradient was taken. */
typedef struct Learner {
    const FewShot *shot;
    FModule *net;
    Tensor *in[FEW_SHOT_INPUTS];
} Learner;

static bool step(DiffOpt *opt, const Learner *l) {
    return diffopt_step(
        opt, l->shot->loss(fmodule_forward(l->net, l->in[FEW_SHOT_X]), l->in[FEW_SHOT_Y]));
}

static bool unrolled_step(UnrollStep *call, void *user) {
    return step(call->opts[0], user);
}

static Tensor *query_loss(Learner *l, Tape *tape) {
    const FewShot *shot = l->shot;
    l->net = fmodule_create(tape, shot->net, false);
    DiffOpt *opt = diffopt_create(shot->inner, l->net);
    if (shot->settings.unrolls)
        unroll(&opt, 1, settings_unroll(&shot->settings, shot->steps), unrolled_step, l);
    for (size_t k = 0; k < shot->steps && !shot->settings.unrolls; k++)
        step(opt, l);
    Tensor *loss = shot->loss(fmodule_forward(l->net, l->in[FEW_SHOT_XQ]), l->in[FEW_SHOT_YQ]);
    return tensor_div_scalar(loss, (double)shot->tasks);
}

static const float *task_data(const FewShot *shot, size_t task, size_t input) {
    return shot->data[input] + task * shape_count(shot->shape[input]);
}

static Tensor *record_task(Learner *l, Tape *tape, size_t task) {
    for (size_t i = 0; i < FEW_SHOT_INPUTS; i++)
        l->in[i] = tensor_from_f32(tape, l->shot->shape[i], task_data(l->shot, task, i));
    return query_loss(l, tape);
}

/* Each worker captures the first task. */
static void *make_program(size_t worker, Tape *tape, void *user) {
    (void)worker;
    Learner l = {.shot = user};
    Tensor *loss = record_task(&l, tape, 0);
    return program_capture(tape, l.in, FEW_SHOT_INPUTS, NULL, 0, loss);
}

static void end_program(void *program, void *user) {
    (void)user;
    program_destroy(program);
}

static bool run_task(Task *task, void *user) {
    const FewShot *shot = user;
    size_t i = shot->next + task->index;
    if (!task->state) {
        Learner l = {.shot = shot};
        Tensor *loss = record_task(&l, task->tape, i);
        return tensor_backward_into(loss, task->grads);
    }
    for (size_t k = 0; k < FEW_SHOT_INPUTS; k++)
        if (!program_set_f32(task->state, k, shot->shape[k], task_data(shot, i, k))) return false;
    return program_run_into(task->state, task->grads);
}

bool few_shot_begin(FewShot *shot) {
    shot->rng = rng_seed(2);
    shot->threads = pool_create(shot->settings.threads);
    TasksOptions options = tasks_options(HC_F32);
    if (shot->settings.replay) {
        options.create = make_program;
        options.destroy = end_program;
        options.user = shot;
    }
    shot->runner = tasks_create_with(shot->threads, module_params(shot->net), options);
    return shot->runner != NULL;
}

void few_shot_destroy(void *state) {
    FewShot *shot = state;
    tasks_destroy(shot->runner);
    pool_destroy(shot->threads);
    optim_destroy(shot->outer);
    optim_destroy(shot->inner);
    module_destroy(shot->net);
    for (size_t i = 0; i < FEW_SHOT_INPUTS; i++)
        free(shot->data[i]);
    free(shot);
}

static bool meta_gradient(FewShot *shot) {
    optim_zero_grad(shot->outer);
    if (!tasks_run(shot->runner, shot->tasks, &shot->rng, run_task, shot)) return false;
    shot->next = (shot->next + shot->tasks) % shot->pool;
    return true;
}

bool few_shot_iterate(void *state) {
    FewShot *shot = state;
    return meta_gradient(shot) && optim_step(shot->outer);
}

bool few_shot_record(void *state, const char *folder) {
    FewShot *shot = state;
    const char *const names[FEW_SHOT_INPUTS] = {"x", "y", "xq", "yq"};
    ParamList params = module_params(shot->net);
    bool done = meta_gradient(shot);
    for (size_t i = 0; done && i < FEW_SHOT_INPUTS; i++)
        done = record_floats(folder, names[i], shot->data[i],
                             shot->pool * shape_count(shot->shape[i]));
    return done && record_params(folder, "weights", params, false) &&
           record_params(folder, "grad", params, true);
}
