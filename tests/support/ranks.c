#include "support/ranks.h"

#include <stdlib.h>
#include <string.h>

#include "support/check.h"

enum { MOST_LETTERS = 8 };

Problem problem_create(DType dtype) {
    const size_t sizes[PARAMS] = {3, 1, 5, 0};
    Problem p = {.dtype = dtype, .fails = SIZE_MAX};
    for (size_t i = 0; i < PARAMS; i++) {
        p.param[i] = param_create("p", shape1(sizes[i]), dtype);
        param_fill(p.param[i], 1);
    }
    return p;
}

void problem_destroy(Problem *p) {
    for (size_t i = 0; i < PARAMS; i++)
        param_unref(p->param[i]);
}

ParamList list_of(Problem *p) {
    return (ParamList){p->param, PARAMS};
}

void zero_grads(Problem *p) {
    for (size_t i = 0; i < PARAMS; i++)
        param_zero_grad(p->param[i]);
}

void read_grads(const Problem *p, double out[WEIGHTS]) {
    for (size_t i = 0; i < PARAMS; i++)
        for (size_t e = 0; e < param_count(p->param[i]); e++)
            *out++ = param_grad(p->param[i]) ? param_grad_get(p->param[i], e) : ABSENT;
}

bool untouched(const Problem *p) {
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
Tensor *loss_of(const Problem *p, Tape *tape, size_t index, Rng *rng) {
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

bool learn(Task *task, void *user) {
    const Problem *p = user;
    if (task->index == p->fails) tensor_matmul(tensor_scalar(task->tape, 1), NULL);
    if (p->idle) return true;
    return tensor_backward_into(loss_of(p, task->tape, task->index, &task->rng), task->grads);
}

/* ---- letters -------------------------------------------------------------------------------------- */

/* What a rank has sent, by the number of the exchange. */
typedef struct Letter {
    void *bytes;
    size_t count, to;
} Letter;

static struct Post {
    Letter letter[MOST_RANKS][MOST_LETTERS];
    size_t made; /* exchanges of the rank in hand */
} post;

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

void post_clear(void) {
    for (size_t i = 0; i < MOST_RANKS; i++)
        for (size_t k = 0; k < MOST_LETTERS; k++) {
            free(post.letter[i][k].bytes);
            post.letter[i][k] = (Letter){NULL, 0, 0};
        }
}

void players_create(Player *players, size_t count, size_t threads, DType dtype) {
    for (size_t i = 0; i < count; i++) {
        Player *p = &players[i];
        *p = (Player){.problem = problem_create(dtype), .pool = pool_create(threads), .count = TASKS};
        p->tasks = tasks_create(p->pool, list_of(&p->problem), dtype);
        p->rng = rng_seed(3);
        p->ranks = (TaskRanks){i, count, by_post, p};
    }
}

void players_destroy(Player *players, size_t count) {
    for (size_t i = 0; i < count; i++) {
        tasks_destroy(players[i].tasks);
        pool_destroy(players[i].pool);
        problem_destroy(&players[i].problem);
    }
}

bool turn(Player *p, HcStatus *status) {
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

bool run_all(Player *players, size_t count, char text[MOST_TEXT]) {
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
            snprintf(text, MOST_TEXT, "%s", higherc_error());
            higherc_clear_error();
        }
    CHECK(left == 0 && (well == 0 || well == count));
    post_clear();
    return well == count;
}
