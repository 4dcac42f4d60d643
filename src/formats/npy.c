/* NumPy's arrays. A file: "\x93NUMPY", the version (2 bytes), the header's length (little-endian; 2 bytes in version
 * 1.0, 4 from 2.0 on), the header, a dict as Python writes it; the numbers. */
#include "higherc/npy.h"

#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "formats/numbers.h"
#include "formats/text.h"
#include "tape/param.h"

enum { MAGIC = 6, MOST_HEADER = 10000, ALIGNED = 64 };
static const unsigned char magic[MAGIC] = {0x93, 'N', 'U', 'M', 'P', 'Y'};

struct HcNpy {
    HcStored stored;
    char name[80];        /* for messages */
    unsigned char *bytes; /* of a file that was read */
};

/* ---- the header ------------------------------------------------------------------------------------------- */

typedef struct Head {
    HcText text;
    char type[16];
    bool typed, ordered, shaped, large;
    bool columns;
    int dims;
    Shape shape;
} Head;

/* A text in quotes of either kind, without escapes. */
static bool literal(HcText *text, char *to, size_t room) {
    char quote = hc_text_next(text, '\'') ? '\'' : '"';
    size_t used = 0;
    if (quote == '"' && !hc_text_expect(text, '"', "a text in quotes")) return false;
    while (text->at < text->end && *text->at != (unsigned char)quote && used + 1 < room)
        to[used++] = (char)*text->at++;
    to[used] = 0;
    return hc_text_expect(text, quote, "a short text in quotes");
}

/* Whether the word comes next. */
static bool word(HcText *text, const char *word) {
    size_t length = strlen(word);
    if (!hc_text_next(text, *word)) return false;
    text->at--;
    if ((size_t)(text->end - text->at) < length || memcmp(text->at, word, length) != 0) return false;
    text->at += length;
    return true;
}

static bool read_descr(Head *h) {
    h->typed = true;
    if (hc_text_next(&h->text, '[')) return hc_text_fault(&h->text, "the type of one number"); /* a structure */
    return literal(&h->text, h->type, sizeof h->type);
}

static bool read_order(Head *h) {
    h->ordered = true;
    h->columns = word(&h->text, "True");
    return h->columns || word(&h->text, "False") || hc_text_fault(&h->text, "True or False");
}

/* "()", "(3,)", "(3, 4)"; Python 2 wrote "3L". */
static bool read_shape(Head *h) {
    uint64_t size = 0;
    h->shaped = true;
    if (!hc_text_expect(&h->text, '(', "a shape in brackets")) return false;
    while (!hc_text_next(&h->text, ')')) {
        if (!hc_text_number(&h->text, &size)) return false;
        hc_text_next(&h->text, 'L');
        if (h->dims < HC_MAX_DIMS) h->shape.dim[h->dims] = (size_t)size;
        if (h->dims <= HC_MAX_DIMS) h->dims++;
        h->large = h->large || size > SIZE_MAX;
        if (!hc_text_next(&h->text, ',')) return hc_text_expect(&h->text, ')', "',' or ')'");
    }
    return true;
}

static bool read_key(Head *h) {
    char key[16];
    if (!literal(&h->text, key, sizeof key) || !hc_text_expect(&h->text, ':', "':' behind a key")) return false;
    if (strcmp(key, "descr") == 0 && !h->typed) return read_descr(h);
    if (strcmp(key, "fortran_order") == 0 && !h->ordered) return read_order(h);
    if (strcmp(key, "shape") == 0 && !h->shaped) return read_shape(h);
    return hc_text_fault(&h->text, "'descr', 'fortran_order' and 'shape', each once");
}

static bool read_dict(Head *h) {
    HcText *t = &h->text;
    if (!hc_text_expect(t, '{', "'{'")) return false;
    while (!hc_text_next(t, '}')) {
        if (!read_key(h)) return false;
        if (!hc_text_next(t, ',')) {
            if (!hc_text_expect(t, '}', "',' or '}'")) return false;
            break;
        }
    }
    if (!h->typed || !h->ordered || !h->shaped)
        return hc_text_fault(t, "'descr', 'fortran_order' and 'shape', each once");
    return hc_text_end(t) || hc_text_fault(t, "nothing but blanks");
}

/* ---- reading ------------------------------------------------------------------------------------------------ */

static bool big_endian(void) {
    const uint16_t one = 1;
    unsigned char first;
    memcpy(&first, &one, 1);
    return first == 0;
}

/* "<f4": the order of the bytes, the kind, how many they are. */
static bool type_of(const char *text, HcStored *to) {
    static const struct {
        const char *name;
        StoredType type;
    } types[] = {{"f8", HC_STORED_F64}, {"f4", HC_STORED_F32}, {"f2", HC_STORED_F16}, {"b1", HC_STORED_BOOL},
                 {"i1", HC_STORED_I8},  {"i2", HC_STORED_I16}, {"i4", HC_STORED_I32}, {"i8", HC_STORED_I64},
                 {"u1", HC_STORED_U8},  {"u2", HC_STORED_U16}, {"u4", HC_STORED_U32}, {"u8", HC_STORED_U64}};
    char order = *text;
    if (!order || !strchr("<>=|", order)) return false;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(text + 1, types[i].name) == 0) {
            to->type = types[i].type;
            to->big = order == '>' || (order == '=' && big_endian());
            return order != '|' || hc_stored_item(to->type) == 1;
        }
    return false;
}

static bool wrong(const HcInput *in, const char *what) {
    return hc_fail_thread(HC_ERR_IO, "%s: '%s' %s", in->who, in->name, what);
}

/* How many bytes stand before the numbers. */
static bool read_length(HcInput *in, size_t *before, size_t *header) {
    if (!hc_input_want(in, MAGIC + 6)) return false;
    if (in->size < MAGIC + 4 || memcmp(in->bytes, magic, MAGIC) != 0) return wrong(in, "is no .npy file");
    unsigned version = in->bytes[MAGIC];
    if (version < 1 || version > 3 || in->bytes[MAGIC + 1] != 0)
        return hc_fail_thread(HC_ERR_IO, "%s: '%s' has version %u.%u of its format, not 1.0 to 3.0", in->who,
                              in->name, version, (unsigned)in->bytes[MAGIC + 1]);
    size_t bytes = version == 1 ? 2 : 4;
    *before = MAGIC + 2 + bytes;
    if (in->size < *before) return wrong(in, "is cut off within its header");
    uint64_t length = hc_little_endian(in->bytes + MAGIC + 2, bytes);
    if (length > MOST_HEADER)
        return hc_fail_thread(HC_ERR_IO, "%s: '%s' would have a header of %llu bytes, not at most %d", in->who,
                              in->name, (unsigned long long)length, MOST_HEADER);
    *header = (size_t)length;
    if (!hc_input_want(in, *before + length)) return false;
    return in->size >= *before + length || wrong(in, "is cut off within its header");
}

static bool read_header(HcInput *in, HcStored *to, size_t before, size_t header) {
    Head h = {.text = {in->bytes + before, in->bytes + before + header, NULL}};
    if (!read_dict(&h))
        return hc_fail_thread(HC_ERR_IO, "%s: '%s': at byte %zu of its header should be %s", in->who, in->name,
                              (size_t)(h.text.at - in->bytes) - before, h.text.fault);
    if (!type_of(h.type, to))
        return hc_fail_thread(HC_ERR_IO,
                              "%s: '%s' is an array of '%s', not of numbers '<f8', '<f4', '<f2', '|b1', '<i1' "
                              "to '<i8' or '<u1' to '<u8'",
                              in->who, in->name, h.type);
    if (h.dims > HC_MAX_DIMS) return wrong(in, "has more than 8 dimensions");
    h.shape.ndim = h.dims;
    to->shape = h.shape;
    to->columns = h.columns;
    return (!h.large && hc_shape_valid(h.shape, sizeof(double), &to->count)) ||
           wrong(in, "has a shape of more numbers than there can be");
}

static bool parse(HcInput *in, HcStored *to) {
    size_t before = 0, header = 0;
    if (!read_length(in, &before, &header) || !read_header(in, to, before, header)) return false;
    uint64_t numbers = (uint64_t)to->count * hc_stored_item(to->type), size = before + header + numbers;
    if (!hc_input_want(in, size + 1)) return false;
    if (in->size != size)
        return hc_fail_thread(HC_ERR_IO, "%s: '%s' %s: its header says %llu bytes of numbers", in->who, in->name,
                              in->size < size ? "is cut off" : "holds more than it should",
                              (unsigned long long)numbers);
    to->bytes = in->bytes + before + header;
    return true;
}

static Npy *read_input(HcInput *in) {
    bool from_file = in->file != NULL;
    Npy *file = hc_alloc_zero(1, sizeof *file);
    bool read = file ? parse(in, &file->stored) : hc_fail_thread(HC_ERR_NOMEM, "%s: out of memory", in->who);
    hc_input_close(in);
    if (read) {
        if (from_file) file->bytes = in->bytes;
        strncpy(file->name, in->name, sizeof file->name - 1);
        return file;
    }
    if (from_file) hc_free(in->bytes);
    hc_free(file);
    return NULL;
}

Npy *npy_open(const char *path) {
    HcInput in;
    return hc_input_open(&in, "npy_open", path) ? read_input(&in) : NULL;
}

Npy *npy_open_memory(const void *bytes, size_t size) {
    HcInput in;
    return hc_input_memory(&in, "npy_open_memory", bytes, size) ? read_input(&in) : NULL;
}

void npy_destroy(Npy *file) {
    if (file) hc_free(file->bytes);
    hc_free(file);
}

StoredType npy_type(const Npy *file) {
    return file ? file->stored.type : HC_STORED_BOOL;
}

Shape npy_shape(const Npy *file) {
    return file ? file->stored.shape : shape_of(NULL, -1);
}

bool npy_to_f32(const Npy *file, float *values, size_t count) {
    const char *who = "npy_to_f32";
    return file ? hc_stored_to(&file->stored, who, file->name, values, count, HC_F32) : hc_null(who, "the file");
}

bool npy_to_f64(const Npy *file, double *values, size_t count) {
    const char *who = "npy_to_f64";
    return file ? hc_stored_to(&file->stored, who, file->name, values, count, HC_F64) : hc_null(who, "the file");
}

bool npy_to_param(const Npy *file, Param *param) {
    const char *who = "npy_to_param";
    return file ? hc_stored_to_param(&file->stored, who, file->name, param) : hc_null(who, "the file");
}

Tensor *npy_tensor(const Npy *file, Tape *tape) {
    const char *who = "npy_tensor";
    if (!file || !tape) hc_null(who, file ? "the tape" : "the file");
    return file && tape ? hc_stored_tensor(&file->stored, who, tape) : NULL;
}

/* ---- writing ------------------------------------------------------------------------------------------------ */

/* The header is filled up with blanks, to a multiple of 64 bytes with what stands before it, and ends in a newline. */
static bool save(const char *who, const char *path, Shape shape, const void *values, size_t item) {
    char header[512];
    char text[HC_SHAPE_TEXT];
    size_t count;
    HcWriter w;
    if (!path) return hc_null(who, "the path");
    if (!hc_shape_valid(shape, item, &count))
        return hc_fail_thread(HC_ERR_SHAPE, "%s: an array cannot have the shape %s", who, hc_shape_text(shape, text));
    if (!values && count > 0) return hc_null(who, "values");
    size_t used =
        (size_t)snprintf(header, sizeof header, "{'descr': '<f%zu', 'fortran_order': False, 'shape': (", item);
    for (int i = 0; i < shape.ndim; i++)
        used += (size_t)snprintf(header + used, sizeof header - used, i ? " %zu," : "%zu,", shape.dim[i]);
    if (shape.ndim > 1) used--; /* one size keeps its comma */
    used += (size_t)snprintf(header + used, sizeof header - used, "), }");
    while ((MAGIC + 4 + used + 1) % ALIGNED)
        header[used++] = ' ';
    header[used++] = '\n';
    hc_write_open(&w, path);
    if (w.good) {
        const unsigned char head[] = {1, 0, (unsigned char)(used & 255), (unsigned char)(used >> 8)};
        hc_write_bytes(&w, magic, MAGIC);
        hc_write_bytes(&w, head, sizeof head);
        hc_write_bytes(&w, header, used);
        hc_write_reals(&w, values, count, item);
    }
    return hc_write_close(&w, who, path);
}

bool npy_save_f32(const char *path, Shape shape, const float *values) {
    return save("npy_save_f32", path, shape, values, sizeof *values);
}

bool npy_save_f64(const char *path, Shape shape, const double *values) {
    return save("npy_save_f64", path, shape, values, sizeof *values);
}

bool npy_save_param(const char *path, const Param *param) {
    const char *who = "npy_save_param";
    if (!param) return hc_null(who, "the Param");
    if (!param->ready)
        return hc_fail_thread(HC_ERR_STATE, "%s: '%s' is not initialised (module_init, param_set)", who,
                              param->cell.name);
    return save(who, path, param->shape, param->data, param->item);
}

bool npy_save_tensor(const char *path, Tensor *x) {
    const char *who = "npy_save_tensor";
    if (!x || !path) return hc_null(who, path ? "the tensor" : "the path");
    const void *values = tensor_data(x);
    size_t item = tensor_dtype(x) == HC_F32 ? sizeof(float) : sizeof(double);
    return (values || tensor_count(x) == 0) && save(who, path, tensor_shape(x), values, item);
}
