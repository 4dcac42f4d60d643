/* Runs over ranks, without machines: a process plays all ranks in turn. Parts and ranks have the bits of a tree written
 * out, on any number of threads; what goes wrong on one rank is told on all and adds nothing anywhere. */
#include <higherc/higherc.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/check.h"
#include "support/failing.h"
#include "support/refuse.h"

enum { TASKS = 13, PARAMS = 4, WEIGHTS = 3 + 1 + 5 + 0, MOST_RANKS = 16, MOST_LETTERS = 8 };
static const double ABSENT = 12345; /* what no gradient is */

/* ---- what is learned -------------------------------------------------------------------------------- */

typedef struct Problem {
    Param *param[PARAMS]; /* the last one is empty */
    DType dtype;
    size_t fails; /* the task that goes wrong */
    bool idle;    /* tasks do nothing */
    bool nan;     /* gradients are NaNs, each task's another */
    bool all;     /* tasks reach all Params, and not the second one alone where their number divides by 3 */
} Problem;

static Problem problem_create(DType dtype) {
    const size_t sizes[PARAMS] = {3, 1, 5, 0};
    Problem p = {.dtype = dtype, .fails = SIZE_MAX};
    for (size_t i = 0; i < PARAMS; i++) {
        p.param[i] = param_create("p", shape1(sizes[i]), dtype);
        param_fill(p.param[i], 1);
    }
    return p;
}

static void problem_destroy(Problem *p) {
    for (size_t i = 0; i < PARAMS; i++)
        param_unref(p->param[i]);
}

static ParamList list_of(Problem *p) {
    return (ParamList){p->param, PARAMS};
}

static void zero_grads(Problem *p) {
    for (size_t i = 0; i < PARAMS; i++)
        param_zero_grad(p->param[i]);
}

static void read_grads(const Problem *p, double out[WEIGHTS]) {
    for (size_t i = 0; i < PARAMS; i++)
        for (size_t e = 0; e < param_count(p->param[i]); e++)
            *out++ = param_grad(p->param[i]) ? param_grad_get(p->param[i], e) : ABSENT;
}

static bool untouched(const Problem *p) {
    for (size_t i = 0; i < PARAMS; i++)
        if (param_grad(p->param[i])) return false;
    return true;
}

static Tensor *nan_of(Tape *tape, size_t index) {
    uint32_t bits = 0x7fc00000 | (uint32_t)(index % 2) << 31 | (uint32_t)(index + 1);
    float nan;
    memcpy(&nan, &bits, sizeof nan);
    return tensor_from_f32(tape, shape1(1), &nan);
}

/* Gradients are random numbers of all sizes, so that another order of sums is other bits. */
static Tensor *loss_of(const Problem *p, Tape *tape, size_t index, Rng *rng) {
    Tensor *loss = NULL;
    for (size_t i = 0; i < PARAMS; i++) {
        Tensor *factors = tensor_exp(tensor_uniform(tape, param_shape(p->param[i]), -9, 9, rng));
        if (p->nan) factors = tensor_expand(nan_of(tape, index), param_shape(p->param[i]));
        if (!p->all && (i == 1) != (index % 3 == 0)) continue;
        Tensor *term = tensor_sum(tensor_mul(param_tensor(tape, p->param[i]), factors));
        loss = loss ? tensor_add(loss, term) : term;
    }
    return loss;
}

static bool learn(Task *task, void *user) {
    const Problem *p = user;
    if (task->index == p->fails) tensor_matmul(tensor_scalar(task->tape, 1), NULL);
    if (p->idle) return true;
    return tensor_backward_into(loss_of(p, task->tape, task->index, &task->rng), task->grads);
}

/* ---- the tree written out --------------------------------------------------------------------------- */

static double each_grad[TASKS][WEIGHTS];

static void each_task(Problem *p, Rng *seeds) {
    Tape *tape = tape_create(p->dtype);
    for (size_t i = 0; i < TASKS; i++) {
        Rng rng = rng_split(seeds);
        tape_reset(tape);
        tape_seed(tape, rng_u64(&rng));
        zero_grads(p);
        CHECK(tensor_backward(loss_of(p, tape, i, &rng)));
        read_grads(p, each_grad[i]);
    }
    zero_grads(p);
    tape_destroy(tape);
}

static double sum_of(DType dtype, size_t begin, size_t end, size_t weight) {
    if (begin == end) return ABSENT;
    if (end - begin == 1) return each_grad[begin][weight];
    size_t middle = begin + (end - begin) / 2;
    double a = sum_of(dtype, begin, middle, weight), b = sum_of(dtype, middle, end, weight);
    if (a == ABSENT || b == ABSENT) return a == ABSENT ? b : a;
    return dtype == HC_F32 ? (double)((float)a + (float)b) : a + b;
}

/* What is in a sum of gradients, with ABSENT. */
static void read_sum(const Problem *p, const Grads *sum, double out[WEIGHTS]) {
    for (size_t i = 0; i < PARAMS; i++) {
        const void *grad = grads_get(sum, i);
        for (size_t e = 0; e < param_count(p->param[i]); e++)
            *out++ = !grad ? ABSENT : p->dtype == HC_F32 ? (double)((const float *)grad)[e] : ((const double *)grad)[e];
    }
}

static void parts(DType dtype, bool all, size_t threads) {
    Problem p = problem_create(dtype);
    p.all = all;
    Pool *pool = pool_create(threads);
    Tasks *tasks = tasks_create(pool, list_of(&p), dtype);
    for (size_t count = 1; count <= 32; count *= 2) {
        Rng plain = rng_seed(3);
        each_task(&p, &plain);
        for (size_t part = 0, begin = 0; part < count; part++) {
            Rng rng = rng_seed(3);
            Grads *sum = tasks_run_part(tasks, part, count, TASKS, &rng, learn, &p);
            CHECK(sum && memcmp(&rng, &plain, sizeof rng) == 0 && untouched(&p));
            size_t end = TASKS, flat = 0; /* a part: halves of halves of the tasks */
            for (size_t bit = count / 2, low = 0; bit; bit /= 2) {
                size_t middle = low + (end - low) / 2;
                if (part & bit)
                    low = middle;
                else
                    end = middle;
            }
            double got[WEIGHTS], want[WEIGHTS];
            read_sum(&p, sum, got);
            for (size_t w = 0; w < WEIGHTS; w++)
                want[w] = sum_of(dtype, begin, end, w);
            CHECK(memcmp(got, want, sizeof got) == 0);
            CHECK(grads_flat(sum, &flat) && flat == WEIGHTS);
            begin = end;
        }
    }
    tasks_destroy(tasks);
    pool_destroy(pool);
    problem_destroy(&p);
}

/* ---- ranks in one process ---------------------------------------------------------------------------- */

/* What a rank has sent, by the number of the exchange. */
typedef struct Letter {
    void *bytes;
    size_t count, to;
} Letter;

static struct Post {
    Letter letter[MOST_RANKS][MOST_LETTERS];
    size_t made; /* exchanges of the rank in hand */
} post;

typedef struct Player {
    Problem problem;
    Pool *pool;
    Tasks *tasks;
    Rng rng;
    TaskRanks ranks;
    size_t count;
    bool done;
} Player;

/* Fails where the peer's letter is not there yet: the rank is run anew later, and sends what means the same. */
static bool by_post(size_t peer, const void *send, void *receive, size_t bytes, void *user) {
    const Player *player = user;
    if (post.made >= MOST_LETTERS) return false;
    Letter *mine = &post.letter[player->ranks.rank][post.made];
    const Letter *theirs = &post.letter[peer][post.made++];
    if (!mine->bytes) {
        *mine = (Letter){malloc(bytes), bytes, peer};
        memcpy(mine->bytes, send, bytes);
    }
    CHECK(mine->count == bytes && mine->to == peer);
    if (!theirs->bytes) return false;
    CHECK(theirs->count == bytes && theirs->to == player->ranks.rank);
    memcpy(receive, theirs->bytes, bytes);
    return true;
}

static void post_clear(void) {
    for (size_t i = 0; i < MOST_RANKS; i++)
        for (size_t k = 0; k < MOST_LETTERS; k++) {
            free(post.letter[i][k].bytes);
            post.letter[i][k] = (Letter){NULL, 0, 0};
        }
}

static void players_create(Player *players, size_t count, size_t threads, DType dtype) {
    for (size_t i = 0; i < count; i++) {
        Player *p = &players[i];
        *p = (Player){.problem = problem_create(dtype), .pool = pool_create(threads), .count = TASKS};
        p->tasks = tasks_create(p->pool, list_of(&p->problem), dtype);
        p->rng = rng_seed(3);
        p->ranks = (TaskRanks){i, count, by_post, p};
    }
}

static void players_destroy(Player *players, size_t count) {
    for (size_t i = 0; i < count; i++) {
        tasks_destroy(players[i].tasks);
        pool_destroy(players[i].pool);
        problem_destroy(&players[i].problem);
    }
}

/* Whether it came to an end, well or not, rather than to a letter that is not there yet. */
static bool turn(Player *p, HcStatus *status) {
    Rng before = p->rng;
    post.made = 0;
    p->done = tasks_run_ranks(p->tasks, p->ranks, p->count, &p->rng, learn, &p->problem);
    *status = higherc_status();
    CHECK(p->done == (*status == HC_OK));
    if (*status != HC_ERR_IO) return true;
    CHECK_ERROR("tasks_run_ranks: the exchange with rank");
    p->rng = before;
    return false;
}

/* Runs all; whether all succeeded. Where they do not, all have the same error, which is in `text`. */
static bool run_all(Player *players, size_t count, char text[600]) {
    bool ended[MOST_RANKS] = {false};
    size_t left = count, well = 0;
    text[0] = 0;
    for (size_t round = 0; left > 0 && round < MOST_LETTERS; round++)
        for (size_t i = 0; i < count; i++) {
            HcStatus status;
            if (ended[i] || !turn(&players[i], &status)) continue;
            ended[i] = true;
            left--;
            well += players[i].done;
            if (players[i].done) continue;
            CHECK(text[0] == 0 || strcmp(text, higherc_error()) == 0);
            snprintf(text, 600, "%s", higherc_error());
            higherc_clear_error();
        }
    CHECK(left == 0 && (well == 0 || well == count));
    post_clear();
    return well == count;
}

static void same_bits(DType dtype, bool all) {
    double want[WEIGHTS], got[WEIGHTS];
    for (size_t threads = 1; threads <= 2; threads++)
        for (size_t count = 1; count <= MOST_RANKS; count *= 2) {
            static Player players[MOST_RANKS];
            char text[600];
            Rng plain = rng_seed(3);
            players_create(players, count, threads, dtype);
            for (size_t i = 0; i < count; i++)
                players[i].problem.all = all;
            /* Twice, so that the second run adds to what is there. */
            bool ok = run_all(players, count, text) && run_all(players, count, text);
            CHECK(ok);
            for (int i = 0; i < 2 * TASKS; i++)
                rng_split(&plain);
            for (size_t i = 0; i < count; i++) {
                read_grads(&players[i].problem, threads == 1 && count == 1 ? want : got);
                if (threads > 1 || count > 1) CHECK(memcmp(want, got, sizeof got) == 0);
                CHECK(memcmp(&players[i].rng, &plain, sizeof plain) == 0);
            }
            players_destroy(players, count);
        }
    /* The first of the two runs is the tree's sum. */
    Player one;
    char text[600];
    players_create(&one, 1, 1, dtype);
    one.problem.all = all;
    one.ranks.exchange = NULL;
    Rng plain = rng_seed(3);
    each_task(&one.problem, &plain);
    CHECK(run_all(&one, 1, text));
    read_grads(&one.problem, got);
    for (size_t w = 0; w < WEIGHTS; w++)
        CHECK(got[w] == sum_of(dtype, 0, TASKS, w));
    players_destroy(&one, 1);
}

/* NaNs too: which of two a sum keeps is the same on all ranks. */
static void same_nans(void) {
    Player players[4];
    char text[600];
    players_create(players, 4, 1, HC_F32);
    for (size_t i = 0; i < 4; i++)
        players[i].problem.nan = players[i].problem.all = true;
    CHECK(run_all(players, 4, text));
    const void *first = param_grad(players[0].problem.param[2]);
    CHECK(isnan(param_grad_get(players[0].problem.param[2], 0)));
    for (size_t i = 1; i < 4; i++)
        CHECK(memcmp(first, param_grad(players[i].problem.param[2]), 5 * sizeof(float)) == 0);
    players_destroy(players, 4);
}

/* No task, or none that reaches a Param; no Params. */
static void nothing_to_add(void) {
    Player players[4];
    char text[600];
    players_create(players, 4, 2, HC_F32);
    for (int i = 0; i < 4; i++)
        players[i].count = 0;
    CHECK(run_all(players, 4, text));
    for (int i = 0; i < 4; i++) { /* the first task alone, which reaches one Param */
        CHECK(untouched(&players[i].problem));
        players[i].count = 1;
    }
    CHECK(run_all(players, 4, text));
    for (int i = 0; i < 4; i++) {
        CHECK(!param_grad(players[i].problem.param[0]) && param_grad(players[i].problem.param[1]));
        tasks_destroy(players[i].tasks);
        players[i].tasks = tasks_create(players[i].pool, (ParamList){NULL, 0}, HC_F32);
        zero_grads(&players[i].problem);
        players[i].problem.idle = true;
    }
    CHECK(run_all(players, 4, text));
    CHECK(untouched(&players[3].problem));
    players_destroy(players, 4);
}

/* ---- what goes wrong ----------------------------------------------------------------------------------- */

static bool told(Player *players, size_t count, const char *words) {
    char text[600];
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
    char text[600];
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
    char text_differs[600];
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
    CHECK_ERROR("running already");
    CHECK(!tasks_run_part(p->tasks, 0, 1, 1, &rng, learn, &p->problem));
    CHECK_ERROR("running already");
    CHECK(!tasks_run_ranks(p->tasks, p->ranks, 1, &rng, learn, &p->problem));
    CHECK_ERROR("running already");
    return true;
}

static bool nests(Task *task, void *user) {
    Player *p = user;
    Rng rng = rng_seed(1);
    Tasks *other = tasks_create(p->pool, list_of(&p->problem), HC_F64);
    CHECK(!tasks_run_ranks(p->tasks, p->ranks, 1, &rng, learn, &p->problem));
    CHECK_ERROR("running already");
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
        char text[600];
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
    char text[600];
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
        TaskRanks ranks = {wrong[i][0], wrong[i][1], by_post, &p};
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
    for (int way = 0; way < 4; way++) {
        DType dtype = way < 2 ? HC_F32 : HC_F64;
        for (size_t threads = 1; threads <= 2; threads++)
            parts(dtype, way % 2, threads);
        same_bits(dtype, way % 2);
    }
    same_nans();
    nothing_to_add();
    for (size_t threads = 1; threads <= 2; threads++)
        failures(threads);
    exchanges();
    memory();
    refusals();
    if (higherc_error()) CHECK_ERROR("no error is left");
    return check_done();
}
