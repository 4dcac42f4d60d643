/* Small networks of every kind that an optimizer meets: with what they carry along, hand on, share, and look at
 * otherwise than it is stored. */
#ifndef TESTS_NETS_H
#define TESTS_NETS_H

#include <higherc/higherc.h>

typedef struct Net {
    const char *name;
    Module *(*make)(void);
    Shape input, output; /* of a batch */
    size_t classes;      /* not 0: the input is whole numbers below this */
    bool repeats;        /* draws nothing from the tape's stream, so that a Program takes it */
    bool remembers;      /* what comes out depends on buffers that an earlier forward wrote */
} Net;

extern const Net nets[];
extern const size_t net_count;

/* Of that type, initialised from the seed. */
Module *net_make(const Net *net, DType dtype, uint64_t seed);
/* A batch and what is to come out, on the tape; the same numbers for the same seed. */
Tensor *net_input(const Net *net, Tape *tape, uint64_t seed);
Tensor *net_target(const Net *net, Tape *tape, uint64_t seed);

/* The same numbers, stored in another order (the last two axes exchanged). */
Tensor *stored_otherwise(Tensor *x);

#endif
