/* Drawing tasks. */
#include "episode.h"

#include <stdio.h>

#include "distort.h"

enum { TURNS = 4 };

size_t episode_examples(EpisodeShape shape) {
    return shape.ways * shape.shots;
}

size_t episode_pictures(EpisodeShape shape) {
    return shape.ways * (shape.shots + shape.queries);
}

/* Turned, a character is another one: a small alphabet has enough then. */
static bool has_enough(const Alphabet *alphabet, EpisodeShape shape, bool turned) {
    return alphabet->count * (turned ? TURNS : 1) >= shape.ways;
}

bool episode_possible(EpisodeShape shape, const Characters *characters, bool turned,
                      const char *name) {
    if (characters->drawings < shape.shots + shape.queries) {
        fprintf(stderr, "few_shot: %s: %zu drawings of each character, where a task takes %zu\n",
                name, characters->drawings, shape.shots + shape.queries);
        return false;
    }
    for (size_t i = 0; i < characters->alphabet_count; i++)
        if (has_enough(&characters->alphabets[i], shape, turned)) return true;
    fprintf(stderr, "few_shot: %s: too few characters: no alphabet to be drawn from has %zu\n",
            name, shape.ways);
    return false;
}

static const Alphabet *choose_alphabet(const Characters *characters, EpisodeShape shape,
                                       bool turned, Rng *rng) {
    const Alphabet *alphabet;
    do
        alphabet = &characters->alphabets[rng_below(rng, characters->alphabet_count)];
    while (!has_enough(alphabet, shape, turned));
    return alphabet;
}

/* `count` different numbers below `below`. */
static void choose(size_t *numbers, size_t count, size_t below, Rng *rng) {
    for (size_t chosen = 0, i; chosen < count; chosen += i == chosen) {
        numbers[chosen] = (size_t)rng_below(rng, below);
        for (i = 0; numbers[i] != numbers[chosen]; i++) {
        }
    }
}

void episode_draw(EpisodeShape shape, const Characters *characters, bool turned, Rng *rng,
                  float *pictures) {
    const Alphabet *alphabet = choose_alphabet(characters, shape, turned, rng);
    size_t classes[MAX_WAYS], hands[2 * MAX_DRAWINGS], drawings = shape.shots + shape.queries;
    bool mixed = turned && (alphabet->count < shape.ways || rng_below(rng, 2) == 0);
    size_t turn = turned && !mixed ? (size_t)rng_below(rng, TURNS) : 0;
    choose(classes, shape.ways, alphabet->count * (mixed ? TURNS : 1), rng);
    choose(hands, drawings, characters->drawings, rng);
    for (size_t d = 0; d < drawings; d++)
        for (size_t way = 0; way < shape.ways; way++) {
            float picture[PIXELS], *to = pictures + (d * shape.ways + way) * PIXELS;
            size_t character = alphabet->first + classes[way] % alphabet->count;
            characters_picture(characters, character, hands[d], rng, turned ? picture : to);
            if (!turned) continue;
            Affine affine = affine_turn(mixed ? classes[way] / alphabet->count : turn);
            distort(picture, affine_then(affine, affine_small(rng)), to);
        }
}
