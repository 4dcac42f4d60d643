/* A second implementation, as plain as can be: small tensors of hyper-dual numbers (Fike and Alonso 2011, "The
 * development of hyper-dual numbers for exact second-derivative calculations"), an index loop for each kind of
 * operation. f + a e1 + b e2 + ab e1 e2 with e1^2 = e2^2 = 0 carries a value, its derivatives along two
 * directions, and the second derivative along both. */
#ifndef FUZZ_NAIVE_H
#define FUZZ_NAIVE_H

#include <stdbool.h>
#include <stddef.h>

enum { NAIVE_DIMS = 4, NAIVE_MOST = 81 };

typedef struct Num {
    double f, a, b, ab;
} Num;

typedef struct Naive {
    int ndim;
    size_t dim[NAIVE_DIMS];
    size_t count;
    Num v[NAIVE_MOST];
} Naive;

Num num(double f);
Num num_add(Num x, Num y);
Num num_sub(Num x, Num y);
Num num_mul(Num x, Num y);
/* f(x) from f, f' and f'' at x.f. */
Num num_of(Num x, double f, double first, double second);
Num num_div(Num x, Num y);

/* Sets the shape; false when it is too large. */
bool naive_shape(Naive *y, int ndim, const size_t *dim);
/* The flat index of the entry of x that broadcasts to entry `at` of `shape`. */
size_t naive_broadcast(const Naive *x, const Naive *shape, size_t at);
bool naive_join(Naive *y, const Naive *x, const Naive *z); /* the broadcast shape of both */
/* Flat index to position and back. */
void naive_place(const Naive *x, size_t at, size_t place[NAIVE_DIMS]);
size_t naive_at(const Naive *x, const size_t place[NAIVE_DIMS]);
/* All parts are finite and of a size with which rounding cannot hide a mistake. */
bool naive_sound(const Naive *x, double most);

/* Reductions over the axes of a mask: what to do with the numbers of one group. */
typedef Num NaiveFold(const Num *x, size_t count, bool *bad);
bool naive_reduce(Naive *y, const Naive *x, unsigned mask, bool keep, NaiveFold *fold, bool *bad);
NaiveFold naive_sum, naive_mean, naive_var, naive_max, naive_min, naive_logsumexp, naive_norm,
    naive_prod;
void naive_softmax(Naive *y, const Naive *x, int axis, bool logarithm);
bool naive_matmul(Naive *y, const Naive *x, const Naive *z); /* 2-D, or equal leading axes */

#endif
