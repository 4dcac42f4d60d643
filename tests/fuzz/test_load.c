/* Hostile files: bytes become a module's, an optimizer's and a run's file, as they are and under a right checksum;
 * loading must neither crash nor change anything unless it succeeds, and say why it failed.
 *
 * As a ctest this runs over files of a module, an optimizer and a checkpoint: cut off at every length, every byte
 * changed, numbers in them replaced by extreme ones, stretches moved about (an argument says how often more), or over
 * stored inputs (arguments that are files). With HIGHERC_LIBFUZZER defined it is a libFuzzer target (clang
 * -fsanitize=fuzzer). */
#include <higherc/higherc.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/save.h"
#include "optim/checkpoint.h"
#include "support/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct World {
    Module *net;
    Optim *optim;
    Param *loose;
    struct {
        Rng rng;
        size_t iteration;
        double best;
    } *numbers;
    Checkpoint *checkpoint;
} World;

static Hyper constant(size_t step, void *user) {
    (void)step;
    (void)user;
    return hyper_const(0.5);
}

/* Of all the ways; a file with the function's place is taken only where there is one. */
static void set_schedules(Optim *optim) {
    static Schedule own, warmup, cosine, half, then, both;
    own = schedule_lambda(constant, NULL);
    warmup = schedule_warmup(3, hyper_const(0.1));
    cosine = schedule_cosine(9, hyper_const(0.2));
    half = schedule_step(2, hyper_const(0.5));
    then = schedule_then(&warmup, 3, &own);
    both = schedule_then(&cosine, 5, &then);
    optim_schedule(optim, "lr", HC_ALL_GROUPS, &both);
    optim_schedule(optim, "eps", 0, &half);
    optim_schedule(optim, "lr", 0, NULL);
}

static void name_all(World *w) {
    Checkpoint *c = w->checkpoint = checkpoint_create();
    w->loose = param_create("loose", shape1(1), HC_F32);
    w->numbers = calloc(1, sizeof *w->numbers);
    if (!w->numbers) abort();
    param_fill(w->loose, 1);
    checkpoint_setting(c, "--hidden", "40");
    checkpoint_module(c, "net", w->net);
    checkpoint_params(c, "loose", (ParamList){&w->loose, 1});
    checkpoint_optim(c, "optim", w->optim);
    checkpoint_rng(c, "rng", &w->numbers->rng);
    checkpoint_count(c, "iteration", &w->numbers->iteration);
    checkpoint_real(c, "best", &w->numbers->best);
}

static World world_make(void) {
    Module *layers[] = {module_linear(2, 3), module_tanh(), module_linear_no_bias(3, 1)};
    World w = {.net = module_sequential(layers, 3)};
    Rng rng = rng_seed(3);
    module_init(w.net, &rng);
    w.optim = optim_new("adam", module_params(w.net));
    optim_learn(w.optim, "lr", 0, HC_LEARN_PARAM);
    set_schedules(w.optim);
    Tape *tape = tape_create(HC_F32);
    tensor_backward(tensor_sum(module_forward(w.net, tensor_ones(tape, shape2(1, 2)))));
    optim_step(w.optim);
    tape_destroy(tape);
    name_all(&w);
    return w;
}

static uint32_t sum_list(uint32_t crc, ParamList list) {
    for (size_t i = 0; i < list.count; i++)
        crc = hc_crc32(crc, param_data(list.items[i]), param_count(list.items[i]) * sizeof(float));
    return crc;
}

static uint32_t sum_schedule(uint32_t crc, const Schedule *s) {
    const uint64_t parts[] = {(uint64_t)hc_schedule_kind(s), s->steps};
    crc = hc_crc32(hc_crc32(crc, parts, sizeof parts), &s->coefficient.value, sizeof(double));
    if (hc_schedule_kind(s) != HC_SCHEDULE_THEN) return crc;
    return sum_schedule(sum_schedule(crc, s->first), s->next);
}

/* All that a load may change. */
static uint32_t fingerprint(const World *w) {
    ParamList list = module_params(w->net);
    uint32_t crc = sum_list(sum_list(0, list), optim_learned(w->optim));
    crc = hc_crc32(sum_list(crc, (ParamList){(Param **)(uintptr_t)&w->loose, 1}), w->numbers, sizeof *w->numbers);
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
    for (size_t i = 0; i < w->optim->schedule_count; i++) {
        const HcScheduled *s = &w->optim->schedules[i];
        const size_t parts[] = {s->hyper, s->group, s->removed};
        crc = hc_crc32(crc, parts, sizeof parts);
        if (!s->removed) crc = sum_schedule(crc, &s->schedule);
    }
    size_t steps = optim_steps(w->optim);
    return hc_crc32(crc, &steps, sizeof steps);
}

/* What was taken can be worked with: a step is a step or an error, and saves. */
static void use(World *w, bool loaded) {
    if (!loaded) return;
    uint64_t steps = optim_steps(w->optim);
    Tape *tape = tape_create(HC_F32);
    if (!diffopt_create(w->optim, fmodule_create(tape, w->net, false))) abort();
    tape_destroy(tape);
    ParamList list = module_params(w->net);
    for (size_t i = 0; i <= list.count; i++) {
        if (steps > UINT64_C(1) << 53) abort();
        if (i < list.count) steps = optim_param_steps(w->optim, list.items[i]);
    }
}

static World fuzzed;
static size_t taken[3]; /* of each kind */

static void load(const uint8_t *bytes, size_t size) {
    set_schedules(fuzzed.optim);
    uint32_t before = fingerprint(&fuzzed);
    higherc_clear_error();
    bool module = hc_module_load_bytes(fuzzed.net, "fuzzed", bytes, size);
    if (!module && (higherc_error() == NULL || fingerprint(&fuzzed) != before)) abort();
    before = fingerprint(&fuzzed);
    higherc_clear_error();
    bool optim = hc_optim_load_bytes(fuzzed.optim, "fuzzed", bytes, size);
    use(&fuzzed, optim);
    if (!optim && (higherc_error() == NULL || fingerprint(&fuzzed) != before)) abort();
    before = fingerprint(&fuzzed);
    higherc_clear_error();
    bool run = hc_checkpoint_load_bytes(fuzzed.checkpoint, "fuzzed", bytes, size);
    use(&fuzzed, run);
    if (!run && (higherc_error() == NULL || fingerprint(&fuzzed) != before)) abort();
    higherc_clear_error();
    taken[0] += module;
    taken[1] += optim;
    taken[2] += run;
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

static void world_free(World *w) {
    checkpoint_destroy(w->checkpoint);
    optim_destroy(w->optim);
    module_destroy(w->net);
    param_unref(w->loose);
    free(w->numbers);
}

enum { ROOM = 8192 };

static size_t read_back(const char *path, uint8_t *bytes) {
    FILE *file = fopen(path, "rb");
    size_t size = file ? fread(bytes, 1, ROOM / 2, file) : 0;
    if (file) fclose(file);
    remove(path);
    return size;
}

static void mutate(const uint8_t *seed, size_t size, size_t rounds) {
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
    for (size_t round = 0; round < 3000 * rounds;
         round++) { /* stretches moved, repeated, left out */
        memcpy(bytes, seed, size);
        size_t from = rng_below(&rng, size), to = rng_below(&rng, size);
        size_t length = rng_below(&rng, size - (from > to ? from : to)), now = size;
        memmove(bytes + to, bytes + from, length);
        if (rng_below(&rng, 2)) now -= rng_below(&rng, size / 4);
        LLVMFuzzerTestOneInput(bytes, now);
    }
}

/* Stored inputs, such as those that libFuzzer keeps. */
static int replay(int count, char **paths) {
    static uint8_t bytes[ROOM];
    for (int i = 0; i < count; i++) {
        FILE *file = fopen(paths[i], "rb");
        CHECK(file != NULL);
        if (!file) continue;
        LLVMFuzzerTestOneInput(bytes, fread(bytes, 1, sizeof bytes, file));
        fclose(file);
    }
    printf("%zu modules, %zu optimizers, %zu runs loaded\n", taken[0], taken[1], taken[2]);
    CHECK(taken[0] > 0 && taken[1] > 0 && taken[2] > 0);
    world_free(&fuzzed);
    return check_done();
}

int main(int argc, char **argv) {
    char *end = NULL;
    size_t rounds = argc > 1 ? (size_t)strtoul(argv[1], &end, 10) : 1;
    uint8_t seed[ROOM];
    if (end && *end) return replay(argc - 1, argv + 1);
    World w = world_make();
    CHECK(module_save(w.net, "fuzz_module.tmp") && optim_save(w.optim, "fuzz_optim.tmp") &&
          checkpoint_save(w.checkpoint, "fuzz_run.tmp"));
    world_free(&w);
    static const char *const files[] = {"fuzz_module.tmp", "fuzz_optim.tmp", "fuzz_run.tmp"};
    for (size_t i = 0; i < 3; i++) {
        size_t size = read_back(files[i], seed);
        CHECK(size > 100);
        mutate(seed, size, rounds);
        /* Numbers may be anything, so some mutants are sound files; none was without its checksum. */
        CHECK(taken[i] > 0);
        printf("%zu loads of %s succeeded\n", taken[i], files[i]);
    }
    world_free(&fuzzed);
    CHECK(higherc_error() == NULL);
    return check_done();
}

#endif
