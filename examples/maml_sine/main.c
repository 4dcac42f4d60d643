/* Model-agnostic meta-learning on sine curves (Finn, Abbeel, Levine 2017, "Model-agnostic
 * meta-learning for fast adaptation of deep networks", section 5.1).
 *
 * meta_loss, learn_task and meta_train below are MAML, whole. Everything around it is: flags (options.c), the
 * tasks (task.c), the net and the SGD that adapts it (learner.c), going on after a stop (resume.c), a baseline
 * (baseline.c), the test (evaluate.c), and how the results are shown (report.c, plot.c). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "baseline.h"
#include "curve.h"
#include "evaluate.h"
#include "interrupt.h"
#include "learner.h"
#include "../memory.h"
#include "options.h"
#include "output.h"
#include "plot.h"
#include "progress.h"
#include "report.h"
#include "resume.h"
#include "task.h"

enum { NETS = 3, MAX_SHOT_COUNTS = 4, SETTLED = 10 };

static bool fail(const char *what) {
    fprintf(stderr, "maml_sine: %s\n", what);
    return false;
}

/* A full disk, or a closed pipe, is told here and nowhere earlier. */
static bool flush_stdout(void) {
    if (fflush(stdout) == 0 && !ferror(stdout)) return true;
    return fail("standard output could not be written");
}

/* What the tasks of a meta-iteration share, and where each leaves its loss. */
typedef struct MetaBatch {
    const Learner *maml;
    const Options *opts;
    FModuleOptions functional;
    double *losses;
} MetaBatch;

/* What MAML minimises: adapts to the support points, and is judged by the query points. */
static Tensor *meta_loss(const MetaBatch *batch, Tape *tape, TaskTensors t) {
    FModule *fnet = fmodule_create_with(tape, batch->maml->net, batch->functional);
    DiffOpt *opt = learner_optimizer(batch->maml, fnet);
    for (size_t k = 0; k < batch->opts->inner_steps; k++)
        diffopt_step(opt, tensor_mse_loss(fmodule_forward(fnet, t.x), t.y));

    Tensor *loss = tensor_mse_loss(fmodule_forward(fnet, t.xq), t.yq);
    return tensor_div_scalar(loss, (double)batch->opts->tasks); /* the mean over the tasks */
}

/* Every task takes the same steps on other numbers: each worker records them once, and has them as a
 * Program. */
static void *capture(size_t worker, Tape *tape, void *user) {
    (void)worker;
    const MetaBatch *batch = user;
    TaskPoints any = {.shots = batch->opts->shots, .queries = batch->opts->shots};
    TaskTensors tensors = task_tensors(tape, &any);
    Tensor *loss = meta_loss(batch, tape, tensors);
    return task_capture(tape, tensors, &loss, 1, loss);
}

static void end_capture(void *program, void *user) {
    (void)user;
    program_destroy(program);
}

/* One task: draws a curve, adapts to K of its points, and takes the gradient, with respect to what the
 * adaptation started from, of the error on K others. */
static bool learn_task(Task *task, void *user) {
    const MetaBatch *batch = user;
    TaskPoints points = {.shots = batch->opts->shots, .queries = batch->opts->shots};
    SineTask sine = task_draw(&task->rng);
    task_sample(&sine, &points.support, points.shots, &task->rng);
    task_sample(&sine, &points.query, points.queries, &task->rng);

    Program *program = task->state;
    if (program) {
        bool ok = task_set(program, &points) && program_run_into(program, task->grads);
        batch->losses[task->index] = program_item(program, 0);
        return ok;
    }
    Tensor *loss = meta_loss(batch, task->tape, task_tensors(task->tape, &points));
    batch->losses[task->index] = tensor_item(loss);
    return tensor_backward_into(loss, task->grads); /* through the inner steps, to W */
}

/* Trains the initial weights W of the net, and its learned step sizes if it has some, so that
 * inner_steps of SGD on `shots` points of any task lead to weights that predict other points of it.
 * False when that went wrong. */
static bool meta_train(MetaBatch *batch, Tasks *tasks, Rng *rng, Training *training) {
    const Options *opts = batch->opts;
    Optim *outer = optim_adam(module_params(batch->maml->net), adam_options(opts->outer_lr));
    if (opts->learn_lr) {
        optim_add_group(outer, batch->maml->rates);
        tasks_add_params(tasks, batch->maml->rates);
    }

    double loss = 0;
    bool interrupted = false;
    double start = clock_seconds();
    Progress progress = progress_begin("training", opts->iterations, opts->quiet);
    Resume resume;
    if (!resume_begin(&resume, opts, batch->maml, outer, rng, training, &progress)) {
        optim_destroy(outer);
        return false;
    }

    while (training->iterations < opts->iterations && isfinite(loss) && !interrupted &&
           !higherc_error()) {
        optim_zero_grad(outer);
        tasks_run(tasks, opts->tasks, rng, learn_task, batch);
        optim_step(outer); /* W changes in place */

        loss = 0;
        for (size_t i = 0; i < opts->tasks; i++)
            loss += batch->losses[i];
        if (++training->iterations <= training->resumed + SETTLED) {
            training->settled = training->iterations;
            training->mallocs_settled = memory_mallocs();
        }
        progress_update(&progress, training->iterations, loss);
        interrupted = interrupt_take();
        bool last = interrupted || training->iterations == opts->iterations;
        if (isfinite(loss) && !higherc_error()) resume_save(&resume, training->iterations, last);
    }

    resume_end(&resume);
    progress_end(&progress, training->iterations);
    training->seconds = clock_seconds() - start;
    training->smooth_loss = progress_smooth_loss(&progress);
    training->mallocs_end = memory_mallocs();
    training->peak_bytes = memory_peak();
    optim_destroy(outer);
    if (higherc_error()) return fail(higherc_error());
    if (!isfinite(loss)) {
        fprintf(stderr,
                "maml_sine: training diverged: meta-loss %g in iteration %zu; smaller step sizes "
                "may help\n",
                loss, training->iterations);
        return false;
    }
    return true;
}

/* Training on a pool of threads, each with a tape and a Program of its own. */
static bool meta_train_on_threads(const Learner *maml, const Options *opts, Rng *rng,
                                  Training *training) {
    MetaBatch batch = {maml, opts, fmodule_options(false), NULL}; /* W<0> comes from W */
    batch.functional.mode = opts->first_order ? HC_FIRST_ORDER : HC_FULL;
    batch.losses = calloc(opts->tasks, sizeof *batch.losses);
    TasksOptions options = tasks_options(HC_F32);
    options.user = &batch;
    if (!opts->no_replay) {
        options.create = capture;
        options.destroy = end_capture;
    }
    Pool *pool = pool_create(opts->threads);
    Tasks *tasks = tasks_create_with(pool, module_params(maml->net), options);
    bool ok = tasks && batch.losses && meta_train(&batch, tasks, rng, training);
    if (!tasks) fail(higherc_error());
    if (!batch.losses) fail("out of memory");
    tasks_destroy(tasks);
    pool_destroy(pool);
    free(batch.losses);
    return ok;
}

/* The baseline gets a step for every fifth meta-iteration. That is plenty: after some 2000 it has
 * learned the mean of all tasks, and there is nothing more to learn. */
static bool train_baseline(Learner *pretrained, Tape *tape, const Options *opts, Rng *rng,
                           Training *training) {
    size_t enough = training->iterations < 2000 ? training->iterations : 2000;
    size_t steps = training->iterations / 5 > enough ? training->iterations / 5 : enough;
    double start = clock_seconds();
    Progress progress = progress_begin("pretraining", steps, opts->quiet);
    training->pretraining_steps = pretrain(pretrained, tape, steps, opts->outer_lr, rng, &progress);
    progress_end(&progress, training->pretraining_steps);
    training->pretraining_seconds = clock_seconds() - start;
    return !higherc_error() || fail(higherc_error());
}

/* 5, 10, 20 and the K trained with, each once, in order. */
static size_t choose_shots(size_t trained, size_t shots[MAX_SHOT_COUNTS]) {
    const size_t usual[] = {5, 10, 20};
    size_t count = 0;
    for (size_t i = 0; i < 3; i++) {
        if (trained < usual[i] && (count == 0 || shots[count - 1] < trained))
            shots[count++] = trained;
        shots[count++] = usual[i];
    }
    if (shots[count - 1] < trained) shots[count++] = trained;
    return count;
}

typedef struct Results {
    size_t count;
    Evaluation items[NETS * MAX_SHOT_COUNTS];
} Results;

/* Every net, with every K, on the same tasks. */
static bool evaluate_all(Results *results, const Learner nets[NETS], Tape *tape,
                         const Options *opts, Rng rng) {
    const char *names[NETS] = {"MAML", "pretrained", "random"};
    size_t shots[MAX_SHOT_COUNTS];
    size_t counts = choose_shots(opts->shots, shots), done = 0;
    EvaluateOptions options = {opts->eval_tasks, opts->eval_steps, shots[counts - 1],
                               opts->no_replay};

    Progress progress = progress_begin("evaluating", counts * NETS * opts->eval_tasks, opts->quiet);
    bool ok = true;
    for (size_t i = 0; ok && i < counts * NETS; i++)
        ok = evaluate(&results->items[results->count++], &nets[i % NETS], names[i % NETS],
                      shots[i / NETS], options, tape, rng, &progress, &done);
    progress_end(&progress, done);
    return ok && (!higherc_error() || fail(higherc_error()));
}

/* The pictures, and the table as a file. */
static bool write_files(const Results *results, const Learner nets[NETS], Tape *tape,
                        const Options *opts, const Training *training, Rng rng) {
    SineTask task = {3.5, 1.0};
    Points support;
    Curve maml, pretrained;
    task_sample(&task, &support, opts->shots, &rng);
    curve_follow(&maml, &nets[0], &task, &support, opts->shots, tape);
    curve_follow(&pretrained, &nets[1], &task, &support, opts->shots, tape);
    if (higherc_error()) return fail(higherc_error());

    bool ok = report_csv(opts, training, results->items, results->count);
    ok = plot_adaptation(opts, &task, &support, &maml, &pretrained) && ok;
    ok = plot_steps(opts, results->items, results->count) && ok;
    if (ok) printf("\nwritten: %s/results.csv, adaptation.svg, steps.svg\n", opts->out);
    return ok;
}

static bool run(const Options *opts, Learner nets[NETS], Tape *tape, Results *results) {
    Rng rng = rng_seed(opts->seed);
    Rng init = rng_split(&rng), meta = rng_split(&rng), pre = rng_split(&rng);
    Rng test = rng_split(&rng), picture = rng_split(&rng);
    Training training = {0};
    Learner *maml = &nets[0], *pretrained = &nets[1], *random = &nets[2];

    if (!learner_create(maml, opts->hidden, opts->inner_lr, opts->learn_lr) ||
        !learner_create(pretrained, opts->hidden, opts->inner_lr, false) ||
        !learner_create(random, opts->hidden, opts->inner_lr, false) ||
        !module_init_truncated_normal(maml->net, 0.01, &init) ||
        !module_init_truncated_normal(pretrained->net, 0.01, &init) ||
        !module_init(random->net, &init))
        return fail(higherc_error() ? higherc_error() : "the networks could not be made");

    report_settings(opts);
    interrupt_catch();
    bool trained = meta_train_on_threads(maml, opts, &meta, &training) &&
                   train_baseline(pretrained, tape, opts, &pre, &training);
    interrupt_release();
    if (!trained || !evaluate_all(results, nets, tape, opts, test)) return false;

    report_training(opts, &training);
    report_table(opts, results->items, results->count);
    return write_files(results, nets, tape, opts, &training, picture);
}

int main(int argc, char **argv) {
    Options opts;
    switch (options_parse(&opts, argc, argv)) {
    case OPTIONS_BAD:
        return 2;
    case OPTIONS_HELP:
        options_help();
        return flush_stdout() ? EXIT_SUCCESS : EXIT_FAILURE;
    case OPTIONS_RUN:
        break;
    }
    const char *const files[] = {"results.csv", "adaptation.svg", "steps.svg"};
    if (!output_prepare(opts.out, files, 3)) return EXIT_FAILURE;

    Learner nets[NETS] = {0};
    Results results = {0};
    memory_count();
    Tape *tape = tape_create(HC_F32);
    bool ok = run(&opts, nets, tape, &results);

    for (size_t i = 0; i < results.count; i++)
        evaluation_free(&results.items[i]);
    for (size_t i = 0; i < NETS; i++)
        learner_destroy(&nets[i]);
    tape_destroy(tape);
    ok = flush_stdout() && ok;
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
