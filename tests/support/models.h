/* The model kinds of higher's own tests, and what their counterparts in tests/higher ask of each. */
#ifndef TESTS_MODELS_H
#define TESTS_MODELS_H

#include <higherc/higherc.h>

typedef enum ModelKind {
    MODEL_SIMPLE,            /* 4-3-4-2, ReLU and sigmoid, one layer without a bias */
    MODEL_SHARED,            /* one linear layer under two names, the outputs added */
    MODEL_SHARED_SEQUENTIAL, /* one linear layer at two places of a chain */
    MODEL_PARTIAL,           /* of two weights only the first is used */
    MODEL_BATCH_NORM,        /* an MLP with two batch norms */
    MODEL_KINDS
} ModelKind;

extern const char *const model_names[MODEL_KINDS];

/* Inputs are [MODEL_BATCH, MODEL_IN]. */
enum { MODEL_BATCH = 8, MODEL_IN = 4 };

/* Of that kind, initialised from the seed. */
Module *model_make(ModelKind kind, DType dtype, uint64_t seed);

/* Three blocks of [conv 3x3, batch norm, ReLU, max-pool 2] of `width` channels and a linear layer:
 * [N, channels, 22, 22] -> [N, classes]. Names as "conv1.weight", "bn1.bias", "fc.weight". */
Module *model_convnet(size_t channels, size_t width, size_t classes, DType dtype, uint64_t seed);

/* Of random inputs, with fast weights or (f NULL) with the module's: the square of the mean output, and the
 * mean of its square, since after a batch norm the former is a constant. */
Tensor *model_loss(Tape *tape, Module *net, FModule *f, Rng *rng);

/* The module, its clone, and functional ones with its weights (in each mode) give the same for in[0..count): bit for
 * bit. Modes and buffers are left as they are; so it must not draw. */
bool module_forwards_agree(Module *module, Tensor *const *in, size_t count);
/* The Params' names, each followed by a blank, are these. */
bool module_names_are(const Module *module, const char *names);

/* Bit for bit. */
bool tensors_same(Tensor *a, Tensor *b);
bool tensor_is_param(Tensor *x, const Param *param);
/* |a - b| <= tolerance (1 + the largest |a|), in every entry; NaN fails. */
bool tensors_near(Tensor *a, Tensor *b, double tolerance);

/* The derivative of a meta-loss along a direction over all Params of `net`, by central differences: `run`
 * gives the value at the Params as they stand, which are changed and put back. */
typedef double ModelRun(Module *net, void *user);
double model_difference(Module *net, ModelRun *run, double step, uint64_t seed, void *user);
/* The same by gradients in the order of the Params; a NULL one counts as 0. */
double model_along(Module *net, Tensor *const *grads, uint64_t seed);

#endif
