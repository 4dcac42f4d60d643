/* Few-shot recognition of characters: the network of higher's example (three times conv 3x3, batch norm,
 * ReLU, max-pool 2; then linear) learns initial weights from which five SGD steps on one drawing of each
 * of five characters it has never seen tell further drawings of them apart.
 * MAML (Finn, Abbeel, Levine 2017), exact second order.
 *
 * Without --data it draws an alphabet of its own (alphabet.c). After one drawing of each
 * of 5 unseen characters, 72 % of others are told right before training and 89 % after the 500 iterations
 * set below, which take some 200 seconds of processor time.
 *
 * The graph of a task is the same each time, so every thread records it once, captures it as a Program,
 * and replays that with other pictures. */
#include <math.h>
#include <stdlib.h>

#include "../flags.h"
#include "images.h"

enum { BLOCKS = 3, LAYERS = 4 * BLOCKS + 2, INNER_STEPS = 5, REPORTS = 10 };

static const double inner_lr = 0.1, outer_lr = 0.001;

/* The flags. */
typedef struct Settings {
    size_t iterations, tasks, ways, shots, queries, test_tasks, channels, threads, seed;
    const char *data, *write;
} Settings;

/* What tasks share. Training and testing differ in which characters they meet. */
typedef struct Problem {
    const Settings *settings;
    const Images *images;
    Module *net;
    Optim *inner;
    size_t first, count; /* characters to choose from */
    double *losses, *accuracies;
} Problem;

enum { SUPPORT_X, SUPPORT_Y, QUERY_X, QUERY_Y, INPUTS };

/* One task's pictures and labels, and their shapes. */
typedef struct Episode {
    Shape shape[INPUTS];
    float *values[INPUTS];
    float *drawn; /* one way's pictures: too many for a thread's stack */
} Episode;

/* ---- tasks ------------------------------------------------------------------------------------------- */

static bool episode_create(Episode *episode, const Settings *s) {
    *episode =
        (Episode){{shape4(s->ways * s->shots, 1, SIDE, SIDE), shape1(s->ways * s->shots),
                   shape4(s->ways * s->queries, 1, SIDE, SIDE), shape1(s->ways * s->queries)},
                  {NULL},
                  calloc((s->shots + s->queries) * PIXELS, sizeof(float))};
    if (!episode->drawn) return false;
    for (size_t i = 0; i < INPUTS; i++)
        if (!(episode->values[i] = calloc(shape_count(episode->shape[i]), sizeof(float))))
            return false;
    return true;
}

static void episode_free(Episode *episode) {
    for (size_t i = 0; i < INPUTS; i++)
        free(episode->values[i]);
    free(episode->drawn);
}

/* Different classes for each way: a class is a character with a turn. */
static void choose_classes(const Problem *problem, size_t *classes, Rng *rng) {
    size_t ways = problem->settings->ways, chosen = 0;
    while (chosen < ways) {
        size_t class_number = rng_below(rng, problem->count * TURNS), i = 0;
        while (i < chosen && classes[i] != class_number)
            i++;
        if (i == chosen) classes[chosen++] = class_number;
    }
}

enum { MAX_WAYS = 64, MAX_DRAWINGS = 64 };

static void episode_draw(Episode *episode, const Problem *problem, Rng *rng) {
    const Settings *s = problem->settings;
    size_t classes[MAX_WAYS];
    choose_classes(problem, classes, rng);
    for (size_t way = 0; way < s->ways; way++) {
        images_pick(problem->images, problem->first + classes[way] / TURNS, classes[way] % TURNS,
                    s->shots + s->queries, rng, episode->drawn);
        const size_t counts[] = {s->shots, s->queries};
        const float *from = episode->drawn;
        for (size_t part = 0; part < 2; part++) {
            size_t count = counts[part];
            memcpy(episode->values[2 * part] + way * count * PIXELS, from,
                   count * PIXELS * sizeof(float));
            for (size_t i = 0; i < count; i++)
                episode->values[2 * part + 1][way * count + i] = (float)way;
            from += count * PIXELS;
        }
    }
}

/* ---- MAML -------------------------------------------------------------------------------------------- */

static void put_on_tape(Tape *tape, const Episode *episode, Tensor *in[INPUTS]) {
    for (size_t i = 0; i < INPUTS; i++)
        in[i] = tensor_from_f32(tape, episode->shape[i], episode->values[i]);
}

/* The logits for the query pictures, after the inner steps on the support pictures. The batch's own
 * statistics are used throughout (as in higher's example), so no running ones are kept. */
static Tensor *adapt(const Problem *problem, Tape *tape, FMode mode, Tensor *const in[INPUTS]) {
    FModuleOptions options = fmodule_options(false);
    options.mode = mode;
    options.buffers = HC_BUFFERS_BATCH;
    FModule *fnet = fmodule_create_with(tape, problem->net, options);
    DiffOpt *opt = diffopt_create(problem->inner, fnet);
    for (size_t k = 0; k < INNER_STEPS; k++)
        diffopt_step(
            opt, tensor_cross_entropy_loss(fmodule_forward(fnet, in[SUPPORT_X]), in[SUPPORT_Y]));
    return fmodule_forward(fnet, in[QUERY_X]);
}

static Tensor *accuracy_of(Tensor *logits, Tensor *labels) {
    return tensor_mean(tensor_eq(tensor_argmax_axis(logits, 1, false), labels));
}

/* What a thread keeps: pictures, and the task's graph with its backward pass, ready to run again. */
typedef struct Worker {
    Episode episode;
    Program *program;
} Worker;

static void worker_destroy(void *state, void *user) {
    (void)user;
    Worker *worker = state;
    program_destroy(worker->program);
    episode_free(&worker->episode);
    free(worker);
}

static void *worker_create(size_t number, Tape *tape, void *user) {
    (void)number;
    const Problem *problem = user;
    Worker *worker = calloc(1, sizeof *worker);
    if (!worker) return NULL;
    if (!episode_create(&worker->episode, problem->settings)) {
        worker_destroy(worker, NULL);
        return NULL;
    }
    Rng rng = rng_seed(0);
    Tensor *in[INPUTS];
    episode_draw(&worker->episode, problem, &rng);
    put_on_tape(tape, &worker->episode, in);
    Tensor *logits = adapt(problem, tape, HC_FULL, in);
    Tensor *loss = tensor_cross_entropy_loss(logits, in[QUERY_Y]);
    Tensor *accuracy = accuracy_of(logits, in[QUERY_Y]);
    loss = tensor_div_scalar(loss, (double)problem->settings->tasks); /* the mean over the tasks */
    worker->program = program_capture(tape, in, INPUTS, (Tensor *[]){loss, accuracy}, 2, loss);
    tape_reset(tape);
    tape_trim(tape);
    if (worker->program) return worker;
    worker_destroy(worker, NULL);
    return NULL;
}

static bool train_task(Task *task, void *user) {
    const Problem *problem = user;
    Worker *worker = task->state;
    Episode *episode = &worker->episode;
    episode_draw(episode, problem, &task->rng);
    for (size_t i = 0; i < INPUTS; i++)
        program_set_f32(worker->program, i, episode->shape[i], episode->values[i]);
    bool done = program_run_into(worker->program, task->grads);
    problem->losses[task->index] = program_item(worker->program, 0);
    problem->accuracies[task->index] = program_item(worker->program, 1);
    return done;
}

/* At test time there is nothing to differentiate the steps for. */
static bool test_task(Task *task, void *user) {
    const Problem *problem = user;
    Worker *worker = task->state;
    Tensor *in[INPUTS];
    episode_draw(&worker->episode, problem, &task->rng);
    put_on_tape(task->tape, &worker->episode, in);
    Tensor *accuracy = accuracy_of(adapt(problem, task->tape, HC_EVAL, in), in[QUERY_Y]);
    problem->accuracies[task->index] = tensor_item(accuracy);
    return accuracy != NULL;
}

/* ---- the experiment ------------------------------------------------------------------------------------ */

static Module *make_net(size_t channels, size_t ways) {
    Module *layers[LAYERS];
    for (size_t b = 0; b < BLOCKS; b++) {
        layers[4 * b] = module_conv2d(b == 0 ? 1 : channels, channels, 3, 3, conv2d_options());
        layers[4 * b + 1] = module_batch_norm2d(channels, batch_norm_options());
        layers[4 * b + 2] = module_relu();
        layers[4 * b + 3] = module_max_pool2d(pool2d_options(2));
    }
    layers[LAYERS - 2] = module_flatten(); /* 28, 26, 13, 11, 5, 3, 1: one pixel is left */
    layers[LAYERS - 1] = module_linear(channels, ways);
    return module_sequential(layers, LAYERS);
}

static double sum(const double *values, size_t count) {
    double total = 0;
    for (size_t i = 0; i < count; i++)
        total += values[i];
    return total;
}

/* Mean accuracy on unseen characters in percent, and its 95 % interval. Always the same tasks. */
static double test(Tasks *tasks, const Problem *train, double *interval) {
    size_t n = train->settings->test_tasks;
    Problem unseen = *train;
    unseen.first = train->first + train->count;
    unseen.count = images_characters(train->images) - unseen.first;
    Rng rng = rng_seed(train->settings->seed + 1);
    tasks_run(tasks, n, &rng, test_task, &unseen);
    double mean = sum(unseen.accuracies, n) / (double)n, squares = 0;
    for (size_t i = 0; i < n; i++)
        squares += (unseen.accuracies[i] - mean) * (unseen.accuracies[i] - mean);
    *interval = 100 * 1.96 * sqrt(squares) / (double)n;
    return 100 * mean;
}

static void meta_train(Tasks *tasks, const Problem *problem, Rng *rng) {
    const Settings *s = problem->settings;
    Optim *outer = optim_adam(module_params(problem->net), adam_options(outer_lr));
    size_t every = s->iterations / REPORTS > 0 ? s->iterations / REPORTS : 1;
    double loss = 0, accuracy = 0;
    printf("\niteration   query loss   query accuracy (training characters, mean since the line "
           "before)\n");
    for (size_t it = 1; it <= s->iterations && !higherc_error(); it++) {
        optim_zero_grad(outer);
        tasks_run(tasks, s->tasks, rng, train_task, (void *)problem);
        optim_step(outer);
        loss += sum(problem->losses, s->tasks) / (double)every;
        accuracy += sum(problem->accuracies, s->tasks) / (double)(s->tasks * every);
        if (it % every == 0) {
            printf("%9zu   %10.3f   %12.1f %%\n", it, loss, 100 * accuracy);
            fflush(stdout);
            loss = accuracy = 0;
        }
    }
    optim_destroy(outer);
}

static bool run(const Settings *s, Problem *problem, Tasks *tasks) {
    Rng rng = rng_seed(s->seed);
    double interval_before, interval;
    double before = test(tasks, problem, &interval_before);
    if (!higherc_error()) meta_train(tasks, problem, &rng);
    double after = test(tasks, problem, &interval);
    if (higherc_error()) return false;
    printf("\nTest: %zu tasks with characters never seen in training, %d SGD steps on %zu "
           "drawing%s of\n"
           "each of %zu characters (guessing: %.0f %%).\n"
           "  before meta-training %5.1f %% +- %.1f\n"
           "  after it             %5.1f %% +- %.1f\n\n"
           "The network is the same, and so are the five steps: what was learned is where they "
           "start.\n",
           s->test_tasks, INNER_STEPS, s->shots, s->shots == 1 ? "" : "s", s->ways,
           100 / (double)s->ways, before, interval_before, after, interval);
    return true;
}

/* The pictures, of which the first three quarters of the characters are for training. */
static Images *get_images(const Settings *s, Problem *problem) {
    Images *images = s->data ? images_read(s->data, s->shots + s->queries) : images_drawn(1000);
    if (!images) return NULL;
    size_t count = images_characters(images);
    problem->images = images;
    problem->count = count - count / 4;
    printf("%zu characters %s%s, each also turned by 90, 180 and 270 degrees: %zu classes to learn "
           "from,\n%zu others to test on.\n",
           count, s->data ? "read from " : "drawn by the program", s->data ? s->data : "",
           TURNS * problem->count, TURNS * (count / 4));
    if (count / 4 * TURNS >= s->ways) return images;
    fprintf(stderr,
            "maml_omniglot: these are too few characters with %zu drawings for tasks with %zu\n",
            s->shots + s->queries, s->ways);
    images_destroy(images);
    return NULL;
}

static int experiment(const Settings *s) {
    Problem problem = {.settings = s};
    Images *images = get_images(s, &problem);
    if (!images) return EXIT_FAILURE;
    if (s->write) {
        bool written = images_write(images, s->write, 40, 8);
        images_destroy(images);
        return written ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    Rng init = rng_seed(s->seed);
    size_t most = s->tasks > s->test_tasks ? s->tasks : s->test_tasks;
    problem.net = make_net(s->channels, s->ways);
    module_init(problem.net, &init);
    problem.inner = optim_sgd(module_params(problem.net), sgd_options(inner_lr));
    problem.losses = calloc(most, sizeof(double));
    problem.accuracies = calloc(most, sizeof(double));

    Pool *pool = pool_create(s->threads);
    TasksOptions options = tasks_options(HC_F32);
    options.create = worker_create;
    options.destroy = worker_destroy;
    options.user = &problem;
    Tasks *tasks = problem.losses && problem.accuracies
                       ? tasks_create_with(pool, module_params(problem.net), options)
                       : NULL;
    bool done = tasks && run(s, &problem, tasks);
    if (!done) fprintf(stderr, "%s\n", higherc_error() ? higherc_error() : "out of memory");

    tasks_destroy(tasks);
    pool_destroy(pool);
    optim_destroy(problem.inner);
    module_destroy(problem.net);
    images_destroy(images);
    free(problem.losses);
    free(problem.accuracies);
    return done ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv) {
    Settings s = {.iterations = 500,
                  .tasks = 8,
                  .ways = 5,
                  .shots = 1,
                  .queries = 5,
                  .test_tasks = 200,
                  .channels = 64,
                  .threads = 2,
                  .seed = 1};
    // clang-format off
    const Flag flags[] = {
        {"--data",       NULL, 0, 0, "folder of .pgm pictures, or IDX file, in place of drawings", &s.data},
        {"--write",      NULL, 0, 0, "only write some of the pictures to a folder, to look at", &s.write},
        {"--iterations", &s.iterations, 1, 1000000, "meta-iterations", NULL},
        {"--tasks",      &s.tasks, 1, 1000, "tasks in each", NULL},
        {"--ways",       &s.ways, 2, MAX_WAYS, "classes of a task", NULL},
        {"--shots",      &s.shots, 1, MAX_DRAWINGS / 2, "pictures of each class to adapt on", NULL},
        {"--queries",    &s.queries, 1, MAX_DRAWINGS / 2, "pictures of each class to be judged by", NULL},
        {"--test-tasks", &s.test_tasks, 1, 100000, "tasks of the test", NULL},
        {"--channels",   &s.channels, 1, 1024, "of each convolution", NULL},
        {"--threads",    &s.threads, 1, HC_MAX_THREADS, "threads; the results are the same", NULL},
        {"--seed",       &s.seed, 0, SIZE_MAX, "of all random numbers", NULL},
    };
    // clang-format on
    int status = flags_read(argc, argv, flags, sizeof flags / sizeof *flags,
                            "maml_omniglot: learn to tell characters apart after one look at each");
    return status == FLAGS_RUN ? experiment(&s) : status;
}
