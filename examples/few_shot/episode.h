/** @file episode.h
 *  A task: characters of one alphabet, a few examples of each, and further drawings (queries) to be told. */
#ifndef FEW_SHOT_EPISODE_H
#define FEW_SHOT_EPISODE_H

#include "characters.h"

enum { MAX_WAYS = 64, MAX_DRAWINGS = 64 };

/** Its pictures stand drawing by drawing, one of each character: those of the first `shots` drawings are the
 *  examples, the others the queries. So picture i shows character i % ways. */
typedef struct EpisodeShape {
    size_t ways, shots, queries; /**< characters, examples of each, queries of each */
} EpisodeShape;

size_t episode_examples(EpisodeShape shape);
size_t episode_pictures(EpisodeShape shape); /**< examples and queries */

/** Whether some alphabet has enough characters with enough drawings; else it says so on stderr. */
bool episode_possible(EpisodeShape shape, const Characters *characters, bool turned,
                      const char *name);

/** Draws an episode of an alphabet that has enough characters. Each drawing is by one hand, as in the one-shot runs of
 *  Lake et al., where one person drew the examples and another the queries.
 *  `turned`: for learning. The characters are turned by 90, 180 or 270 degrees, and are others then; and each picture
 *  is distorted a little. */
void episode_draw(EpisodeShape shape, const Characters *characters, bool turned, Rng *rng,
                  float *pictures);

#endif
