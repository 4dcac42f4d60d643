/* Callbacks that change gradients between backward and update; clipping ready-made. */
#include "meta/diffopt.h"

static bool clip_norm(Tape *tape, Tensor **grads, size_t count, void *user) {
    const double *clip = user; /* max_norm, eps */
    Tensor *sum = NULL;
    for (size_t i = 0; i < count; i++) {
        if (!grads[i]) continue;
        Tensor *term = tensor_sum(tensor_square(grads[i]));
        sum = sum ? tensor_add(sum, term) : term;
    }
    if (!sum) return tape->status == HC_OK;
    /* sqrt0: with every gradient 0 the norm's derivative is 0, not 0 times infinity */
    Tensor *norm = tensor_add_scalar(hc_sqrt0(sum), clip[1]);
    Tensor *factor =
        tensor_minimum(tensor_div(tensor_scalar(tape, clip[0]), norm), tensor_scalar(tape, 1));
    for (size_t i = 0; i < count; i++)
        if (grads[i] && !(grads[i] = tensor_mul(grads[i], factor))) return false;
    return true;
}

static bool clip_value(Tape *tape, Tensor **grads, size_t count, void *user) {
    double limit = *(const double *)user;
    for (size_t i = 0; i < count; i++)
        if (grads[i] && !(grads[i] = tensor_clamp(grads[i], -limit, limit))) return false;
    return tape->status == HC_OK;
}

bool hc_diffopt_call_back(const DiffOpt *opt, Tensor *const *weights, Tensor **grads) {
    const char *who = "diffopt_step: the gradient callback";
    Tape *tape = opt->tape;
    HcSnapshot *now = opt->now;
    if (!now->callback) return true;
    bool ready_made = now->callback == clip_norm || now->callback == clip_value;
    void *user = ready_made ? now->clip : now->callback_user;
    HcCalling outer = hc_call_begin(tape);
    bool done = now->callback(tape, grads, opt->count, user);
    if (!hc_call_end(tape, outer) || !done) return hc_fail(tape, HC_ERR_STATE, "%s gave up", who);
    for (size_t i = 0; i < opt->count; i++) {
        if (!grads[i]) continue;
        if (opt->group[i] == HC_NO_GROUP)
            return hc_fail(tape, HC_ERR_STATE, "%s: weight %zu is in no group", who, i);
        if (!hc_check_all(who, (Tensor *[]){weights[i], grads[i]}, 2)) return false;
        if (grads[i]->form->plain != weights[i]->form->plain)
            return hc_fail(tape, HC_ERR_SHAPE, "%s: gradient %zu has not its weight's shape", who,
                           i);
    }
    return tape->status == HC_OK;
}

static bool put_in_force(DiffOpt *opt, GradCallback *callback, void *user, double a, double b) {
    HcSnapshot *next = hc_diffopt_push(opt, false);
    if (!next) return false;
    next->callback = callback;
    next->callback_user = user;
    next->clip[0] = a;
    next->clip[1] = b;
    bool first = !next->called_back;
    next->called_back = true;
    opt->now = next;
    if (first) hc_diffopt_raise_base(opt);
    return true;
}

bool diffopt_grad_callback(DiffOpt *opt, GradCallback *callback, void *user) {
    return hc_diffopt_usable(opt, "diffopt_grad_callback") &&
           put_in_force(opt, callback, user, 0, 0);
}

bool diffopt_clip_norm(DiffOpt *opt, double max_norm, double eps) {
    const char *who = "diffopt_clip_norm";
    if (!hc_diffopt_usable(opt, who)) return false;
    if (!(max_norm >= 0) || !(eps >= 0))
        return hc_fail(opt->tape, HC_ERR_ARG, "%s: max_norm and eps must be 0 or more", who);
    return put_in_force(opt, clip_norm, NULL, max_norm, eps);
}

bool diffopt_clip_value(DiffOpt *opt, double limit) {
    const char *who = "diffopt_clip_value";
    if (!hc_diffopt_usable(opt, who)) return false;
    if (!(limit >= 0))
        return hc_fail(opt->tape, HC_ERR_ARG, "%s: the limit must be 0 or more", who);
    return put_in_force(opt, clip_value, NULL, limit, 0);
}
