/* Meta-training: each iteration draws a few tasks, adds up the gradients of their losses, and takes a step of Adam,
 * whose rate falls to 0 along half a cosine. The graph of a task is the same each time, so every thread records it
 * once, captures it as a Program, and replays that with other pictures. Same seed, same bits, with any number of
 * threads. */
#include "train.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "interrupt.h"
#include "progress.h"

/* What tasks share. Trials are given in tests. */
typedef struct Job {
    const Model *model;
    const Plan *plan;
    const Trials *trials;
    EpisodeShape shape;
    double *losses;
    unsigned char *taken;
} Job;

/* What a thread keeps: pictures, and the graph of a task. */
typedef struct Worker {
    float *pictures;
    Program *program;
} Worker;

static Shape picture_shape(EpisodeShape shape) {
    return shape4(episode_pictures(shape), 1, SIDE, SIDE);
}

static void worker_destroy(void *state, void *user) {
    (void)user;
    Worker *worker = state;
    program_destroy(worker->program);
    free(worker->pictures);
    free(worker);
}

static void *worker_create(size_t number, Tape *tape, void *user) {
    (void)number;
    const Job *job = user;
    Worker *worker = calloc(1, sizeof *worker);
    if (!worker) return NULL;
    worker->pictures = calloc(episode_pictures(job->shape) * PIXELS, sizeof *worker->pictures);
    if (worker->pictures) {
        Tensor *in = tensor_from_f32(tape, picture_shape(job->shape), worker->pictures);
        if (job->trials) {
            Tensor *taken = tensor_argmax_axis(model_logits(job->model, in, job->shape), 1, false);
            worker->program = program_capture(tape, &in, 1, &taken, 1, NULL);
        } else { /* the mean over the tasks */
            Tensor *loss =
                tensor_div_scalar(model_loss(job->model, in, job->shape), (double)job->plan->tasks);
            worker->program = program_capture(tape, &in, 1, &loss, 1, loss);
        }
    }
    if (worker->program) return worker;
    worker_destroy(worker, NULL);
    return NULL;
}

static bool run_task(Task *task, void *user) {
    const Job *job = user;
    Worker *worker = task->state;
    if (job->trials)
        trials_pictures(job->trials, task->index, worker->pictures);
    else
        episode_draw(job->shape, job->plan->characters, true, &task->rng, worker->pictures);
    if (!program_set_f32(worker->program, 0, picture_shape(job->shape), worker->pictures))
        return false;
    if (!job->trials) {
        bool done = program_run_into(worker->program, task->grads);
        job->losses[task->index] = program_item(worker->program, 0);
        return done;
    }
    if (!program_run(worker->program)) return false;
    size_t queries = trials_queries(job->trials);
    const float *taken = program_output(worker->program, 0);
    for (size_t i = 0; i < queries; i++)
        job->taken[task->index * queries + i] = (unsigned char)taken[i];
    return true;
}

static Tasks *make_tasks(Job *job, Pool *pool) {
    TasksOptions options = tasks_options(HC_F32);
    options.create = worker_create;
    options.destroy = worker_destroy;
    options.user = job;
    return tasks_create_with(pool, module_params(job->model->net), options);
}

static bool complain(const char *name, const char *what) {
    fprintf(stderr, "few_shot: %s: %s\n", name, what);
    return false;
}

/* What has gone wrong, if something has. */
static bool told(bool done, const char *name) {
    return done || complain(name, higherc_error() ? higherc_error() : "out of memory");
}

/* ---- training ---------------------------------------------------------------------------------- */

static Optim *make_outer(const Model *model, Tasks *tasks) {
    Optim *outer = optim_adam(module_params(model->net), adam_options(model->learner->outer_lr));
    if (model->learner->learns_rates) {
        optim_add_group(outer, optim_learned(model->inner));
        tasks_add_params(tasks, optim_learned(model->inner));
    }
    if (model->adjust) {
        Param *adjust = model->adjust;
        ParamList list = {&adjust, 1};
        optim_add_group(outer, list);
        tasks_add_params(tasks, list);
    }
    return outer;
}

/* How much of the training is behind, by iterations or by the clock. */
static double way_gone(const Plan *plan, size_t iteration, double seconds) {
    double by_iterations = (double)iteration / (double)plan->iterations;
    double by_time = plan->minutes ? seconds / (60.0 * (double)plan->minutes) : 0;
    return fmin(1, fmax(by_iterations, by_time));
}

static double sum(const double *values, size_t count) {
    double total = 0;
    for (size_t i = 0; i < count; i++)
        total += values[i];
    return total;
}

static bool iterate(const Job *job, Tasks *tasks, Optim *outer, Trained *trained) {
    const Plan *plan = job->plan;
    const Learner *learner = job->model->learner;
    const double pi = 3.14159265358979323846;
    Rng rng = rng_seed(plan->seed);
    double start = clock_seconds(), gone = 0, loss = 0;
    Progress progress = progress_begin(learner->name, plan->iterations, false);
    while (gone < 1 && isfinite(loss) && !interrupt_take() && !higherc_error()) {
        optim_set(outer, "lr", HC_ALL_GROUPS, learner->outer_lr * (1 + cos(pi * gone)) / 2);
        optim_zero_grad(outer);
        tasks_run(tasks, plan->tasks, &rng, run_task, (void *)job);
        optim_step(outer);
        loss = sum(job->losses, plan->tasks);
        trained->iterations++;
        gone = way_gone(plan, trained->iterations, clock_seconds() - start);
        progress.total = (size_t)((double)trained->iterations / gone + 0.5);
        progress_update(&progress, trained->iterations, loss);
    }
    progress_end(&progress, trained->iterations);
    trained->seconds = clock_seconds() - start;
    return told(!higherc_error(), learner->name) &&
           (isfinite(loss) || complain(learner->name, "training diverged: the loss is no number"));
}

bool train(Model *model, const Plan *plan, Trained *trained) {
    Job job = {.model = model, .plan = plan, .shape = plan->shape};
    job.losses = calloc(plan->tasks, sizeof *job.losses);
    Pool *pool = pool_create(plan->threads);
    Tasks *tasks = job.losses ? make_tasks(&job, pool) : NULL;
    Optim *outer = tasks ? make_outer(model, tasks) : NULL;
    *trained = (Trained){0};
    bool done = told(outer && !higherc_error(), model->learner->name);
    interrupt_catch();
    done = done && iterate(&job, tasks, outer, trained);
    interrupt_release();
    optim_destroy(outer);
    tasks_destroy(tasks);
    pool_destroy(pool);
    free(job.losses);
    return done;
}

/* ---- tests ------------------------------------------------------------------------------------- */

bool test(const Model *model, const Plan *plan, const Trials *trials, unsigned char *taken) {
    Job job = {
        .model = model, .plan = plan, .trials = trials, .shape = trials->shape, .taken = taken};
    Pool *pool = pool_create(plan->threads);
    Tasks *tasks = make_tasks(&job, pool);
    Rng rng = rng_seed(0);
    bool done = tasks && tasks_run(tasks, trials->count, &rng, run_task, &job);
    told(done, model->learner->name);
    tasks_destroy(tasks);
    pool_destroy(pool);
    return done;
}
