/* Data for the workloads, and files of it for their peers. */
#include <stdio.h>
#include <stdlib.h>

#include "workload.h"

static FILE *open_record(const char *folder, const char *name) {
    char path[1024];
    int length = snprintf(path, sizeof path, "%s/%s", folder, name);
    return length > 0 && (size_t)length < sizeof path ? fopen(path, "wb") : NULL;
}

bool record_floats(const char *folder, const char *name, const float *values, size_t count) {
    FILE *file = open_record(folder, name);
    if (!file) return false;
    bool done = fwrite(values, sizeof *values, count, file) == count;
    return fclose(file) == 0 && done;
}

bool record_params(const char *folder, const char *name, ParamList params, bool gradients) {
    FILE *file = open_record(folder, name);
    bool done = file != NULL;
    for (size_t i = 0; done && i < params.count; i++) {
        const Param *p = params.items[i];
        const void *values = gradients ? param_grad(p) : param_data(p);
        size_t count = shape_count(param_shape(p));
        done = values && fwrite(values, sizeof(float), count, file) == count;
    }
    return file && fclose(file) == 0 && done;
}

float *random_normals(size_t count, Rng *rng) {
    float *values = malloc(count * sizeof *values);
    for (size_t i = 0; values && i < count; i++)
        values[i] = (float)rng_normal(rng);
    return values;
}

float *random_classes(size_t count, size_t bound, Rng *rng) {
    float *values = malloc(count * sizeof *values);
    for (size_t i = 0; values && i < count; i++)
        values[i] = (float)rng_below(rng, bound);
    return values;
}
