/* Hostile .npy files: bytes as they are, as a header of the right length, as words that stand in headers, or as changes
 * to a sound file. Opening fails if and only if it says why, and what is opened can be read. */
#include <higherc/higherc.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/target.h"
#include "fuzz/told.h"

const size_t fuzz_length = 300;

enum { MOST = 4096 };
typedef struct Bytes {
    uint8_t at[MOST];
    size_t size;
} Bytes;

static size_t opened;

static void append(Bytes *to, const void *bytes, size_t size) {
    if (size > MOST - to->size) size = MOST - to->size;
    if (size) memcpy(to->at + to->size, bytes, size);
    to->size += size;
}

/* Up to the last '}' it is the header. */
static void from_header(Bytes *file, unsigned version, const uint8_t *data, size_t size) {
    size_t length = size, bytes = version == 1 ? 2 : 4;
    while (length > 0 && data[length - 1] != '}')
        length--;
    const uint8_t head[12] = {
        0x93, 'N', 'U', 'M', 'P', 'Y', (uint8_t)version, 0, (uint8_t)length, (uint8_t)(length >> 8)};
    append(file, head, 8 + bytes);
    append(file, data, size);
}

static void from_words(Bytes *file, const uint8_t *data, size_t size) {
    static const char *const words[] = {"{",
                                        "}",
                                        "(",
                                        ")",
                                        ",",
                                        ":",
                                        " ",
                                        "'descr': '<f4',",
                                        "3",
                                        "0",
                                        "'",
                                        "\"",
                                        "'descr'",
                                        "'shape'",
                                        "'fortran_order'",
                                        "True",
                                        "False",
                                        "'|u1'",
                                        "'>i2'",
                                        "'<f8'",
                                        "L",
                                        "(2,)",
                                        "()",
                                        "(2, 3)"};
    Bytes text = {.size = 0};
    for (size_t i = 1; i < size; i++) {
        const char *word = words[data[i] % 24];
        append(&text, word, strlen(word));
    }
    from_header(file, 1 + (size ? data[0] % 3 : 0), text.at, text.size);
}

static void from_sound(Bytes *file, const uint8_t *data, size_t size) {
    static const char *const types[] = {"f8", "f4", "f2", "b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"};
    char header[200];
    unsigned a = size > 0 ? data[0] : 0, b = size > 1 ? data[1] : 0;
    size_t rows = a % 3, columns = a / 3 % 4, item = (size_t)(types[b % 12][1] - '0');
    int used = snprintf(header, sizeof header, "{'descr': '%c%s', 'fortran_order': %s, 'shape': (%zu, %zu)}",
                        "<>="[b / 12 % 3], types[b % 12], a & 128 ? "True" : "False", rows, columns);
    from_header(file, 1 + b % 3, (const uint8_t *)header, (size_t)used);
    for (size_t i = 0; i < rows * columns * item; i++)
        append(file, size > 2 ? &data[2 + i % (size - 2)] : (const uint8_t *)"", 1);
    for (size_t i = 2; i + 3 < size && i < 12; i += 3)
        if (data[i] % 4 == 0) file->at[data[i + 1] % file->size] = data[i + 2];
}

static bool look(const Npy *file) {
    Tape *tape = tape_create(HC_F64);
    size_t count = shape_count(npy_shape(file));
    double *wide = malloc((count + 1) * sizeof *wide);
    Tensor *x = npy_tensor(file, tape);
    bool good = wide && count <= MOST && shape_equal(tensor_shape(x), npy_shape(file)) &&
                npy_to_f64(file, wide, count) &&
                (count == 0 || memcmp(wide, tensor_data(x), count * sizeof *wide) == 0);
    free(wide);
    tape_destroy(tape);
    return good && told(true);
}

bool fuzz_run(const uint8_t *data, size_t size) {
    Bytes file = {.size = 0};
    unsigned mode = size > 0 ? data[0] : 0;
    if (size > 0) data++, size--;
    if (mode % 4 == 0) append(&file, data, size);
    if (mode % 4 == 1) from_header(&file, mode >> 2, data, size);
    if (mode % 4 == 2) from_words(&file, data, size);
    if (mode % 4 == 3) from_sound(&file, data, size);
    uint8_t *exact = malloc(file.size + 1);
    if (!exact) return true;
    memcpy(exact, file.at, file.size);
    Npy *read = npy_open_memory(exact, file.size);
    bool good = told(read != NULL);
    opened += read != NULL;
    if (read) good = good && look(read);
    npy_destroy(read);
    free(exact);
    return good && higherc_live_allocations() == 0;
}

bool fuzz_end(size_t generated) {
    printf("%zu files opened\n", opened);
    return opened >= generated / 50;
}
