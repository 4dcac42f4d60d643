/* NumPy's arrays: versions, orders, types, what a file may not be, and the bytes that are written. */
#include <higherc/higherc.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "support/failing.h"
#include "support/refuse.h"

static const char path[] = "formats.npy";

enum { MOST = 1024 };
typedef struct Image {
    unsigned char bytes[MOST];
    size_t size;
} Image;

static Image image_of(unsigned version, const char *header, const void *data, size_t size) {
    size_t length = strlen(header), bytes = version == 1 ? 2 : 4;
    Image image = {.bytes = {0x93, 'N', 'U', 'M', 'P', 'Y', (unsigned char)version, 0}};
    for (size_t i = 0; i < bytes; i++)
        image.bytes[8 + i] = (unsigned char)(length >> 8 * i);
    memcpy(image.bytes + 8 + bytes, header, length);
    if (size) memcpy(image.bytes + 8 + bytes + length, data, size);
    image.size = 8 + bytes + length + size;
    return image;
}

static const unsigned char six[] = {1, 2, 3, 4, 5, 6};

static void wrong(const char *header, const char *why) {
    Image image = image_of(1, header, six, 6);
    CHECK(!npy_open_memory(image.bytes, image.size) && higherc_status() == HC_ERR_IO);
    CHECK_ERROR(why);
}

/* Six numbers of a byte each, as (2, 3): they are 1 to 6 in the file. */
static void right(unsigned version, const char *header, const double want[6]) {
    Image image = image_of(version, header, six, 6);
    Npy *file = npy_open_memory(image.bytes, image.size);
    double got[6];
    CHECK(file && npy_to_f64(file, got, 6) && memcmp(got, want, sizeof got) == 0);
    npy_destroy(file);
}

static void grammar(void) {
    static const double rows[] = {1, 2, 3, 4, 5, 6}, columns[] = {1, 3, 5, 2, 4, 6};
    right(1, "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }        \n", rows);
    right(2, "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }\n", rows);
    right(3, "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }\n", rows);
    right(1, "{'shape':(2,3,),\"fortran_order\":True,'descr':\"|u1\"}", columns);
    right(1, "{'shape': (2L, 3L), 'descr': '<i1', 'fortran_order': False}", rows);
    right(1, "{'descr': '>u1', 'fortran_order': False, 'shape': (6,)}", rows);
    right(1, "{'descr': '=u1', 'fortran_order': True, 'shape': (1, 1, 6)}", rows);
    wrong("", "at byte 0 of its header should be '{'");
    wrong("{", "a text in quotes");
    wrong("{}", "'descr', 'fortran_order' and 'shape', each once");
    wrong("{'descr': '|u1', 'fortran_order': False}", "'descr', 'fortran_order' and 'shape', each once");
    wrong("{'descr': '|u1', 'descr': '|u1'}", "each once");
    wrong("{'fortran_order': True, 'fortran_order': True}", "each once");
    wrong("{'shape': (), 'shape': ()}", "each once");
    wrong("{'other': 1}", "each once");
    wrong("{'a_key_without_an_end': 1}", "a short text in quotes");
    wrong("{'descr", "a short text in quotes");
    wrong("{'descr' 1}", "':' behind a key");
    wrong("{'descr': [('a', '<f4')]}", "the type of one number");
    wrong("{'descr': 4}", "a text in quotes");
    wrong("{'fortran_order': 1}", "True or False");
    wrong("{'fortran_order': Tru", "True or False");
    wrong("{'fortran_order': Truh }", "True or False");
    wrong("{'shape': 3}", "a shape in brackets");
    wrong("{'shape': (-1)}", "a whole number");
    wrong("{'shape': (1 2)}", "',' or ')'");
    wrong("{'shape': (1) 'descr'}", "',' or '}'");
    wrong("{'descr': '|u1', 'fortran_order': False, 'shape': (6,)} 1", "nothing but blanks");
    static const char *const types[] = {"|O",   "<c8", "<U3", "|S4", "<M8", "|V8", "f4",
                                        "<f16", "|f4", "",    "<",   "<i3", "?",   "|u2"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        char header[200], words[40];
        snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (6,)}", types[i]);
        snprintf(words, sizeof words, "is an array of '%s', not of numbers", types[i]);
        wrong(header, words);
    }
#define U1 "{'descr': '|u1', 'fortran_order': False, 'shape': "
    wrong(U1 "(7,)}", "is cut off: its header says 7 bytes of numbers");
    wrong(U1 "(5,)}", "holds more than it should");
    wrong(U1 "(1,1,1,1,1,1,1,1,6)}", "more than 8 dimensions");
    wrong(U1 "(1,1,1,1,1,1,1,1,1,1,6)}", "more than 8 dimensions");
    wrong(U1 "(18446744073709551615, 0)}", "more numbers than there can be");
    wrong(U1 "(4294967296, 4294967296)}", "more numbers than there can be");
    char hollow[200]; /* of bytes it could be, of reals not */
    snprintf(hollow, sizeof hollow, U1 "(%zu, 0)}", SIZE_MAX / 8);
    wrong(hollow, "more numbers than there can be");
    wrong(U1 "(18446744073709551616,)}", "2^64 - 1");
}

static void heads(void) {
    Image image = image_of(1, U1 "(6,)}", six, 6);
    for (size_t size = 0; size < image.size; size++) {
        CHECK(!npy_open_memory(image.bytes, size) && higherc_status() == HC_ERR_IO);
        higherc_clear_error();
        FILE *out = fopen(path, "wb");
        CHECK(out && (size == 0 || fwrite(image.bytes, 1, size, out) == size) && fclose(out) == 0);
        CHECK(!npy_open(path) && higherc_status() == HC_ERR_IO);
        CHECK_ERROR(path);
    }
    Image second = image_of(2, U1 "(6,)}", six, 6);
    for (size_t size = 0; size < second.size; size++) {
        CHECK(!npy_open_memory(second.bytes, size) && higherc_status() == HC_ERR_IO);
        higherc_clear_error();
    }
    for (size_t at = 0; at < image.size; at++)
        for (int byte = 0; byte < 256; byte++) {
            Image other = image;
            other.bytes[at] = (unsigned char)byte;
            Npy *file = npy_open_memory(other.bytes, other.size);
            CHECK(file ? !higherc_error() && shape_count(npy_shape(file)) <= 6 : higherc_status() == HC_ERR_IO);
            higherc_clear_error();
            npy_destroy(file);
        }
    Image version = image;
    version.bytes[6] = 4;
    CHECK(!npy_open_memory(version.bytes, version.size));
    CHECK_ERROR("has version 4.0 of its format, not 1.0 to 3.0");
    version.bytes[6] = 1, version.bytes[7] = 1;
    CHECK(!npy_open_memory(version.bytes, version.size));
    CHECK_ERROR("version 1.1");
    Image lie = image;
    lie.bytes[8] = 0x11, lie.bytes[9] = 0x27; /* 10001 */
    CHECK(!npy_open_memory(lie.bytes, lie.size));
    CHECK_ERROR("would have a header of 10001 bytes, not at most 10000");
    lie.bytes[8] = 0x10;
    CHECK(!npy_open_memory(lie.bytes, lie.size));
    CHECK_ERROR("cut off within its header");
    CHECK(!npy_open_memory("PK\3\4 an archive", 15));
    CHECK_ERROR("'memory' is no .npy file");
    remove(path);
    CHECK(!npy_open(path));
    CHECK_ERROR("could not be opened");
}

/* A file that claims much is given little. */
static void claims(void) {
    Image image = image_of(1, U1 "(100000000,)}", six, 6);
    FILE *out = fopen(path, "wb");
    CHECK(out && fwrite(image.bytes, 1, image.size, out) == image.size && fclose(out) == 0);
    failing_largest((size_t)1 << 20);
    CHECK(!npy_open(path));
    CHECK_ERROR("its header says 100000000 bytes");
    failing_never();
    remove(path);
}

/* Every type in either order of its bytes. */
static void types(void) {
    static const struct {
        const char *name;
        size_t item;
        unsigned char bytes[8]; /* of 3, little-endian */
    } rows[] = {{"f8", 8, {0, 0, 0, 0, 0, 0, 8, 0x40}},
                {"f4", 4, {0, 0, 0x40, 0x40}},
                {"f2", 2, {0, 0x42}},
                {"i8", 8, {3}},
                {"i4", 4, {3}},
                {"i2", 2, {3}},
                {"i1", 1, {3}},
                {"u8", 8, {3}},
                {"u4", 4, {3}},
                {"u2", 2, {3}},
                {"u1", 1, {3}}};
    Tape *tape = tape_create(HC_F32);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int big = 0; big < 2; big++) {
            char header[100];
            unsigned char bytes[8];
            for (size_t b = 0; b < rows[i].item; b++)
                bytes[b] = rows[i].bytes[big ? rows[i].item - 1 - b : b];
            snprintf(header, sizeof header, "{'descr': '%c%s', 'fortran_order': False, 'shape': ()}", big ? '>' : '<',
                     rows[i].name);
            Image image = image_of(1, header, bytes, rows[i].item);
            Npy *file = npy_open_memory(image.bytes, image.size);
            CHECK(file && npy_shape(file).ndim == 0 && tensor_item(npy_tensor(file, tape)) == 3);
            npy_destroy(file);
        }
    Image image = image_of(1, "{'descr': '|b1', 'fortran_order': False, 'shape': (2, 0)}", NULL, 0);
    Npy *file = npy_open_memory(image.bytes, image.size);
    CHECK(npy_type(file) == HC_STORED_BOOL && tensor_count(npy_tensor(file, tape)) == 0);
    CHECK(npy_to_f32(file, NULL, 0));
    npy_destroy(file);
    tape_destroy(tape);
}

static void save_and_load(void) {
    Tape *tape = tape_create(HC_F64);
    static const double d[] = {1, -2.5, 1e300, 4, 5, 6};
    static const float f[] = {1, 2};
    static const char head[] = "\x93NUMPY\1\0\x76\0{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }";
    unsigned char bytes[200];
    CHECK(npy_save_f32(path, shape1(2), f));
    FILE *in = fopen(path, "rb");
    CHECK(in && fread(bytes, 1, sizeof bytes, in) == 136 && fclose(in) == 0);
    CHECK(memcmp(bytes, head, sizeof head - 1) == 0 && bytes[127] == '\n' && bytes[126] == ' ');
    CHECK(memcmp(bytes + 128, "\0\0\x80\x3f\0\0\0\x40", 8) == 0);
    CHECK(npy_save_tensor(path, tensor_transpose(tensor_from_f64(tape, shape2(2, 3), d), 0, 1)));
    Npy *file = npy_open(path);
    Tape *narrow = tape_create(HC_F32);
    Tensor *gone = tensor_ones(narrow, shape1(2));
    CHECK(npy_save_tensor("formats_narrow.npy", gone) &&
          npy_save_tensor("formats_narrow.npy", tensor_zeros(narrow, shape2(0, 3))));
    tape_reset(narrow);
    CHECK(!npy_save_tensor("formats_narrow.npy", gone) && higherc_status() == HC_ERR_EXPIRED);
    higherc_clear_error();
    tape_destroy(narrow);
    remove("formats_narrow.npy");
    Param *p = param_create("p", shape2(3, 2), HC_F32), *q = param_create("q", shape1(6), HC_F32);
    CHECK(file && npy_type(file) == HC_STORED_F64 && npy_to_param(file, p));
    CHECK(param_get(p, 1) == 4 && param_get(p, 2) == -2.5 && isinf(param_get(p, 4)));
    CHECK(!npy_to_param(file, q));
    CHECK_ERROR("npy_to_param: 'formats.npy' is (3, 2), the Param 'q' is (6)");
    float few[2];
    CHECK(!npy_to_f32(file, few, 2));
    CHECK_ERROR("npy_to_f32: 'formats.npy' has 6 numbers, not 2");
    npy_destroy(file);
    CHECK(!npy_save_param(path, q) && higherc_status() == HC_ERR_STATE);
    CHECK_ERROR("'q' is not initialised");
    CHECK(npy_save_param(path, p) && (file = npy_open(path)) && npy_type(file) == HC_STORED_F32);
    npy_destroy(file);
    CHECK(npy_save_f64(path, shape_scalar(), d) && (file = npy_open(path)) && npy_shape(file).ndim == 0);
    npy_destroy(file);
    CHECK(npy_save_f64(path, shape2(3, 0), NULL) && (file = npy_open(path)) && npy_shape(file).dim[0] == 3);
    npy_destroy(file);
    CHECK(!npy_save_f64(path, shape2(SIZE_MAX, 2), d) && higherc_status() == HC_ERR_SHAPE);
    CHECK_ERROR("an array cannot have the shape");
    CHECK(!npy_save_f64("nowhere/at/all", shape1(2), d) && higherc_status() == HC_ERR_IO);
    CHECK_ERROR("nowhere/at/all");
    size_t most[HC_MAX_DIMS];
    for (size_t i = 0; i < HC_MAX_DIMS; i++)
        most[i] = i ? 1 : 2;
    CHECK(npy_save_f32(path, shape_of(most, HC_MAX_DIMS), f) && (file = npy_open(path)));
    CHECK(shape_equal(npy_shape(file), shape_of(most, HC_MAX_DIMS)));
    npy_destroy(file);
    param_unref(p);
    param_unref(q);
    tape_destroy(tape);
    remove(path);
}

static void nothing(void) {
    Tape *tape = tape_create(HC_F32);
    float f[1] = {0};
    double d[1] = {0};
    CHECK(npy_save_f32(path, shape1(1), f));
    Npy *file = npy_open(path);
    npy_destroy(NULL);
    REFUSED_NULL(npy_open(NULL));
    REFUSED_NULL(npy_open_memory(NULL, 9));
    SURVIVED(npy_type(NULL));
    CHECK(npy_shape(NULL).ndim == -1);
    REFUSED_NULL(npy_to_f32(NULL, f, 1));
    REFUSED_NULL(npy_to_f32(file, NULL, 1));
    REFUSED_NULL(npy_to_f64(NULL, d, 1));
    REFUSED_NULL(npy_to_param(NULL, NULL));
    REFUSED_NULL(npy_to_param(file, NULL));
    REFUSED_NULL(npy_tensor(NULL, tape));
    REFUSED_NULL(npy_tensor(file, NULL));
    REFUSED_NULL(npy_save_f32(NULL, shape1(1), f));
    REFUSED_NULL(npy_save_f32(path, shape1(1), NULL));
    REFUSED_NULL(npy_save_f64(NULL, shape1(1), d));
    REFUSED_NULL(npy_save_param(path, NULL));
    REFUSED_NULL(npy_save_tensor(path, NULL));
    REFUSED_NULL(npy_save_tensor(NULL, tensor_ones(tape, shape1(1))));
    npy_destroy(file);
    tape_destroy(tape);
    remove(path);
}

static bool write_and_read(void) {
    static const float f[2] = {1, 2};
    Tape *tape = tape_create(HC_F32);
    Npy *file = tape && npy_save_f32(path, shape1(2), f) ? npy_open(path) : NULL;
    bool done = file && npy_tensor(file, tape);
    npy_destroy(file);
    tape_destroy(tape);
    return done;
}

int main(void) {
    grammar();
    heads();
    types();
    save_and_load();
    nothing();
    failing_begin();
    claims();
    fail_each_allocation("write and read", write_and_read);
    failing_end();
    remove(path);
    return check_done();
}
