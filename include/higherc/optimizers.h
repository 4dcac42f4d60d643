/** @file optimizers.h
 *  Optimizers of PyTorch 1.13 (all but SparseAdam and LBFGS), and Lion: options, update rules, makers. Each also works
 *  differentiably (diffopt.h), with every hyperparameter that is no flag replaceable by a tensor.
 *
 *  In the formulas p is a weight, g its gradient, t the number of its update, from 1; moments start at 0.
 *  With maximize g <- -g first; then, except in AdamW, Lion and Rprop, g <- g + weight_decay p.
 *
 *  The derivative of a second moment's root at exactly 0 is taken as 0: it is 0 only where every gradient
 *  so far was, so nothing is lost, and meta-gradients of any order stay finite for dead units. That of a maximum
 *  (amsgrad, Adamax) goes half to each side where both are equal, that of |g| is 0 at 0.
 *
 *  An options function gives PyTorch's defaults, named beside each field. A maker holds references to the
 *  Params, copies list and options, and is ended by optim_destroy. It gives NULL, with the thread's error, for
 *  a Param listed twice, mixed types, an empty list, or (HC_ERR_RANGE) a hyperparameter out of its range: lr,
 *  eps, momentum and all decays from 0; beta1 and beta2 in [0, 1); rho, and RMSprop's alpha, in [0, 1];
 *  Rprop's and other bounds are named where they differ. optim_set holds to the same; a tensor in the place of
 *  a number is not looked at. */
#ifndef HIGHERC_OPTIMIZERS_H
#define HIGHERC_OPTIMIZERS_H

#include "optim.h"
#include "names.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- stochastic gradient descent (Robbins and Monro 1951) --------------------------------- */
/*   b <- g at first, then momentum b + (1 - dampening) g
 *   p <- p - lr (nesterov ? g + momentum b : b); without momentum b is g
 * States: momentum_buffer. */

/** Settings of stochastic gradient descent; take them from sgd_options() and change fields by name. */
typedef struct HcSgdOptions {
    double lr;           /**< the argument of sgd_options (PyTorch has none; optim_new: 0.001) */
    double momentum;     /**< 0; learnable also when it starts at 0 */
    double dampening;    /**< 0; any number */
    double weight_decay; /**< 0 */
    bool nesterov;       /**< false; with momentum > 0 and dampening 0 only */
    bool maximize;       /**< false */
} SgdOptions;
/** The learning rate, and the defaults named beside the other fields. */
HC_API SgdOptions sgd_options(double lr);
/** An optimizer by this rule. */
HC_API Optim *optim_sgd(ParamList params, SgdOptions options);

/* ---- Adam (Kingma and Ba 2015; amsgrad: Reddi et al. 2018) -------------------------------- */
/*   m <- beta1 m + (1 - beta1) g;  v <- beta2 v + (1 - beta2) g^2;  u = v, or max(u, v) for amsgrad
 *   p <- p - lr / (1 - beta1^t) m / (sqrt(u) / sqrt(1 - beta2^t) + eps)
 * States: exp_avg, exp_avg_sq, max_exp_avg_sq.
 * In f32 with eps 1e-8 the meta-gradient to the weights is ruled by the rounding of g where |g| is near
 * eps, here as everywhere; use eps >= 1e-4 or f64. */

/** Settings of Adam; take them from adam_options() and change fields by name. */
typedef struct HcAdamOptions {
    double lr;           /**< the argument of adam_options (PyTorch: 0.001) */
    double beta1;        /**< 0.9 */
    double beta2;        /**< 0.999 */
    double eps;          /**< 1e-8 */
    double weight_decay; /**< 0 */
    bool amsgrad;        /**< false */
    bool maximize;       /**< false */
} AdamOptions;
/** The learning rate, and the defaults named beside the other fields. */
HC_API AdamOptions adam_options(double lr);
/** An optimizer by this rule. */
HC_API Optim *optim_adam(ParamList params, AdamOptions options);

/* ---- AdamW (Loshchilov and Hutter 2019) --------------------------------------------------- */
/*   p <- (1 - lr weight_decay) p, then as Adam; weight decay does not enter g
 * States: exp_avg, exp_avg_sq, max_exp_avg_sq. */

/** Settings of AdamW; take them from adamw_options() and change fields by name. */
typedef struct HcAdamWOptions {
    double lr;           /**< the argument of adamw_options (PyTorch: 0.001) */
    double beta1;        /**< 0.9 */
    double beta2;        /**< 0.999 */
    double eps;          /**< 1e-8 */
    double weight_decay; /**< 0.01 */
    bool amsgrad;        /**< false */
    bool maximize;       /**< false */
} AdamWOptions;
/** The learning rate, and the defaults named beside the other fields. */
HC_API AdamWOptions adamw_options(double lr);
/** An optimizer by this rule. */
HC_API Optim *optim_adamw(ParamList params, AdamWOptions options);

/* ---- Adadelta (Zeiler 2012) --------------------------------------------------------------- */
/*   v <- rho v + (1 - rho) g^2;  d = sqrt(a + eps) / sqrt(v + eps) g;  a <- rho a + (1 - rho) d^2
 *   p <- p - lr d
 * States: square_avg, acc_delta.
 * PyTorch's lr is 1. */

/** Settings of Adadelta; take them from adadelta_options() and change fields by name. */
typedef struct HcAdadeltaOptions {
    double lr;           /**< the argument of adadelta_options (PyTorch: 1) */
    double rho;          /**< 0.9 */
    double eps;          /**< 1e-6 */
    double weight_decay; /**< 0 */
    bool maximize;       /**< false */
} AdadeltaOptions;
/** The learning rate, and the defaults named beside the other fields. */
HC_API AdadeltaOptions adadelta_options(double lr);
/** An optimizer by this rule. */
HC_API Optim *optim_adadelta(ParamList params, AdadeltaOptions options);

/* ---- Adagrad (Duchi, Hazan and Singer 2011) ----------------------------------------------- */
/*   s <- s + g^2;  p <- p - lr / (1 + (t - 1) lr_decay) g / (sqrt(s) + eps)
 * States: sum. */

/** Settings of Adagrad; take them from adagrad_options() and change fields by name. */
typedef struct HcAdagradOptions {
    double lr;                        /**< the argument of adagrad_options (PyTorch: 0.01) */
    double lr_decay;                  /**< 0 */
    double eps;                       /**< 1e-10 */
    double weight_decay;              /**< 0 */
    double initial_accumulator_value; /**< 0: where s starts; from 0 */
    bool maximize;                    /**< false */
} AdagradOptions;
/** The learning rate, and the defaults named beside the other fields. */
HC_API AdagradOptions adagrad_options(double lr);
/** An optimizer by this rule. */
HC_API Optim *optim_adagrad(ParamList params, AdagradOptions options);

/* ---- Adamax (Kingma and Ba 2015, algorithm 2) --------------------------------------------- */
/*   m <- beta1 m + (1 - beta1) g;  u <- max(beta2 u, |g| + eps);  p <- p - lr / (1 - beta1^t) m / u
 * States: exp_avg, exp_inf. */

/** Settings of Adamax; take them from adamax_options() and change fields by name. */
typedef struct HcAdamaxOptions {
    double lr;           /**< the argument of adamax_options (PyTorch: 0.002) */
    double beta1;        /**< 0.9 */
    double beta2;        /**< 0.999 */
    double eps;          /**< 1e-8 */
    double weight_decay; /**< 0 */
    bool maximize;       /**< false */
} AdamaxOptions;
/** The learning rate, and the defaults named beside the other fields. */
HC_API AdamaxOptions adamax_options(double lr);
/** An optimizer by this rule. */
HC_API Optim *optim_adamax(ParamList params, AdamaxOptions options);

/* ---- averaged SGD (Polyak and Juditsky 1992) ---------------------------------------------- */
/*   p <- p (1 - lambd eta) - eta g, with eta = lr at first;  eta <- lr / (1 + lambd lr t)^alpha
 *   ax <- p up to step t0 + 1, then ax + (p - ax) / (t - 1 - t0): the average, which does not act on p
 * States: eta (one number, in every entry), ax. */

/** Settings of averaged SGD; take them from asgd_options() and change fields by name. */
typedef struct HcAsgdOptions {
    double lr;           /**< the argument of asgd_options (PyTorch: 0.01) */
    double lambd;        /**< 1e-4; any number */
    double alpha;        /**< 0.75; any number */
    double t0;           /**< 1e6; any number */
    double weight_decay; /**< 0 */
    bool maximize;       /**< false */
} AsgdOptions;
/** The learning rate, and the defaults named beside the other fields. */
HC_API AsgdOptions asgd_options(double lr);
/** An optimizer by this rule. */
HC_API Optim *optim_asgd(ParamList params, AsgdOptions options);

/* ---- RMSprop (Tieleman and Hinton 2012; centered: Graves 2013) ---------------------------- */
/*   v <- alpha v + (1 - alpha) g^2;  centered: a <- alpha a + (1 - alpha) g
 *   q = sqrt(centered ? v - a^2 : v) + eps;  b <- momentum b + g / q;  p <- p - lr b
 * States: square_avg, grad_avg (centered), momentum_buffer (with momentum).
 * A variance v - a^2 that rounding took below 0 counts as 0, where PyTorch's root is NaN. */

/** Settings of RMSprop; take them from rmsprop_options() and change fields by name. */
typedef struct HcRmspropOptions {
    double lr;           /**< the argument of rmsprop_options (PyTorch: 0.01) */
    double alpha;        /**< 0.99 */
    double eps;          /**< 1e-8 */
    double weight_decay; /**< 0 */
    double momentum;     /**< 0: then b is g / q */
    bool centered;       /**< false */
    bool maximize;       /**< false */
} RmspropOptions;
/** The learning rate, and the defaults named beside the other fields. */
HC_API RmspropOptions rmsprop_options(double lr);
/** An optimizer by this rule. */
HC_API Optim *optim_rmsprop(ParamList params, RmspropOptions options);

/* ---- Rprop (Riedmiller and Braun 1993) ---------------------------------------------------- */
/*   s <- clamp(f s, step_min, step_max), with s = lr at first and f = etaplus, etaminus or 1 where g prev
 *   is above, below or equal to 0;  g <- 0 where it is below;  p <- p - sign(g) s;  prev <- g
 * States: prev, step_size.
 * No derivative flows through the signs of gradients; through s it flows to lr and the factors, also where
 * s is at a bound; with a tensor as the bound half of it goes there. */

/** Settings of Rprop; take them from rprop_options() and change fields by name. */
typedef struct HcRpropOptions {
    double lr;       /**< the argument of rprop_options (PyTorch: 0.01) */
    double etaminus; /**< 0.5, in (0, 1) */
    double etaplus;  /**< 1.2, above 1 */
    double step_min; /**< 1e-6, from 0 */
    double step_max; /**< 50, from 0 */
    bool maximize;   /**< false */
} RpropOptions;
/** The learning rate, and the defaults named beside the other fields. */
HC_API RpropOptions rprop_options(double lr);
/** An optimizer by this rule. */
HC_API Optim *optim_rprop(ParamList params, RpropOptions options);

/* ---- RAdam (Liu et al. 2020) -------------------------------------------------------------- */
/*   m, v as Adam;  rho_inf = 2 / (1 - beta2) - 1;  rho = rho_inf - 2 t beta2^t / (1 - beta2^t)
 *   r = sqrt((rho - 4) (rho - 2) rho_inf / ((rho_inf - 4) (rho_inf - 2) rho))
 *   p <- p - lr m / (1 - beta1^t) (rho > 5 ? r sqrt(1 - beta2^t) / (sqrt(v) + eps) : 1)
 * States: exp_avg, exp_avg_sq.
 * The choice at rho = 5 has no derivative. */

/** Settings of RAdam; take them from radam_options() and change fields by name. */
typedef struct HcRadamOptions {
    double lr;           /**< the argument of radam_options (PyTorch: 0.001) */
    double beta1;        /**< 0.9 */
    double beta2;        /**< 0.999 */
    double eps;          /**< 1e-8 */
    double weight_decay; /**< 0 */
    bool maximize;       /**< false */
} RadamOptions;
/** The learning rate, and the defaults named beside the other fields. */
HC_API RadamOptions radam_options(double lr);
/** An optimizer by this rule. */
HC_API Optim *optim_radam(ParamList params, RadamOptions options);

/* ---- NAdam (Dozat 2016) ------------------------------------------------------------------- */
/*   m, v as Adam;  mu_t = beta1 (1 - 0.96^(t momentum_decay) / 2);  c_t = mu_1 ... mu_t
 *   p <- p - lr ((1 - mu_t) / (1 - c_t) g + mu_(t+1) / (1 - c_(t+1)) m) / (sqrt(v / (1 - beta2^t)) + eps)
 * States: exp_avg, exp_avg_sq, mu_product (one number, in every entry). */

/** Settings of NAdam; take them from nadam_options() and change fields by name. */
typedef struct HcNadamOptions {
    double lr;             /**< the argument of nadam_options (PyTorch: 0.002) */
    double beta1;          /**< 0.9 */
    double beta2;          /**< 0.999 */
    double eps;            /**< 1e-8 */
    double weight_decay;   /**< 0 */
    double momentum_decay; /**< 0.004 */
    bool maximize;         /**< false */
} NadamOptions;
/** The learning rate, and the defaults named beside the other fields. */
HC_API NadamOptions nadam_options(double lr);
/** An optimizer by this rule. */
HC_API Optim *optim_nadam(ParamList params, NadamOptions options);

/* ---- Lion (Chen et al. 2023) ---------------------------------------------------------------- */
/*   c = beta1 m + (1 - beta1) g
 *   p <- (1 - lr weight_decay) p - lr sign(c);  m <- beta2 m + (1 - beta2) g
 * The derivative of the sign is 0: a meta-gradient goes to p, lr and weight_decay, none to g, m and the betas. Not in
 * PyTorch; the defaults are the paper's. States: exp_avg. */

/** Settings of Lion; take them from lion_options() and change fields by name. */
typedef struct HcLionOptions {
    double lr;           /**< a third to a tenth of Adam's, the paper says; optim_new: 1e-4 */
    double beta1;        /**< 0.9; in [0, 1] */
    double beta2;        /**< 0.99; in [0, 1] */
    double weight_decay; /**< 0; of the weights, as AdamW's */
    bool maximize;       /**< false */
} LionOptions;
/** The learning rate, and the defaults named beside the other fields. */
HC_API LionOptions lion_options(double lr);
/** An optimizer by this rule. */
HC_API Optim *optim_lion(ParamList params, LionOptions options);

#ifdef __cplusplus
}
#endif

#include "names_end.h"
#endif
