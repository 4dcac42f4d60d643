/* selftest FILE...: whether the runner can fail. Every recorded number of these cases is falsified
 * in turn, and the comparison has to notice that one entry and no other; texts cut short or with
 * letters changed have to be refused with a line number, or read, but never to crash. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "golden.h"

static int failures;

static void check(bool good, const char *file, const char *what, const char *name) {
    if (good) return;
    printf("FAIL %s: %s %s\n", file, what, name);
    failures++;
}

/* ---- falsified records --------------------------------------------------------------------------
 */

typedef struct Subject {
    const char *file;
    Case *c;
    const Dict *results;
    size_t tried;
} Subject;

/* Off by twenty tolerances, and not a number. */
static void falsify_number(Subject *s, double *number, double largest, const Entry *entry) {
    Tolerance tolerance = case_tolerance(s->c, HC_F64);
    double kept = *number;
    *number += 20 * (tolerance.relative * largest + tolerance.absolute);
    check(case_compare(s->c, s->results, tolerance, NULL, NULL) == 1, s->file,
          "not noticed:", entry->name);
    *number = NAN;
    check(case_compare(s->c, s->results, tolerance, NULL, NULL) == 1, s->file,
          "nan not noticed:", entry->name);
    *number = kept;
    s->tried++;
}

static void falsify_kind(Subject *s, Entry *entry) {
    static const double zero = 0;
    Entry kept = *entry;
    if (entry->kind == ENTRY_NONE) {
        entry->kind = ENTRY_REAL;
        entry->count = 1;
        entry->values = &zero;
    } else {
        entry->kind = ENTRY_NONE;
    }
    check(case_compare(s->c, s->results, case_tolerance(s->c, HC_F64), NULL, NULL) == 1, s->file,
          "none or values not noticed:", entry->name);
    *entry = kept;
    s->tried++;
}

static void falsify_entry(Subject *s, Entry *entry) {
    falsify_kind(s, entry);
    if (entry->kind == ENTRY_NONE) return;
    double *values = store_alloc(&s->c->store, entry->count, sizeof *values), largest = 0;
    for (size_t i = 0; i < entry->count; i++) {
        values[i] = entry->values[i];
        largest = fmax(largest, fabs(values[i]));
    }
    const double *kept = entry->values;
    entry->values = values;
    for (size_t i = 0; i < entry->count; i += entry->count / 5 + 1)
        falsify_number(s, &values[i], largest, entry);
    entry->values = kept;
    if (entry->kind != ENTRY_DIGEST) return;
    falsify_number(s, &entry->sum, entry->abs_sum, entry);
    falsify_number(s, &entry->abs_sum, entry->abs_sum, entry);
    falsify_number(s, &entry->weighted_sum, 50 * entry->abs_sum, entry);
}

static void falsify_case(const char *file) {
    Case c;
    Dict results = {NULL, 0, NULL, 0};
    char message[MESSAGE_SIZE];
    bool good = case_read(&c, file, message);
    if (good && case_missing(&c)) {
        printf("skip %s: %s\n", file, case_missing(&c));
        store_free(&c.store);
        return;
    }
    good = good && case_run(&c, (Manner){.dtype = HC_F64}, &results, &c.store, message) &&
           case_compare(&c, &results, case_tolerance(&c, HC_F64), NULL, NULL) == 0;
    check(good, file, "does not pass as it is", message);
    Subject s = {file, &c, &results, 0};
    for (size_t i = 0; good && i < c.data.count; i++)
        if (strncmp(c.data.items[i]->name, "expect/", 7) == 0) falsify_entry(&s, c.data.items[i]);
    printf("%s: %zu falsehoods\n", file, s.tried);
    store_free(&c.store);
}

/* ---- broken texts
 * ---------------------------------------------------------------------------------- */

static bool reads(const char *text, size_t size, char *message) {
    Case c;
    bool good = case_read_text(&c, text, size, message);
    store_free(&c.store);
    return good;
}

static void truncate_text(const char *file, const char *text, size_t size) {
    char message[MESSAGE_SIZE], where[32];
    const char *end = text + size;
    while (end > text && end[-1] == '\n')
        end--;
    /* Every line's start, and places in the midst of lines. */
    for (size_t i = 0; i < (size_t)(end - text); i++) {
        if (i > 0 && text[i - 1] != '\n' && i % 499 != 0) continue;
        snprintf(where, sizeof where, "%zu", i);
        bool refused = !reads(text, i, message);
        check(refused && (i == 0 || strncmp(message, "line ", 5) == 0), file, "cut short at byte",
              where);
    }
}

static void mutate_text(const char *file, char *text, size_t size) {
    static const char letters[] = "0123456789.-+e# \n\tabz/\x80\x01";
    char message[MESSAGE_SIZE];
    Rng rng = rng_seed(7);
    for (int i = 0; i < 300; i++) {
        size_t place = (size_t)rng_below(&rng, size);
        char kept = text[place];
        text[place] = letters[rng_below(&rng, sizeof letters)]; /* the zero at its end too */
        if (!reads(text, size, message))
            check(strncmp(message, "line ", 5) == 0, file, "an error without a line:", message);
        text[place] = kept;
    }
}

static void break_text(const char *file) {
    FILE *in = fopen(file, "rb");
    static char text[1 << 20];
    size_t size = in ? fread(text, 1, sizeof text, in) : 0;
    if (in) fclose(in);
    char message[MESSAGE_SIZE] = "cannot be opened";
    bool good = size > 0 && reads(text, size, message);
    check(good, file, "cannot be read:", message);
    if (!good) return;
    truncate_text(file, text, size);
    mutate_text(file, text, size);
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        falsify_case(argv[i]);
        break_text(argv[i]);
    }
    printf("%d failures\n", failures);
    return failures > 0 || argc < 2;
}
