/* The data records of a case (README.md, section 1): one dictionary from name to value, in any
 * order. */
#include <math.h>
#include <string.h>

#include "golden.h"

/* "NDIM D0 .. Dn" from word `place` on; the count of numbers can be no more than fit in the file.
 */
static bool read_shape(Reader *reader, size_t place, Entry *entry) {
    size_t ndim, dim[HC_MAX_DIMS] = {0};
    if (place >= reader->words || !reader_size(reader, reader->word[place], &ndim))
        return reader_fail(reader, "a shape is missing");
    if (ndim > HC_MAX_DIMS || reader->words - place - 1 < ndim)
        return reader_fail(reader, "%zu dimensions where %zu numbers are left", ndim,
                           reader->words - place - 1);
    for (size_t i = 0; i < ndim; i++)
        if (!reader_size(reader, reader->word[place + 1 + i], &dim[i])) return false;
    entry->shape = shape_of(dim, (int)ndim);
    if (shape_count(entry->shape) == SIZE_MAX)
        return reader_fail(reader, "more numbers than can be counted");
    return true;
}

/* The next line, exactly `count` numbers. */
static bool read_numbers(Reader *reader, size_t count, bool whole, double *values) {
    if (count > 0 && !reader_line(reader))
        return reader_fail(reader, "the file ends where %zu numbers should be", count);
    if (count > 0 && reader->words != count)
        return reader_fail(reader, "%zu numbers where %zu should be", reader->words, count);
    for (size_t i = 0; i < count; i++) {
        if (!reader_real(reader, reader->word[i], &values[i])) return false;
        if (whole && !(fabs(values[i]) < 9007199254740992.0 && values[i] == floor(values[i])))
            return reader_fail(reader, "'%.60s' is not a whole number", reader->word[i]);
    }
    return true;
}

static bool read_tensor(Reader *reader, Entry *entry) {
    if (!read_shape(reader, 2, entry)) return false;
    if (reader->words != 3 + (size_t)entry->shape.ndim)
        return reader_fail(reader, "words after the shape");
    entry->count = shape_count(entry->shape);
    if (entry->count > reader->size) return reader_fail(reader, "a shape larger than the file");
    double *values = store_alloc(reader->store, entry->count, sizeof(double));
    entry->values = values;
    return read_numbers(reader, entry->count, entry->kind == ENTRY_INTEGER, values);
}

static bool read_digest(Reader *reader, Entry *entry) {
    if (!read_shape(reader, 2, entry)) return false;
    size_t place = 3 + (size_t)entry->shape.ndim;
    if (reader->words != place + 4) return reader_fail(reader, "not three sums and a count");
    if (!reader_real(reader, reader->word[place], &entry->sum) ||
        !reader_real(reader, reader->word[place + 1], &entry->abs_sum) ||
        !reader_real(reader, reader->word[place + 2], &entry->weighted_sum) ||
        !reader_size(reader, reader->word[place + 3], &entry->count))
        return false;
    size_t count = entry->count, all = shape_count(entry->shape);
    if (count > reader->size) return reader_fail(reader, "more samples than the file holds");
    double *both = store_alloc(reader->store, 2 * count, sizeof(double));
    double *index = store_alloc(reader->store, count, sizeof(double));
    double *values = store_alloc(reader->store, count, sizeof(double));
    if (!read_numbers(reader, 2 * count, false, both)) return false;
    for (size_t i = 0; i < count; i++) {
        index[i] = both[2 * i];
        values[i] = both[2 * i + 1];
        if (!(index[i] >= 0 && index[i] < (double)all && index[i] == floor(index[i])))
            return reader_fail(reader, "%g is not an index below %zu", index[i], all);
    }
    entry->index = index;
    entry->values = values;
    return true;
}

static bool read_scalar(Reader *reader, Entry *entry) {
    if (reader->words != 3) return reader_fail(reader, "not a 'scalar NAME VALUE'");
    double *value = store_alloc(reader->store, 1, sizeof(double));
    entry->count = 1;
    entry->values = value;
    return reader_real(reader, reader->word[2], value);
}

static bool read_none(Reader *reader, Entry *entry) {
    (void)entry;
    return reader->words == 2 || reader_fail(reader, "not a 'none NAME'");
}

static bool read_same(Reader *reader, Entry *entry) {
    if (reader->words != 3) return reader_fail(reader, "not a 'same NAME OTHER'");
    entry->other = reader->word[2];
    return true;
}

static const struct DataRecord {
    const char *key;
    EntryKind kind;
    bool (*read)(Reader *reader, Entry *entry);
} records[] = {
    {"tensor", ENTRY_REAL, read_tensor}, {"itensor", ENTRY_INTEGER, read_tensor},
    {"scalar", ENTRY_REAL, read_scalar}, {"none", ENTRY_NONE, read_none},
    {"same", ENTRY_SAME, read_same},     {"digest", ENTRY_DIGEST, read_digest},
};

static bool read_entry(Case *c, Reader *reader) {
    for (size_t i = 0; i < sizeof records / sizeof records[0]; i++) {
        if (strcmp(reader->word[0], records[i].key) != 0) continue;
        if (reader->words < 2) return reader_fail(reader, "'%s' without a name", records[i].key);
        Entry *entry = dict_add(&c->data, &c->store, reader->word[1]);
        if (!entry) return reader_fail(reader, "a second '%.60s'", reader->word[1]);
        entry->kind = records[i].kind;
        entry->shape = shape_scalar();
        entry->line = reader->line;
        return records[i].read(reader, entry);
    }
    return reader_fail(reader, "'%.60s' is no kind of record", reader->word[0]);
}

/* Gives a `same` what it names, through any number of others; following more of them than there are
 * entries means that they go round in a circle. */
static bool resolve(Case *c, Reader *reader, Entry *entry) {
    const Entry *source = entry;
    for (size_t hops = 0; source && source->kind == ENTRY_SAME && hops <= c->data.count; hops++)
        source = dict_find(&c->data, source->other);
    if (!source || source->kind == ENTRY_SAME) {
        reader->line = entry->line;
        return reader_fail(reader, "'%.60s' is the same as '%.60s', which has no value",
                           entry->name, entry->other);
    }
    Entry copy = *source;
    copy.name = entry->name;
    copy.line = entry->line;
    copy.next = entry->next;
    *entry = copy;
    return true;
}

bool case_read_data(Case *c, Reader *reader) {
    for (;;) {
        if (!reader_line(reader)) return reader_fail(reader, "the file ends without 'end'");
        if (strcmp(reader->word[0], "end") == 0 && reader->words == 1) break;
        if (!read_entry(c, reader)) return false;
    }
    if (reader_line(reader)) return reader_fail(reader, "'%.60s' after 'end'", reader->word[0]);
    for (size_t i = 0; i < c->data.count; i++)
        if (c->data.items[i]->kind == ENTRY_SAME && !resolve(c, reader, c->data.items[i]))
            return false;
    return true;
}
