/* MAML on sine curves, its tasks dealt to the ranks of MPI: on one machine or many,
 *
 *     mpirun -n 4 maml_sine_mpi --threads 2 --checkpoint maml.checkpoint --every 100
 *
 * What MPI has to do with it is exchange(), tasks_run_ranks in the place of tasks_run, and rank 0, which speaks for
 * all and keeps the checkpoint. One seed ends at the same weights, bit for bit, on 1, 2, 4 ... ranks with any number of
 * threads, and however often it was killed and started again. */
#include <higherc/higherc.h>
#include <inttypes.h>
#include <mpi.h>

#include "flags.h"
#include "sines.h"

static int rank, ranks;

/* An error of one rank is that of all, in the next run of tasks at the latest; so rank 0 says it for all. */
static bool exchange(size_t peer, const void *send, void *receive, size_t bytes, void *user) {
    (void)user;
    return MPI_Sendrecv(send, (int)bytes, MPI_BYTE, (int)peer, 0, receive, (int)bytes, MPI_BYTE, (int)peer, 0,
                        MPI_COMM_WORLD, MPI_STATUS_IGNORE) == MPI_SUCCESS;
}

/* ---- flags ----------------------------------------------------------------------------------------- */

enum { SAME = 5, FLAGS = 8, MOST_TASKS = 10000 }; /* the first flags are to be the same on all ranks */

typedef struct Settings {
    size_t iterations, tasks, steps, rate, seed, every, threads;
    const char *checkpoint;
} Settings;

/* Rank by rank, so that what is wrong is said once. The status to exit with, the same on all ranks, or FLAGS_RUN. */
static int read_flags(Settings *s, int argc, char **argv) {
    *s = (Settings){.iterations = 2000, .tasks = 25, .steps = 1, .rate = 10, .seed = 1, .every = 100, .threads = 1};
    const Flag flags[FLAGS] = {{"--iterations", &s->iterations, 1, 1000000, "of meta-training", NULL},
                               {"--tasks", &s->tasks, 1, MOST_TASKS, "of an iteration, on all ranks", NULL},
                               {"--steps", &s->steps, 1, 100, "inner ones, of SGD", NULL},
                               {"--rate", &s->rate, 1, 1000000, "of SGD, in thousandths", NULL},
                               {"--seed", &s->seed, 0, 1000000, "of all random numbers", NULL},
                               {"--threads", &s->threads, 1, HC_MAX_THREADS, "of a rank", NULL},
                               {"--every", &s->every, 1, 1000000, "iterations a checkpoint is kept", NULL},
                               {"--checkpoint", NULL, 0, 0, "a file of rank 0's, to go on from", &s->checkpoint}};
    static char name[64];
    snprintf(name, sizeof name, "maml_sine_mpi: rank %d", rank);
    if (rank > 0) argv[0] = name; /* what one like this complains of, rank 0 was not given */
    unsigned long long first[SAME] = {0};
    for (int r = 0; r < ranks; r++) {
        int status = 0;
        if (r == rank) status = flags_read(argc, argv, flags, FLAGS, "maml_sine_mpi: MAML on the ranks of MPI");
        MPI_Bcast(&status, 1, MPI_INT, r, MPI_COMM_WORLD);
        if (status != FLAGS_RUN) return status;
        unsigned long long own[SAME];
        for (int f = 0; f < SAME; f++)
            own[f] = *flags[f].number;
        MPI_Bcast(own, SAME, MPI_UNSIGNED_LONG_LONG, r, MPI_COMM_WORLD);
        for (int f = 0; f < SAME; f++) {
            if (r == 0) first[f] = own[f];
            if (own[f] == first[f]) continue;
            if (rank == 0)
                fprintf(stderr, "maml_sine_mpi: rank %d was given %s %llu, rank 0 %llu\n", r, flags[f].name, own[f],
                        first[f]);
            return 2;
        }
    }
    return FLAGS_RUN;
}

/* ---- MAML ------------------------------------------------------------------------------------------ */

typedef struct Problem {
    const Settings *settings;
    Module *net;
    Optim *inner;
    double *losses; /* of the tasks of this rank */
} Problem;

static bool adapt(Task *task, void *user) {
    const Problem *p = user;
    Episode e = sines_draw(task->tape, &task->rng);
    FModule *fast = fmodule_create(task->tape, p->net, false);
    DiffOpt *opt = diffopt_create(p->inner, fast);
    for (size_t k = 0; k < p->settings->steps; k++)
        diffopt_step(opt, tensor_mse_loss(fmodule_forward(fast, e.x), e.y));
    Tensor *loss = tensor_mse_loss(fmodule_forward(fast, e.xq), e.yq);
    loss = tensor_div_scalar(loss, (double)p->settings->tasks);
    p->losses[task->index] = tensor_item(loss);
    return tensor_backward_into(loss, task->grads);
}

/* The mean loss over the tasks of all ranks, on rank 0. */
static double mean_loss(const Problem *p) {
    double own = 0, all = 0;
    for (size_t i = 0; i < p->settings->tasks; i++)
        own += p->losses[i];
    MPI_Reduce(&own, &all, 1, MPI_DOUBLE, MPI_SUM, 0, MPI_COMM_WORLD);
    return all;
}

/* Of the bits of all weights (FNV-1a). */
static uint64_t digest(ParamList weights) {
    uint64_t hash = 0xcbf29ce484222325;
    for (size_t i = 0; i < weights.count; i++) {
        const unsigned char *bytes = param_data(weights.items[i]);
        for (size_t b = 0; bytes && b < param_count(weights.items[i]) * sizeof(float); b++)
            hash = (hash ^ bytes[b]) * 0x100000001b3;
    }
    return hash;
}

/* ---- the checkpoint -------------------------------------------------------------------------------- */

/* What rank 0 found goes to all, who may not see its disk: for a moment as a file of their own. */
static void resume(Checkpoint *run, const char *path) {
    int there = rank == 0 && checkpoint_exists(path) && checkpoint_load(run, path);
    MPI_Bcast(&there, 1, MPI_INT, 0, MPI_COMM_WORLD);
    if (!there) return;
    char own[FILENAME_MAX], piece[1 << 14];
    snprintf(own, sizeof own, "%s.rank%d", path, rank);
    FILE *file = rank == 0 ? fopen(path, "rb") : fopen(own, "wb");
    for (int bytes = 1; bytes > 0;) {
        if (rank == 0) bytes = file ? (int)fread(piece, 1, sizeof piece, file) : 0;
        MPI_Bcast(&bytes, 1, MPI_INT, 0, MPI_COMM_WORLD);
        MPI_Bcast(piece, bytes, MPI_BYTE, 0, MPI_COMM_WORLD);
        if (rank > 0 && file) fwrite(piece, 1, (size_t)bytes, file);
    }
    if (file) fclose(file);
    if (rank > 0) checkpoint_load(run, own); /* which tells what is missing */
    if (rank > 0) remove(own);
}

static void name_settings(Checkpoint *run, const Settings *s) {
    const char *names[] = {"--tasks", "--steps", "--rate", "--seed"};
    const size_t values[] = {s->tasks, s->steps, s->rate, s->seed};
    char text[32];
    for (int i = 0; i < 4; i++) {
        snprintf(text, sizeof text, "%zu", values[i]);
        checkpoint_setting(run, names[i], text);
    }
}

/* ---- training -------------------------------------------------------------------------------------- */

static bool train(Problem *p, Tasks *tasks, Rng rng) {
    const Settings *s = p->settings;
    TaskRanks all = {(size_t)rank, (size_t)ranks, exchange, NULL};
    Optim *outer = optim_adam(module_params(p->net), adam_options(0.001));
    size_t iteration = 0;
    Checkpoint *run = checkpoint_create();
    name_settings(run, s);
    checkpoint_module(run, "net", p->net);
    checkpoint_optim(run, "outer", outer);
    checkpoint_rng(run, "tasks", &rng);
    checkpoint_count(run, "iteration", &iteration);
    if (s->checkpoint) resume(run, s->checkpoint);
    if (rank == 0 && iteration > 0) printf("goes on after iteration %zu\n", iteration);

    while (iteration < s->iterations && tasks_run_ranks(tasks, all, s->tasks, &rng, adapt, p)) {
        optim_step(outer); /* the same on all ranks */
        optim_zero_grad(outer);
        iteration++;
        if (rank == 0 && s->checkpoint && iteration % s->every == 0) checkpoint_save(run, s->checkpoint);
        if (iteration % 500 != 0 && iteration != s->iterations) continue;
        double loss = mean_loss(p);
        if (rank == 0) printf("iteration %6zu: loss %.3f\n", iteration, loss);
    }
    /* No tasks: is all well everywhere? */
    bool well = iteration >= s->iterations && tasks_run_ranks(tasks, all, 0, &rng, adapt, p);
    checkpoint_destroy(run);
    optim_destroy(outer);
    return well;
}

static int run(const Settings *s) {
    static double losses[MOST_TASKS];
    Rng rng = rng_seed(s->seed), init = rng_split(&rng);
    Module *layers[] = {module_linear(1, 40), module_relu(), module_linear(40, 40), module_relu(),
                        module_linear(40, 1)};
    Problem p = {s, module_sequential(layers, 5), NULL, losses};
    module_init(p.net, &init);
    p.inner = optim_sgd(module_params(p.net), sgd_options((double)s->rate / 1000));
    TasksOptions options = tasks_options(HC_F32);
    options.tape.check_nan = true; /* a NaN is an error, in words */
    Pool *pool = pool_create(s->threads);
    Tasks *tasks = tasks_create_with(pool, module_params(p.net), options);

    bool well = train(&p, tasks, rng);
    if (well) {
        uint64_t own = digest(module_params(p.net)), low = 0, high = 0;
        MPI_Allreduce(&own, &low, 1, MPI_UINT64_T, MPI_MIN, MPI_COMM_WORLD);
        MPI_Allreduce(&own, &high, 1, MPI_UINT64_T, MPI_MAX, MPI_COMM_WORLD);
        well = low == high;
        if (rank == 0 && well) printf("weights %016" PRIx64 "\n", own);
        if (rank == 0 && !well) fprintf(stderr, "maml_sine_mpi: the ranks ended at different weights\n");
    } else if (rank == 0) {
        fprintf(stderr, "maml_sine_mpi: %s\n", higherc_error());
    }
    tasks_destroy(tasks);
    pool_destroy(pool);
    optim_destroy(p.inner);
    module_destroy(p.net);
    return well ? 0 : 1;
}

int main(int argc, char **argv) {
    int threads;
    MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &threads); /* only this thread speaks */
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    Settings settings;
    int status = read_flags(&settings, argc, argv);
    if (status == FLAGS_RUN) status = run(&settings);
    MPI_Finalize();
    return status;
}
