/* Ten digits in place of thousands: one picture of each class, such that the net that begins as this one does is a
 * good reader after a few steps on them, each with a step size of its own. The pictures begin as real digits;
 * pictures and step sizes are learned by Adam from batches of real digits.
 *
 * The split does not depend on the seed: every fifth digit is to test on, and has no part in anything before the
 * last lines. Settings were chosen with --validate, which holds out every eighth of the others instead. */
#include "../idx.h"

#include "distill.h"

#include <math.h>
#include <time.h>

enum { CLASSES = DISTILL_CLASSES, INNER_STEPS = 5, BATCH = 128, REPORTS = 10, PART = 500 };
enum { SMALLEST = 12 }; /* height and width that lenet can take */

/* Digits to learn from, then those to judge by, white ink on black, of mean 0 and deviation 1. */
typedef struct Digits {
    size_t learn, judge, height, width, pixels;
    float *x, *label;
} Digits;

/* ---- the data ----------------------------------------------------------------------------------------- */

/* Takes up digit `from` of the file as the next one. */
static void take(Digits *d, const Pictures *p, size_t from) {
    size_t at = d->learn + d->judge;
    for (size_t j = 0; j < d->pixels; j++)
        d->x[at * d->pixels + j] = (float)p->images.items[from * d->pixels + j];
    d->label[at] = p->labels.items[from];
}

static void split(Digits *d, const Pictures *p, bool validate) {
    for (size_t i = 0, k = 0; i < p->count; i++)
        if (i % 5 != 4 && !(k++ % 8 == 7 && validate)) take(d, p, i), d->learn++;
    for (size_t i = 0, k = 0; i < p->count; i++)
        if (validate ? i % 5 != 4 && k++ % 8 == 7 : i % 5 == 4) take(d, p, i), d->judge++;
}

/* By the mean and the deviation of what is learned from. */
static void standardise(Digits *d) {
    size_t known = d->learn * d->pixels, all = known + d->judge * d->pixels;
    double mean = 0, square = 0;
    for (size_t i = 0; i < known; i++) {
        mean += (double)d->x[i] / (double)known;
        square += (double)d->x[i] * (double)d->x[i] / (double)known;
    }
    double deviation = sqrt(fmax(square - mean * mean, 1e-6));
    for (size_t i = 0; i < all; i++)
        d->x[i] = (float)(((double)d->x[i] - mean) / deviation);
}

/* Whether there are digits of all classes to learn from. */
static bool has_all(const Digits *d, const char *folder) {
    bool found[CLASSES] = {false};
    for (size_t i = 0; i < d->learn; i++)
        found[(size_t)d->label[i]] = true;
    for (size_t c = 0; c < CLASSES; c++)
        if (!found[c]) {
            fprintf(stderr, "%s: has no %zu among the %zu digits to learn from\n", folder, c,
                    d->learn);
            return false;
        }
    return true;
}

static bool read_digits(Digits *d, const Wanted *wanted) {
    Pictures p;
    *d = (Digits){.x = NULL};
    if (!pictures_find(&p, wanted->data)) return false;
    *d = (Digits){.height = p.height, .width = p.width, .pixels = p.height * p.width};
    bool done = pictures_are_digits(&p, wanted->data, 2 * CLASSES);
    if (done && (p.height < SMALLEST || p.width < SMALLEST)) {
        fprintf(stderr, "%s: pictures of %zu x %zu are too small, %d x %d would do\n", wanted->data,
                p.height, p.width, SMALLEST, SMALLEST);
        done = false;
    }
    if (done) {
        d->x = calloc(p.count * d->pixels, sizeof *d->x);
        d->label = calloc(p.count, sizeof *d->label);
        done = d->x && d->label;
        if (!done) fprintf(stderr, "distill_data: out of memory\n");
    }
    if (done) {
        split(d, &p, wanted->validate != 0);
        done = has_all(d, wanted->data);
    }
    if (done) standardise(d);
    pictures_free(&p);
    return done;
}

static void draw_batch(const Digits *d, float *x, float *label, Rng *rng) {
    for (size_t i = 0; i < BATCH; i++) {
        size_t from = (size_t)rng_below(rng, d->learn);
        memcpy(x + i * d->pixels, d->x + from * d->pixels, d->pixels * sizeof *x);
        label[i] = d->label[from];
    }
}

/* A real digit of each class. */
static void draw_ten(const Digits *d, float *x, Rng *rng) {
    for (size_t c = 0; c < CLASSES; c++) {
        size_t from;
        do
            from = (size_t)rng_below(rng, d->learn);
        while (d->label[from] != (float)c);
        memcpy(x + c * d->pixels, d->x + from * d->pixels, d->pixels * sizeof *x);
    }
}

/* ---- the net ------------------------------------------------------------------------------------------ */

/* LeCun et al. 1998, with max-pooling; the odd rows and columns are left out. */
static Module *make_lenet(size_t height, size_t width) {
    Conv2dOptions same = conv2d_options();
    same.pad = HC_PAD_SAME;
    size_t flat = 16 * ((height / 2 - 4) / 2) * ((width / 2 - 4) / 2);
    Module *layers[] = {module_conv2d(1, 6, 5, 5, same),
                        module_tanh(),
                        module_max_pool2d(pool2d_options(2)),
                        module_conv2d(6, 16, 5, 5, conv2d_options()),
                        module_tanh(),
                        module_max_pool2d(pool2d_options(2)),
                        module_flatten(),
                        module_linear(flat, 120),
                        module_tanh(),
                        module_linear(120, 84),
                        module_tanh(),
                        module_linear(84, CLASSES)};
    return module_sequential(layers, sizeof layers / sizeof *layers);
}

static Module *make_mlp(size_t pixels) {
    Module *layers[] = {module_flatten(), module_linear(pixels, 100), module_tanh(),
                        module_linear(100, CLASSES)};
    return module_sequential(layers, sizeof layers / sizeof *layers);
}

/* ---- training ----------------------------------------------------------------------------------------- */

typedef struct Problem {
    const Digits *digits;
    Module *net; /* as all trainings begin */
    Optim *sgd;
    Param *pictures, *log_rates; /* learned */
    Tape *tape;
} Problem;

typedef struct Batch {
    Tensor *x, *label;
} Batch;

static Batch batch(const Problem *p, const float *x, const float *label, size_t count) {
    const Digits *d = p->digits;
    return (Batch){tensor_from_f32(p->tape, shape4(count, 1, d->height, d->width), x),
                   tensor_from_f32(p->tape, shape1(count), label)};
}

/* The net after some steps on ten pictures, each with its rate among `rates`; with the rate of p->sgd where that is
 * NULL. */
static FModule *train(const Problem *p, Tensor *ten, Tensor *rates, size_t steps, FMode mode) {
    static const float each[CLASSES] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    FModuleOptions options = fmodule_options(true);
    options.mode = mode;
    FModule *fast = fmodule_create_with(p->tape, p->net, options);
    DiffOpt *opt = diffopt_create(p->sgd, fast);
    Tensor *label = tensor_from_f32(p->tape, shape1(CLASSES), each);
    for (size_t k = 0; k < steps; k++) {
        if (rates) {
            Tensor *rate = tensor_slice(rates, 0, (int64_t)k, (int64_t)k + 1, 1);
            diffopt_override(opt, "lr", HC_ALL_GROUPS, rate);
        }
        diffopt_step(opt, tensor_cross_entropy_loss(fmodule_forward(fast, ten), label));
    }
    return fast;
}

/* With what is learned. */
static FModule *train_learned(const Problem *p, FMode mode) {
    const Digits *d = p->digits;
    Tensor *ten =
        tensor_reshape(param_tensor(p->tape, p->pictures), shape4(CLASSES, 1, d->height, d->width));
    return train(p, ten, tensor_exp(param_tensor(p->tape, p->log_rates)), INNER_STEPS, mode);
}

static Tensor *accuracy_on(FModule *fast, Batch on) {
    Tensor *guess = tensor_argmax_axis(fmodule_forward(fast, on.x), 1, false);
    return tensor_mul_scalar(tensor_mean(tensor_eq(guess, on.label)), 100);
}

/* In percent, of `count` digits from one on, part by part. */
static double accuracy(const Problem *p, FModule *fast, size_t from, size_t count) {
    const Digits *d = p->digits;
    TapeMark mark = tape_mark(p->tape);
    double sum = 0;
    for (size_t i = 0, now; i < count; i += now) {
        now = count - i < PART ? count - i : PART;
        Batch part = batch(p, d->x + (from + i) * d->pixels, d->label + from + i, now);
        sum += tensor_item(accuracy_on(fast, part)) * (double)now;
        tape_release(p->tape, mark);
    }
    return sum / (double)count;
}

/* ---- learning ----------------------------------------------------------------------------------------- */

/* A training on the ten pictures and the loss on a batch of digits after it, to be run again and again with other
 * digits: inputs are the batch's x and label, outputs the loss and the accuracy. */
static Program *capture(const Problem *p, Batch *inputs) {
    FModule *fast = train_learned(p, HC_FULL);
    Tensor *loss = tensor_cross_entropy_loss(fmodule_forward(fast, inputs->x), inputs->label);
    Tensor *outputs[] = {loss, accuracy_on(fast, *inputs)};
    return program_capture(p->tape, (Tensor *[]){inputs->x, inputs->label}, 2, outputs, 2, loss);
}

static bool learn(const Problem *p, size_t steps, float *x, float *label, Rng *rng) {
    const Digits *d = p->digits;
    Optim *outer =
        optim_adam((ParamList){(Param *[]){p->pictures, p->log_rates}, 2}, adam_options(0.05));
    Schedule fade = schedule_cosine(steps, hyper_const(0.02));
    optim_schedule(outer, "lr", HC_ALL_GROUPS, &fade);
    draw_batch(d, x, label, rng);
    Batch inputs = batch(p, x, label, BATCH);
    Program *program = capture(p, &inputs);
    size_t every = steps / REPORTS > 0 ? steps / REPORTS : 1;
    double loss = 0, right = 0;
    printf("outer step   loss, accuracy on batches of the %zu digits to learn from\n", d->learn);
    for (size_t it = 1; it <= steps && !higherc_error(); it++) {
        draw_batch(d, x, label, rng);
        program_set_f32(program, 0, shape4(BATCH, 1, d->height, d->width), x);
        program_set_f32(program, 1, shape1(BATCH), label);
        optim_zero_grad(outer);
        program_run(program);
        optim_clip_grad_norm(outer, 1);
        optim_step(outer);
        loss += program_item(program, 0) / (double)every;
        right += program_item(program, 1) / (double)every;
        if (it % every != 0) continue;
        printf("%10zu   %.3f %7.1f %%\n", it, loss, right);
        fflush(stdout);
        loss = right = 0;
    }
    program_destroy(program);
    optim_destroy(outer);
    return !higherc_error();
}

/* ---- what it is compared with ------------------------------------------------------------------------- */

typedef struct Real {
    double mean, best;
} Real;

/* Ten real digits, drawn several times; for each draw the rate and the number of steps that do best on the digits
 * to learn from. */
static Real judge_real(const Problem *p, float *ten, Rng *rng) {
    enum { DRAWS = 10 };
    static const double rates[] = {0.02, 0.05, 0.1, 0.2, 0.5};
    static const size_t steps[] = {INNER_STEPS, 50};
    const Digits *d = p->digits;
    Real real = {0, 0};
    for (size_t draw = 0; draw < DRAWS; draw++) {
        double known = -1, held = 0;
        draw_ten(d, ten, rng);
        for (size_t i = 0; i < 2 * sizeof rates / sizeof *rates; i++) {
            tape_reset(p->tape);
            optim_set(p->sgd, "lr", HC_ALL_GROUPS, rates[i / 2]);
            Tensor *x = tensor_from_f32(p->tape, shape4(CLASSES, 1, d->height, d->width), ten);
            FModule *fast = train(p, x, NULL, steps[i % 2], HC_EVAL);
            double now = accuracy(p, fast, 0, d->learn < 1000 ? d->learn : 1000);
            if (now > known) held = accuracy(p, fast, d->learn, d->judge);
            known = fmax(known, now);
        }
        real.mean += held / DRAWS;
        real.best = fmax(real.best, held);
    }
    return real;
}

/* All digits, by Adam; changes the net. */
static double judge_all(const Problem *p, float *x, float *label, Rng *rng) {
    enum { PASSES = 10 };
    const Digits *d = p->digits;
    Optim *adam = optim_adam(module_params(p->net), adam_options(0.002));
    size_t steps = PASSES * d->learn / BATCH + 1;
    Schedule fade = schedule_cosine(steps, hyper_const(0));
    optim_schedule(adam, "lr", HC_ALL_GROUPS, &fade);
    for (size_t it = 0; it < steps && !higherc_error(); it++) {
        tape_reset(p->tape);
        draw_batch(d, x, label, rng);
        Batch now = batch(p, x, label, BATCH);
        optim_zero_grad(adam);
        tensor_backward(tensor_cross_entropy_loss(module_forward(p->net, now.x), now.label));
        optim_step(adam);
    }
    optim_destroy(adam);
    tape_reset(p->tape);
    FModuleOptions options = fmodule_options(true);
    options.mode = HC_EVAL;
    return accuracy(p, fmodule_create_with(p->tape, p->net, options), d->learn, d->judge);
}

/* ---- the experiment ----------------------------------------------------------------------------------- */

static bool compare(const Problem *p, const Wanted *wanted, float *x, float *label, Rng *rng) {
    const Digits *d = p->digits;
    tape_reset(p->tape);
    double learned = accuracy(p, train_learned(p, HC_EVAL), d->learn, d->judge);
    Real real = judge_real(p, x, rng);
    double all = judge_all(p, x, label, rng);
    if (higherc_error()) return false;
    printf("\nstep sizes:");
    for (size_t k = 0; k < INNER_STEPS; k++)
        printf(" %.2f", exp(param_get(p->log_rates, k)));
    printf("\n\nAccuracy on %zu digits that had no part in it, of one start of %s, trained on\n",
           d->judge, wanted->net);
    printf("  ten real digits            %5.1f %%   (the best of ten draws: %.1f)\n", real.mean,
           real.best);
    printf("  ten learned pictures       %5.1f %%   (after %d steps)\n", learned, INNER_STEPS);
    printf("  all %zu digits            %5.1f %%   (after many)\n", d->learn, all);
    return learned > real.mean;
}

static bool draw_learned(const Problem *p, const char *path, const float *was, float *learned) {
    const Digits *d = p->digits;
    for (size_t i = 0; i < CLASSES * d->pixels; i++)
        learned[i] = (float)param_get(p->pictures, i);
    return distill_draw(path, was, learned, d->height, d->width);
}

static bool experiment(const Digits *d, const Wanted *wanted, float *was, float *x, float *label) {
    Rng rng = rng_seed(wanted->seed);
    Problem p = {.digits = d, .tape = tape_create(HC_F32)};
    p.net = strcmp(wanted->net, "mlp") == 0 ? make_mlp(d->pixels) : make_lenet(d->height, d->width);
    module_init(p.net, &rng);
    p.sgd = optim_sgd(module_params(p.net), sgd_options(0.1));
    draw_ten(d, was, &rng);
    p.pictures = param_create("pictures", shape2(CLASSES, d->pixels), HC_F32);
    param_set_f32(p.pictures, was, CLASSES * d->pixels);
    p.log_rates = param_create("log_rates", shape1(INNER_STEPS), HC_F32);
    param_fill(p.log_rates, log(0.5));
    bool done = learn(&p, wanted->steps ? wanted->steps : 1500, x, label, &rng);
    bool good = done && compare(&p, wanted, x, label, &rng);
    if (done && wanted->svg) good = draw_learned(&p, wanted->svg, was, x) && good;
    optim_destroy(p.sgd);
    param_unref(p.pictures);
    param_unref(p.log_rates);
    module_destroy(p.net);
    tape_destroy(p.tape);
    return good;
}

bool distill_digits(const Wanted *wanted) {
    Digits d;
    bool good = read_digits(&d, wanted);
    float *was = NULL, *x = NULL, *label = NULL;
    if (good) {
        was = malloc(CLASSES * d.pixels * sizeof *was);
        x = malloc(BATCH * d.pixels * sizeof *x);
        label = malloc(BATCH * sizeof *label);
        good = was && x && label;
        if (!good) fprintf(stderr, "distill_data: out of memory\n");
    }
    good = good && experiment(&d, wanted, was, x, label);
    free(was);
    free(x);
    free(label);
    free(d.x);
    free(d.label);
    if (good) printf("\n%.0f s of processor time.\n", (double)clock() / CLOCKS_PER_SEC);
    return good;
}
