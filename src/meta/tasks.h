/* Tasks from within: what a run over ranks (ranks.c) is made of. */
#ifndef HC_META_TASKS_H
#define HC_META_TASKS_H

#include "higherc/tasks.h"

#include "tape/param.h"

/* Between the two no other run begins, and the Tasks stay as they are. False: nothing began. The end returns `done`. */
bool hc_tasks_begin(Tasks *tasks, const Rng *rng, TaskFn *fn, void *user, const char *who);
bool hc_tasks_end(Tasks *tasks, bool done);
/* Whether there is such a part; `what` is its kind in words. */
bool hc_tasks_is_part(size_t part, size_t parts, const char *what, const char *who);
/* Runs one in between, under the stream of the whole run. */
bool hc_tasks_part(Tasks *tasks, size_t part, size_t parts, size_t count, Rng rng, const char *who);
/* Past the streams of so many tasks. */
void hc_tasks_skip(Rng *rng, size_t count);
/* Where the sum of the part's gradients is afterwards, and another buffer of its kind; to be exchanged for each
 * other, too. */
Grads **hc_tasks_sum(Tasks *tasks);
Grads **hc_tasks_spare(Tasks *tasks);

#endif
