/* Trials, as bytes. */
#include "../idx.h"

#include "trials.h"

static bool make(Trials *trials, const char *name, EpisodeShape shape, size_t count) {
    *trials = (Trials){.count = count, .shape = shape};
    snprintf(trials->name, sizeof trials->name, "%s", name);
    trials->pictures = malloc(count * episode_pictures(shape) * PIXELS);
    trials->answers = malloc(count * shape.ways * shape.queries);
    if (trials->pictures && trials->answers) return true;
    fprintf(stderr, "%s: out of memory\n", name);
    trials_free(trials);
    return false;
}

void trials_free(Trials *trials) {
    free(trials->pictures);
    free(trials->answers);
    *trials = (Trials){.count = 0};
}

size_t trials_queries(const Trials *trials) {
    return trials->shape.ways * trials->shape.queries;
}

const unsigned char *trials_picture(const Trials *trials, size_t trial, size_t which) {
    return trials->pictures + (trial * episode_pictures(trials->shape) + which) * PIXELS;
}

void trials_pictures(const Trials *trials, size_t trial, float *pictures) {
    const unsigned char *from = trials_picture(trials, trial, 0);
    for (size_t i = 0; i < episode_pictures(trials->shape) * PIXELS; i++)
        pictures[i] = (float)from[i] / 255;
}

const unsigned char *trials_answers(const Trials *trials, size_t trial) {
    return trials->answers + trial * trials_queries(trials);
}

/* ---- runs of a benchmark ----------------------------------------------------------------------- */

static bool right_size(const Idx *images, const char *path, size_t ways, size_t count) {
    if (images->size[1] != SIDE || images->size[2] != SIDE)
        fprintf(stderr, "%s: has pictures of %zu x %zu, where %d x %d were looked for\n", path,
                images->size[1], images->size[2], SIDE, SIDE);
    else if (images->size[0] == 0 || images->size[0] % ways != 0)
        fprintf(stderr, "%s: has %zu pictures, which are no runs of %zu\n", path, images->size[0],
                ways);
    else if (images->size[0] != count)
        fprintf(stderr, "%s: has %zu pictures, for %zu examples\n", path, images->size[0], count);
    else
        return true;
    return false;
}

static bool right_labels(const Idx *labels, const char *path, size_t ways, size_t count) {
    if (labels->size[0] != count) {
        fprintf(stderr, "%s: has %zu labels, for %zu pictures\n", path, labels->size[0], count);
        return false;
    }
    for (size_t i = 0; i < count; i++)
        if (labels->items[i] >= ways) {
            fprintf(stderr, "%s: label %d of picture %zu, in runs of %zu characters\n", path,
                    labels->items[i], i + 1, ways);
            return false;
        }
    return true;
}

static bool join(Trials *trials, const char *name, size_t ways, const Idx *train, const Idx *test,
                 const Idx *labels) {
    EpisodeShape shape = {ways, 1, 1};
    if (!make(trials, name, shape, train->size[0] / ways)) return false;
    for (size_t t = 0; t < trials->count; t++) {
        unsigned char *to = trials->pictures + t * 2 * ways * PIXELS;
        memcpy(to, train->items + t * ways * PIXELS, ways * PIXELS);
        memcpy(to + ways * PIXELS, test->items + t * ways * PIXELS, ways * PIXELS);
    }
    memcpy(trials->answers, labels->items, trials->count * ways);
    return true;
}

bool trials_read(Trials *trials, const char *folder, const char *name, size_t ways) {
    static const char *const what[] = {"train-images-idx3-ubyte", "test-images-idx3-ubyte",
                                       "test-labels-idx1-ubyte"};
    char path[3][IDX_PATH];
    Idx idx[3] = {{.file = NULL}, {.file = NULL}, {.file = NULL}};
    bool done = true;
    for (size_t i = 0; done && i < 3; i++)
        done = characters_path(path[i], sizeof path[i], folder, name, what[i]) &&
               idx_read(&idx[i], path[i], i < 2 ? 3 : 1);
    size_t count = idx[0].size[0];
    done = done && right_size(&idx[0], path[0], ways, count) &&
           right_size(&idx[1], path[1], ways, count) &&
           right_labels(&idx[2], path[2], ways, count) &&
           join(trials, name, ways, &idx[0], &idx[1], &idx[2]);
    for (size_t i = 0; i < 3; i++)
        idx_free(&idx[i]);
    return done;
}

/* ---- episodes ---------------------------------------------------------------------------------- */

bool trials_draw(Trials *trials, const char *name, const Characters *characters, EpisodeShape shape,
                 size_t count) {
    shape.queries = 1;
    size_t size = episode_pictures(shape) * PIXELS;
    float *pictures = malloc(size * sizeof *pictures);
    if (!pictures || !make(trials, name, shape, count)) {
        free(pictures);
        return false;
    }
    Rng rng = rng_seed(0);
    for (size_t t = 0; t < count; t++) {
        episode_draw(shape, characters, false, &rng, pictures);
        for (size_t i = 0; i < size; i++)
            trials->pictures[t * size + i] = (unsigned char)(255 * pictures[i] + 0.5f);
        for (size_t way = 0; way < shape.ways; way++)
            trials->answers[t * shape.ways + way] = (unsigned char)way;
    }
    free(pictures);
    return true;
}
