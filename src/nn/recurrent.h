/* Recurrent networks from within: the cells that both the layers and the cell modules run. */
#ifndef HC_NN_RECURRENT_H
#define HC_NN_RECURRENT_H

#include "higherc/layers.h"
#include "nn/module.h"

enum { HC_MOST_STATES = 2 };

/* What one direction of one layer computes with. */
typedef struct HcCellWeights {
    Tensor *ih, *hh, *bias_ih, *bias_hh; /* biases NULL where there are none */
    size_t hidden;
    bool relu;
} HcCellWeights;

/* A kind of cell: weights [gates * hidden, ...] and how many states. step makes the next state in place of
 * the old, h first, from xi = W_ih x + b_ih; after an error it is NULL. */
typedef struct HcCellKind {
    const char *layer, *cell; /* names of the two modules */
    size_t gates, states;
    void (*step)(const HcCellWeights *w, Tensor *xi, Tensor *state[HC_MOST_STATES]);
} HcCellKind;

extern const HcCellKind hc_cell_rnn, hc_cell_lstm, hc_cell_gru;

/* Adds weight_ih, weight_hh and, if wanted, bias_ih and bias_hh, all with the suffix. */
bool hc_cell_add_params(Module *module, const HcCellKind *kind, size_t in, size_t hidden, bool bias,
                        const char *suffix);
/* Those weights, the first of which has the site `first`. */
HcCellWeights hc_cell_weights(Frame *frame, size_t first, size_t hidden, bool bias, bool relu);
/* Uniform in +-1/sqrt(hidden), for every parameter of the module. */
bool hc_cell_init(Module *module, size_t hidden, Rng *rng);
/* Whether the last axis of x has the size a module takes. */
bool hc_cell_check_input(Frame *frame, Tensor *x, int least, int most, size_t in);
/* Whether a state handed in has the shape it must have. */
bool hc_cell_check_state(Frame *frame, Tensor *state, Shape wanted);

#endif
