/* The examples' reader of IDX files: what was written comes back, and of what is wrong each kind is refused, by
 * every byte that may be missing or too much. What it says goes to a file here, which is looked at. */
#include "../../examples/folders.h"

#include <stdio.h>

static FILE *said;
#undef stderr
#define stderr said

#include "../../examples/idx.h"

#include "support/check.h"

static const char pictures_path[] = "test_idx-images-idx3-ubyte";
static const char labels_path[] = "test_idx-labels-idx1-ubyte";
static const char said_path[] = "test_idx_said.txt";

/* Two pictures of 2 x 3, and their labels. */
static const unsigned char images[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2,  0,  0,
                                       0, 3, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 255};
static const unsigned char labels[] = {0, 0, 8, 1, 0, 0, 0, 2, 7, 250};

static void write_bytes(const char *path, const unsigned char *bytes, size_t count) {
    FILE *file = fopen(path, "wb");
    CHECK(file && fwrite(bytes, 1, count, file) == count);
    if (file) CHECK(fclose(file) == 0);
}

static void write_sound(void) {
    write_bytes(pictures_path, images, sizeof images);
    write_bytes(labels_path, labels, sizeof labels);
}

/* The text, which must name the file, is among what a reading that fails says. */
static void refused(const char *path, const char *name, const char *text) {
    char words[2 * IDX_PATH] = "";
    Pictures pictures;
    said = fopen(said_path, "wb+");
    CHECK(said != NULL);
    if (!said) return;
    CHECK(!pictures_find(&pictures, path));
    CHECK(!pictures.images.file && !pictures.labels.file && pictures.count == 0);
    rewind(said);
    words[fread(words, 1, sizeof words - 1, said)] = 0;
    fclose(said);
    CHECK(strstr(words, name) && strstr(words, text));
}

static void check_sound(const char *path) {
    Pictures p;
    write_sound();
    CHECK(pictures_find(&p, path));
    CHECK(p.count == 2 && p.height == 2 && p.width == 3);
    if (p.count == 2) {
        CHECK(memcmp(p.images.items, images + 16, 12) == 0);
        CHECK(memcmp(p.labels.items, labels + 8, 2) == 0);
    }
    pictures_free(&p);
    pictures_free(&p);
}

/* What pictures_are_digits says of what can be read; NULL: that they are. */
static void not_digits(size_t least, const char *text) {
    char words[2 * IDX_PATH] = "";
    Pictures pictures;
    CHECK(pictures_find(&pictures, pictures_path));
    said = fopen(said_path, "wb+");
    CHECK(said != NULL);
    if (!said) return;
    CHECK(pictures_are_digits(&pictures, "a name", least) == !text);
    rewind(said);
    words[fread(words, 1, sizeof words - 1, said)] = 0;
    fclose(said);
    CHECK(text ? strstr(words, "a name: ") && strstr(words, text) : !*words);
    pictures_free(&pictures);
}

/* Byte `at` of a sound file is another. */
static void check_byte(const char *path, size_t at, unsigned char value, const char *text) {
    unsigned char wrong[sizeof images];
    bool first = path == pictures_path;
    size_t count = first ? sizeof images : sizeof labels;
    memcpy(wrong, first ? images : labels, count);
    wrong[at] = value;
    write_sound();
    write_bytes(path, wrong, count);
    refused(pictures_path, path, text);
}

static void check_lengths(void) {
    unsigned char longer[sizeof images + 1] = {0};
    for (size_t count = 0; count < sizeof images; count++) {
        write_sound();
        write_bytes(pictures_path, images, count);
        refused(pictures_path, pictures_path, count < 4 ? "no IDX file" : "cut off");
    }
    for (size_t count = 0; count < sizeof labels; count++) {
        write_sound();
        write_bytes(labels_path, labels, count);
        refused(pictures_path, labels_path, count < 4 ? "no IDX file" : "cut off");
    }
    memcpy(longer, images, sizeof images);
    write_bytes(pictures_path, longer, sizeof longer);
    refused(pictures_path, pictures_path, "longer");
}

static void check_sizes(void) {
    check_byte(pictures_path, 0, 1, "no IDX file");
    check_byte(pictures_path, 2, 13, "no IDX file"); /* floats */
    check_byte(pictures_path, 3, 1, "sizes");
    check_byte(labels_path, 3, 3, "sizes");
    check_byte(pictures_path, 7, 1, "longer");
    check_byte(pictures_path, 7, 0, "longer");
    for (size_t axis = 0; axis < 3; axis++) /* products that a size_t cannot hold */
        check_byte(pictures_path, 4 + 4 * axis, 255, "cut off");
    write_sound();
    const unsigned char one[] = {0, 0, 8, 1, 0, 0, 0, 1, 7};
    write_bytes(labels_path, one, sizeof one);
    refused(pictures_path, labels_path, "has 1 labels, for the 2 pictures");

    /* 2^32 - 1 three times, and the same with nothing in it */
    unsigned char huge[16] = {0, 0, 8, 3};
    memset(huge + 4, 255, 12);
    write_bytes(pictures_path, huge, sizeof huge);
    refused(pictures_path, pictures_path, "cut off");
    memset(huge + 12, 0, 4);
    write_bytes(pictures_path, huge, sizeof huge);
    refused(pictures_path, labels_path, "labels");
}

/* Of those that can be read: the labels here are 7 and 250. */
static void check_digits(void) {
    unsigned char digits[sizeof labels];
    memcpy(digits, labels, sizeof labels);
    write_sound();
    not_digits(2, "picture 2 is labelled 250");
    digits[9] = 9;
    write_bytes(labels_path, digits, sizeof digits);
    not_digits(3, "has 2 pictures of 2 x 3, where 3");
    not_digits(2, NULL);
    write_bytes(pictures_path,
                (const unsigned char[16]){0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3}, 16);
    not_digits(2, "has 2 pictures of 0 x 3");
}

static void check_paths(void) {
    char long_path[IDX_PATH + 100];
    write_sound();
    refused("test_idx_none", "test_idx_none", "is no folder");
    refused("test_idx_none-images-idx3-ubyte", "test_idx_none", "cannot be read");
    remove(labels_path);
    refused(pictures_path, labels_path, "cannot be read");
    CHECK(folder_make("test_idx_empty"));
    refused("test_idx_empty", "test_idx_empty", "holds no file");
    memset(long_path, 'x', sizeof long_path);
    memcpy(long_path, "images-idx3", 11);
    long_path[sizeof long_path - 1] = 0;
    refused(long_path, "images-idx3", "");
}

int main(void) {
    check_sound(pictures_path);
    CHECK(folder_make("test_idx_folder"));
    write_bytes("test_idx_folder/a-images-idx3-ubyte", images, sizeof images);
    write_bytes("test_idx_folder/a-labels-idx1-ubyte", labels, sizeof labels);
    check_sound("test_idx_folder");
    check_lengths();
    check_sizes();
    check_digits();
    check_paths();
    remove(pictures_path);
    remove(labels_path);
    remove(said_path);
    return check_done();
}
