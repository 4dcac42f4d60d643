/** @file resume.h
 *  Training that can be stopped: --checkpoint FILE --every N. */
#ifndef MAML_SINE_RESUME_H
#define MAML_SINE_RESUME_H

#include "learner.h"
#include "options.h"
#include "progress.h"
#include "report.h"

typedef struct Resume {
    const Options *options;
    Checkpoint *checkpoint; /**< NULL without --checkpoint */
} Resume;

/** Names what meta-training goes on with, and brings it back if the file is there; then writes the file, so that one
 *  that cannot be written is told at once. False when something went wrong, which is told on stderr, in one line. */
bool resume_begin(Resume *resume, const Options *options, const Learner *maml, Optim *outer, Rng *rng,
                  Training *training, Progress *progress);
/** Writes the file after every N iterations, or now; higherc_error() tells of failures. */
void resume_save(const Resume *resume, size_t iterations, bool now);
void resume_end(Resume *resume);

#endif
