/* Named tensors: each type read, what a file may not be, what comes back after saving. */
#if defined(__unix__) || defined(__APPLE__)
#define _XOPEN_SOURCE 700
#endif

#include <higherc/higherc.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/safetensors.h"
#include "support/failing.h"
#include "support/refuse.h"

static const char path[] = "formats.safetensors";

enum { MOST = 4096 };
typedef struct Image {
    unsigned char bytes[MOST];
    size_t size;
} Image;

/* A file with this header, of that length, and numbers. */
static Image image_of(const char *header, size_t length, const void *data, size_t size) {
    Image image = {.size = 8 + length + size};
    for (size_t i = 0; i < 8; i++)
        image.bytes[i] = (unsigned char)((uint64_t)length >> 8 * i);
    memcpy(image.bytes + 8, header, length);
    if (size) memcpy(image.bytes + 8 + length, data, size);
    return image;
}

static Image image_with(const char *header, const void *data, size_t size) {
    return image_of(header, strlen(header), data, size);
}

static Safetensors *open_image(const Image *image) {
    return safetensors_open_memory(image->bytes, image->size);
}

/* It is not one, for this reason. */
static void wrong(const char *header, size_t size, const char *why) {
    const unsigned char zeros[256] = {0};
    Image image = image_with(header, zeros, size);
    CHECK(!open_image(&image) && higherc_status() == HC_ERR_IO);
    CHECK_ERROR(why);
}

static void right(const char *header, size_t size, size_t count) {
    const unsigned char zeros[256] = {0};
    Image image = image_with(header, zeros, size);
    Safetensors *file = open_image(&image);
    CHECK(file && safetensors_count(file) == count);
    safetensors_destroy(file);
}

#define A(shape, from, to) "\"dtype\":\"F32\",\"shape\":[" shape "],\"data_offsets\":[" #from "," #to "]"

static void grammar(void) {
    right("{}", 0, 0);
    right("{}   ", 0, 0);
    right("{ \t\n\r}", 0, 0);
    right("{\"a\":{" A("2", 0, 8) "}}      ", 8, 1);
    right("{\"b\":{" A("", 8, 12) "},\"a\":{" A("2", 0, 8) "}}", 12, 2); /* in any order; a scalar */
    right("{\"a\":{" A("3,0", 0, 0) "},\"b\":{" A("1", 0, 4) "},\"c\":{" A("0", 4, 4) "}}", 4, 3);
    right("{\"a\":{\"shape\":[2],\"data_offsets\":[0,2],\"dtype\":\"I8\"}}", 2, 1);
    right("{\"__metadata__\":{},\"a\":{" A("2", 0, 8) "}}", 8, 1);
    right("{\"a\":{" A("1,1,1,1,1,1,1,2", 0, 8) "}}", 8, 1);
    right("{\"\xe0\xa4\x80\xed\x9f\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\\ue000\":{" A("1", 0, 4) "}}", 4, 1);
    wrong("{", 0, "header would have 1 bytes");
    wrong("[]", 0, "does not begin with '{'");
    wrong(" {}", 0, "does not begin with '{'");
    wrong("{}\n", 0, "at byte 2 of its header should be nothing but spaces");
    wrong("{}}", 0, "nothing but spaces");
    wrong("{a}", 0, "at byte 1 of its header should be a text in double quotes");
    wrong("{\"a\" 1}", 0, "':' behind a name");
    wrong("{\"a\":1}", 0, "'{' before a tensor's type, shape and place");
    wrong("{\"a\":{}}", 0, "a text in double quotes");
    wrong("{\"a\":{\"dtype\":\"F32\"}}", 0, "\"dtype\", \"shape\" and \"data_offsets\" of each tensor");
    wrong("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", 0, "one \"dtype\"");
    wrong("{\"a\":{\"shape\":[],\"shape\":[]}}", 0, "one \"shape\"");
    wrong("{\"a\":{\"data_offsets\":[0,0],\"data_offsets\":[0,0]}}", 0, "one \"data_offsets\"");
    wrong("{\"a\":{\"data_offsets\":[0 0]}}", 0, "two places, with a comma between them");
    wrong("{\"a\":{\"data_offsets\":[0,0,0]}}", 0, "two places and ']'");
    wrong("{\"a\":{\"data_offsets\":{}}}", 0, "two places in brackets");
    wrong("{\"a\":{\"shape\":2}}", 0, "a shape in brackets");
    wrong("{\"a\":{\"shape\":[2 3]}}", 0, "',' or ']'");
    wrong("{\"a\":{\"shape\":[2,]}}", 0, "a whole number");
    wrong("{\"a\":{\"shape\":[-2]}}", 0, "a whole number");
    wrong("{\"a\":{\"shape\":[02]}}", 0, "without zeros before it");
    wrong("{\"a\":{\"shape\":[2.5]}}", 0, "',' or ']'");
    wrong("{\"a\":{\"shape\":[18446744073709551616]}}", 0, "2^64 - 1");
    wrong("{\"a\":{\"shape\" 3}}", 0, "':' behind a key");
    wrong("{\"a\":{\"dtype\":3}}", 0, "a text in double quotes");
    wrong("{\"a\":{\"other\":3}}", 0, "\"dtype\", \"shape\" or \"data_offsets\"");
    wrong("{\"a\":{" A("2", 0, 8) ";}", 8, "',' or '}'");
    wrong("{\"a\":{" A("2", 0, 8) "};}", 8, "',' or '}'");
    wrong("{\"a\":{" A("2", 0, 8) "},}", 8, "a text in double quotes");
    wrong("{\"a", 0, "a double quote at a text's end");
    wrong("{\"a\\", 0, "an escape that JSON has");
    wrong("{\"\\x\":", 0, "an escape that JSON has");
    wrong("{\"\\u12", 0, "four hexadecimal digits");
    wrong("{\"\\u12g4\"", 0, "four hexadecimal digits");
    wrong("{\"\\ud800\"", 0, "surrogates in pairs");
    wrong("{\"\\ud800\\n\"", 0, "surrogates in pairs");
    wrong("{\"\\ud800\\u0041\"", 0, "surrogates in pairs");
    wrong("{\"\\ud800\\u00", 0, "four hexadecimal digits");
    wrong("{\"\\udc00\\ud800\"", 0, "surrogates in pairs");
    wrong("{\"\\ud800\\ue000\"", 0, "surrogates in pairs");
    wrong("{\"\\ud800", 0, "surrogates in pairs");
    wrong("{\"\\ud800\\", 0, "surrogates in pairs");
    wrong("{\"\\u0000\"", 0, "a text without a zero in it");
    wrong("{\"a\nb\"", 0, "control characters as escapes");
    wrong("{\"\xff\"", 0, "its header is not UTF-8");
    wrong("{\"\xc3\"", 0, "its header is not UTF-8");
    wrong("{\"\xc0\x80\"", 0, "not UTF-8"); /* longer than need be */
    wrong("{\"\xe0\x80\x80\"", 0, "not UTF-8");
    wrong("{\"\xf0\x80\x80\x80\"", 0, "not UTF-8");
    wrong("{\"\xed\xa0\x80\"", 0, "not UTF-8");     /* a surrogate */
    wrong("{\"\xf4\x90\x80\x80\"", 0, "not UTF-8"); /* past U+10FFFF */
    wrong("{\"\xf5\x80\x80\x80\"", 0, "not UTF-8");
    wrong("{\"__metadata__\":[]}", 0, "'{' before the metadata");
    wrong("{\"__metadata__\":{\"a\":1}}", 0, "a text in double quotes");
    wrong("{\"__metadata__\":{\"a\" \"b\"}}", 0, "':' behind a key");
    wrong("{\"__metadata__\":{\"a\":\"b\";}}", 0, "',' or '}'");
    wrong("{\"__metadata__\":{},\"__metadata__\":{}}", 0, "one \"__metadata__\"");
    wrong("{\"__metadata__\":{\"a\":\"b\",\"a\":\"c\"}}", 0, "metadata 'a' stands there twice");
}

static void places(void) {
    wrong("{\"a\":{" A("2", 0, 8) "},\"a\":{" A("2", 8, 16) "}}", 16, "'a' stands there twice");
    wrong("{\"a\":{" A("2", 0, 8) "},\"\\u0061\":{" A("2", 8, 16) "}}", 16, "'a' stands there twice");
    wrong("{\"a\":{" A("2", 4, 12) "}}", 12, "'a' begins behind a hole");
    wrong("{\"a\":{" A("2", 0, 8) "},\"b\":{" A("2", 12, 20) "}}", 20, "'b' begins behind a hole");
    wrong("{\"a\":{" A("2", 0, 8) "},\"b\":{" A("2", 4, 12) "}}", 12, "'b' overlaps the one before it");
    wrong("{\"a\":{" A("2", 0, 8) "},\"b\":{" A("0", 4, 4) "}}", 8, "overlaps the one before it");
    wrong("{\"a\":{" A("2", 0, 8) "}}", 7, "is cut off: its header says 8 bytes of numbers");
    wrong("{\"a\":{" A("2", 0, 8) "}}", 9, "holds more than it should");
    wrong("{}", 1, "holds more than it should");
    wrong("{\"a\":{" A("2", 0, 12) "}}", 12, "stands at bytes 0 to 12, its shape and type take 8");
    wrong("{\"a\":{" A("2", 8, 0) "}}", 8, "stands at bytes 8 to 0");
    wrong("{\"a\":{" A("2", 8, 16) "},\"b\":{" A("2", 0, 8) "},\"c\":{" A("0", 8, 8) "},\"d\":{" A("0", 9, 9) "}}",
          16, "'d' overlaps");
    wrong("{\"a\":{" A("4294967296,4294967296", 0, 0) "}}", 0, "a shape of more numbers than there can be");
    wrong("{\"a\":{" A("18446744073709551615,0", 0, 0) "}}", 0, "a shape of more numbers than there can be");
    wrong("{\"a\":{" A("1,1,1,1,1,1,1,1,1,1", 0, 4) "}}", 4, "has more than 8 dimensions");
    wrong("{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1,
          "'F8_E4M3', which is none of BOOL");
    static char header[MOST]; /* of bytes it could be, of reals not */
    snprintf(header, sizeof header, "{\"a\":{\"dtype\":\"U8\",\"shape\":[%zu,0],\"data_offsets\":[0,0]}}",
             SIZE_MAX / 8);
    wrong(header, 0, "a shape of more numbers than there can be");
    /* Places that add up to more than there are bytes to count by. */
    size_t used = (size_t)snprintf(header, sizeof header, "{");
    const unsigned long long each = SIZE_MAX / 32;
    for (unsigned long long i = 0; i < 32; i++)
        used += (size_t)snprintf(header + used, sizeof header - used,
                                 "%s\"t%d\":{\"dtype\":\"U8\",\"shape\":[%llu],\"data_offsets\":[%llu,%llu]}",
                                 i ? "," : "", (int)i, each, i * each, (i + 1) * each);
    snprintf(header + used, sizeof header - used, "}");
    wrong(header, 16, "is cut off");
}

/* A header that lies about its length, and one that is cut anywhere. */
static void lengths(void) {
    Image image = image_with("{\"a\":{" A("2", 0, 8) "}}", "12345678", 8);
    static const uint64_t lies[] = {0, 1, 3, 100000000, 100000001, UINT64_MAX, (uint64_t)1 << 63, UINT64_MAX - 7};
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        Image lie = image;
        for (size_t b = 0; b < 8; b++)
            lie.bytes[b] = (unsigned char)(lies[i] >> 8 * b);
        CHECK(!open_image(&lie) && higherc_status() == HC_ERR_IO);
        CHECK_ERROR(i < 2 || i > 3 ? "header would have" : i == 2 ? "header should be" : "cut off within its header");
    }
    for (size_t size = 0; size < image.size; size++) {
        CHECK(!safetensors_open_memory(image.bytes, size) && higherc_status() == HC_ERR_IO);
        higherc_clear_error();
        FILE *out = fopen(path, "wb");
        CHECK(out && (size == 0 || fwrite(image.bytes, 1, size, out) == size) && fclose(out) == 0);
        CHECK(!safetensors_open(path) && higherc_status() == HC_ERR_IO);
        CHECK_ERROR(path);
    }
    remove(path);
    CHECK(!safetensors_open(path) && higherc_status() == HC_ERR_IO);
    CHECK_ERROR("could not be opened");
}

/* Each byte changed: an error in words, or a file that can be read. */
static void changed(void) {
    Image image = image_with("{\"__metadata__\":{\"k\":\"v\"},\"a\":{" A("2", 0, 8) "},\"b\":{" A("1", 8, 12) "}} ",
                             "123456789012", 12);
    Tape *tape = tape_create(HC_F32);
    for (size_t at = 0; at < image.size; at++)
        for (int bit = 0; bit < 256; bit += QUICK ? 37 : 1) {
            Image other = image;
            other.bytes[at] = (unsigned char)bit;
            Safetensors *file = open_image(&other);
            CHECK(file ? higherc_error() == NULL : higherc_status() == HC_ERR_IO);
            higherc_clear_error();
            for (size_t i = 0; i < safetensors_count(file); i++)
                CHECK(safetensors_tensor(file, safetensors_name(file, i), tape) != NULL);
            safetensors_destroy(file);
            tape_reset(tape);
        }
    tape_destroy(tape);
}

static void names(void) {
    Image image = image_with("{\"__metadata__\":{\"format\":\"pt\",\"\\u00e9\":\"\\ud83d\\ude00\"},"
                             "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00E9\\u20ac\\uD83D\\uDE00\":{" A(
                                 "1", 0, 4) "},\"\xc3\xa9\":{" A("1", 4, 8) "},\"\":{" A("1", 8, 12) "}}",
                             "1234567890ab", 12);
    Safetensors *file = open_image(&image);
    CHECK(file && safetensors_count(file) == 3);
    CHECK(strcmp(safetensors_name(file, 0), "\"\\/\b\f\n\r\t\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80") == 0);
    CHECK(safetensors_find(file, "\xc3\xa9") == 1 && safetensors_find(file, "") == 2);
    CHECK(safetensors_find(file, "e") == SIZE_MAX && higherc_error() == NULL);
    CHECK(safetensors_metadata_count(file) == 2 && strcmp(safetensors_metadata(file, "format"), "pt") == 0);
    CHECK(strcmp(safetensors_metadata(file, "\xc3\xa9"), "\xf0\x9f\x98\x80") == 0);
    CHECK(safetensors_metadata(file, "none") == NULL && higherc_error() == NULL);
    CHECK(strcmp(safetensors_metadata_key(file, 0), "format") == 0);
    CHECK(safetensors_save(file, path)); /* and back, escaped */
    Safetensors *back = safetensors_open(path);
    CHECK(back && safetensors_count(back) == 3 && safetensors_metadata_count(back) == 2);
    for (size_t i = 0; i < 3; i++)
        CHECK(safetensors_find(back, safetensors_name(file, i)) != SIZE_MAX);
    safetensors_destroy(back);
    safetensors_destroy(file);
    remove(path);
}

/* ---- numbers ------------------------------------------------------------------------------------------------- */

static void read_type(const char *type, size_t item, const uint64_t *bits, const double *want, size_t count) {
    unsigned char data[128];
    char header[200];
    float narrow[16];
    double wide[16];
    for (size_t i = 0; i < count * item; i++)
        data[i] = (unsigned char)(bits[i / item] >> 8 * (i % item));
    snprintf(header, sizeof header, "{\"x\":{\"dtype\":\"%s\",\"shape\":[%zu],\"data_offsets\":[0,%zu]}}", type,
             count, count * item);
    Image image = image_with(header, data, count * item);
    Safetensors *file = open_image(&image);
    CHECK(file && strcmp(stored_type_name(safetensors_type(file, 0)), type) == 0);
    CHECK(shape_equal(safetensors_shape(file, 0), shape1(count)));
    CHECK(safetensors_to_f64(file, "x", wide, count) && safetensors_to_f32(file, "x", narrow, count));
    for (size_t i = 0; i < count; i++) {
        CHECK(isnan(want[i]) ? isnan(wide[i]) : wide[i] == want[i] && !signbit(wide[i]) == !signbit(want[i]));
        CHECK(isnan(want[i]) ? isnan(narrow[i]) : narrow[i] == (float)want[i]);
    }
    safetensors_destroy(file);
}

#define READS(type, item, bits, ...)                                                                                 \
    do {                                                                                                             \
        static const double want[] = {__VA_ARGS__};                                                                  \
        read_type(type, item, bits, want, sizeof want / sizeof *want);                                               \
    } while (0)

static void types(void) {
    static const uint64_t small[] = {0, 1, 0x7F, 0x80, 0xFF};
    READS("BOOL", 1, small, 0, 1, 1, 1, 1);
    READS("U8", 1, small, 0, 1, 127, 128, 255);
    READS("I8", 1, small, 0, 1, 127, -128, -1);
    static const uint64_t two[] = {0, 0x0102, 0x7FFF, 0x8000, 0xFFFF};
    READS("U16", 2, two, 0, 258, 32767, 32768, 65535);
    READS("I16", 2, two, 0, 258, 32767, -32768, -1);
    static const uint64_t four[] = {0, 0x01020304, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF};
    READS("U32", 4, four, 0, 16909060, 2147483647, 2147483648, 4294967295);
    READS("I32", 4, four, 0, 16909060, 2147483647, -2147483648.0, -1);
    static const uint64_t eight[] = {0, 0x0102030405060708, INT64_MAX, (uint64_t)1 << 63, UINT64_MAX};
    READS("U64", 8, eight, 0, 72623859790382856.0, 9223372036854775808.0, 9223372036854775808.0,
          18446744073709551616.0);
    READS("I64", 8, eight, 0, 72623859790382856.0, 9223372036854775808.0, -9223372036854775808.0, -1);
    /* 1, -2, the least subnormal and the largest, the least normal, the largest, +-infinity, NaN, -0 */
    static const uint64_t half[] = {0x3C00, 0xC000, 0x0001, 0x83FF, 0x0400, 0x7BFF,
                                    0x7C00, 0xFC00, 0x7E00, 0x8000, 0x3555};
    READS("F16", 2, half, 1, -2, 0x1p-24, -0x1.ff8p-15, 0x1p-14, 65504, INFINITY, -INFINITY, NAN, -0.0, 0x1.554p-2);
    static const uint64_t brain[] = {0x3F80, 0xC000, 0x0001, 0x7F80, 0x7FC0, 0x8000, 0x4049};
    READS("BF16", 2, brain, 1, -2, 0x1p-133, INFINITY, NAN, -0.0, 3.140625);
    static const uint64_t single[] = {0x3F800000, 0x00000001, 0xFF7FFFFF, 0x7F800000, 0x7FC00000, 0x80000000};
    READS("F32", 4, single, 1, 0x1p-149, -0x1.fffffep127, INFINITY, NAN, -0.0);
    static const uint64_t wide[] = {0x3FF0000000000000, 1, 0x7FEFFFFFFFFFFFFF, 0xFFF0000000000000, 0x7FF8000000000000,
                                    0x8000000000000000};
    READS("F64", 8, wide, 1, 0x1p-1074, 0x1.fffffffffffffp1023, -INFINITY, NAN, -0.0);
    /* Rounded once, to the nearest: by way of a double it would be 2^24 too low. */
    static const uint64_t once = 0x4000004000000001;
    float value = 0;
    unsigned char data[8];
    for (size_t i = 0; i < 8; i++)
        data[i] = (unsigned char)(once >> 8 * i);
    Image image = image_with("{\"x\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]}}", data, 8);
    Safetensors *file = open_image(&image);
    CHECK(safetensors_to_f32(file, "x", &value, 1) && value == 0x1.000002p62f);
    safetensors_destroy(file);
    CHECK(strcmp(stored_type_name((StoredType)99), "none") == 0);
}

/* The bytes of a file are those that the reference implementation writes. */
static void bytes(void) {
    static const float f[] = {1, 2, 3};
    static const double d[] = {0.5};
    const char *header =
        "{\"__metadata__\":{\"format\":\"pt\"},\"z\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[0,8]},"
        "\"a\":{\"dtype\":\"F32\",\"shape\":[1,3],\"data_offsets\":[8,20]},"
        "\"b\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[20,20]}}";
    Safetensors *file = safetensors_create();
    CHECK(safetensors_add_f32(file, "b", shape1(0), NULL) && safetensors_add_f32(file, "a", shape2(1, 3), f) &&
          safetensors_add_f64(file, "z", shape_scalar(), d) && safetensors_set_metadata(file, "format", "np") &&
          safetensors_set_metadata(file, "format", "pt") && safetensors_save(file, path));
    safetensors_destroy(file);
    unsigned char read[MOST];
    FILE *in = fopen(path, "rb");
    size_t size = in ? fread(read, 1, sizeof read, in) : 0, length = (strlen(header) + 7) / 8 * 8;
    if (in) fclose(in);
    CHECK(size == 8 + length + 20 && read[0] == length % 256 && read[1] == length / 256 && read[7] == 0);
    CHECK(memcmp(read + 8, header, strlen(header)) == 0 && read[8 + length - 1] == (strlen(header) % 8 ? ' ' : '}'));
    static const unsigned char numbers[] = {0,    0,    0, 0, 0, 0,    0xE0, 0x3F, 0,    0,
                                            0x80, 0x3F, 0, 0, 0, 0x40, 0,    0,    0x40, 0x40};
    CHECK(memcmp(read + 8 + length, numbers, sizeof numbers) == 0);
    remove(path);
}

static void round_trip(void) {
    Tape *tape = tape_create(HC_F64);
    Safetensors *file = safetensors_create();
    static const double d[] = {1, -2.5, 1e300, 4, 5, 6};
    CHECK(safetensors_add_tensor(file, "t", tensor_transpose(tensor_from_f64(tape, shape2(2, 3), d), 0, 1)));
    Param *p = param_create("p", shape2(3, 2), HC_F32), *q = param_create("q", shape1(6), HC_F32);
    CHECK(safetensors_save(file, path));
    Safetensors *back = safetensors_open(path);
    CHECK(back && safetensors_type(back, 0) == HC_STORED_F64 && safetensors_to_param(back, "t", p));
    CHECK(param_get(p, 0) == 1 && param_get(p, 1) == 4 && param_get(p, 2) == -2.5 && isinf(param_get(p, 4)));
    Tensor *x = safetensors_tensor(back, "t", tape);
    CHECK(tensor_dim(x, 0) == 3 && tensor_item(tensor_sum(x)) == 1 - 2.5 + 1e300 + 15);
    CHECK(!safetensors_to_param(back, "t", q));
    CHECK_ERROR("safetensors_to_param: 't' is (3, 2), the Param 'q' is (6)");
    float few[2];
    CHECK(!safetensors_to_f32(back, "t", few, 2));
    CHECK_ERROR("safetensors_to_f32: 't' has 6 numbers, not 2");
    CHECK(!safetensors_to_f32(back, "u", few, 2) && higherc_status() == HC_ERR_NAME);
    CHECK_ERROR("there is no tensor 'u'");
    CHECK(!safetensors_name(back, 1) && higherc_status() == HC_ERR_RANGE);
    CHECK_ERROR("there is no tensor 1 of 1");
    CHECK(safetensors_add_f32(back, "more", shape1(2), few) == true && safetensors_count(back) == 2);
    CHECK(!safetensors_add_f32(back, "more", shape1(2), few));
    CHECK_ERROR("'more' is there already");
    CHECK(!safetensors_add_f32(back, "__metadata__", shape1(2), few));
    CHECK_ERROR("no tensor can be called '__metadata__'");
    CHECK(!safetensors_add_f32(back, "\xff", shape1(2), few));
    CHECK_ERROR("not UTF-8");
    CHECK(!safetensors_set_metadata(back, "\xff", "x") && !safetensors_set_metadata(back, "x", "\xff"));
    CHECK_ERROR("not UTF-8");
    CHECK(!safetensors_add_f32(back, "huge", shape2(SIZE_MAX, 2), few) && higherc_status() == HC_ERR_SHAPE);
    CHECK_ERROR("cannot have the shape");
    CHECK(!safetensors_metadata_key(back, 0) && higherc_status() == HC_ERR_RANGE);
    CHECK_ERROR("there is no text 0 of 0");
    double wide;
    CHECK(!safetensors_to_f64(back, "u", &wide, 1) && higherc_status() == HC_ERR_NAME);
    higherc_clear_error();
    CHECK(safetensors_add_tensor(back, "none", tensor_zeros(tape, shape2(0, 3))));
    Tensor *gone = tensor_ones(tape, shape1(2));
    tape_reset(tape);
    CHECK(!safetensors_add_tensor(back, "gone", gone) && higherc_status() == HC_ERR_EXPIRED);
    higherc_clear_error();
    tape_clear_error(tape);
    CHECK(!safetensors_save(back, "nowhere/at/all") && higherc_status() == HC_ERR_IO);
    CHECK_ERROR("nowhere/at/all");
    safetensors_destroy(back);
    safetensors_destroy(file);
    param_unref(p);
    param_unref(q);
    tape_destroy(tape);
    remove(path);
}

/* What stands in the other order of bytes is written as what stands in this one; control characters are escaped. */
static void turned(void) {
    enum { COUNT = 3000 };
    static double there[COUNT], back[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        there[i] = (double)i + 0.25;
    Safetensors *file = safetensors_create();
    CHECK(safetensors_add_f64(file, "\x01\x1f\"\\", shape1(COUNT), there));
    HcNumbers *numbers = file->items[0];
    unsigned char *bytes = numbers->owned;
    for (size_t i = 0; i < sizeof there; i += 8)
        for (size_t b = 0; b < 4; b++) {
            unsigned char last = bytes[i + 7 - b];
            bytes[i + 7 - b] = bytes[i + b];
            bytes[i + b] = last;
        }
    numbers->stored.big = !numbers->stored.big;
    for (int big = 0; big < 2; big++) {
        Safetensors *other = NULL;
        CHECK(safetensors_save(file, path) && (other = safetensors_open(path)));
        CHECK(safetensors_to_f64(other, "\x01\x1f\"\\", back, COUNT) && memcmp(there, back, sizeof back) == 0);
        safetensors_destroy(file);
        file = other;
    }
    safetensors_destroy(file);
}

/* More than a header may have. */
static void long_header(void) {
    const size_t size = 100000000;
    char *value = QUICK ? NULL : malloc(size + 1);
    if (!value) return;
    memset(value, 'x', size);
    value[size] = 0;
    Safetensors *file = safetensors_create();
    CHECK(safetensors_set_metadata(file, "k", value));
    CHECK(!safetensors_save(file, path) && higherc_status() == HC_ERR_RANGE);
    CHECK_ERROR("would have a header of 100000032 bytes, not at most 100000000");
    safetensors_destroy(file);
    free(value);
}

static void nothing(void) {
    float f = 0;
    double d = 0;
    Safetensors *file = safetensors_create();
    Tape *tape = tape_create(HC_F32);
    REFUSED_NULL(safetensors_open(NULL));
    REFUSED_NULL(safetensors_open_memory(NULL, 8));
    safetensors_destroy(NULL);
    CHECK(safetensors_count(NULL) == 0 && safetensors_find(NULL, "a") == SIZE_MAX &&
          safetensors_find(file, NULL) == SIZE_MAX && safetensors_metadata_count(NULL) == 0 &&
          !safetensors_metadata(NULL, "a") && !safetensors_metadata(file, NULL) && higherc_error() == NULL);
    REFUSED_NULL(safetensors_name(NULL, 0));
    REFUSED_NULL(safetensors_metadata_key(NULL, 0));
    SURVIVED(safetensors_type(NULL, 0));
    SURVIVED(safetensors_shape(NULL, 0));
    REFUSED_NULL(safetensors_to_f32(NULL, "a", &f, 1));
    REFUSED_NULL(safetensors_to_f32(file, NULL, &f, 1));
    REFUSED_NULL(safetensors_to_f64(NULL, "a", &d, 1));
    REFUSED_NULL(safetensors_to_param(NULL, "a", NULL));
    REFUSED_NULL(safetensors_tensor(NULL, "a", tape));
    REFUSED_NULL(safetensors_tensor(file, "a", NULL));
    REFUSED_NULL(safetensors_add_f32(NULL, "a", shape1(1), &f));
    REFUSED_NULL(safetensors_add_f32(file, NULL, shape1(1), &f));
    REFUSED_NULL(safetensors_add_f32(file, "a", shape1(1), NULL));
    REFUSED_NULL(safetensors_add_f64(NULL, "a", shape1(1), &d));
    REFUSED_NULL(safetensors_add_tensor(file, "a", NULL));
    REFUSED_NULL(safetensors_set_metadata(file, "a", NULL));
    REFUSED_NULL(safetensors_set_metadata(file, NULL, "a"));
    REFUSED_NULL(safetensors_set_metadata(NULL, "a", "a"));
    REFUSED_NULL(safetensors_save(file, NULL));
    REFUSED_NULL(safetensors_save(NULL, "a"));
    CHECK(safetensors_add_f32(file, "a", shape1(1), &f));
    REFUSED_NULL(safetensors_to_f32(file, "a", NULL, 1));
    REFUSED_NULL(safetensors_to_param(file, "a", NULL));
    tape_destroy(tape);
    safetensors_destroy(file);
}

/* ---- memory --------------------------------------------------------------------------------------------------- */

static bool make_and_read(void) {
    static const float f[4] = {1, 2, 3, 4};
    Safetensors *file = safetensors_create();
    bool done = safetensors_add_f32(file, "a", shape1(4), f) && safetensors_add_f32(file, "b", shape2(2, 2), f) &&
                safetensors_set_metadata(file, "k", "v") && safetensors_set_metadata(file, "k", "w") &&
                safetensors_save(file, path);
    safetensors_destroy(file);
    Safetensors *back = done ? safetensors_open(path) : NULL;
    Tape *tape = back ? tape_create(HC_F32) : NULL;
    done = tape && safetensors_tensor(back, "a", tape) != NULL;
    tape_destroy(tape);
    safetensors_destroy(back);
    return done;
}

/* What a file says it has is not believed: of a large claim no memory is asked. */
static void claims(void) {
    Image image =
        image_with("{\"a\":{\"dtype\":\"U8\",\"shape\":[100000000],\"data_offsets\":[0,100000000]}}", "", 0);
    FILE *out = fopen(path, "wb");
    CHECK(out && fwrite(image.bytes, 1, image.size, out) == image.size && fclose(out) == 0);
    failing_largest((size_t)1 << 20);
    CHECK(!safetensors_open(path) && higherc_status() == HC_ERR_IO);
    CHECK_ERROR("is cut off: its header says 100000000 bytes");
    Image lie = image_of("{", 1, "", 0);
    lie.bytes[0] = 0, lie.bytes[3] = 5; /* 83 MB of header */
    out = fopen(path, "wb");
    CHECK(out && fwrite(lie.bytes, 1, lie.size, out) == lie.size && fclose(out) == 0);
    CHECK(!safetensors_open(path) && higherc_status() == HC_ERR_IO);
    CHECK_ERROR("cut off within its header");
    failing_never();
    remove(path);
}

/* What cannot tell its size is read as it comes. */
#ifdef _XOPEN_SOURCE
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void pipes(void) {
    enum { NUMBERS = 50000 };
    static float numbers[NUMBERS];
    const char *pipe = "formats.pipe";
    Safetensors *file = safetensors_create();
    for (size_t i = 0; i < NUMBERS; i++)
        numbers[i] = (float)i;
    CHECK(safetensors_add_f32(file, "a", shape1(NUMBERS), numbers) && safetensors_save(file, path));
    safetensors_destroy(file);
    remove(pipe);
    if (mkfifo(pipe, 0600) != 0) return; /* a file system without them */
    pid_t child = fork();
    if (child == 0) {
        FILE *from = fopen(path, "rb"), *to = fopen(pipe, "wb");
        for (int c; from && to && (c = getc(from)) != EOF;)
            putc(c, to);
        _exit(!to || fclose(to) != 0);
    }
    file = safetensors_open(pipe);
    CHECK(file && safetensors_to_f32(file, "a", numbers, NUMBERS) && numbers[NUMBERS - 1] == NUMBERS - 1);
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    safetensors_destroy(file);
    remove(pipe);
    CHECK(!safetensors_open(".") && higherc_status() == HC_ERR_IO); /* a folder */
    higherc_clear_error();
}
#else
static void pipes(void) {}
#endif

int main(void) {
    grammar();
    places();
    lengths();
    changed();
    names();
    types();
    bytes();
    round_trip();
    turned();
    long_header();
    nothing();
    pipes();
    failing_begin();
    claims();
    fail_each_allocation("make and read", make_and_read);
    failing_end();
    remove(path);
    return check_done();
}
