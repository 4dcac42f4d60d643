/* peer_fused maml-sine-N FOLDER: the workload by maml_fused.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "maml_fused.h"
#include "peer.h"
#include "timing.h"

enum { TASKS = 25, SHOTS = 10, POOL = 16 * TASKS };

typedef struct Fused {
    float *weights, *x, *y, *xq, *yq;
    float gradient[FUSED_PARAMS], first[FUSED_PARAMS], second[FUSED_PARAMS];
    float turned[FUSED_HIDDEN * FUSED_HIDDEN];
    size_t inner_steps, next, outer_steps;
    FusedWork *work;
} Fused;

static void meta_gradient(Fused *fused) {
    memset(fused->gradient, 0, sizeof fused->gradient);
    fused_transpose(fused->weights, fused->turned);
    for (size_t task = 0; task < TASKS; task++) {
        size_t at = fused->next * SHOTS;
        fused->next = (fused->next + 1) % POOL;
        FusedBatch support = {SHOTS, fused->x + at, fused->y + at};
        FusedBatch query = {SHOTS, fused->xq + at, fused->yq + at};
        fused_meta_gradient(fused->weights, fused->turned, support, query, fused->inner_steps,
                            0.01f, fused->gradient, fused->work);
    }
    for (size_t i = 0; i < FUSED_PARAMS; i++)
        fused->gradient[i] /= TASKS;
}

static bool iterate(void *state) {
    Fused *fused = state;
    meta_gradient(fused);
    fused_adam(fused->weights, fused->gradient, fused->first, fused->second, ++fused->outer_steps,
               0.001);
    return true;
}

int main(int argc, char **argv) {
    static Fused fused;
    PeerArguments args;
    if (!peer_arguments(&args, argc, argv)) return 2;
    if (!peer_is(&args, "maml-sine-") || args.number < 1 || args.number > FUSED_MAX_STEPS) {
        fprintf(stderr, "peer_fused: not written for %s\n", args.name);
        return 2;
    }
    const size_t count = (size_t)POOL * SHOTS;
    fused.inner_steps = args.number;
    fused.weights = peer_read(&args, "weights", FUSED_PARAMS);
    fused.x = peer_read(&args, "x", count);
    fused.y = peer_read(&args, "y", count);
    fused.xq = peer_read(&args, "xq", count);
    fused.yq = peer_read(&args, "yq", count);
    fused.work = aligned_alloc(64, (fused_work_bytes() + 63) / 64 * 64);
    if (!fused.work) return EXIT_FAILURE;

    meta_gradient(&fused);
    if (!peer_agrees(&args, "grad", fused.gradient, FUSED_PARAMS)) return EXIT_FAILURE;
    bool done = time_and_print(args.name, "hand-fused", 0, args.repeat, iterate, &fused);
    return done ? EXIT_SUCCESS : EXIT_FAILURE;
}
