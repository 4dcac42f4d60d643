/* The example (EXAMPLE, its file) with a rank that ends badly: `mpi_ends kill RANK N FLAGS...` lets it exchange n times
 * and has it killed the next time, `mpi_ends memory RANK N FLAGS...` gives the library so many allocations there, and
 * no more. Ranks that come to an end must leave no memory behind. */
#include <higherc/higherc.h>
#include <mpi.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int of_rank, own_rank = -1;
static bool kills;
static atomic_size_t left;

/* On that rank, after n calls. */
static bool due(void) {
    if (own_rank != of_rank) return false;
    size_t now = atomic_load(&left);
    while (now > 0 && !atomic_compare_exchange_weak(&left, &now, now - 1)) {
    }
    return now == 0;
}

static void *take(size_t size, void *user) {
    (void)user;
    return !kills && due() ? NULL : malloc(size);
}

static void give_back(void *pointer, size_t size, void *user) {
    (void)size;
    (void)user;
    free(pointer);
}

static int exchange_or_die(const void *send, int sent, MPI_Datatype type, int to, int tag, void *receive, int received,
                           MPI_Datatype type_received, int from, int tag_received, MPI_Comm all, MPI_Status *status) {
    if (kills && due()) raise(SIGKILL);
    return MPI_Sendrecv(send, sent, type, to, tag, receive, received, type_received, from, tag_received, all, status);
}

static int rank_of(MPI_Comm all, int *rank) {
    int status = MPI_Comm_rank(all, rank);
    own_rank = *rank;
    return status;
}

#define MPI_Sendrecv exchange_or_die
#define MPI_Comm_rank rank_of
int example_main(int argc, char **argv);
#define main example_main
#include EXAMPLE
#undef main

int main(int argc, char **argv) {
    if (argc < 4) return 9;
    kills = strcmp(argv[1], "kill") == 0;
    of_rank = (int)strtol(argv[2], NULL, 10);
    atomic_store(&left, (size_t)strtoul(argv[3], NULL, 10));
    if (!higherc_set_allocator(&(Allocator){take, give_back, NULL})) return 9;
    argv[3] = argv[0];
    int status = example_main(argc - 3, argv + 3);
    if (higherc_live_allocations() == 0) return status;
    printf("rank %d left %zu blocks\n", own_rank, higherc_live_allocations());
    return 9;
}
