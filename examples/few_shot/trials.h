/** @file trials.h
 *  What learners are tested on: tasks that are the same for all of them. */
#ifndef FEW_SHOT_TRIALS_H
#define FEW_SHOT_TRIALS_H

#include "episode.h"

typedef struct Trials {
    char name[NAME];
    size_t count;
    EpisodeShape shape;
    unsigned char *pictures; /**< trial by trial, each in an episode's order */
    unsigned char *answers;  /**< the class of each query, trial by trial */
} Trials;

/** Reads the runs of a one-shot benchmark: omniglot-NAME-train-images-idx3-ubyte, `ways` pictures a run, one of each
 *  class; as many queries in omniglot-NAME-test-images-idx3-ubyte, and their classes, by the place among the run's
 *  train pictures, in omniglot-NAME-test-labels-idx1-ubyte. False after a line on stderr. */
bool trials_read(Trials *trials, const char *folder, const char *name, size_t ways);
/** Draws episodes, always the same, one query of each class. */
bool trials_draw(Trials *trials, const char *name, const Characters *characters, EpisodeShape shape,
                 size_t count);
void trials_free(Trials *trials);

size_t trials_queries(const Trials *trials); /**< of a trial */
/** Picture `which` of a trial, and all of its pictures as numbers from 0 to 1. */
const unsigned char *trials_picture(const Trials *trials, size_t trial, size_t which);
void trials_pictures(const Trials *trials, size_t trial, float *pictures);
const unsigned char *trials_answers(const Trials *trials, size_t trial);

#endif
