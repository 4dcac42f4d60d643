/* Hostile files: bytes become a module's and an optimizer's file, as they are and under a right checksum;
 * loading must neither crash nor change anything unless it succeeds, and say why it failed.
 *
 * As a ctest this runs over a module's and an optimizer's own files: cut off at every length, every byte
 * changed, numbers in them replaced by extreme ones, pieces moved about. With HIGHERC_LIBFUZZER defined
 * it is a libFuzzer target (clang -fsanitize=fuzzer). */
#include <higherc/higherc.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/save.h"
#include "optim/save.h"
#include "support/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct World {
    Module *net;
    Optim *optim;
} World;

static World world_make(void) {
    Module *layers[] = {module_linear(2, 3), module_tanh(), module_linear_no_bias(3, 1)};
    World w = {.net = module_sequential(layers, 3)};
    Rng rng = rng_seed(3);
    module_init(w.net, &rng);
    w.optim = optim_new("adam", module_params(w.net));
    optim_learn(w.optim, "lr", 0, HC_LEARN_PARAM);
    Tape *tape = tape_create(HC_F32);
    tensor_backward(tensor_sum(module_forward(w.net, tensor_ones(tape, shape2(1, 2)))));
    optim_step(w.optim);
    tape_destroy(tape);
    return w;
}

static void world_free(World *w) {
    optim_destroy(w->optim);
    module_destroy(w->net);
}

static uint32_t sum_list(uint32_t crc, ParamList list) {
    for (size_t i = 0; i < list.count; i++)
        crc = hc_crc32(crc, param_data(list.items[i]), param_count(list.items[i]) * sizeof(float));
    return crc;
}

/* All that a load may change. */
static uint32_t fingerprint(const World *w) {
    ParamList list = module_params(w->net);
    uint32_t crc = sum_list(sum_list(0, list), optim_learned(w->optim));
    for (size_t h = 0; h < optim_class(w->optim)->hyper_count; h++) {
        double value = w->optim->groups[0].hyper[h];
        crc = hc_crc32(crc, &value, sizeof value);
    }
    for (size_t i = 0; i < list.count; i++)
        for (size_t s = 0; s < optim_class(w->optim)->state_count; s++) {
            const void *state =
                optim_param_state(w->optim, list.items[i], optim_class(w->optim)->states[s]);
            if (state) crc = hc_crc32(crc, state, param_count(list.items[i]) * sizeof(float));
        }
    size_t steps = optim_steps(w->optim);
    return hc_crc32(crc, &steps, sizeof steps);
}

static World fuzzed;
static size_t taken;

static void load(const uint8_t *bytes, size_t size) {
    uint32_t before = fingerprint(&fuzzed);
    higherc_clear_error();
    bool module = hc_module_load(fuzzed.net, "fuzzed", bytes, size);
    if (!module && (higherc_error() == NULL || fingerprint(&fuzzed) != before)) abort();
    before = fingerprint(&fuzzed);
    higherc_clear_error();
    bool optim = hc_optim_load(fuzzed.optim, "fuzzed", bytes, size);
    if (!optim && (higherc_error() == NULL || fingerprint(&fuzzed) != before)) abort();
    higherc_clear_error();
    taken += module + optim;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!fuzzed.net) fuzzed = world_make();
    load(data, size);
    if (size < HC_FILE_HEAD + HC_FILE_TAIL) return 0;
    uint8_t *sealed = malloc(size);
    if (!sealed) return 0;
    memcpy(sealed, data, size);
    uint32_t crc = hc_crc32(0, sealed, size - HC_FILE_TAIL);
    for (int i = 0; i < HC_FILE_TAIL; i++)
        sealed[size - HC_FILE_TAIL + (size_t)i] = (uint8_t)(crc >> 8 * i);
    load(sealed, size);
    free(sealed);
    return 0;
}

#ifndef HIGHERC_LIBFUZZER

enum { ROOM = 8192 };

static size_t read_back(const char *path, uint8_t *bytes) {
    FILE *file = fopen(path, "rb");
    size_t size = file ? fread(bytes, 1, ROOM / 2, file) : 0;
    if (file) fclose(file);
    remove(path);
    return size;
}

static void mutate(const uint8_t *seed, size_t size) {
    static const uint8_t flips[] = {0x01, 0x80, 0xFF};
    static const uint64_t extremes[] = {0, UINT64_MAX, UINT64_MAX / 4 + 1, 0x7FF0000000000000u,
                                        UINT32_MAX};
    uint8_t bytes[ROOM];
    for (size_t cut = 0; cut <= size; cut++)
        LLVMFuzzerTestOneInput(seed, cut);
    for (size_t at = 0; at < size; at++)
        for (size_t i = 0; i < sizeof flips; i++) {
            memcpy(bytes, seed, size);
            bytes[at] ^= flips[i];
            LLVMFuzzerTestOneInput(bytes, size);
        }
    for (size_t at = 0; at + 8 <= size; at++)
        for (size_t i = 0; i < sizeof extremes / sizeof *extremes; i++)
            for (size_t width = 4; width <= 8; width += 4) {
                memcpy(bytes, seed, size);
                for (size_t b = 0; b < width; b++)
                    bytes[at + b] = (uint8_t)(extremes[i] >> 8 * b);
                LLVMFuzzerTestOneInput(bytes, size);
            }
    Rng rng = rng_seed(size);
    for (int round = 0; round < 3000; round++) { /* pieces moved, repeated, left out */
        memcpy(bytes, seed, size);
        size_t from = rng_below(&rng, size), to = rng_below(&rng, size);
        size_t length = rng_below(&rng, size - (from > to ? from : to)), now = size;
        memmove(bytes + to, bytes + from, length);
        if (rng_below(&rng, 2)) now -= rng_below(&rng, size / 4);
        LLVMFuzzerTestOneInput(bytes, now);
    }
}

int main(void) {
    uint8_t seed[ROOM];
    World w = world_make();
    CHECK(module_save(w.net, "fuzz_module.tmp") && optim_save(w.optim, "fuzz_optim.tmp"));
    world_free(&w);
    size_t size = read_back("fuzz_module.tmp", seed);
    CHECK(size > 100);
    mutate(seed, size);
    size = read_back("fuzz_optim.tmp", seed);
    CHECK(size > 100);
    mutate(seed, size);
    /* Numbers may be anything, so some mutants are sound files; none was without its checksum. */
    CHECK(taken > 0);
    printf("%zu loads succeeded\n", taken);
    world_free(&fuzzed);
    CHECK(higherc_error() == NULL);
    return check_done();
}

#endif
