/** @file alphabet.h
 *  An alphabet without end, drawn by the program: each character is a few curved strokes, and no two
 *  drawings of it are quite alike, as with a person's hand. */
#ifndef FEW_SHOT_ALPHABET_H
#define FEW_SHOT_ALPHABET_H

#include <higherc/higherc.h>

enum { SIDE = 28, PIXELS = SIDE * SIDE };

/** Draws the character of that number with the hand that `rng` has: ink is 1, paper 0. */
void alphabet_draw(uint64_t character, Rng *rng, float image[PIXELS]);

#endif
