/* A Gaussian process whose kernel is a learned net ("deep kernel transfer", Patacchiola, Turner, Crowley, O'Boyle,
 * Storkey 2020, "Bayesian meta-learning for the few-shot setting via deep kernels").
 *
 * The covariance of f(a) and f(b) is s^2 net(a) . net(b) (the paper's linear kernel): a curve is a random mixture of
 * what the net puts out. The net is learned on many sine curves, by the probability that the process gives to all
 * points of each: the marginal likelihood, whose matrix is factored by Cholesky, solved with, and its
 * determinant read off the factor's diagonal. There is no inner loop. To adapt to a curve is to condition on its
 * points, exactly, and with the mean comes how far it is to be trusted.
 *
 * Beside it stands a process without a net, s^2 exp(-(a - b)^2 / (2 width^2)): points are alike that are close.
 * Its width and scale are learned in the same way. */
#include <higherc/higherc.h>
#include <math.h>

#include "flags.h"
#include "outfile.h"

enum {
    CURVES = 16,
    POINTS = 20,
    SHOTS = 5,
    GRID = 101,
    TEST_CURVES = 200,
    WIDE = 40,
    FEATURES = 4,
    MOST_PARAMS = 6
};

static const double noise = 0.1;

/* ---- curves ------------------------------------------------------------------------------------ */

typedef struct Curve {
    double amplitude, phase;
} Curve;

static Curve curve_draw(Rng *rng) {
    Curve c = {.amplitude = 0.1 + 4.9 * rng_uniform(rng)};
    c.phase = 3.14159265 * rng_uniform(rng);
    return c;
}

static double curve_at(Curve c, double x) {
    return c.amplitude * sin(x - c.phase);
}

static void curve_sample(Curve c, size_t count, double *x, double *y, Rng *rng) {
    for (size_t i = 0; i < count; i++) {
        x[i] = 10 * rng_uniform(rng) - 5;
        y[i] = curve_at(c, x[i]) + noise * rng_normal(rng);
    }
}

/* ---- the process ------------------------------------------------------------------------------- */

/* scale: the logarithms of s, of the width, and of the noise. */
typedef struct Process {
    Module *net; /* or NULL */
    Param *scale;
} Process;

static Tensor *scale_of(const Process *p, Tape *tape, int64_t which) {
    return tensor_exp(tensor_slice(param_tensor(tape, p->scale), 0, which, which + 1, 1));
}

static Tensor *features(const Process *p, Tensor *x) {
    if (p->net) return module_forward(p->net, x);
    return tensor_div(x, scale_of(p, tensor_tape(x), 1));
}

static Tensor *squares(Tensor *a) {
    return tensor_sum_axes(tensor_square(a), (int[]){-1}, 1, true);
}

/* Of all features a [..., n, F] with all b [..., m, F]: [..., n, m]. */
static Tensor *covariance(const Process *p, Tensor *a, Tensor *b) {
    Tensor *products = tensor_matmul(a, tensor_transpose(b, -2, -1));
    Tensor *s = tensor_square(scale_of(p, tensor_tape(a), 0));
    if (p->net) return tensor_mul(s, products);
    Tensor *sum = tensor_add(squares(a), tensor_transpose(squares(b), -2, -1));
    Tensor *distance = tensor_sub(sum, tensor_mul_scalar(products, 2));
    return tensor_mul(s, tensor_exp(tensor_mul_scalar(distance, -0.5)));
}

/* Of each with itself: [..., n]. */
static Tensor *variance(const Process *p, Tensor *a) {
    Tensor *s = tensor_square(scale_of(p, tensor_tape(a), 0)),
           *own = tensor_squeeze(squares(a), -1);
    return tensor_mul(s, p->net ? own : tensor_ones(tensor_tape(a), tensor_shape(own)));
}

/* The factor of the covariance of noisy values. */
static Tensor *factor(const Process *p, Tensor *a) {
    Tape *tape = tensor_tape(a);
    Tensor *one = tensor_diag(tensor_ones(tape, shape1(tensor_dim(a, -2))), 0);
    Tensor *around = tensor_mul(tensor_square(scale_of(p, tape, 2)), one);
    return tensor_cholesky(tensor_add(covariance(p, a, a), around));
}

/* -log p(y | x), a point: x and y [CURVES, POINTS, 1]. */
static Tensor *surprise(const Process *p, Tensor *x, Tensor *y) {
    Tensor *l = factor(p, features(p, x));
    Tensor *fit = tensor_sum(tensor_square(tensor_solve_triangular(l, y, 0)));
    Tensor *size = tensor_sum(tensor_log(tensor_diagonal(l, 0, -2, -1)));
    Tensor *sum = tensor_add(tensor_mul_scalar(fit, 0.5), size);
    return tensor_add_scalar(tensor_div_scalar(sum, (double)tensor_count(y)),
                             0.5 * log(2 * 3.14159265));
}

/* Mean and deviation of the curve at `count` points, given those of x and y. */
static bool predict(const Process *p, Tape *tape, const double *x, const double *y,
                    const double *at, size_t count, double *mean, double *deviation) {
    Tensor *known = features(p, tensor_from_f64(tape, shape2(SHOTS, 1), x));
    Tensor *asked = features(p, tensor_from_f64(tape, shape2(count, 1), at));
    Tensor *l = factor(p, known), *across = covariance(p, known, asked);
    Tensor *half = tensor_solve_triangular(l, across, 0);
    Tensor *target = tensor_solve_triangular(l, tensor_from_f64(tape, shape1(SHOTS), y), 0);
    Tensor *rest =
        tensor_sub(variance(p, asked), tensor_sum_axes(tensor_square(half), (int[]){0}, 1, false));
    Tensor *spread = tensor_sqrt(tensor_maximum(rest, tensor_scalar(tape, 0)));
    return tensor_copy_to_f64(tensor_matmul(target, half), mean, count) &&
           tensor_copy_to_f64(spread, deviation, count);
}

/* ---- learning ---------------------------------------------------------------------------------- */

static void draw_curves(double *x, double *y, Rng *rng) {
    for (size_t c = 0; c < CURVES; c++)
        curve_sample(curve_draw(rng), POINTS, x + c * POINTS, y + c * POINTS, rng);
}

/* The surprise of the first and the last tenth of the iterations. */
static bool learn(const Process *p, Tape *tape, size_t iterations, Rng rng, double tenths[2]) {
    static double x[CURVES * POINTS], y[CURVES * POINTS];
    const Shape shape = shape3(CURVES, POINTS, 1);
    Param *params[1 + MOST_PARAMS] = {p->scale};
    ParamList all = {params, 1}, of_net = {NULL, 0};
    if (p->net) of_net = module_params(p->net);
    for (size_t i = 0; i < of_net.count && i < MOST_PARAMS; i++)
        params[all.count++] = of_net.items[i];
    draw_curves(x, y, &rng);
    Tensor *in[2] = {tensor_from_f64(tape, shape, x), tensor_from_f64(tape, shape, y)};
    Tensor *loss = surprise(p, in[0], in[1]);
    Program *program = program_capture(tape, in, 2, &loss, 1, loss); /* the same graph each time */
    Optim *optim = optim_adam(all, adam_options(0.01));
    size_t tenth = (iterations + 9) / 10;
    bool done = program && optim;
    tenths[0] = tenths[1] = 0;
    for (size_t it = 0; it < iterations && done; it++) {
        draw_curves(x, y, &rng);
        optim_zero_grad(optim);
        done = program_set_f64(program, 0, shape, x) && program_set_f64(program, 1, shape, y) &&
               program_run(program) && optim_step(optim);
        if (done && it < tenth) tenths[0] += program_item(program, 0) / (double)tenth;
        if (done && it >= iterations - tenth) tenths[1] += program_item(program, 0) / (double)tenth;
    }
    optim_destroy(optim);
    program_destroy(program);
    tape_reset(tape);
    return done;
}

typedef struct Result {
    double error, deviation,
        within; /* squared; mean of the band's half width; share within two of them */
} Result;

static bool judge(const Process *p, Tape *tape, Result *r) {
    Rng rng = rng_seed(2000); /* the rate was chosen on others */
    double x[SHOTS], y[SHOTS], at[GRID], mean[GRID], deviation[GRID];
    const double share = 1.0 / (GRID * TEST_CURVES);
    bool done = true;
    *r = (Result){0};
    for (size_t t = 0; t < TEST_CURVES && done; t++) {
        Curve c = curve_draw(&rng);
        curve_sample(c, SHOTS, x, y, &rng);
        for (size_t i = 0; i < GRID; i++)
            at[i] = 0.1 * (double)i - 5;
        tape_reset(tape);
        done = predict(p, tape, x, y, at, GRID, mean, deviation);
        for (size_t i = 0; i < GRID && done; i++) {
            double off = mean[i] - curve_at(c, at[i]);
            r->error += off * off * share;
            r->deviation += deviation[i] * share;
            r->within += fabs(off) <= 2 * deviation[i] ? share : 0;
        }
    }
    return done;
}

/* ---- the picture ------------------------------------------------------------------------------- */

static double across(double x) {
    return 40 + (x + 5) * 64;
}

static double down(double y) {
    double shown = y > 7 ? 7 : y < -7 ? -7 : y;
    return 130 - shown * 15;
}

/* Mean and band of a process for one curve, of which it has seen the points. */
static bool draw_process(FILE *svg, const Process *p, Tape *tape, double top, const char *title,
                         const char *colour) {
    Rng rng = rng_seed(7);
    double x[SHOTS], y[SHOTS], at[GRID], mean[GRID], deviation[GRID];
    Curve c = {.amplitude = 3.2, .phase = 1.1};
    curve_sample(c, SHOTS, x, y, &rng);
    for (size_t i = 0; i < GRID; i++)
        at[i] = 0.1 * (double)i - 5;
    tape_reset(tape);
    if (!predict(p, tape, x, y, at, GRID, mean, deviation)) return false;
    fprintf(svg,
            "<g transform='translate(0 %g)'><text x='40' y='16'>%s</text>\n<polygon fill='%s' "
            "opacity='0.2' points='",
            top, title, colour);
    for (size_t i = 0; i < GRID; i++)
        fprintf(svg, "%.1f,%.1f ", across(at[i]), down(mean[i] + 2 * deviation[i]));
    for (size_t i = GRID; i-- > 0;)
        fprintf(svg, "%.1f,%.1f ", across(at[i]), down(mean[i] - 2 * deviation[i]));
    fprintf(svg, "'/>\n<polyline fill='none' stroke='#777' stroke-dasharray='5 4' points='");
    for (size_t i = 0; i < GRID; i++)
        fprintf(svg, "%.1f,%.1f ", across(at[i]), down(curve_at(c, at[i])));
    fprintf(svg, "'/>\n<polyline fill='none' stroke='%s' stroke-width='2' points='", colour);
    for (size_t i = 0; i < GRID; i++)
        fprintf(svg, "%.1f,%.1f ", across(at[i]), down(mean[i]));
    fprintf(svg, "'/>\n");
    for (size_t i = 0; i < SHOTS; i++)
        fprintf(svg, "<circle cx='%.1f' cy='%.1f' r='4'/>\n", across(x[i]), down(y[i]));
    fprintf(svg, "</g>\n");
    return true;
}

static bool draw(const char *path, const Process *deep, const Process *plain, Tape *tape) {
    FILE *svg = outfile_open(path);
    if (!svg) return false;
    fprintf(
        svg,
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 720 540' font-family='sans-serif' "
        "font-size='13'>\n<rect width='720' height='540' fill='white'/>\n");
    bool done = draw_process(svg, deep, tape, 20,
                             "a learned net as kernel: mean, two deviations, the curve (dashed)",
                             "#2980b9") &&
                draw_process(svg, plain, tape, 290, "closeness in x as kernel", "#c0392b");
    fprintf(svg, "</svg>\n");
    return outfile_close(svg, path) && done;
}

/* ---- what it shows ----------------------------------------------------------------------------- */

static Module *make_net(Rng *rng) {
    Module *layers[] = {module_linear(1, WIDE), module_tanh(), module_linear(WIDE, WIDE),
                        module_tanh(), module_linear(WIDE, FEATURES)};
    Module *net = module_sequential(layers, 5);
    return net && module_init(net, rng) && module_to(net, HC_F64) ? net : NULL;
}

static void tell(const char *name, const double tenths[2], Result r) {
    printf("%-16s %8.3f to %6.3f %14.3f %12.2f %11.1f %%\n", name, tenths[0], tenths[1], r.error,
           r.deviation, 100 * r.within);
}

int main(int argc, char **argv) {
    size_t iterations = 3000, seed = 1;
    const char *svg = NULL;
    const Flag flags[] = {
        {"--iterations", &iterations, 10, 1000000, "of learning, 16 curves each", NULL},
        {"--seed", &seed, 0, SIZE_MAX, "of all random numbers", NULL},
        {"--svg", NULL, 0, 0, "a file to draw one curve in", &svg}};
    int status =
        flags_read(argc, argv, flags, 3, "deep_kernel: a Gaussian process whose kernel is learned");
    if (status != FLAGS_RUN) return status;
    if (svg && !outfile_try(svg)) return 1;

    Rng rng = rng_seed(seed);
    Tape *tape = tape_create(HC_F64);
    Process deep = {make_net(&rng), param_create("scale", shape1(3), HC_F64)};
    Process plain = {NULL, param_create("scale", shape1(3), HC_F64)};
    param_fill(deep.scale, 0);
    param_fill(plain.scale, 0);
    double of_deep[2], of_plain[2];
    Result with_net, without;
    bool done = learn(&deep, tape, iterations, rng, of_deep) &&
                learn(&plain, tape, iterations, rng, of_plain) && judge(&deep, tape, &with_net) &&
                judge(&plain, tape, &without);
    if (done && svg) done = draw(svg, &deep, &plain, tape);
    if (done) {
        printf("%d points each of %d curves never seen; the surprise is that of the training "
               "curves, for a point\n\n"
               "kernel                   surprise       squared error    deviation    within two\n",
               SHOTS, TEST_CURVES);
        tell("a learned net", of_deep, with_net);
        tell("closeness in x", of_plain, without);
        printf("\nThe net learned what the curves have in common, so %d points say what is between "
               "and beyond them,\n"
               "and the band says how surely.\n",
               SHOTS);
        done = of_deep[1] < of_deep[0] && isfinite(with_net.error) && isfinite(without.error);
    }
    if (higherc_error()) fprintf(stderr, "%s\n", higherc_error());
    module_destroy(deep.net);
    param_unref(deep.scale);
    param_unref(plain.scale);
    tape_destroy(tape);
    return !done;
}
