/* What a stopped run needs in order to end with the bits of one that was not: weights and learned step sizes, Adam, the
 * stream that tasks are drawn from, how far it is. The baseline and the tests draw from streams of their own and begin
 * anew. What was given by flags is written down: with another it would be another run. */
#include "resume.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static bool fail(void) {
    fprintf(stderr, "maml_sine: %s\n", higherc_error());
    return false;
}

static bool name_whole(Checkpoint *run, const char *flag, uint64_t value) {
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64, value);
    return checkpoint_setting(run, flag, text);
}

static bool name_real(Checkpoint *run, const char *flag, double value) {
    char text[32];
    snprintf(text, sizeof text, "%.15g", value);
    if (strtod(text, NULL) != value) snprintf(text, sizeof text, "%.17g", value);
    return checkpoint_setting(run, flag, text);
}

/* Not --iterations, and none of those that the results do not depend on. */
static bool name_flags(Checkpoint *run, const Options *o) {
    return name_whole(run, "--seed", o->seed) && name_whole(run, "--hidden", o->hidden) &&
           name_whole(run, "--shots", o->shots) && name_whole(run, "--tasks", o->tasks) &&
           name_whole(run, "--inner-steps", o->inner_steps) && name_real(run, "--inner-lr", o->inner_lr) &&
           name_real(run, "--outer-lr", o->outer_lr) && name_whole(run, "--first-order", o->first_order) &&
           name_whole(run, "--learn-lr", o->learn_lr);
}

static bool bring_back(Checkpoint *run, const Options *o, Training *training, Progress *progress) {
    if (!checkpoint_load(run, o->checkpoint)) return fail();
    if (training->iterations > o->iterations) {
        fprintf(stderr, "maml_sine: '%s' has %zu iterations behind it, more than --iterations %zu\n", o->checkpoint,
                training->iterations, o->iterations);
        return false;
    }
    training->resumed = training->iterations;
    progress_go_on(progress, training->resumed);
    printf("goes on from '%s' after %zu iterations\n", o->checkpoint, training->resumed);
    fflush(stdout);
    return true;
}

bool resume_begin(Resume *resume, const Options *options, const Learner *maml, Optim *outer, Rng *rng,
                  Training *training, Progress *progress) {
    *resume = (Resume){.options = options};
    if (!options->checkpoint) return true;
    Checkpoint *run = resume->checkpoint = checkpoint_create();
    bool named = name_flags(run, options) && checkpoint_module(run, "net", maml->net) &&
                 checkpoint_params(run, "rates", maml->rates) && checkpoint_optim(run, "outer", outer) &&
                 checkpoint_rng(run, "tasks", rng) && checkpoint_count(run, "iterations", &training->iterations) &&
                 checkpoint_real(run, "loss sum", &progress->sum) &&
                 checkpoint_real(run, "loss weight", &progress->weight);
    bool done = named || fail();
    if (done && checkpoint_exists(options->checkpoint)) done = bring_back(run, options, training, progress);
    if (done) done = checkpoint_save(run, options->checkpoint) || fail();
    if (!done) resume_end(resume);
    return done;
}

void resume_save(const Resume *resume, size_t iterations, bool now) {
    if (resume->checkpoint && (now || iterations % resume->options->every == 0))
        checkpoint_save(resume->checkpoint, resume->options->checkpoint);
}

void resume_end(Resume *resume) {
    checkpoint_destroy(resume->checkpoint);
    resume->checkpoint = NULL;
}
