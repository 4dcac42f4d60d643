/* Hostile safetensors files: bytes as they are, as a header of the right length, as words that stand in headers, or as
 * changes to a sound file. Opening fails if and only if it says why; what is opened can be read, and loaded into a
 * module and an optimizer, in part or not at all. */
#include <higherc/higherc.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/target.h"
#include "fuzz/told.h"

const size_t fuzz_length = 600;

enum { MOST = 4096 };
typedef struct Bytes {
    uint8_t at[MOST];
    size_t size;
} Bytes;

static struct {
    Module *net;
    Optim *optim;
    Tape *tape;
} world;
static size_t opened, loaded[2];

static void append(Bytes *to, const void *bytes, size_t size) {
    if (size > MOST - to->size) size = MOST - to->size;
    if (size) memcpy(to->at + to->size, bytes, size);
    to->size += size;
}

/* Puts the length of a header before it. */
static void set_length(Bytes *file, size_t length) {
    for (size_t i = 0; i < 8; i++)
        file->at[i] = (uint8_t)((uint64_t)length >> 8 * i);
}

/* Up to the last '}' it is the header. */
static void from_header(Bytes *file, const uint8_t *data, size_t size) {
    size_t length = size;
    while (length > 0 && data[length - 1] != '}')
        length--;
    file->size = 8;
    append(file, data, size);
    set_length(file, length);
}

static void from_words(Bytes *file, const uint8_t *data, size_t size) {
    static const char *const words[] = {"{",           "}",
                                        "[",           "]",
                                        ",",           ":",
                                        " ",           "\"dtype\":\"F32\"",
                                        "0",           "4",
                                        "\"shape\"",   "\"dtype\"",
                                        "\"F16\"",     "\"I64\"",
                                        "\"BOOL\"",    "\"data_offsets\"",
                                        "8",           "12",
                                        "\"a\"",       "\"0.bias\"",
                                        "\"\\u00e9\"", "\"\\ud83d\\ude00\"",
                                        "\"\\n\"",     "\"__metadata__\"",
                                        "[0,4]",       "[4,8]",
                                        "[1]",         "[]",
                                        "\"rule\"",    "\"adam\"",
                                        "\"step\"",    "18446744073709551615"};
    Bytes text = {.size = 0};
    for (size_t i = 0; i < size; i++) {
        const char *word = words[data[i] % 32];
        append(&text, word, strlen(word));
    }
    from_header(file, text.at, text.size);
}

/* That of the network and the optimizer, with so many bytes changed. */
static void from_sound(Bytes *file, const uint8_t *data, size_t size) {
    static const char *const names[] = {"0.weight",          "0.bias",
                                        "1.running_mean",    "step",
                                        "state.0.bias.step", "state.0.bias.exp_avg",
                                        "param_groups.0.lr", "learned.lr.0.bias"};
    static const char *const types[] = {"F32", "F64", "I64", "U8", "BF16", "F16", "I16", "BOOL"};
    static const size_t items[] = {4, 8, 8, 1, 2, 2, 2, 1}, counts[] = {6, 3, 3, 1, 1, 3, 1, 1};
    static const char *const shapes[] = {"[3,2]", "[3]", "[3]", "[]", "[]", "[3]", "[]", "[]"};
    char header[1600];
    size_t used = (size_t)snprintf(header, sizeof header, "{\"__metadata__\":{\"rule\":\"adam\"}"), end = 0;
    unsigned which = size > 0 ? data[0] : 0, type = size > 1 ? data[1] : 0;
    for (size_t i = 0; i < 8; i++) {
        size_t t = (type + i * (type >> 3)) % 8, begin = end;
        if (!(which >> i & 1)) continue;
        end += counts[i] * items[t];
        used += (size_t)snprintf(header + used, sizeof header - used,
                                 ",\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%zu,%zu]}", names[i],
                                 types[t], shapes[i], begin, end);
    }
    header[used++] = '}';
    file->size = 8;
    append(file, header, used);
    set_length(file, used);
    for (size_t i = 0; i < end; i++)
        append(file, size > 2 ? &data[2 + i % (size - 2)] : (const uint8_t *)"", 1);
    for (size_t i = 2; i + 4 < size && i < 14; i += 4) /* few of them hit */
        if (data[i] % 4 == 0) file->at[(size_t)(data[i + 1] << 8 | data[i + 2]) % file->size] = data[i + 3];
}

/* The numbers that a load may change. */
static double sum(void) {
    double all = (double)optim_steps(world.optim);
    ParamList lists[] = {module_params(world.net), module_buffers(world.net), optim_learned(world.optim)};
    for (size_t l = 0; l < 3; l++)
        for (size_t i = 0; i < lists[l].count; i++)
            for (size_t k = 0; k < param_count(lists[l].items[i]); k++)
                all += param_get(lists[l].items[i], k) * (double)(1 + l + 7 * i + k);
    return all;
}

static void begin(void) {
    Module *layers[] = {module_linear(2, 3), module_batch_norm1d(3, batch_norm_options())};
    Rng rng = rng_seed(1);
    world.net = module_sequential(layers, 2);
    world.tape = tape_create(HC_F32);
    world.optim = optim_adam(module_params(world.net), adam_options(0.1));
    module_init(world.net, &rng);
    optim_learn(world.optim, "lr", 0, HC_LEARN_PARAM);
}

static void end(void) {
    optim_destroy(world.optim);
    module_destroy(world.net);
    tape_destroy(world.tape);
    world.net = NULL;
}

/* All of it can be looked at, and is as large as it says. */
static bool look(const Safetensors *file) {
    bool good = true;
    for (size_t i = 0; i < safetensors_count(file); i++) {
        const char *name = safetensors_name(file, i);
        size_t count = shape_count(safetensors_shape(file, i));
        float *narrow = malloc((count + 1) * sizeof *narrow);
        Tensor *x = safetensors_tensor(file, name, world.tape);
        good = good && narrow && safetensors_find(file, name) == i && count <= MOST && tensor_count(x) == count &&
               safetensors_to_f32(file, name, narrow, count) &&
               (count == 0 || memcmp(narrow, tensor_data(x), count * sizeof *narrow) == 0);
        free(narrow);
    }
    for (size_t i = 0; i < safetensors_metadata_count(file); i++)
        good = good && safetensors_metadata(file, safetensors_metadata_key(file, i)) != NULL;
    tape_reset(world.tape);
    return good && told(true);
}

static bool load(const Safetensors *file, unsigned choice) {
    LoadOptions options = {.missing = choice & 1, .left_over = choice & 2, .other_shape = choice & 4};
    LoadReport report;
    double before = sum();
    bool good = true, done = safetensors_to_module(file, world.net, options, &report);
    loaded[0] += done;
    good = told(done) && (done || sum() == before) && strlen(report.text) < sizeof report.text;
    before = done ? sum() : before;
    done = safetensors_to_optim(file, world.optim, options, &report);
    loaded[1] += done;
    return told(done) && good && (done || sum() == before || before != before);
}

bool fuzz_run(const uint8_t *data, size_t size) {
    Bytes file = {.size = 0};
    if (!world.net) begin();
    unsigned mode = size > 0 ? data[0] : 0;
    if (size > 0) data++, size--;
    if (mode % 4 == 0) append(&file, data, size);
    if (mode % 4 == 1) from_header(&file, data, size);
    if (mode % 4 == 2) from_words(&file, data, size);
    if (mode % 4 == 3) from_sound(&file, data, size);
    uint8_t *exact = malloc(file.size + 1); /* so that a sanitizer sees what is read past its end */
    if (!exact) return true;
    memcpy(exact, file.at, file.size);
    Safetensors *read = safetensors_open_memory(exact, file.size);
    bool good = told(read != NULL);
    if (read) {
        opened++;
        good = good && look(read) && load(read, mode >> 2);
    }
    safetensors_destroy(read);
    free(exact);
    end(); /* states come and go with loads */
    if (good && higherc_live_allocations() != 0) printf("  memory stays behind\n");
    return good && higherc_live_allocations() == 0;
}

bool fuzz_end(size_t generated) {
    printf("%zu files opened, %zu loaded into a module, %zu into an optimizer\n", opened, loaded[0], loaded[1]);
    return !generated || (opened >= generated / 50 && loaded[0] > 0 && loaded[1] > 0);
}
