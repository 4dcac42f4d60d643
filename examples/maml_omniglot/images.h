/** @file images.h
 *  Classes of pictures of 28 x 28: drawn ones, or read from files. Each character gives four classes, one
 *  for each turn by 90 degrees, as is usual with Omniglot (Santoro et al. 2016). */
#ifndef MAML_OMNIGLOT_IMAGES_H
#define MAML_OMNIGLOT_IMAGES_H

#include "alphabet.h"

enum { TURNS = 4 };

typedef struct Images Images;

/** Characters 0 to characters - 1 of the alphabet, each with as many drawings as are asked for. */
Images *images_drawn(size_t characters);

/** Reads a folder: each folder in it, however deep, that holds .pgm files is a character, each file a
 *  drawing of it, of any size. Or an IDX file of images, such as train-images-idx3-ubyte, with the file
 *  of labels beside it (train-labels-idx1-ubyte). Where most of a picture is bright, dark is ink.
 *  Characters with fewer than `drawings` pictures are left out. NULL after a line on stderr. */
Images *images_read(const char *path, size_t drawings);
void images_destroy(Images *images);

size_t images_characters(const Images *images);
/** Copies `count` different drawings of a character, turned `turn` times, to out[0..count * PIXELS). */
void images_pick(const Images *images, size_t character, size_t turn, size_t count, Rng *rng,
                 float *out);

/** Writes a few drawings of each of the first characters as .pgm files, the way images_read takes them. */
bool images_write(const Images *images, const char *folder, size_t characters, size_t drawings);

#endif
