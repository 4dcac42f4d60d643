/* omniglot-N: the net of higher's example (three times conv 3x3 of 64 channels, batch norm, ReLU,
 * max-pool 2; then linear) on 28x28 images, 5 classes with 1 support and 15 query images each, N inner
 * SGD steps of 0.1, the exact meta-gradient, Adam outside after every 8 tasks. Images are a random
 * pattern per class, and noise: what they show does not change what there is to compute. */
#include <stdlib.h>

#include "few_shot.h"

enum { WAYS = 5, SUPPORT = WAYS, QUERY = 15 * WAYS, SIDE = 28, PIXELS = SIDE * SIDE };
enum { CHANNELS = 64, BLOCKS = 3, TASKS = 8, LAYERS = 4 * BLOCKS + 2 };

static Module *make_net(void) {
    Module *layers[LAYERS];
    BatchNormOptions norm = batch_norm_options();
    norm.momentum = 1;
    for (size_t b = 0; b < BLOCKS; b++) {
        Module **block = layers + 4 * b;
        block[0] = module_conv2d(b == 0 ? 1 : CHANNELS, CHANNELS, 3, 3, conv2d_options());
        block[1] = module_batch_norm2d(CHANNELS, norm);
        block[2] = module_relu();
        block[3] = module_max_pool2d(pool2d_options(2));
    }
    layers[LAYERS - 2] = module_flatten(); /* 28, 26, 13, 11, 5, 3, 1: one pixel is left */
    layers[LAYERS - 1] = module_linear(CHANNELS, WAYS);
    return module_sequential(layers, LAYERS);
}

static void draw(float *images, float *classes, size_t count, const float *patterns, Rng *rng) {
    for (size_t i = 0; i < count; i++) {
        classes[i] = (float)(i % WAYS);
        for (size_t p = 0; p < PIXELS; p++)
            images[i * PIXELS + p] =
                patterns[i % WAYS * PIXELS + p] + 0.5f * (float)rng_normal(rng);
    }
}

static bool make_data(FewShot *shot, Rng *rng) {
    shot->shape[FEW_SHOT_X] = shape4(SUPPORT, 1, SIDE, SIDE);
    shot->shape[FEW_SHOT_Y] = shape1(SUPPORT);
    shot->shape[FEW_SHOT_XQ] = shape4(QUERY, 1, SIDE, SIDE);
    shot->shape[FEW_SHOT_YQ] = shape1(QUERY);
    for (size_t i = 0; i < FEW_SHOT_INPUTS; i++) {
        shot->data[i] = malloc(TASKS * shape_count(shot->shape[i]) * sizeof(float));
        if (!shot->data[i]) return false;
    }
    for (size_t t = 0; t < TASKS; t++) {
        float *patterns = random_normals((size_t)WAYS * PIXELS, rng);
        if (!patterns) return false;
        draw(shot->data[FEW_SHOT_X] + t * SUPPORT * PIXELS, shot->data[FEW_SHOT_Y] + t * SUPPORT,
             SUPPORT, patterns, rng);
        draw(shot->data[FEW_SHOT_XQ] + t * QUERY * PIXELS, shot->data[FEW_SHOT_YQ] + t * QUERY,
             QUERY, patterns, rng);
        free(patterns);
    }
    return true;
}

static void *create(Settings settings) {
    FewShot *shot = calloc(1, sizeof *shot);
    if (!shot) return NULL;
    Rng rng = rng_seed(1);
    shot->settings = settings;
    shot->net = make_net();
    module_init(shot->net, &rng);
    shot->inner = optim_sgd(module_params(shot->net), sgd_options(0.1));
    shot->outer = optim_adam(module_params(shot->net), adam_options(0.001));
    shot->loss = tensor_cross_entropy_loss;
    shot->steps = settings.number;
    shot->tasks = TASKS;
    shot->pool = TASKS;
    if (make_data(shot, &rng) && few_shot_begin(shot)) return shot;
    few_shot_destroy(shot);
    return NULL;
}

const Workload workload_omniglot = {.stem = "omniglot-",
                                    .numbered = true,
                                    .threaded = true,
                                    .unrolls = true,
                                    .tasks = TASKS,
                                    .create = create,
                                    .iterate = few_shot_iterate,
                                    .record = few_shot_record,
                                    .destroy = few_shot_destroy};
