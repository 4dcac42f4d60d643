/* What truncation does to a gradient (the influence-balancing problem: Tallec and Ollivier 2017, "Unbiased online
 * recurrent optimization"; Vicol, Metz, Sohl-Dickstein 2021, "Unbiased gradient estimation in unrolled computation
 * graphs with persistent evolution strategies").
 *
 * A state of 23 numbers is moved by s <- A s + theta * sign, where A halves each number and adds half of its
 * neighbour, and ten signs are +1, thirteen -1. Only the first number is judged: (s[0] - 1)^2 / 2. The positive signs
 * stand near it and act at once, the negative ones later and more: in the end s[0] is -6 theta, so theta should go to
 * -1/6. Whoever looks back too few steps sees the positive ones alone, and goes the wrong way.
 *
 * The move is an update rule of one's own with theta as its hyperparameter, the state its weight. Theta is learned by
 * truncated backpropagation (unroll's windows), by whole unrolls with checkpoints, in forward mode
 * (HC_KEEP_TANGENTS), and by evolution strategies on a pool's threads: truncated, and persistent ones. */
#include <higherc/higherc.h>
#include <math.h>
#include <string.h>

#include "flags.h"
#include "outfile.h"

enum { SIZE = 23, POSITIVE = 10, WINDOW = 10, EPISODE = 500, REMEMBERED = 4000, PAIRS = 50 };
enum { POINTS = 50, MOST_THREADS = 16 };

static const double start = 0.5, best = -1.0 / 6;

/* Theta after each so many steps. */
typedef struct Track {
    const char *name, *colour;
    double theta[POINTS + 1];
    size_t steps, done, count;
} Track;

static void note(Track *track, size_t steps, double theta) {
    track->done += steps;
    while (track->count <= POINTS && track->done * POINTS >= track->count * track->steps)
        track->theta[track->count++] = theta;
}

/* ---- the problem ------------------------------------------------------------------------------------------ */

/* The state after a step; theta is a number, or a tensor to be learned. */
static Tensor *moved(Tensor *state, Hyper theta) {
    double sign[SIZE];
    for (size_t i = 0; i < SIZE; i++)
        sign[i] = i < POSITIVE ? 1 : -1;
    Tape *tape = tensor_tape(state);
    Tensor *parts[2] = {tensor_slice(state, 0, 1, SIZE, 1), tensor_zeros(tape, shape1(1))};
    Tensor *half = tensor_mul_scalar(tensor_add(state, tensor_concat(parts, 2, 0)), 0.5);
    return hyper_axpy(theta, tensor_from_f64(tape, shape1(SIZE), sign), half);
}

static Tensor *judged(Tensor *state) {
    Tensor *off = tensor_add_scalar(tensor_slice(state, 0, 0, 1, 1), -1);
    return tensor_mul_scalar(tensor_sum(tensor_square(off)), 0.5);
}

static bool move(OptimUpdate *u, void *user) {
    (void)user;
    u->param = moved(u->param, u->hypers[0]);
    return true;
}

static const OptimHyper theta_alone[] = {{"theta", 0.5, -INFINITY, INFINITY, false}};
static const OptimClass moving = {.name = "move", .hypers = theta_alone, .hyper_count = 1, .update = move};

static bool forward(Frame *frame, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    (void)in;
    (void)nin;
    if (nout > 0) out[0] = frame_param(frame, "s");
    return true;
}

static const ModuleClass state_alone = {.name = "state", .forward = forward};

/* ---- by gradients ------------------------------------------------------------------------------------------ */

typedef struct Lab {
    Tape *tape;
    Module *system;
    Optim *rule, *outer;
    Param *theta;
    FModule *fast;
    Track *track;
    size_t window;
} Lab;

static double theta_of(const Lab *lab) {
    return *(const double *)param_data(lab->theta);
}

static Tensor *state_of(const Lab *lab) {
    return fmodule_params(lab->fast).items[0];
}

static bool step(UnrollStep *step, void *user) {
    const Lab *lab = user;
    return diffopt_override(step->opts[0], "theta", HC_ALL_GROUPS, param_tensor(lab->tape, lab->theta)) &&
           diffopt_step(step->opts[0], tensor_sum(state_of(lab)));
}

/* The outer step. */
static bool learn(UnrollStep *step, void *user) {
    Lab *lab = user;
    (void)step;
    optim_zero_grad(lab->outer);
    bool done = tensor_backward(judged(state_of(lab))) && optim_step(lab->outer);
    note(lab->track, lab->window, theta_of(lab));
    return done;
}

static bool begin(Lab *lab, Track *track, size_t window, double lr) {
    *lab = (Lab){.tape = tape_create(HC_F64), .system = module_create(&state_alone, NULL), .track = track};
    lab->window = window;
    lab->theta = param_create("theta", shape_scalar(), HC_F64);
    module_add_param(lab->system, "s", shape1(SIZE));
    module_to(lab->system, HC_F64);
    lab->rule = optim_create(&moving, module_params(lab->system), NULL);
    lab->outer = optim_sgd((ParamList){&lab->theta, 1}, sgd_options(lr));
    note(track, 0, start);
    return lab->outer && lab->rule && param_fill(lab->theta, start) &&
           param_fill(module_params(lab->system).items[0], 0);
}

static void end(Lab *lab) {
    tape_destroy(lab->tape);
    optim_destroy(lab->outer);
    optim_destroy(lab->rule);
    param_unref(lab->theta);
    module_destroy(lab->system);
}

static DiffOpt *begin_loop(Lab *lab) {
    tape_reset(lab->tape);
    lab->fast = fmodule_create(lab->tape, lab->system, true);
    return diffopt_create(lab->rule, lab->fast);
}

/* One long loop; theta is stepped after each window, while the state moves on. */
static bool online(Track *track, UnrollKeep keep, size_t window, double lr) {
    Lab lab;
    bool done = begin(&lab, track, window, lr);
    DiffOpt *opt = done ? begin_loop(&lab) : NULL;
    Tensor *outer = done ? param_tensor(lab.tape, lab.theta) : NULL;
    UnrollOptions o = unroll_options(track->steps);
    o.keep = keep;
    o.outer = (TensorList){&outer, 1};
    o.window = window;
    o.judge = learn;
    done = done && unroll(&opt, 1, o, step, &lab);
    end(&lab);
    return done;
}

/* Loops from the beginning, each with its gradient through all steps. */
static bool whole(Track *track, double lr) {
    Lab lab;
    bool done = begin(&lab, track, EPISODE, lr);
    for (size_t t = 0; t < track->steps && done; t += EPISODE) {
        DiffOpt *opt = begin_loop(&lab);
        done = unroll(&opt, 1, unroll_options(EPISODE), step, &lab) && learn(NULL, &lab);
    }
    end(&lab);
    return done;
}

/* ---- by evolution strategies --------------------------------------------------------------------------------- */

/* Of a pair of thetas, one above and one below. */
typedef struct Particle {
    double state[2][SIZE], noise, sum, loss[2];
} Particle;

typedef struct Swarm {
    Particle particles[PAIRS];
    Tape *tapes[MOST_THREADS];
    double theta, sigma;
    bool failed[MOST_THREADS];
} Swarm;

/* A window of one pair. */
static void try_pair(size_t index, size_t worker, void *user) {
    Swarm *swarm = user;
    Particle *p = &swarm->particles[index];
    Tape *tape = swarm->tapes[worker];
    for (int side = 0; side < 2; side++) {
        tape_reset(tape);
        Tensor *s = tensor_from_f64(tape, shape1(SIZE), p->state[side]);
        for (size_t t = 0; t < WINDOW; t++)
            s = moved(s, hyper_const(swarm->theta + (side ? -p->noise : p->noise)));
        p->loss[side] = tensor_item(judged(s));
        if (!tensor_copy_to_f64(s, p->state[side], SIZE)) swarm->failed[worker] = true;
    }
}

/* persistent: a pair's noise is all it has had since its episode began (PES), not the window's alone. How the state
 * moves from 0 at first counts too, so that episodes are long. */
static double estimate(Swarm *swarm, bool persistent) {
    double sum = 0;
    for (size_t i = 0; i < PAIRS; i++) {
        const Particle *p = &swarm->particles[i];
        sum += (persistent ? p->sum : p->noise) * (p->loss[0] - p->loss[1]);
    }
    return sum / (2 * PAIRS * swarm->sigma * swarm->sigma);
}

static bool evolve(Track *track, Pool *pool, bool persistent, double lr) {
    Swarm *swarm = calloc(1, sizeof *swarm);
    Rng rng = rng_seed(5);
    bool done = swarm && pool;
    if (!swarm) return false;
    for (size_t w = 0; w < pool_threads(pool); w++) {
        done = (swarm->tapes[w] = tape_create(HC_F64)) && done;
        tape_set_recording(swarm->tapes[w], false);
    }
    swarm->theta = start;
    swarm->sigma = 0.1;
    note(track, 0, start);
    for (size_t t = 0; t < track->steps && done; t += WINDOW) {
        if (t % REMEMBERED == 0) memset(swarm->particles, 0, sizeof swarm->particles);
        for (size_t i = 0; i < PAIRS; i++) {
            swarm->particles[i].noise = swarm->sigma * rng_normal(&rng);
            swarm->particles[i].sum += swarm->particles[i].noise;
        }
        done = pool_run(pool, PAIRS, try_pair, swarm);
        swarm->theta -= lr * estimate(swarm, persistent);
        note(track, WINDOW, swarm->theta);
    }
    for (size_t w = 0; w < MOST_THREADS; w++) {
        done = done && !swarm->failed[w];
        tape_destroy(swarm->tapes[w]);
    }
    free(swarm);
    return done;
}

/* ---- what it shows ---------------------------------------------------------------------------------------------- */

static double height(double theta) {
    double shown = theta > 1.2 ? 1.2 : theta < -0.5 ? -0.5 : theta;
    return 40 + (1.2 - shown) * 190;
}

static bool draw(const char *path, const Track *tracks, size_t count) {
    FILE *svg = outfile_open(path);
    if (!svg) return false;
    fprintf(svg, "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 720 420' font-family='sans-serif' "
                 "font-size='13'>\n<rect width='720' height='420' fill='white'/>\n"
                 "<text x='40' y='24'>theta while it is learned; -1/6 is right</text>\n");
    fprintf(svg, "<path d='M40 %.1fH500' stroke='#999' stroke-dasharray='4'/>\n", height(best));
    for (size_t k = 0; k < count; k++) {
        fprintf(svg, "<polyline fill='none' stroke-width='2' stroke='%s' points='", tracks[k].colour);
        for (size_t i = 0; i < tracks[k].count; i++)
            fprintf(svg, "%.1f,%.1f ", 40 + 460.0 * (double)i / POINTS, height(tracks[k].theta[i]));
        fprintf(svg, "'/>\n<text x='515' y='%zu' fill='%s'>%s</text>\n", 60 + 24 * k, tracks[k].colour,
                tracks[k].name);
    }
    fprintf(svg, "</svg>\n");
    return outfile_close(svg, path);
}

static void tell(const Track *track) {
    double theta = track->theta[track->count - 1], away = fabs(theta - best);
    const char *what = away < 0.02 ? "arrived" : away < fabs(start - best) ? "on its way" : "the wrong way";
    printf("  %-34s %12.4g   %s\n", track->name, theta, what);
}

int main(int argc, char **argv) {
    size_t steps = 40000, threads = 2;
    const char *svg = NULL;
    const Flag flags[] = {
        {"--steps", &steps, EPISODE, 10000000, "steps of the state for each way to learn", NULL},
        {"--threads", &threads, 1, MOST_THREADS, "threads for evolution strategies", NULL},
        {"--svg", NULL, 0, 0, "a file to draw theta in", &svg},
    };
    int status = flags_read(argc, argv, flags, sizeof flags / sizeof *flags,
                            "Truncated gradients that go the wrong way, and four kinds that do not.");
    if (status != FLAGS_RUN) return status;
    if (svg && !outfile_try(svg)) return 1;

    Track tracks[] = {{.name = "backpropagation through 1 step", .colour = "#c0392b"},
                      {.name = "... 10 steps", .colour = "#e67e22"},
                      {.name = "... 100 steps", .colour = "#8e6b1f"},
                      {.name = "... all 500 of an episode", .colour = "#27ae60"},
                      {.name = "forward mode", .colour = "#2980b9"},
                      {.name = "evolution strategies, truncated", .colour = "#e84393"},
                      {.name = "persistent evolution strategies", .colour = "#8e44ad"}};
    enum { COUNT = sizeof tracks / sizeof *tracks };
    for (size_t k = 0; k < COUNT; k++)
        tracks[k].steps = steps / EPISODE * EPISODE;
    Pool *pool = pool_create(threads);
    bool done = online(&tracks[0], HC_KEEP_ALL, 1, 1e-5) && online(&tracks[1], HC_KEEP_ALL, WINDOW, 1e-4) &&
                online(&tracks[2], HC_KEEP_SQRT, 100, 1e-3) && whole(&tracks[3], 5e-3) &&
                online(&tracks[4], HC_KEEP_TANGENTS, WINDOW, 1e-4) && evolve(&tracks[5], pool, false, 1e-4) &&
                evolve(&tracks[6], pool, true, 1e-4);
    pool_destroy(pool);
    if (done && svg && !draw(svg, tracks, COUNT)) return 1;
    if (!done) {
        fprintf(stderr, "truncation: %s\n", higherc_error() ? higherc_error() : "out of memory");
        return 1;
    }
    printf("theta after %zu steps, from %g; %.4f is right\n\n", tracks[0].steps, start, best);
    for (size_t k = 0; k < COUNT; k++)
        tell(&tracks[k]);
    printf("\nLooking back a step or ten, theta is pushed away from where it should be. All steps, tangents that\n"
           "travel with the state, or noise that is remembered tell the way.\n");
    return 0;
}
