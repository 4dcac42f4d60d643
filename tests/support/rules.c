#include "support/rules.h"

#include "support/nets.h"

static const OptimHyper hypers[] = {{"lr", 0.05, 0, 1e3, false}};
static const char *const names[] = {"a", "b", "c"};

static Tensor *down(const OptimUpdate *u, Tensor *x) {
    return tensor_sub(u->param, hyper_scale(u->hypers[0], x));
}

/* The last two gradients: b <- a <- g. */
static bool remember(OptimUpdate *u, void *user) {
    Tensor *last = u->state[0], *before = u->state[1], *sum = u->grad;
    (void)user;
    if (last) sum = tensor_add(sum, tensor_mul_scalar(last, 0.5));
    if (before) sum = tensor_add(sum, tensor_mul_scalar(before, 0.25));
    u->param = down(u, sum);
    u->state[0] = u->grad;
    u->state[1] = last ? last : u->grad;
    return u->param != NULL;
}

/* Weight and state change places. */
static bool exchange(OptimUpdate *u, void *user) {
    Tensor *p = u->param;
    (void)user;
    u->param = u->state[0] ? u->state[0] : tensor_mul_scalar(p, 0.9);
    u->state[0] = down(&(OptimUpdate){.param = p, .hypers = {u->hypers[0]}}, u->grad);
    return u->param != NULL;
}

/* Three states in a ring, one of them the weight itself. */
static bool ring(OptimUpdate *u, void *user) {
    Tensor *a = u->state[0], *b = u->state[1], *p = u->param;
    (void)user;
    u->param = down(u, a ? tensor_add(u->grad, tensor_mul_scalar(a, 0.1)) : u->grad);
    u->state[0] = b ? b : p;
    u->state[1] = u->state[2] ? u->state[2] : p;
    u->state[2] = p;
    return u->param != NULL;
}

/* One number that stands in every entry, and that as a second state. */
static bool spread(OptimUpdate *u, void *user) {
    Tensor *mean = tensor_expand(tensor_mean(u->grad), tensor_shape(u->grad));
    Tensor *old = u->state[1] ? u->state[1] : mean;
    (void)user;
    u->state[1] = u->state[0] ? u->state[0] : old;
    u->state[0] = mean;
    u->param = down(u, tensor_add(u->grad, tensor_mul_scalar(tensor_add(old, mean), 0.2)));
    return u->param != NULL;
}

/* All of it stored otherwise. */
static bool turn(OptimUpdate *u, void *user) {
    Tensor *old = u->state[0] ? u->state[0] : u->grad;
    (void)user;
    u->state[0] = stored_otherwise(tensor_add(tensor_mul_scalar(old, 0.5), u->grad));
    u->param = stored_otherwise(down(u, u->state[0]));
    u->state[1] = u->param;
    u->state[2] = old;
    return u->param != NULL;
}

/* Slow weights, to which the fast ones return every other step (Zhang et al. 2019, "Lookahead optimizer"). */
static bool lookahead(OptimUpdate *u, void *user) {
    Tensor *slow = u->state[0] ? u->state[0] : u->param;
    (void)user;
    u->param = down(u, u->grad);
    if (u->step % 2 == 0)
        u->param = slow = tensor_add(slow, tensor_mul_scalar(tensor_sub(u->param, slow), 0.5));
    u->state[0] = slow;
    return u->param != NULL;
}

#define RULE(n, update_)                                                                           \
    {                                                                                              \
        .name = #update_, .hypers = hypers, .hyper_count = 1, .states = names, .state_count = n,   \
        .update = update_                                                                          \
    }
const OptimClass own_rules[] = {RULE(2, remember), RULE(1, exchange), RULE(3, ring),
                                RULE(2, spread),   RULE(3, turn),     RULE(1, lookahead)};
const size_t own_rule_count = sizeof own_rules / sizeof *own_rules;
