/* The header of a safetensors file: looked at whole before anything of it is believed. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "formats/safetensors.h"
#include "formats/text.h"

enum { LENGTH = 8 }; /* bytes of the header's length */

typedef struct Parse {
    Safetensors *file;
    const HcInput *in;
    HcText text;
    char *word;      /* the text read last; as long as the header */
    uint64_t header; /* bytes of the header */
} Parse;

static bool damaged(const Parse *p, const char *name, const char *what) {
    return hc_fail_thread(HC_ERR_IO, "%s: '%s': tensor '%.80s' %s", p->in->who, p->in->name, name, what);
}

static bool no_memory(const Parse *p) {
    return hc_fail_thread(HC_ERR_NOMEM, "%s: '%s': out of memory", p->in->who, p->in->name);
}

/* ---- an entry ------------------------------------------------------------------------------------------ */

typedef struct Entry {
    Shape shape;
    int dims;
    bool large; /* a size that size_t does not hold */
    uint64_t begin, end;
    bool typed, shaped, placed;
    StoredType type;
    char dtype[16]; /* as it stands there */
} Entry;

static bool read_type(Parse *p, Entry *e) {
    if (e->typed) return hc_text_fault(&p->text, "one \"dtype\"");
    if (!hc_text_string(&p->text, p->word)) return false;
    strncpy(e->dtype, p->word, sizeof e->dtype - 1);
    for (e->type = HC_STORED_BOOL; (int)e->type < HC_STORED_TYPES; e->type++)
        if (strcmp(p->word, stored_type_name(e->type)) == 0) break;
    return e->typed = true;
}

static bool read_shape(Parse *p, Entry *e) {
    uint64_t size = 0;
    if (e->shaped) return hc_text_fault(&p->text, "one \"shape\"");
    if (!hc_text_expect(&p->text, '[', "a shape in brackets")) return false;
    e->shaped = true;
    if (hc_text_next(&p->text, ']')) return true;
    do {
        if (!hc_text_number(&p->text, &size)) return false;
        if (e->dims < HC_MAX_DIMS) e->shape.dim[e->dims] = (size_t)size;
        e->large = e->large || size > SIZE_MAX;
        if (e->dims <= HC_MAX_DIMS) e->dims++;
    } while (hc_text_next(&p->text, ','));
    return hc_text_expect(&p->text, ']', "',' or ']'");
}

static bool read_offsets(Parse *p, Entry *e) {
    HcText *t = &p->text;
    if (e->placed) return hc_text_fault(t, "one \"data_offsets\"");
    return e->placed = hc_text_expect(t, '[', "two places in brackets") && hc_text_number(t, &e->begin) &&
                       hc_text_expect(t, ',', "two places, with a comma between them") &&
                       hc_text_number(t, &e->end) && hc_text_expect(t, ']', "two places and ']'");
}

static bool read_key(Parse *p, Entry *e) {
    if (strcmp(p->word, "dtype") == 0) return read_type(p, e);
    if (strcmp(p->word, "shape") == 0) return read_shape(p, e);
    if (strcmp(p->word, "data_offsets") == 0) return read_offsets(p, e);
    return hc_text_fault(&p->text, "\"dtype\", \"shape\" or \"data_offsets\"");
}

static bool read_entry(Parse *p, Entry *e) {
    HcText *t = &p->text;
    *e = (Entry){.dims = 0};
    if (!hc_text_expect(t, '{', "'{' before a tensor's type, shape and place")) return false;
    do {
        if (!hc_text_string(t, p->word) || !hc_text_expect(t, ':', "':' behind a key")) return false;
        if (!read_key(p, e)) return false;
    } while (hc_text_next(t, ','));
    return hc_text_expect(t, '}', "',' or '}'") &&
           ((e->typed && e->shaped && e->placed) ||
            hc_text_fault(t, "\"dtype\", \"shape\" and \"data_offsets\" of each tensor"));
}

/* Whether its place is in the file, and as large as type and shape say. */
static bool sound(const Parse *p, const char *name, Entry *e, size_t *count) {
    if ((int)e->type == HC_STORED_TYPES)
        return hc_fail_thread(HC_ERR_IO,
                              "%s: '%s': tensor '%.80s' is of type '%s', which is none of "
                              "BOOL, U8 to U64, I8 to I64, F16, BF16, F32, F64",
                              p->in->who, p->in->name, name, e->dtype);
    if (e->dims > HC_MAX_DIMS) return damaged(p, name, "has more than 8 dimensions");
    e->shape.ndim = e->dims;
    if (e->large || !hc_shape_valid(e->shape, sizeof(double), count))
        return damaged(p, name, "has a shape of more numbers than there can be");
    uint64_t bytes = (uint64_t)*count * hc_stored_item(e->type);
    return (e->begin <= e->end && e->end - e->begin == bytes) ||
           hc_fail_thread(HC_ERR_IO,
                          "%s: '%s': tensor '%.80s' stands at bytes %llu to %llu, "
                          "its shape and type take %llu",
                          p->in->who, p->in->name, name, (unsigned long long)e->begin, (unsigned long long)e->end,
                          (unsigned long long)bytes);
}

static bool keep(Parse *p, char *name, const Entry *e, size_t count) {
    Safetensors *file = p->file;
    HcNumbers *numbers = hc_alloc_zero(1, sizeof *numbers);
    if (!numbers ||
        !hc_grow((void **)&file->items, &file->items_capacity, file->count, file->count + 1, sizeof *file->items)) {
        hc_free(numbers);
        return no_memory(p);
    }
    numbers->name = name;
    numbers->stored = (HcStored){.type = e->type, .shape = e->shape, .count = count};
    numbers->begin = e->begin;
    file->items[file->count++] = numbers;
    return true;
}

static bool read_tensor(Parse *p, const char *given) {
    Entry e;
    size_t count = 0;
    char *name = hc_copy_text(given);
    bool kept = name ? read_entry(p, &e) && sound(p, name, &e, &count) && keep(p, name, &e, count) : no_memory(p);
    if (!kept) hc_free(name);
    return kept;
}

/* ---- metadata ------------------------------------------------------------------------------------------ */

static bool read_text(Parse *p, char **text) {
    if (!hc_text_string(&p->text, p->word)) return false;
    *text = hc_copy_text(p->word);
    return *text || no_memory(p);
}

static bool read_metadata(Parse *p) {
    HcText *t = &p->text;
    Safetensors *file = p->file;
    if (!hc_text_expect(t, '{', "'{' before the metadata")) return false;
    if (hc_text_next(t, '}')) return true;
    do {
        if (!hc_grow((void **)&file->metadata, &file->metadata_capacity, file->metadata_count,
                     file->metadata_count + 1, sizeof *file->metadata))
            return no_memory(p);
        HcMetadata *m = &file->metadata[file->metadata_count++];
        *m = (HcMetadata){NULL, NULL};
        if (!read_text(p, &m->key) || !hc_text_expect(t, ':', "':' behind a key") || !read_text(p, &m->value))
            return false;
    } while (hc_text_next(t, ','));
    return hc_text_expect(t, '}', "',' or '}'");
}

static int by_key(const void *a, const void *b) {
    return strcmp(((const HcMetadata *)a)->key, ((const HcMetadata *)b)->key);
}

/* ---- all of them together ------------------------------------------------------------------------------ */

static bool read_entries(Parse *p) {
    HcText *t = &p->text;
    bool metadata = false;
    if (!hc_text_expect(t, '{', "'{'") || hc_text_next(t, '}')) return !t->fault;
    do {
        if (!hc_text_string(t, p->word) || !hc_text_expect(t, ':', "':' behind a name")) return false;
        bool is_metadata = strcmp(p->word, "__metadata__") == 0;
        if (is_metadata && metadata) return hc_text_fault(t, "one \"__metadata__\"");
        metadata = metadata || is_metadata;
        if (is_metadata ? !read_metadata(p) : !read_tensor(p, p->word)) return false;
    } while (hc_text_next(t, ','));
    return hc_text_expect(t, '}', "',' or '}'");
}

static int by_name(const void *a, const void *b) {
    return strcmp((*(HcNumbers *const *)a)->name, (*(HcNumbers *const *)b)->name);
}

/* What is empty goes before what begins at the same place. */
static int by_place(const void *a, const void *b) {
    const HcNumbers *x = *(HcNumbers *const *)a, *y = *(HcNumbers *const *)b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return (x->stored.count > 0) - (y->stored.count > 0);
}

static bool names_differ(const Parse *p) {
    Safetensors *file = p->file;
    file->sorted = hc_alloc(file->count, sizeof *file->sorted);
    if (!file->sorted) return no_memory(p);
    file->sorted_capacity = file->count;
    if (file->count == 0) return true;
    memcpy(file->sorted, file->items, file->count * sizeof *file->sorted);
    qsort(file->sorted, file->count, sizeof *file->sorted, by_name);
    for (size_t i = 1; i < file->count; i++)
        if (strcmp(file->sorted[i - 1]->name, file->sorted[i]->name) == 0)
            return damaged(p, file->sorted[i]->name, "stands there twice");
    return true;
}

static bool keys_differ(const Parse *p) {
    Safetensors *file = p->file;
    if (file->metadata_count) qsort(file->metadata, file->metadata_count, sizeof *file->metadata, by_key);
    for (size_t i = 1; i < file->metadata_count; i++)
        if (strcmp(file->metadata[i - 1].key, file->metadata[i].key) == 0)
            return hc_fail_thread(HC_ERR_IO, "%s: '%s': metadata '%.80s' stands there twice", p->in->who, p->in->name,
                                  file->metadata[i].key);
    return true;
}

/* One after the other from 0 on; *data gets the bytes of all. */
static bool cover(const Parse *p, uint64_t *data) {
    Safetensors *file = p->file;
    if (file->count) qsort(file->items, file->count, sizeof *file->items, by_place);
    for (size_t i = 0; i < file->count; i++) {
        const HcNumbers *n = file->items[i];
        if (n->begin != *data)
            return damaged(p, n->name, n->begin < *data ? "overlaps the one before it" : "begins behind a hole");
        *data += (uint64_t)n->stored.count * hc_stored_item(n->stored.type);
    }
    return true;
}

/* Its length and bytes. */
static bool read_header(Parse *p, HcInput *in) {
    if (!hc_input_want(in, LENGTH)) return false;
    if (in->size < LENGTH)
        return hc_fail_thread(HC_ERR_IO, "%s: '%s' has %zu bytes: a safetensors file has more than 8", in->who,
                              in->name, in->size);
    p->header = hc_little_endian(in->bytes, LENGTH);
    if (p->header > HC_MOST_HEADER || p->header < 2)
        return hc_fail_thread(HC_ERR_IO,
                              "%s: '%s' is no safetensors file: its header would have "
                              "%llu bytes, not 2 to %d",
                              in->who, in->name, (unsigned long long)p->header, HC_MOST_HEADER);
    if (!hc_input_want(in, LENGTH + 1)) return false;
    if (in->size > LENGTH && in->bytes[LENGTH] != '{')
        return hc_fail_thread(HC_ERR_IO, "%s: '%s' is no safetensors file: its header does not begin with '{'",
                              in->who, in->name);
    if (!hc_input_want(in, LENGTH + p->header)) return false;
    return in->size >= LENGTH + p->header ||
           hc_fail_thread(HC_ERR_IO, "%s: '%s' is cut off within its header of %llu bytes", in->who, in->name,
                          (unsigned long long)p->header);
}

static bool read_text_of_header(Parse *p) {
    const unsigned char *header = p->in->bytes + LENGTH;
    if (!hc_utf8(header, (size_t)p->header))
        return hc_fail_thread(HC_ERR_IO, "%s: '%s': its header is not UTF-8", p->in->who, p->in->name);
    p->text = (HcText){header, header + p->header, NULL};
    bool read = read_entries(p);
    while (read && p->text.at < p->text.end && *p->text.at == ' ')
        p->text.at++;
    if (read && p->text.at < p->text.end) hc_text_fault(&p->text, "nothing but spaces");
    if (!p->text.fault) return read;
    return hc_fail_thread(HC_ERR_IO, "%s: '%s': at byte %zu of its header should be %s", p->in->who, p->in->name,
                          (size_t)(p->text.at - header), p->text.fault);
}

/* As many bytes as the places say, no fewer and no more. */
static bool read_numbers(Parse *p, HcInput *in, uint64_t data) {
    uint64_t size = LENGTH + p->header + data;
    if (data > UINT64_MAX / 2) size = UINT64_MAX - 1;
    if (!hc_input_want(in, size + 1)) return false;
    if (in->size != size)
        return hc_fail_thread(HC_ERR_IO, "%s: '%s' %s: its header says %llu bytes of numbers", in->who, in->name,
                              in->size < size ? "is cut off" : "holds more than it should", (unsigned long long)data);
    for (size_t i = 0; i < p->file->count; i++) {
        HcNumbers *n = p->file->items[i];
        n->stored.bytes = in->bytes + LENGTH + p->header + n->begin;
    }
    return true;
}

bool hc_safetensors_parse(Safetensors *file, HcInput *in) {
    Parse p = {.file = file, .in = in};
    uint64_t data = 0;
    if (!read_header(&p, in)) return false;
    p.word = hc_alloc((size_t)p.header + 1, 1);
    bool read = p.word ? read_text_of_header(&p) : no_memory(&p);
    hc_free(p.word);
    return read && names_differ(&p) && keys_differ(&p) && cover(&p, &data) && read_numbers(&p, in, data);
}
