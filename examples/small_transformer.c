/* A transformer that learns in its context (Garg, Tsipras, Liang, Valiant 2022, "What can transformers learn
 * in-context? A case study of simple function classes"), and that takes two steps of gradient descent as well.
 *
 * A prompt is x0, f(x0), x1, f(x1), ..., one token each, with f(x) = w . x and w drawn anew for each. A causal
 * transformer of two layers says at each x what f is there, having seen only what stands before it: it is learned on
 * such prompts, and then its weights stay. What f is it has to work out from the prompt, each time it reads one.
 *
 * The other way to learn f from examples is to change the weights: by two steps of SGD on the examples in the prompt,
 * in a few orders, so that each is asked for after others. How far each weight moves is learned through the steps, on
 * functions up to three times as steep as those of the prompts; the transformer they start from is left as it is.
 *
 * Beside both stands least squares, which knows that f is linear: the smallest w that fits, exact from as many
 * examples on as x has entries. */
#include <higherc/higherc.h>
#include <math.h>
#include <time.h>

#include "flags.h"

enum {
    EXAMPLES = 10, /* in a prompt, and one x after them */
    ASKED = EXAMPLES + 1,
    LENGTH = ASKED + EXAMPLES, /* in tokens */
    MOST_INPUTS = 3,
    SIZE = 32,
    HEADS = 4,
    LAYERS = 2,
    MOST_PROMPTS = 64,
    INNER_STEPS = 2,
    ORDERS = 4, /* of the examples stepped on */
    TASKS = 16, /* in a meta-iteration */
    STEEP = 3,
    LATE = 5,
    JUDGED = 3 /* the transformer, it after steps, least squares */
};

/* ---- prompts ----------------------------------------------------------------------------------- */

/* `count` functions of `inputs` numbers, whose w are `length` times standard normal. */
typedef struct Prompts {
    size_t count, inputs;
    double length;
    float tokens[MOST_PROMPTS * LENGTH * (MOST_INPUTS + 1)]; /* (x, 0) or (0, f(x)) */
    float values[MOST_PROMPTS * ASKED];                      /* f(x) of each x */
} Prompts;

static Shape token_shape(const Prompts *p) {
    return shape3(p->count, LENGTH, p->inputs + 1);
}

static Shape value_shape(const Prompts *p) {
    return shape2(p->count, ASKED);
}

static const float *prompt_x(const Prompts *p, size_t example) {
    return p->tokens + 2 * example * (p->inputs + 1);
}

/* Draws the first `functions` of them. */
static void draw(Prompts *p, size_t functions, Rng *rng) {
    float *token = p->tokens, *value = p->values;
    for (size_t n = 0; n < functions; n++) {
        double w[MOST_INPUTS];
        for (size_t i = 0; i < p->inputs; i++)
            w[i] = p->length * rng_normal(rng);
        for (size_t place = 0; place < LENGTH; place++, token += p->inputs + 1) {
            bool is_x = place % 2 == 0;
            double f = 0;
            for (size_t i = 0; i < p->inputs; i++) {
                token[i] = is_x ? (float)rng_normal(rng) : 0;
                f += w[i] * (double)token[i];
            }
            token[p->inputs] = is_x ? 0 : value[-1];
            if (is_x) *value++ = (float)f;
        }
    }
}

/* Makes all of them the first, with its first examples in other orders. */
static void reorder(Prompts *p, size_t examples, Rng *rng) {
    size_t order[EXAMPLES], pair = 2 * (p->inputs + 1), length = LENGTH * (p->inputs + 1);
    for (size_t i = 0; i < examples; i++)
        order[i] = i;
    for (size_t n = 1; n < p->count; n++) {
        float *tokens = p->tokens + n * length, *values = p->values + n * ASKED;
        memcpy(tokens, p->tokens, length * sizeof(float));
        memcpy(values, p->values, ASKED * sizeof(float));
        rng_shuffle(order, examples, rng);
        for (size_t i = 0; i < examples; i++) {
            memcpy(tokens + i * pair, p->tokens + order[i] * pair, pair * sizeof(float));
            values[i] = p->values[order[i]];
        }
    }
}

/* ---- the transformer --------------------------------------------------------------------------- */

/* Tokens [N, LENGTH, inputs + 1] -> what f is at each x [N, ASKED]. Place is a Param of its own. */
static bool forward(Frame *frame, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    Tensor *h = tensor_add(frame_call(frame, "embed", in[0]), frame_param(frame, "place"));
    Tensor *all = frame_call(frame, "head", frame_call(frame, "layers", h));
    out[0] = tensor_squeeze(tensor_slice(all, 1, 0, LENGTH, 2), 2);
    return nin == 1 && nout == 1 && out[0];
}

static Module *make_net(size_t inputs, Rng *rng) {
    static const ModuleClass cls = {.name = "in_context", .forward = forward};
    TransformerOptions options = transformer_options();
    options.feedforward = 4 * SIZE;
    options.dropout = 0;
    options.norm_first = options.causal = options.batch_first = true;
    Module *layers[LAYERS + 1], *net = module_create(&cls, NULL);
    for (size_t i = 0; i < LAYERS; i++)
        layers[i] = module_transformer_encoder_layer(SIZE, HEADS, options);
    layers[LAYERS] = module_layer_norm(shape1(SIZE), norm_options());
    bool done = module_add_param(net, "place", shape2(LENGTH, SIZE)) != NULL;
    done &= module_add_child(net, "embed", module_linear(inputs + 1, SIZE));
    done &= module_add_child(net, "layers", module_sequential(layers, LAYERS + 1));
    done &= module_add_child(net, "head", module_linear(SIZE, 1));
    return done && module_init(net, rng) ? net : NULL;
}

/* ---- learning in context ----------------------------------------------------------------------- */

static double seconds(void) {
    return (double)clock() / CLOCKS_PER_SEC;
}

static bool run(Program *program, const Prompts *p) {
    return program_set_f32(program, 0, token_shape(p), p->tokens) &&
           program_set_f32(program, 1, value_shape(p), p->values) && program_run(program);
}

/* Squared errors at each x, for a number of x, so that it is 1 for who says 0. */
static Tensor *errors(Tensor *said, Tensor *values, const Prompts *p) {
    return tensor_div_scalar(tensor_square(tensor_sub(said, values)), (double)p->inputs);
}

/* Rises over a twentieth of the iterations, and falls along a cosine. */
static bool rise_and_fall(Optim *optim, size_t iterations) {
    size_t rise = 1 + iterations / 20;
    Schedule up = schedule_warmup(rise, hyper_const(0.01));
    Schedule down = schedule_cosine(iterations, hyper_const(0.01));
    Schedule both = schedule_then(&up, rise, &down);
    return optim_schedule(optim, "lr", HC_ALL_GROUPS, &both);
}

/* Every tenth of the iterations tells the mean of all errors, and of those at the last x. */
static void tell_progress(size_t it, size_t iterations, double sums[2], double begun) {
    size_t tenth = iterations < 10 ? 1 : iterations / 10;
    if (it % tenth != 0) return;
    printf("%9zu   %6.3f   %6.3f   %5.1f s\n", it, sums[0] / (double)tenth, sums[1] / (double)tenth,
           seconds() - begun);
    fflush(stdout);
    sums[0] = sums[1] = 0;
}

static bool learn_in_context(Module *net, Tape *tape, size_t inputs, size_t prompts,
                             size_t iterations, Rng rng) {
    static Prompts p = {.length = 1};
    p.inputs = inputs;
    p.count = prompts;
    draw(&p, prompts, &rng);
    Tensor *in[2] = {tensor_from_f32(tape, token_shape(&p), p.tokens),
                     tensor_from_f32(tape, value_shape(&p), p.values)};
    Tensor *at =
        tensor_mean_axes(errors(module_forward(net, in[0]), in[1], &p), (int[]){0}, 1, false);
    Tensor *loss = tensor_mean(at), *out[2] = {loss, tensor_slice(at, 0, EXAMPLES, ASKED, 1)};
    Program *program = program_capture(tape, in, 2, out, 2, loss);
    Optim *optim = optim_adam(module_params(net), adam_options(0.003));
    double begun = seconds(), sums[2] = {0, 0};
    bool done = program && rise_and_fall(optim, iterations);
    for (size_t it = 1; it <= iterations && done; it++) {
        draw(&p, prompts, &rng);
        optim_zero_grad(optim);
        done = run(program, &p);
        optim_clip_grad_norm(optim, 1);
        done = done && optim_step(optim);
        for (size_t i = 0; i < 2; i++)
            sums[i] += program_item(program, i);
        tell_progress(it, iterations, sums, begun);
    }
    optim_destroy(optim);
    program_destroy(program);
    tape_reset(tape);
    return done;
}

/* ---- and by two steps -------------------------------------------------------------------------- */

/* Its prompts are one function's. What is stepped on and what is asked for are inputs, weights of squared errors: so
 * the same graph serves for any number of examples. */
typedef struct Adaptation {
    Module *net;
    Optim *inner;
    Program *learn,
        *judge; /* of the error before and after the steps, with the way back and without */
    Prompts prompts;
} Adaptation;

static bool capture(Adaptation *a, Tape *tape) {
    const Prompts *p = &a->prompts;
    Tensor *in[4] = {tensor_from_f32(tape, token_shape(p), p->tokens),
                     tensor_from_f32(tape, value_shape(p), p->values),
                     tensor_zeros(tape, shape1(ASKED)), tensor_zeros(tape, value_shape(p))};
    FModule *net = fmodule_create(tape, a->net, true); /* the step sizes alone are learned */
    DiffOpt *opt = diffopt_create(a->inner, net);
    diffopt_clip_norm(opt, 2, 1e-6);
    Tensor *asked[2];
    for (size_t k = 0; k <= INNER_STEPS; k++) {
        Tensor *at = errors(fmodule_forward(net, in[0]), in[1], p);
        if (k == 0 || k == INNER_STEPS) asked[k > 0] = tensor_sum(tensor_mul(at, in[3]));
        if (k < INNER_STEPS) diffopt_step(opt, tensor_sum(tensor_mul(at, in[2])));
    }
    a->learn = program_capture(tape, in, 4, asked, 2, tensor_div_scalar(asked[1], TASKS));
    a->judge = program_capture(tape, in, 4, asked, 2, NULL);
    tape_reset(tape);
    return a->learn && a->judge;
}

/* Steps on the first `given` examples, and asks for what comes after them, in the first order. */
static bool adapt(Adaptation *a, Program *program, size_t given, Rng *rng) {
    Prompts *p = &a->prompts;
    float stepped_on[ASKED] = {0}, asked[ORDERS * ASKED] = {0};
    for (size_t i = 0; i < given; i++)
        stepped_on[i] = 1 / (float)(given * ORDERS);
    asked[given] = (float)(1 / (p->length * p->length));
    reorder(p, given, rng);
    return program_set_f32(program, 2, shape1(ASKED), stepped_on) &&
           program_set_f32(program, 3, value_shape(p), asked) && run(program, p);
}

static bool learn_to_adapt(Adaptation *a, Tape *tape, size_t iterations, Rng rng) {
    a->inner = optim_sgd(module_params(a->net), sgd_options(0.01));
    optim_learn(a->inner, "lr", HC_ALL_GROUPS, HC_LEARN_WEIGHT);
    Optim *outer = optim_adam(optim_learned(a->inner), adam_options(0.002));
    double begun = seconds(), sums[2] = {0, 0};
    bool done = capture(a, tape) && rise_and_fall(outer, iterations);
    for (size_t it = 1; it <= iterations && done; it++) {
        optim_zero_grad(outer);
        for (size_t task = 0; task < TASKS && done; task++) {
            a->prompts.length = 1 + (STEEP - 1) * rng_uniform(&rng);
            draw(&a->prompts, 1, &rng);
            done = adapt(a, a->learn, 1 + (size_t)rng_below(&rng, EXAMPLES), &rng);
            for (size_t i = 0; i < 2; i++)
                sums[i] += program_item(a->learn, i) / TASKS;
        }
        optim_clip_grad_norm(outer, 1);
        done = done && optim_step(outer);
        tell_progress(it, iterations, sums, begun);
    }
    optim_destroy(outer);
    return done;
}

/* ---- least squares, and judging ---------------------------------------------------------------- */

/* The squared error of the smallest w that fits the first `given` examples, at the x after them. */
static double least_squares(Tape *tape, const Prompts *p, size_t given) {
    double said = 0;
    if (given > 0) {
        float x[EXAMPLES * MOST_INPUTS];
        for (size_t i = 0; i < given * p->inputs; i++)
            x[i] = prompt_x(p, i / p->inputs)[i % p->inputs];
        tape_reset(tape);
        Tensor *a = tensor_from_f32(tape, shape2(given, p->inputs), x),
               *b = tensor_transpose(a, 0, 1);
        Tensor *y = tensor_from_f32(tape, shape1(given), p->values), *w;
        if (given < p->inputs)
            w = tensor_matmul(b, tensor_solve(tensor_matmul(a, b), y));
        else
            w = tensor_solve(tensor_matmul(b, a), tensor_matmul(b, y));
        said = tensor_item(
            tensor_matmul(w, tensor_from_f32(tape, shape1(p->inputs), prompt_x(p, given))));
    }
    double off = said - (double)p->values[given];
    return off * off / (double)p->inputs;
}

typedef struct Table {
    double error[JUDGED][ASKED];
} Table;

/* Errors after each number of examples, relative to the square of w's length. */
static bool judge(Table *t, Adaptation *a, double length, size_t tests) {
    Tape *tape = tape_create(HC_F64);
    Rng rng = rng_seed(2000); /* all that was chosen was chosen on others */
    bool done = true;
    *t = (Table){0};
    a->prompts.length = length;
    for (size_t test = 0; test < tests && done; test++) {
        draw(&a->prompts, 1, &rng);
        for (size_t given = 0; given < ASKED && done; given++) {
            done = adapt(a, a->judge, given, &rng);
            double e[JUDGED] = {program_item(a->judge, 0), program_item(a->judge, 1),
                                least_squares(tape, &a->prompts, given) / (length * length)};
            for (size_t i = 0; i < JUDGED; i++)
                t->error[i][given] += e[i] / (double)tests;
        }
    }
    tape_destroy(tape);
    return done && !higherc_error();
}

/* ---- what it shows ----------------------------------------------------------------------------- */

static void show(const char *title, const Table *t) {
    static const char *const names[] = {"transformer", "  and two steps", "least squares"};
    printf("\n%s\nafter examples:", title);
    for (int given = 0; given < ASKED; given++)
        printf(" %5d", given);
    for (size_t i = 0; i < JUDGED; i++) {
        printf("\n%-15s", names[i]);
        for (size_t given = 0; given < ASKED; given++)
            printf(" %5.3f", t->error[i][given]);
    }
    printf("\n");
}

/* The mean after most examples. */
static double late(const double error[ASKED]) {
    double sum = 0;
    for (size_t given = ASKED - LATE; given < ASKED; given++)
        sum += error[given] / LATE;
    return sum;
}

/* Who does not look at the examples has the error of the first column or more, at every x. */
static bool learned(const Table *t) {
    return late(t->error[0]) < 0.5 * t->error[0][0] && late(t->error[1]) < 0.5 * t->error[1][0];
}

int main(int argc, char **argv) {
    size_t iterations = 5000, prompts = MOST_PROMPTS, steps = 600, inputs = 2, tests = 300,
           seed = 1;
    const Flag flags[] = {
        {"--iterations", &iterations, 1, 1000000, "of learning in context", NULL},
        {"--prompts", &prompts, 1, MOST_PROMPTS, "in each of them", NULL},
        {"--steps", &steps, 1, 1000000, "of learning to adapt, 16 functions each", NULL},
        {"--inputs", &inputs, 1, MOST_INPUTS, "numbers that f takes", NULL},
        {"--tests", &tests, 1, 1000000, "functions to judge by", NULL},
        {"--seed", &seed, 0, SIZE_MAX, "of all that is learned from", NULL}};
    int status = flags_read(argc, argv, flags, 6,
                            "small_transformer: linear functions, learned in context and by steps");
    if (status != FLAGS_RUN) return status;

    Rng rng = rng_seed(seed);
    Tape *tape = tape_create(HC_F32);
    static Adaptation a = {.prompts = {.count = ORDERS}};
    a.prompts.inputs = inputs;
    a.net = make_net(inputs, &rng);
    printf("Squared errors, 1 for who always says 0\n\niteration      all     last\n");
    bool done = learn_in_context(a.net, tape, inputs, prompts, iterations, rng_split(&rng));
    printf("\niteration   before    after two steps\n");
    Table same, steep;
    done = done && learn_to_adapt(&a, tape, steps, rng_split(&rng)) && judge(&same, &a, 1, tests) &&
           judge(&steep, &a, STEEP, tests);
    if (done) {
        show("Functions never seen, of the kind in the prompts", &same);
        show("Three times as steep, errors a ninth", &steep);
        printf(
            "\nAfter %d to %d examples two steps multiply the error by %.2f, and that of steeper "
            "functions, which\nthe transformer was not learned on, by %.2f.\n",
            ASKED - LATE, EXAMPLES, late(same.error[1]) / late(same.error[0]),
            late(steep.error[1]) / late(steep.error[0]));
        done = learned(&same);
        if (!done) fprintf(stderr, "small_transformer: examples do not help it yet\n");
    }
    if (higherc_error()) fprintf(stderr, "%s\n", higherc_error());
    program_destroy(a.learn);
    program_destroy(a.judge);
    optim_destroy(a.inner);
    module_destroy(a.net);
    tape_destroy(tape);
    return !done;
}
