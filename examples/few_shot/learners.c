/* Six learners, a few lines each.
 *
 *   maml      all weights adapt by steps of SGD, and where they start is learned through the steps
 *                                                                              (Finn, Abbeel, Levine 2017)
 *   anil      the same, of the last layer alone                      (Raghu, Raghu, Bengio, Vinyals 2020)
 *   fomaml    as maml, with inner gradients taken as constants: no second derivatives   (the first paper)
 *   reptile   no gradient through the steps at all: W moves towards W<k>   (Nichol, Achiam, Schulman 2018)
 *   proto     no steps: a query is of the class whose mean feature is nearest   (Snell, Swersky, Zemel 2017)
 *   r2d2      the last layer by ridge regression, in closed form (Bertinetto, Henriques, Torr, Vedaldi 2019)
 *
 * The network is the same: four blocks of convolution, batch norm, ReLU and pooling. Batch norm takes the statistics
 * of the pictures at hand, in training and in tests alike, and keeps none: all queries of a task are told together. */
#include "learners.h"

enum { BLOCKS = 4, ADJUSTMENTS = 3 };

static Tensor *features(FModule *net, Tensor *pictures) {
    return fmodule_forward(fmodule_child(net, "0"), pictures);
}

static Tensor *head(FModule *net, Tensor *of) {
    return fmodule_forward(fmodule_child(net, "1"), of);
}

/* Rows [first, first + count) of x. */
static Tensor *rows(Tensor *x, size_t first, size_t count) {
    return tensor_slice(x, 0, (int64_t)first, (int64_t)(first + count), 1);
}

/* Picture i shows class i % ways. */
static Tensor *classes(Tape *tape, size_t ways, size_t drawings) {
    int64_t numbers[MAX_WAYS * MAX_DRAWINGS];
    for (size_t i = 0; i < ways * drawings; i++)
        numbers[i] = (int64_t)(i % ways);
    return tensor_from_i64(tape, shape1(ways * drawings), numbers);
}

/* ---- by steps ---------------------------------------------------------------------------------- */

/* MAML, FOMAML, Reptile. */
static Tensor *all_by_steps(const Model *m, FModule *net, const Given *g) {
    DiffOpt *opt = diffopt_create(m->inner, net);
    for (size_t k = 0; k < m->learner->steps; k++)
        diffopt_step(opt, tensor_cross_entropy_loss(fmodule_forward(net, g->x), g->y));
    return fmodule_forward(net, g->queries);
}

/* ANIL. The features stay what they are, so they are computed once. */
static Tensor *head_by_steps(const Model *m, FModule *net, const Given *g) {
    Tensor *known = features(net, g->x), *asked = features(net, g->queries);
    DiffOpt *opt = diffopt_create(m->inner, net);
    for (size_t k = 0; k < m->learner->steps; k++)
        diffopt_step(opt, tensor_cross_entropy_loss(head(net, known), g->y));
    return head(net, asked);
}

/* ---- by a look --------------------------------------------------------------------------------- */

/* Features of examples and queries, which are normalised together. */
static Tensor *look(FModule *net, const Given *g, Tensor **asked) {
    size_t examples = episode_examples(g->shape), all = episode_pictures(g->shape);
    Tensor *both = features(net, g->pictures);
    *asked = rows(both, examples, all - examples);
    return rows(both, 0, examples);
}

/* Prototypical networks: minus the squared distance to the mean of each class's examples. */
static Tensor *nearest_mean(const Model *m, FModule *net, const Given *g) {
    (void)m;
    Tensor *asked, *known = look(net, g, &asked);
    Shape by_drawing = shape3(g->shape.shots, g->shape.ways, tensor_dim(known, 1));
    Tensor *means = tensor_mean_axes(tensor_reshape(known, by_drawing), (int[]){0}, 1, false);
    Tensor *away = tensor_sub(tensor_unsqueeze(asked, 1), means); /* [queries, ways, features] */
    return tensor_neg(tensor_sum_axes(tensor_square(away), (int[]){2}, 1, false));
}

static Tensor *adjustment(const Model *m, FModule *net, size_t which) {
    return rows(param_tensor(fmodule_tape(net), m->adjust), which, 1);
}

/* R2-D2. Ridge regression of the classes Y (0 or 1 for each) on the features X of the examples, a row each, is
 * W = (X^T X + lambda I)^-1 X^T Y, by Woodbury's identity X^T (X X^T + lambda I)^-1 Y: a system with as many
 * unknowns as examples, however many features there are. */
static Tensor *ridge(const Model *m, FModule *net, const Given *g) {
    Tensor *asked, *known = look(net, g, &asked), *turned = tensor_transpose(known, 0, 1);
    Tensor *lambda = tensor_exp(adjustment(m, net, 0)), *scale = tensor_exp(adjustment(m, net, 1));
    Tensor *penalty = tensor_diag(tensor_expand(lambda, shape1(episode_examples(g->shape))), 0);
    Tensor *gram = tensor_add(tensor_matmul(known, turned), penalty);
    Tensor *targets = tensor_one_hot(g->y, g->shape.ways);
    Tensor *weight = tensor_matmul(turned, tensor_cholesky_solve(targets, tensor_cholesky(gram)));
    Tensor *scores = tensor_matmul(asked, weight);
    return tensor_add(tensor_mul(scores, scale), adjustment(m, net, 2));
}

/* ---- what training makes small ------------------------------------------------------------------- */

/* That the queries are taken for something else. */
static Tensor *query_loss(const Model *m, FModule *net, const Given *g) {
    Tensor *answers = classes(fmodule_tape(net), g->shape.ways, g->shape.queries);
    return tensor_cross_entropy_loss(m->learner->logits(m, net, g), answers);
}

/* Reptile: sum (W - W<k>)^2 / 2, whose gradient is W - W<k>. Each step is on another drawing of all characters. */
static Tensor *distance_moved(const Model *m, FModule *net, const Given *g) {
    size_t ways = g->shape.ways, drawings = g->shape.shots + g->shape.queries;
    Tensor *y = classes(fmodule_tape(net), ways, 1), *total = NULL;
    DiffOpt *opt = diffopt_create(m->inner, net);
    for (size_t k = 0; k < m->learner->steps; k++) {
        Tensor *x = rows(g->pictures, k % drawings * ways, ways);
        diffopt_step(opt, tensor_cross_entropy_loss(fmodule_forward(net, x), y));
    }
    ParamList w = module_params(m->net);
    for (size_t i = 0; i < w.count; i++) {
        Tensor *goal = tensor_detach(fmodule_params(net).items[i]);
        Tensor *away = tensor_sub(param_tensor(fmodule_tape(net), w.items[i]), goal);
        Tensor *part = tensor_mul_scalar(tensor_sum(tensor_square(away)), 0.5);
        total = total ? tensor_add(total, part) : part;
    }
    return total;
}

/* ---- the table --------------------------------------------------------------------------------- */

/* Settings were chosen by learning from one small set of Omniglot's and looking at episodes of alphabets of the other,
 * which it lacks; the one-shot runs had no part in that. The iterations take one to two minutes of processor time. */

// clang-format off
const Learner learners[] = {
    {"maml", "MAML: steps of all weights, learned through", all_by_steps, query_loss,
     .mode = HC_FULL, .head = true, .adapted = "", .steps = 3, .inner_lr = 0.1, .learns_rates = true,
     .outer_lr = 0.002, .iterations = 800},
    {"anil", "ANIL: steps of the last layer", head_by_steps, query_loss,
     .mode = HC_FULL, .head = true, .adapted = "1", .steps = 5, .inner_lr = 0.1, .learns_rates = true,
     .outer_lr = 0.002, .iterations = 2500},
    {"fomaml", "First-order MAML", all_by_steps, query_loss,
     .mode = HC_FIRST_ORDER, .head = true, .adapted = "", .steps = 3, .inner_lr = 0.1, .learns_rates = true,
     .outer_lr = 0.002, .iterations = 1400},
    {"reptile", "Reptile: towards where steps lead", all_by_steps, distance_moved,
     .mode = HC_EVAL, .head = true, .adapted = "", .steps = 8, .inner_lr = 0.1,
     .outer_lr = 0.002, .iterations = 900},
    {"proto", "Prototypical networks", nearest_mean, query_loss,
     .mode = HC_FULL, .outer_lr = 0.002, .iterations = 4000},
    {"r2d2", "R2-D2: ridge regression of the last layer", ridge, query_loss,
     .mode = HC_FULL, .outer_lr = 0.002, .iterations = 4000},
};
// clang-format on
const size_t learner_count = sizeof learners / sizeof *learners;

/* ---- models ------------------------------------------------------------------------------------ */

/* 28 x 28 -> 14 -> 7 -> 3 -> 1: a feature for each channel is left. */
static Module *make_features(size_t channels) {
    Module *layers[4 * BLOCKS + 1];
    size_t count = 0;
    Conv2dOptions same = conv2d_options();
    same.padding[0] = same.padding[1] = 1;
    same.bias = false; /* batch norm has one */
    for (size_t b = 0; b < BLOCKS; b++) {
        layers[count++] = module_conv2d(b == 0 ? 1 : channels, channels, 3, 3, same);
        layers[count++] = module_batch_norm2d(channels, batch_norm_options());
        layers[count++] = module_relu();
        layers[count++] = module_max_pool2d(pool2d_options(2));
    }
    layers[count++] = module_flatten();
    return module_sequential(layers, count);
}

bool model_create(Model *model, const Learner *learner, size_t channels, size_t ways, Rng *rng) {
    *model = (Model){.learner = learner};
    Module *parts[2] = {make_features(channels),
                        learner->head ? module_linear(channels, ways) : NULL};
    model->net = module_sequential(parts, learner->head ? 2 : 1);
    if (!model->net || !module_init(model->net, rng)) return false;
    if (learner->adapted) {
        Module *part = *learner->adapted ? module_find(model->net, learner->adapted) : model->net;
        model->inner = optim_sgd(module_params(part), sgd_options(learner->inner_lr));
        if (learner->learns_rates) optim_learn(model->inner, "lr", HC_ALL_GROUPS, HC_LEARN_PARAM);
    }
    if (learner->logits == ridge) {
        model->adjust = param_create("adjust", shape1(ADJUSTMENTS), HC_F32);
        param_set_f32(model->adjust, (const float[]){0, 2.3f, 0}, ADJUSTMENTS); /* 1, 10, 0 */
    }
    return !higherc_error();
}

void model_destroy(Model *model) {
    param_unref(model->adjust);
    optim_destroy(model->inner);
    module_destroy(model->net);
    *model = (Model){.learner = NULL};
}

static FModule *give(const Model *model, Tensor *pictures, EpisodeShape shape, FMode mode,
                     Given *g) {
    size_t examples = episode_examples(shape), all = episode_pictures(shape);
    FModuleOptions options = fmodule_options(false);
    options.mode = mode;
    options.buffers = HC_BUFFERS_BATCH;
    *g = (Given){shape, pictures, rows(pictures, 0, examples),
                 rows(pictures, examples, all - examples),
                 classes(tensor_tape(pictures), shape.ways, shape.shots)};
    return fmodule_create_with(tensor_tape(pictures), model->net, options);
}

Tensor *model_logits(const Model *model, Tensor *pictures, EpisodeShape shape) {
    Given given;
    FModule *net = give(model, pictures, shape, HC_EVAL, &given);
    return model->learner->logits(model, net, &given);
}

Tensor *model_loss(const Model *model, Tensor *pictures, EpisodeShape shape) {
    Given given;
    FModule *net = give(model, pictures, shape, model->learner->mode, &given);
    return model->learner->loss(model, net, &given);
}
