/* few_shot's learners, against the same written out: the closed forms with plain loops, inner steps by an optimizer in
 * place, whose steps are the library's other path. Also its episodes, its distortions, and its intervals. */
#include "../../examples/few_shot/learners.c"
#include "../../examples/few_shot/report.c"

#include <stdlib.h>
#include <string.h>

#include "../../examples/few_shot/distort.h"
#include "support/check.h"

enum { CHANNELS = 5, TEST_WAYS = 4, MOST = TEST_WAYS * 5 };

static const EpisodeShape one_shot = {TEST_WAYS, 1, 2}, two_shots = {TEST_WAYS, 2, 1};

static const Learner *by_name(const char *name) {
    for (size_t i = 0; i < learner_count; i++)
        if (strcmp(learners[i].name, name) == 0) return &learners[i];
    abort();
}

static Model make_model(const char *name) {
    Rng rng = rng_seed(3);
    Model model;
    CHECK(model_create(&model, by_name(name), CHANNELS, TEST_WAYS, &rng));
    return model;
}

static void draw_pictures(float *pictures, EpisodeShape shape) {
    Characters *characters = characters_drawn(2, 2 * TEST_WAYS, 10, 5);
    Rng rng = rng_seed(4);
    episode_draw(shape, characters, true, &rng, pictures);
    characters_destroy(characters);
}

static Tensor *on_tape(Tape *tape, EpisodeShape shape) {
    static float pictures[MOST * PIXELS];
    draw_pictures(pictures, shape);
    return tensor_from_f32(tape, shape4(episode_pictures(shape), 1, SIDE, SIDE), pictures);
}

/* ---- closed forms ------------------------------------------------------------------------------ */

/* The features of all pictures; returns the logits. */
static Tensor *features_and_logits(const Model *model, Tape *tape, EpisodeShape shape,
                                   double of[MOST][CHANNELS]) {
    Given given;
    Tensor *pictures = on_tape(tape, shape);
    FModule *net = give(model, pictures, shape, HC_EVAL, &given);
    float values[MOST * CHANNELS];
    CHECK(tensor_copy_to_f32(features(net, pictures), values, episode_pictures(shape) * CHANNELS));
    for (size_t i = 0; i < episode_pictures(shape) * CHANNELS; i++)
        of[i / CHANNELS][i % CHANNELS] = values[i];
    return model_logits(model, pictures, shape);
}

static void check_logits(Tensor *logits, size_t queries, double want[MOST][TEST_WAYS]) {
    float values[MOST * TEST_WAYS];
    CHECK(tensor_copy_to_f32(logits, values, queries * TEST_WAYS));
    for (size_t i = 0; i < queries * TEST_WAYS; i++)
        CHECK_NEAR(values[i], want[i / TEST_WAYS][i % TEST_WAYS], 1e-3, 1e-3);
}

static void check_nearest_mean(EpisodeShape shape) {
    Model model = make_model("proto");
    Tape *tape = tape_create(HC_F32);
    double of[MOST][CHANNELS], want[MOST][TEST_WAYS];
    Tensor *logits = features_and_logits(&model, tape, shape, of);
    size_t examples = episode_examples(shape), queries = episode_pictures(shape) - examples;
    for (size_t q = 0; q < queries; q++)
        for (size_t way = 0; way < TEST_WAYS; way++) {
            want[q][way] = 0;
            for (size_t c = 0; c < CHANNELS; c++) {
                double mean = 0;
                for (size_t i = way; i < examples; i += TEST_WAYS)
                    mean += of[i][c] / (double)shape.shots;
                want[q][way] -= (of[examples + q][c] - mean) * (of[examples + q][c] - mean);
            }
        }
    check_logits(logits, queries, want);
    tape_destroy(tape);
    model_destroy(&model);
}

/* a x = b with a positive definite, both overwritten; x in b. */
static void solve(double a[CHANNELS][CHANNELS], double b[CHANNELS]) {
    for (size_t k = 0; k < CHANNELS; k++)
        for (size_t i = 0; i < CHANNELS; i++) {
            if (i == k) continue;
            double times = a[i][k] / a[k][k];
            for (size_t j = k; j < CHANNELS; j++)
                a[i][j] -= times * a[k][j];
            b[i] -= times * b[k];
        }
    for (size_t k = 0; k < CHANNELS; k++)
        b[k] /= a[k][k];
}

/* As the regression is written down, with as many unknowns as features. */
static void check_ridge(EpisodeShape shape) {
    const double lambda = 0.5, scale = 3, bias = -0.25;
    Model model = make_model("r2d2");
    param_set_f64(model.adjust, (const double[]){log(lambda), log(scale), bias}, ADJUSTMENTS);
    Tape *tape = tape_create(HC_F32);
    double of[MOST][CHANNELS], want[MOST][TEST_WAYS];
    Tensor *logits = features_and_logits(&model, tape, shape, of);
    size_t examples = episode_examples(shape), queries = episode_pictures(shape) - examples;
    for (size_t way = 0; way < TEST_WAYS; way++) {
        double a[CHANNELS][CHANNELS] = {{0}}, w[CHANNELS] = {0};
        for (size_t i = 0; i < CHANNELS; i++) {
            a[i][i] = lambda;
            for (size_t e = 0; e < examples; e++) {
                w[i] += e % TEST_WAYS == way ? of[e][i] : 0;
                for (size_t j = 0; j < CHANNELS; j++)
                    a[i][j] += of[e][i] * of[e][j];
            }
        }
        solve(a, w);
        for (size_t q = 0; q < queries; q++) {
            want[q][way] = bias;
            for (size_t c = 0; c < CHANNELS; c++)
                want[q][way] += scale * of[examples + q][c] * w[c];
        }
    }
    check_logits(logits, queries, want);
    tape_destroy(tape);
    model_destroy(&model);
}

/* ---- steps ------------------------------------------------------------------------------------- */

/* A step in place on some of the pictures. */
static void step_in_place(Model *model, EpisodeShape shape, size_t first, size_t count) {
    Tape *tape = tape_create(HC_F32);
    Tensor *x = rows(on_tape(tape, shape), first, count);
    optim_zero_grad(model->inner);
    Tensor *y = classes(tape, shape.ways, count / shape.ways);
    tensor_backward(tensor_cross_entropy_loss(module_forward(model->net, tensor_detach(x)), y));
    CHECK(optim_step(model->inner));
    optim_zero_grad(model->inner);
    tape_destroy(tape);
}

static Tensor *queries_of(Tape *tape, EpisodeShape shape) {
    size_t examples = episode_examples(shape), all = episode_pictures(shape);
    return rows(on_tape(tape, shape), examples, all - examples);
}

/* In training mode a forward takes the statistics of what is before it, as the learners' do. */
static void check_steps(const char *name, EpisodeShape shape) {
    Model model = make_model(name);
    Tape *tape = tape_create(HC_F32);
    float got[MOST * TEST_WAYS], want[MOST * TEST_WAYS];
    size_t count = shape.queries * TEST_WAYS * TEST_WAYS;
    Tensor *logits = model_logits(&model, on_tape(tape, shape), shape);
    CHECK(tensor_copy_to_f32(logits, got, count));
    for (size_t k = 0; k < model.learner->steps; k++)
        step_in_place(&model, shape, 0, episode_examples(shape));
    tape_reset(tape);
    logits = module_forward(model.net, queries_of(tape, shape));
    CHECK(tensor_copy_to_f32(logits, want, count));
    for (size_t i = 0; i < count; i++)
        CHECK_NEAR(got[i], want[i], 1e-3, 1e-3);
    tape_destroy(tape);
    model_destroy(&model);
}

static size_t copy_grads(const Model *model, double *to) {
    ParamList params = module_params(model->net);
    size_t count = 0;
    for (size_t p = 0; p < params.count; p++)
        for (size_t i = 0; i < param_count(params.items[p]); i++)
            to[count++] = param_grad_get(params.items[p], i);
    return count;
}

static size_t copy_weights(const Model *model, double *to) {
    ParamList params = module_params(model->net);
    size_t count = 0;
    for (size_t p = 0; p < params.count; p++)
        for (size_t i = 0; i < param_count(params.items[p]); i++)
            to[count++] = param_get(params.items[p], i);
    return count;
}

enum { MOST_WEIGHTS = 4 * CHANNELS * (9 * CHANNELS + 2) + TEST_WAYS * (CHANNELS + 1) };

/* Returns how many there are. */
static size_t loss_grads(const Model *model, EpisodeShape shape, double *grads) {
    Tape *tape = tape_create(HC_F32);
    CHECK(tensor_backward(model_loss(model, on_tape(tape, shape), shape)));
    tape_destroy(tape);
    return copy_grads(model, grads);
}

static double largest_difference(const double *a, const double *b, size_t count, double *largest) {
    double difference = 0;
    *largest = 0;
    for (size_t i = 0; i < count; i++) {
        difference = fmax(difference, fabs(a[i] - b[i]));
        *largest = fmax(*largest, fabs(b[i]));
    }
    return difference;
}

/* First-order MAML's gradient is that of the queries' loss where the steps end; MAML's is not. */
static void check_first_order(void) {
    static double first[MOST_WEIGHTS], second[MOST_WEIGHTS], want[MOST_WEIGHTS];
    Model model = make_model("fomaml"), other = make_model("maml");
    size_t count = loss_grads(&model, one_shot, first);
    CHECK(loss_grads(&other, one_shot, second) == count);
    for (size_t k = 0; k < model.learner->steps; k++)
        step_in_place(&model, one_shot, 0, episode_examples(one_shot));
    Tape *tape = tape_create(HC_F32);
    Tensor *y = classes(tape, TEST_WAYS, one_shot.queries);
    tensor_backward(
        tensor_cross_entropy_loss(module_forward(model.net, queries_of(tape, one_shot)), y));
    CHECK(copy_grads(&model, want) == count);
    double largest;
    CHECK(largest_difference(first, want, count, &largest) < 1e-3 * largest);
    CHECK(largest_difference(second, want, count, &largest) > 1e-2 * largest);
    tape_destroy(tape);
    model_destroy(&model);
    model_destroy(&other);
}

/* Reptile's is how far steps on one drawing after the other go, backwards. */
static void check_reptile(void) {
    static double got[MOST_WEIGHTS], before[MOST_WEIGHTS], after[MOST_WEIGHTS];
    Model model = make_model("reptile");
    size_t count = loss_grads(&model, one_shot, got);
    copy_weights(&model, before);
    for (size_t k = 0; k < model.learner->steps; k++)
        step_in_place(&model, one_shot, k % 3 * TEST_WAYS, TEST_WAYS);
    CHECK(copy_weights(&model, after) == count);
    for (size_t i = 0; i < count; i++)
        after[i] = before[i] - after[i];
    double largest;
    CHECK(largest_difference(got, after, count, &largest) < 1e-3 * largest);
    model_destroy(&model);
}

/* ---- episodes, distortions, intervals ------------------------------------------------------------ */

/* Pictures that say which character and drawing they are. */
static Characters *numbered(void) {
    Characters *c = characters_drawn(3, 6, 7, 1);
    c->bytes = malloc(c->count * c->drawings * PIXELS);
    for (size_t i = 0; c->bytes && i < c->count * c->drawings * PIXELS; i++)
        c->bytes[i] = (unsigned char)(i / PIXELS);
    return c;
}

static void check_episode(void) {
    Characters *c = numbered();
    float pictures[MOST * PIXELS];
    Rng rng = rng_seed(6);
    for (size_t n = 0; n < 50; n++) {
        episode_draw(one_shot, c, false, &rng, pictures);
        size_t number[MOST];
        for (size_t i = 0; i < episode_pictures(one_shot); i++)
            number[i] = (size_t)(255 * pictures[i * PIXELS] + 0.5f);
        for (size_t i = 0; i < episode_pictures(one_shot); i++)
            for (size_t j = 0; j < i; j++) {
                size_t a = number[i] / c->drawings, b = number[j] / c->drawings;
                CHECK((a == b) == (i % TEST_WAYS == j % TEST_WAYS));
                CHECK(a / 6 == b / 6);
                bool same_hand = number[i] % c->drawings == number[j] % c->drawings;
                CHECK(same_hand == (i / TEST_WAYS == j / TEST_WAYS));
            }
    }
    characters_destroy(c);
}

static void check_distort(void) {
    float a[PIXELS], b[PIXELS], c[PIXELS];
    Rng rng = rng_seed(7);
    alphabet_draw(8, &rng, a);
    distort(a, affine_turn(1), b);
    CHECK(b[0] == a[SIDE * (SIDE - 1)] || b[0] == a[SIDE - 1]);
    CHECK(memcmp(a, b, sizeof a) != 0);
    distort(b, affine_turn(3), c);
    CHECK(memcmp(a, c, sizeof a) == 0);
    Affine small = affine_small(&rng);
    distort(b, small, c);
    distort(a, affine_then(affine_turn(1), small), b);
    for (size_t i = 0; i < PIXELS; i++)
        CHECK_NEAR(b[i], c[i], 1e-5, 1e-5);
}

/* Against the tables in print. */
static void check_student(void) {
    static const double table[][2] = {{1, 12.706}, {2, 4.303},  {3, 3.182},  {4, 2.776},
                                      {7, 2.365},  {19, 2.093}, {199, 1.972}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        CHECK_NEAR(student(table[i][0]), table[i][1], 3e-3, 0);
}

int main(void) {
    check_nearest_mean(one_shot);
    check_nearest_mean(two_shots);
    check_ridge(one_shot);
    check_ridge(two_shots);
    check_steps("maml", one_shot);
    check_steps("fomaml", two_shots);
    check_steps("anil", two_shots);
    check_steps("reptile", one_shot);
    check_first_order();
    check_reptile();
    check_episode();
    check_distort();
    check_student();
    return check_done();
}
