/* Writing a safetensors file. Its header is gone through twice: counted, then written. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "formats/safetensors.h"

enum { AT_ONCE = 4096, ALIGNED = 8 };

static void text(HcWriter *w, const char *words) {
    hc_write_bytes(w, words, strlen(words));
}

static void number(HcWriter *w, uint64_t value) {
    char digits[24];
    snprintf(digits, sizeof digits, "%llu", (unsigned long long)value);
    text(w, digits);
}

/* In double quotes; what JSON does not take as it is, escaped. */
static void string(HcWriter *w, const char *words) {
    static const char letters[] = "\"\\bfnrt", meant[] = "\"\\\b\f\n\r\t";
    text(w, "\"");
    for (; *words; words++) {
        const char *found = strchr(meant, *words);
        char escaped[8] = "\\";
        if (found) escaped[1] = letters[found - meant];
        if (!found && (unsigned char)*words < ' ')
            snprintf(escaped, sizeof escaped, "\\u%04x", (unsigned)(unsigned char)*words);
        if (found || (unsigned char)*words < ' ')
            text(w, escaped);
        else
            hc_write_bytes(w, words, 1);
    }
    text(w, "\"");
}

static void write_entry(HcWriter *w, const HcNumbers *numbers, uint64_t *begin) {
    const HcStored *s = &numbers->stored;
    string(w, numbers->name);
    text(w, ":{\"dtype\":\"");
    text(w, stored_type_name(s->type));
    text(w, "\",\"shape\":[");
    for (int i = 0; i < s->shape.ndim; i++) {
        if (i > 0) text(w, ",");
        number(w, s->shape.dim[i]);
    }
    text(w, "],\"data_offsets\":[");
    number(w, *begin);
    text(w, ",");
    *begin += (uint64_t)s->count * hc_stored_item(s->type);
    number(w, *begin);
    text(w, "]}");
}

static void write_header(HcWriter *w, const Safetensors *file, HcNumbers *const *order) {
    uint64_t begin = 0;
    text(w, "{");
    for (size_t i = 0; i < file->metadata_count; i++) {
        text(w, i ? "," : "\"__metadata__\":{");
        string(w, file->metadata[i].key);
        text(w, ":");
        string(w, file->metadata[i].value);
    }
    if (file->metadata_count) text(w, file->count ? "}," : "}");
    for (size_t i = 0; i < file->count; i++) {
        if (i > 0) text(w, ",");
        write_entry(w, order[i], &begin);
    }
    text(w, "}");
}

/* Little-endian, whatever they are. */
static void write_numbers(HcWriter *w, const HcStored *s) {
    size_t item = hc_stored_item(s->type), bytes = s->count * item;
    unsigned char turned[AT_ONCE];
    if (!s->big) {
        hc_write_bytes(w, s->bytes, bytes);
        return;
    }
    for (size_t first = 0; first < bytes; first += AT_ONCE) {
        size_t n = bytes - first < AT_ONCE ? bytes - first : AT_ONCE;
        for (size_t i = 0; i < n; i++)
            turned[i] = s->bytes[first + i / item * item + (item - 1 - i % item)];
        hc_write_bytes(w, turned, n);
    }
}

/* The reference implementation's order: the larger the place of a type in its list, the earlier. */
static int in_order(const void *a, const void *b) {
    const HcNumbers *x = *(HcNumbers *const *)a, *y = *(HcNumbers *const *)b;
    if (x->stored.type != y->stored.type) return x->stored.type < y->stored.type ? 1 : -1;
    return strcmp(x->name, y->name);
}

static bool write_ordered(const Safetensors *file, const char *who, const char *path, HcNumbers *const *order) {
    HcWriter w;
    hc_write_count(&w);
    w.size = 0;
    write_header(&w, file, order);
    size_t blanks = (size_t)((ALIGNED - w.size % ALIGNED) % ALIGNED);
    uint64_t size = w.size + blanks;
    if (size > HC_MOST_HEADER)
        return hc_fail_thread(HC_ERR_RANGE, "%s: '%s' would have a header of %llu bytes, not at most %d", who, path,
                              (unsigned long long)size, HC_MOST_HEADER);
    hc_write_open(&w, path);
    if (w.good) {
        hc_write_u64(&w, size);
        write_header(&w, file, order);
        hc_write_bytes(&w, "       ", blanks);
        for (size_t i = 0; i < file->count; i++)
            write_numbers(&w, &order[i]->stored);
    }
    return hc_write_close(&w, who, path);
}

bool hc_safetensors_write(const Safetensors *file, const char *who, const char *path) {
    HcNumbers **order = hc_alloc(file->count, sizeof *order);
    if (!order) return hc_fail_thread(HC_ERR_NOMEM, "%s: out of memory", who);
    if (file->count) {
        memcpy(order, file->items, file->count * sizeof *order);
        qsort(order, file->count, sizeof *order, in_order);
    }
    bool done = write_ordered(file, who, path, order);
    hc_free(order);
    return done;
}

bool safetensors_save(const Safetensors *file, const char *path) {
    const char *who = "safetensors_save";
    if (!file || !path) return hc_null(who, file ? "the path" : "the file");
    return hc_safetensors_write(file, who, path);
}
