/* The operations a fuzzed graph is made of: each reads bytes for what it is free to choose. */
#ifndef FUZZ_OPERATIONS_H
#define FUZZ_OPERATIONS_H

#include <higherc/higherc.h>

#include "fuzz/naive.h"

enum { MOST_NODES = 24, MOST_FITS = 512 };

typedef struct Node {
    Naive value;
    Tensor *tensor;
    bool exact; /* 0 and 1 that no rounding has touched */
} Node;

typedef struct Fuzz {
    const uint8_t *data;
    size_t left;
    Tape *tape;
    Node node[MOST_NODES];
    size_t count;
    bool bad;      /* near a kink, a pole or a tie: leave it out */
    double margin; /* of those, and how large numbers may grow */
    double most;
    /* Which operations were fit to be made, in order: made again on other numbers, the same ones are. */
    bool again;
    bool fit[MOST_FITS];
    size_t fits, at;
} Fuzz;

/* The next byte, 0 when there is none left; one below n; and a few digits in (-2, 2). */
unsigned fuzz_byte(Fuzz *z);
size_t fuzz_below(Fuzz *z, size_t n);
double fuzz_number(Fuzz *z);

Node *fuzz_operand(Fuzz *z);
/* Whether y, computed naively, may be made by the library. */
bool fuzz_usable(Fuzz *z, const Node *y);

/* Makes y of nodes there are: computes the naive value, says whether that can be used, and only then calls the
 * library. */
typedef bool Operation(Fuzz *z, Node *y);

/* One of them, as the next byte says. */
Operation *fuzz_operation(Fuzz *z);

/* Those that move numbers, and scans, of a file of their own. */
extern Operation *const fuzz_moves[];
extern const size_t fuzz_move_count;

/* Linear algebra, of a file of its own. */
extern Operation *const fuzz_matrices[];
extern const size_t fuzz_matrix_count;

/* Those over windows, channels, examples and positions, of a file of their own. */
extern Operation *const fuzz_layers[];
extern const size_t fuzz_layer_count;

#endif
