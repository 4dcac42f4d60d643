/* Ranks that a process plays in turn, without machines: their exchanges are letters. What they learn are a few Params
 * whose gradients are random numbers. */
#ifndef TESTS_RANKS_H
#define TESTS_RANKS_H

#include <higherc/higherc.h>

enum { TASKS = 13, PARAMS = 4, WEIGHTS = 3 + 1 + 5 + 0, MOST_RANKS = 16, MOST_TEXT = 600 };
#define ABSENT 12345.0 /* what no gradient is */

typedef struct Problem {
    Param *param[PARAMS]; /* the last one is empty */
    DType dtype;
    size_t fails; /* the task that goes wrong */
    bool idle;    /* tasks do nothing */
    bool nan;     /* gradients are NaNs, each task's another */
    bool all;     /* tasks reach all Params, and not the second one alone where their number divides by 3 */
} Problem;

Problem problem_create(DType dtype);
void problem_destroy(Problem *p);
ParamList list_of(Problem *p);
void zero_grads(Problem *p);
/* Of all Params one after the other, or ABSENT. */
void read_grads(const Problem *p, double out[WEIGHTS]);
bool untouched(const Problem *p); /* no Param has a gradient */
/* What a task takes the gradient of. */
Tensor *loss_of(const Problem *p, Tape *tape, size_t index, Rng *rng);
/* The task; its `user` is a Problem. */
bool learn(Task *task, void *user);

typedef struct Player {
    Problem problem;
    Pool *pool;
    Tasks *tasks;
    Rng rng;
    TaskRanks ranks;
    size_t count;
    bool done;
} Player;

void players_create(Player *players, size_t count, size_t threads, DType dtype);
void players_destroy(Player *players, size_t count);
/* Runs one: whether it came to an end, well or not, rather than to a letter that is not there yet. */
bool turn(Player *p, HcStatus *status);
/* Throws the letters away. */
void post_clear(void);
/* Runs all; whether all succeeded. Where they do not, all have the same error, which is in `text`. */
bool run_all(Player *players, size_t count, char text[MOST_TEXT]);

#endif
