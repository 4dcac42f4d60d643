/* A run of tasks over ranks: each takes a branch of the tree, and neighbours add up their sums until all have
 * the whole (recursive doubling: Thakur, Rabenseifner and Gropp 2005, "Optimization of collective communication
 * operations in MPICH"). The lower rank's sum stands on the left on both sides, so all have the same bits. */
#include <inttypes.h>
#include <string.h>

#include "meta/tasks.h"

/* Most that an exchange is asked for at once: an int holds it. */
#define MOST_BYTES ((size_t)1 << 30)

/* What must be the same on all ranks. */
enum { RANKS, TASKS, WEIGHTS, BYTES, KEY, COUNTER, FACTS };
static const char *const facts[FACTS] = {
    "number of ranks", "number of tasks",     "number of weights",
    "size of a sum",   "random stream (key)", "random stream (counter)",
};

/* What ranks tell each other before their sums: whether all is well so far, and for whom. */
typedef struct Word {
    uint64_t rank; /* the lowest of those it is of */
    uint64_t fact[FACTS];
    HcError error;
} Word;

/* The word of both: the lower one's, unless only the higher one has an error. */
static Word joined(const Word *lower, const Word *higher) {
    Word word = lower->error.status == HC_OK && higher->error.status != HC_OK ? *higher : *lower;
    for (int i = 0; i < FACTS && word.error.status == HC_OK; i++) {
        if (lower->fact[i] == higher->fact[i]) continue;
        word.error.status = HC_ERR_STATE;
        snprintf(word.error.text, sizeof word.error.text,
                 "tasks_run_ranks: rank %" PRIu64 " has another %s than rank %" PRIu64 ": %" PRIu64 ", not %" PRIu64,
                 higher->rank, facts[i], lower->rank, higher->fact[i], lower->fact[i]);
    }
    return word;
}

static bool exchange(TaskRanks ranks, size_t peer, const void *send, void *receive, size_t bytes) {
    for (size_t at = 0; at < bytes; at += MOST_BYTES) {
        size_t left = bytes - at, n = left < MOST_BYTES ? left : MOST_BYTES, told = hc_errors_told();
        bool done = ranks.exchange(peer, (const char *)send + at, (char *)receive + at, n, ranks.user);
        if (!done || hc_errors_left(told))
            return hc_fail_thread(HC_ERR_IO, "tasks_run_ranks: the exchange with rank %zu failed", peer);
    }
    return true;
}

/* Whether all is well everywhere; where it is not, the same error on all ranks, in the place of a rank's own. */
static bool agree(TaskRanks ranks, Word *mine) {
    for (size_t bit = 1; bit < ranks.count; bit *= 2) {
        Word theirs;
        if (!exchange(ranks, ranks.rank ^ bit, mine, &theirs, sizeof theirs)) return false;
        theirs.error.text[sizeof theirs.error.text - 1] = 0;
        *mine = ranks.rank & bit ? joined(&theirs, mine) : joined(mine, &theirs);
    }
    if (mine->error.status == HC_OK) return true;
    higherc_clear_error();
    return hc_fail_thread(mine->error.status, "%s", mine->error.text);
}

/* Makes the sum that of all ranks. */
static bool add_up(TaskRanks ranks, Grads **sum, Grads **spare) {
    for (size_t bit = 1; bit < ranks.count; bit *= 2) {
        size_t bytes;
        const void *send = hc_grads_block(*sum, &bytes);
        void *receive = hc_grads_block(*spare, &bytes);
        if (!exchange(ranks, ranks.rank ^ bit, send, receive, bytes)) return false;
        if (ranks.rank & bit) {
            Grads *higher = *sum;
            *sum = *spare;
            *spare = higher;
        }
        hc_grads_add_all(*sum, *spare);
    }
    return true;
}

/* Runs this rank's part; its sum has a place in every Param. */
static bool run_part(Tasks *tasks, TaskRanks ranks, size_t count, Rng rng, Word *word) {
    word->fact[RANKS] = ranks.count;
    word->fact[TASKS] = count;
    word->fact[KEY] = rng.key;
    word->fact[COUNTER] = rng.counter;
    if (!hc_tasks_part(tasks, ranks.rank, ranks.count, count, rng, "tasks_run_part")) return false;
    Grads *sum = *hc_tasks_sum(tasks);
    size_t bytes;
    hc_grads_block(sum, &bytes);
    word->fact[WEIGHTS] = hc_grads_total(sum);
    word->fact[BYTES] = bytes;
    return hc_grads_room(sum, "tasks_run_ranks");
}

bool tasks_run_ranks(Tasks *tasks, TaskRanks ranks, size_t count, Rng *rng, TaskFn *fn, void *user) {
    const char *who = "tasks_run_ranks";
    if (!hc_tasks_is_part(ranks.rank, ranks.count, "rank", who)) return false;
    if (!ranks.exchange && ranks.count > 1) return hc_null(who, "the exchange");
    Word word;
    memset(&word, 0, sizeof word); /* its padding travels, too */
    word.rank = ranks.rank;
    HcError before;
    hc_error_take(&before);
    bool begun = hc_tasks_begin(tasks, rng, fn, user, who);
    bool done = begun && before.status == HC_OK && run_part(tasks, ranks, count, *rng, &word);
    hc_error_take(&word.error);
    bool within = !begun && word.error.status == HC_ERR_STATE;
    if (!done) {
        const HcError *cause = before.status == HC_OK ? &word.error : &before;
        hc_fail_thread(cause->status, "%s: on rank %zu: %s", who, ranks.rank, cause->text);
        hc_error_take(&word.error);
    }
    hc_error_put(&before);
    /* Within a run of theirs the exchange might not end; all else is told the others. */
    if (within) return hc_fail_thread(word.error.status, "%s", word.error.text);
    if (rng) hc_tasks_skip(rng, count);
    done = agree(ranks, &word) && add_up(ranks, hc_tasks_sum(tasks), hc_tasks_spare(tasks)) &&
           grads_add_to_params(*hc_tasks_sum(tasks));
    return begun ? hc_tasks_end(tasks, done) : done;
}
