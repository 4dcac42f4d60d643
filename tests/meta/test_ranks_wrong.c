/* Runs over ranks that go wrong: what does so on one rank is told on all and adds nothing anywhere; exchanges that fail
 * or meddle; memory; calls that are none. */
#include <higherc/higherc.h>

#include <string.h>

#include "support/check.h"
#include "support/failing.h"
#include "support/ranks.h"
#include "support/refuse.h"

static bool told(Player *players, size_t count, const char *words) {
    char text[MOST_TEXT];
    bool failed = !run_all(players, count, text), found = strstr(text, words) != NULL;
    if (!found) printf("  '%s' is not '%s'\n", text, words);
    for (size_t i = 0; i < count; i++)
        failed = failed && untouched(&players[i].problem) &&
                 memcmp(&players[i].rng, &players[0].rng, sizeof players[i].rng) == 0;
    return failed && found;
}

static void failures(size_t threads) {
    enum { COUNT = 4 };
    Player players[COUNT];
    char text[MOST_TEXT];
    players_create(players, COUNT, threads, HC_F64);
    for (size_t i = 0; i < COUNT; i++)
        players[i].problem.fails = 10;
    CHECK(told(players, COUNT, "tasks_run_ranks: on rank 3: tasks_run_part: task 10: tensor_matmul"));
    players[0].problem.fails = 0; /* the first in task order */
    CHECK(told(players, COUNT, "tasks_run_ranks: on rank 0: tasks_run_part: task 0: tensor_matmul"));
    players[0].problem.fails = players[3].problem.fails = SIZE_MAX;
    CHECK(run_all(players, COUNT, text)); /* task 10 is not of the others */
    for (size_t i = 0; i < COUNT; i++)
        zero_grads(&players[i].problem);

    /* Ranks that differ. */
    players[2].count--;
    players[3].count--;
    Rng rng = players[0].rng;
    char text_differs[MOST_TEXT];
    CHECK(!run_all(players, COUNT, text_differs));
    CHECK(strcmp(text_differs,
                 "tasks_run_ranks: rank 2 has another number of tasks than rank 0: 12, not 13") == 0);
    for (size_t i = 0; i < COUNT; i++) {
        players[i].count = TASKS;
        players[i].rng = rng;
    }
    players[3].rng = rng_seed(4);
    CHECK(!run_all(players, COUNT, text_differs));
    CHECK(strstr(text_differs, "rank 3 has another random stream (key) than rank 2: 4, not 3") != NULL);
    for (size_t i = 0; i < COUNT; i++)
        players[i].rng = rng;
    tasks_destroy(players[1].tasks);
    players[1].tasks = tasks_create(players[1].pool, (ParamList){players[1].problem.param, 2}, HC_F64);
    CHECK(told(players, COUNT, "rank 1 has another number of weights than rank 0: 4, not 9"));
    /* One that has no Tasks. */
    tasks_destroy(players[1].tasks);
    players[1].tasks = NULL;
    for (size_t i = 0; i < COUNT; i++)
        players[i].rng = rng;
    CHECK(!run_all(players, COUNT, text));
    CHECK(strstr(text, "tasks_run_ranks: on rank 1: tasks_run_ranks: the tasks is NULL") != NULL);
    players_destroy(players, COUNT);

    /* An error that a rank had before. */
    players_create(players, 2, threads, HC_F64);
    CHECK(!turn(&players[0], &(HcStatus){HC_OK}));
    CHECK(!tensor_relu(NULL) && !param_create(NULL, shape1(1), HC_F32));
    HcStatus status;
    CHECK(turn(&players[1], &status) && status == HC_ERR_ARG && untouched(&players[1].problem));
    CHECK_ERROR("tasks_run_ranks: on rank 1: tensor_relu: a tensor is NULL");
    CHECK(turn(&players[0], &status) && status == HC_ERR_ARG && untouched(&players[0].problem));
    CHECK_ERROR("tasks_run_ranks: on rank 1: tensor_relu: a tensor is NULL");
    post_clear();
    players_destroy(players, 2);
}

static bool never(size_t peer, const void *send, void *receive, size_t bytes, void *user) {
    (void)peer;
    (void)send;
    (void)receive;
    (void)bytes;
    return *(const bool *)user;
}

static bool leaves_an_error(size_t peer, const void *send, void *receive, size_t bytes, void *user) {
    (void)user;
    memcpy(receive, send, bytes);
    return !tensor_relu(NULL) && peer == 1;
}

/* What it may not do while the tasks are at work. */
static bool meddles(size_t peer, const void *send, void *receive, size_t bytes, void *user) {
    Player *p = user;
    Rng rng = rng_seed(1);
    CHECK(peer == 1);
    memcpy(receive, send, bytes);
    tasks_destroy(p->tasks);
    CHECK_ERROR("tasks_destroy: the tasks are running");
    CHECK(!tasks_add_params(p->tasks, list_of(&p->problem)));
    CHECK_ERROR("tasks_add_params: the tasks are running");
    CHECK(!tasks_run(p->tasks, 1, &rng, learn, &p->problem));
    CHECK_ERROR(": these tasks are running already");
    CHECK(!tasks_run_part(p->tasks, 0, 1, 1, &rng, learn, &p->problem));
    CHECK_ERROR(": these tasks are running already");
    CHECK(!tasks_run_ranks(p->tasks, p->ranks, 1, &rng, learn, &p->problem));
    CHECK_ERROR(": these tasks are running already");
    return true;
}

static bool nests(Task *task, void *user) {
    Player *p = user;
    Rng rng = rng_seed(1);
    Tasks *other = tasks_create(p->pool, list_of(&p->problem), HC_F64);
    CHECK(!tasks_run_ranks(p->tasks, p->ranks, 1, &rng, learn, &p->problem));
    CHECK_ERROR(": these tasks are running already");
    CHECK(!tasks_run_ranks(other, p->ranks, 1, &rng, learn, &p->problem));
    CHECK_ERROR("tasks_run_ranks: on rank 0: tasks_run_ranks: from within a task");
    CHECK(!tasks_run_part(other, 0, 1, 1, &rng, learn, &p->problem));
    CHECK_ERROR("tasks_run_part: from within a task");
    tasks_destroy(other);
    return task->index < TASKS;
}

static void exchanges(void) {
    Player p;
    bool say = false;
    players_create(&p, 1, 1, HC_F64);
    p.ranks = (TaskRanks){0, 2, never, &say};
    CHECK(!tasks_run_ranks(p.tasks, p.ranks, TASKS, &p.rng, learn, &p.problem) && untouched(&p.problem));
    CHECK_ERROR("tasks_run_ranks: the exchange with rank 1 failed");
    p.ranks.exchange = leaves_an_error;
    CHECK(!tasks_run_ranks(p.tasks, p.ranks, TASKS, &p.rng, learn, &p.problem) && untouched(&p.problem));
    CHECK_ERROR("tensor_relu");
    /* A peer that is the image of this rank: the sum of its part, twice. */
    p.ranks = (TaskRanks){0, 2, meddles, &p};
    CHECK(tasks_run_ranks(p.tasks, p.ranks, TASKS, &p.rng, learn, &p.problem));
    CHECK(param_grad(p.problem.param[0]) != NULL);
    CHECK(tasks_run(p.tasks, 1, &p.rng, nests, &p));
    players_destroy(&p, 1);
}

/* ---- memory --------------------------------------------------------------------------------------------- */

/* Rank 1 of 2 has so many allocations, for its Tasks too; whether that was enough. */
static bool enough(size_t limit, size_t threads) {
    Player players[2];
    HcStatus status;
    failing_never();
    players_create(players, 2, threads, HC_F32);
    CHECK(!turn(&players[0], &status));
    tasks_destroy(players[1].tasks);
    failing_after(limit);
    players[1].tasks = tasks_create(players[1].pool, list_of(&players[1].problem), HC_F32);
    bool ended = turn(&players[1], &status);
    failing_never();
    if (ended) {
        char text[MOST_TEXT];
        CHECK(status == HC_ERR_NOMEM && untouched(&players[1].problem));
        snprintf(text, sizeof text, "%s", higherc_error());
        higherc_clear_error();
        CHECK(turn(&players[0], &status) && status == HC_ERR_NOMEM && untouched(&players[0].problem));
        CHECK(strcmp(higherc_error(), text) == 0 && strstr(text, "on rank 1: ") != NULL);
        higherc_clear_error();
        if (!players[1].tasks) players[1].tasks = tasks_create(players[1].pool, list_of(&players[1].problem), HC_F32);
        post_clear();
        CHECK(run_all(players, 2, text)); /* with memory again */
    }
    post_clear();
    players_destroy(players, 2);
    return !ended;
}

static bool one_part(void) {
    Problem p = problem_create(HC_F64);
    Pool *pool = pool_create(1);
    Tasks *tasks = tasks_create(pool, list_of(&p), HC_F64);
    Rng rng = rng_seed(1);
    bool done = tasks && tasks_run_part(tasks, 1, 2, TASKS, &rng, learn, &p);
    tasks_destroy(tasks);
    pool_destroy(pool);
    problem_destroy(&p);
    return done;
}

static void memory(void) {
    fail_each_allocation("one part", one_part);
    failing_begin();
    for (size_t threads = 1; threads <= 2; threads++) {
        size_t limit = 0;
        while (!enough(limit, threads) && limit < 300)
            limit++;
        CHECK(limit > 10 && limit < 300);
    }
    /* Steady: no call of the allocator, once each worker has had tasks. */
    Player p;
    char text[MOST_TEXT];
    players_create(&p, 1, 2, HC_F32);
    size_t before = 1, after = 0;
    for (int round = 0; round < 100 && before != after; round++) {
        before = failing_calls();
        for (int i = 0; i < 20; i++)
            CHECK(run_all(&p, 1, text));
        after = failing_calls();
    }
    CHECK(before == after);
    players_destroy(&p, 1);
    failing_end();
}

static void refusals(void) {
    Player p;
    players_create(&p, 1, 1, HC_F64);
    const size_t wrong[][2] = {{0, 0}, {0, 3}, {2, 2}, {1, 1}, {SIZE_MAX, 4}, {0, SIZE_MAX}};
    for (int i = 0; i < 6; i++) {
        TaskRanks ranks = {wrong[i][0], wrong[i][1], p.ranks.exchange, &p};
        CHECK(!tasks_run_part(p.tasks, ranks.rank, ranks.count, TASKS, &p.rng, learn, &p.problem));
        CHECK_ERROR("there are 1, 2, 4, 8 ... of them");
        CHECK(!tasks_run_ranks(p.tasks, ranks, TASKS, &p.rng, learn, &p.problem));
        CHECK_ERROR("there are 1, 2, 4, 8 ... of them");
    }
    TaskRanks alone = {0, 1, NULL, NULL}, mute = {0, 2, NULL, NULL};
    REFUSED_NULL(tasks_run_ranks(p.tasks, mute, TASKS, &p.rng, learn, &p.problem));
    REFUSED_NULL(tasks_run_ranks(NULL, alone, TASKS, &p.rng, learn, &p.problem));
    REFUSED_NULL(tasks_run_ranks(p.tasks, alone, TASKS, NULL, learn, &p.problem));
    REFUSED_NULL(tasks_run_ranks(p.tasks, alone, TASKS, &p.rng, NULL, &p.problem));
    REFUSED_NULL(tasks_run_part(NULL, 0, 1, TASKS, &p.rng, learn, &p.problem));
    REFUSED_NULL(tasks_run_part(p.tasks, 0, 1, TASKS, NULL, learn, &p.problem));
    REFUSED_NULL(tasks_run_part(p.tasks, 0, 1, TASKS, &p.rng, NULL, &p.problem));
    CHECK(untouched(&p.problem));
    players_destroy(&p, 1);
}

int main(void) {
    for (size_t threads = 1; threads <= 2; threads++)
        failures(threads);
    exchanges();
    memory();
    refusals();
    if (higherc_error()) CHECK_ERROR("no error is left");
    return check_done();
}
