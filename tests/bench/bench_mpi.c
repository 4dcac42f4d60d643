/* What it costs to add up gradients over the ranks of MPI, and MPI_Allreduce beside it:
 *
 *     mpirun -n 2 bench_mpi [ROUNDS [WEIGHTS]]
 *
 * A line for each number of weights, 10^4 to 10^7, f32: by how much longer a run of one task per rank takes on all
 * ranks (tasks_run_ranks, with MPI_Sendrecv) than the same run on each rank alone, and how long MPI_Allreduce takes
 * for as many floats; microseconds, of the slowest rank, medians and least of the rounds, in which the three take
 * turns. */
#include <higherc/higherc.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

enum { SIZES = 4, MOST_ROUNDS = 1000 };

static int rank, ranks;

static bool exchange(size_t peer, const void *send, void *receive, size_t bytes, void *user) {
    (void)user;
    return MPI_Sendrecv(send, (int)bytes, MPI_BYTE, (int)peer, 0, receive, (int)bytes, MPI_BYTE, (int)peer, 0,
                        MPI_COMM_WORLD, MPI_STATUS_IGNORE) == MPI_SUCCESS;
}

/* The least there is to do: a gradient of ones. */
static bool task(Task *t, void *user) {
    return tensor_backward_into(tensor_sum(param_tensor(t->tape, user)), t->grads);
}

typedef struct Bench {
    Param *weights;
    Tasks *tasks;
    float *numbers; /* MPI_Allreduce's */
} Bench;

enum { RANKS, ALONE, ALLREDUCE, WAYS };

static void run(Bench *b, int way) {
    Rng rng = rng_seed(1);
    TaskRanks all = {(size_t)rank, (size_t)ranks, exchange, NULL}, alone = {0, 1, NULL, NULL};
    if (way == ALLREDUCE)
        MPI_Allreduce(MPI_IN_PLACE, b->numbers, (int)param_count(b->weights), MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
    else
        tasks_run_ranks(b->tasks, way == RANKS ? all : alone, way == RANKS ? all.count : 1, &rng, task, b->weights);
}

/* Microseconds of one, of the slowest rank. */
static double measure(Bench *b, int way, int repeat) {
    double seconds, slowest;
    MPI_Barrier(MPI_COMM_WORLD);
    seconds = MPI_Wtime();
    for (int i = 0; i < repeat; i++)
        run(b, way);
    seconds = MPI_Wtime() - seconds;
    MPI_Allreduce(&seconds, &slowest, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
    return slowest * 1e6 / repeat;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void bench(size_t count, int rounds) {
    static double taken[WAYS][MOST_ROUNDS];
    Pool *pool = pool_create(1);
    Bench b = {param_create("w", shape1(count), HC_F32), NULL, calloc(count, sizeof(float))};
    param_fill(b.weights, 1);
    b.tasks = tasks_create(pool, (ParamList){&b.weights, 1}, HC_F32);
    int repeat = count < 1000000 ? (int)(1000000 / count) : 1;
    for (int way = 0; way < WAYS && b.numbers; way++)
        measure(&b, way, 2);
    for (int round = 0; round < rounds && b.numbers; round++)
        for (int way = 0; way < WAYS; way++)
            taken[way][round] = measure(&b, way, repeat);
    for (int way = 0; way < WAYS; way++)
        qsort(taken[way], (size_t)rounds, sizeof(double), compare);
    int middle = rounds / 2;
    if (rank == 0 && b.numbers && !higherc_error())
        printf("reduction %d ranks %9zu weights: %10.1f (least %10.1f) MPI_Allreduce %10.1f (least %10.1f)\n", ranks,
               count, taken[RANKS][middle] - taken[ALONE][middle], taken[RANKS][0] - taken[ALONE][0],
               taken[ALLREDUCE][middle], taken[ALLREDUCE][0]);
    fflush(stdout);
    tasks_destroy(b.tasks);
    param_unref(b.weights);
    pool_destroy(pool);
    free(b.numbers);
}

int main(int argc, char **argv) {
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    int rounds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 20;
    if (rounds < 1 || rounds > MOST_ROUNDS) rounds = 20;
    const size_t counts[SIZES] = {10000, 100000, 1000000, 10000000};
    for (int i = 0; i < SIZES && argc <= 2; i++)
        bench(counts[i], rounds);
    if (argc > 2) bench(strtoul(argv[2], NULL, 10), rounds);
    if (higherc_error()) fprintf(stderr, "bench_mpi: rank %d: %s\n", rank, higherc_error());
    MPI_Finalize();
    return higherc_error() != NULL;
}
