/** @file peer.h
 *  What the peers written in C share: they read what `bench NAME --record FOLDER` wrote. */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct PeerArguments {
    const char *name, *folder;
    size_t number; /**< at the end of the name, or 0 */
    size_t repeat;
} PeerArguments;

/** PROGRAM NAME FOLDER [--repeat R]. False, with a line on stderr, for anything else. */
bool peer_arguments(PeerArguments *args, int argc, char **argv);
bool peer_is(const PeerArguments *args, const char *stem);

/** The floats of folder/name; exits with a word when there are not exactly `count` of them. */
float *peer_read(const PeerArguments *args, const char *name, size_t count);
/** `count` zeros; exits when out of memory. */
float *peer_zeros(size_t count);
/** Compares with folder/name: the largest difference over the largest value must be at most 1e-4, or 1e-2
 *  for omniglot, where roundings decide some winners of pooling. Otherwise a line on stderr, and false. */
bool peer_agrees(const PeerArguments *args, const char *name, const float *values, size_t count);

#ifdef __cplusplus
}
#endif

#endif
