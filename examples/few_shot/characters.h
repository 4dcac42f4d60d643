/** @file characters.h
 *  Characters by alphabets, each with drawings of 28 x 28 by many hands: Omniglot's (Lake, Salakhutdinov, Tenenbaum
 *  2015), read from IDX files, or ones that the program draws. */
#ifndef FEW_SHOT_CHARACTERS_H
#define FEW_SHOT_CHARACTERS_H

#include "alphabet.h"

enum { NAME = 64 };

typedef struct Alphabet {
    char name[NAME];
    size_t first, count; /**< its characters */
} Alphabet;

/** One after the other: alphabets, the characters of each, the drawings of each of those. */
typedef struct Characters {
    Alphabet *alphabets;
    size_t alphabet_count, count;
    size_t
        drawings; /**< of each character; drawing d of an alphabet's characters is by the same hand */
    unsigned char *bytes; /**< NULL when they are drawn as they are asked for */
    uint64_t seed;        /**< of those */
} Characters;

/** Draws characters that no other seed has. NULL, as of all here: after a line on stderr. */
Characters *characters_drawn(size_t alphabets, size_t of_each, size_t drawings, uint64_t seed);

/** Reads a set of a folder: omniglot-SET-images-idx3-ubyte, omniglot-SET-labels-idx1-ubyte, which numbers the
 *  characters from 0, and omniglot-SET-characters.txt, whose lines ALPHABET/CHARACTER name them. All characters
 *  have as many drawings, in the order of the hands that made them. */
Characters *characters_read(const char *folder, const char *set);
void characters_destroy(Characters *characters);

/** Leaves out the alphabets that `others` have too, by name. */
void characters_without(Characters *characters, const Characters *others);

/** Ink is 1, paper 0. `rng` is the hand of those that the program draws. */
void characters_picture(const Characters *characters, size_t character, size_t drawing, Rng *rng,
                        float picture[PIXELS]);

/** FOLDER/omniglot-SET-WHAT: the name of a file. False when it is too long. */
bool characters_path(char *path, size_t size, const char *folder, const char *set,
                     const char *what);

#endif
