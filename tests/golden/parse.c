/* The configuration records of a case (README.md, section 2), one line each, in their order. Counts
 * in the file are never trusted with memory: arrays grow with the lines that are really there. */
#include <stdio.h>
#include <string.h>

#include "golden.h"

/* A record that is one word, a flag, a count or a number. */
static bool read_word(Reader *reader, const char *key, const char **out) {
    if (!reader_record(reader, key, 2)) return false;
    *out = reader->word[1];
    return true;
}

static bool read_flag(Reader *reader, const char *key, bool *out) {
    return reader_record(reader, key, 2) && reader_flag(reader, reader->word[1], out);
}

static bool read_count(Reader *reader, const char *key, size_t *out) {
    return reader_record(reader, key, 2) && reader_size(reader, reader->word[1], out);
}

/* A word and the numbers behind it. */
static bool read_choice(Reader *reader, const char *key, Choice *out) {
    if (!reader_record(reader, key, 2)) return false;
    out->name = reader->word[1];
    out->args = reader->words - 2;
    if (out->args > sizeof out->arg / sizeof out->arg[0])
        return reader_fail(reader, "'%s' with too many numbers", key);
    for (size_t i = 0; i < out->args; i++)
        if (!reader_real(reader, reader->word[2 + i], &out->arg[i])) return false;
    return true;
}

/* "KEY I ...": records of a list carry their place in it. */
static bool read_numbered(Reader *reader, const char *key, size_t index, size_t words) {
    size_t number;
    if (!reader_record(reader, key, words) || !reader_size(reader, reader->word[1], &number))
        return false;
    if (number != index)
        return reader_fail(reader, "%s %zu where %s %zu should be", key, number, key, index);
    return true;
}

static bool expect_word(Reader *reader, size_t place, const char *word) {
    if (strcmp(reader->word[place], word) == 0) return true;
    return reader_fail(reader, "'%.60s' where '%s' should be", reader->word[place], word);
}

static bool read_head(Case *c, Reader *reader) {
    const char *word;
    size_t count;
    if (!read_word(reader, "higherc-golden", &word)) return false;
    if (strcmp(word, "1") != 0)
        return reader_fail(reader, "format version %.20s; this reads version 1", word);
    if (!read_word(reader, "case", &c->name) || !read_word(reader, "dtype", &word) ||
        !expect_word(reader, 1, "f64") || !reader_record(reader, "source", 1) ||
        !reader_record(reader, "tags", 1) || !reader_record(reader, "tol", 2) ||
        !reader_real(reader, reader->word[1], &c->tolerance))
        return false;
    if (!(c->tolerance >= 0 && c->tolerance < 1)) return reader_fail(reader, "no such tolerance");
    if (!reader_record(reader, "fd", 1) || !reader_record(reader, "truth", 1) ||
        !read_count(reader, "ndeviates", &count))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!read_word(reader, "deviates", &word)) return false;
    return true;
}

static bool read_layers(Case *c, Reader *reader) {
    size_t count;
    if (!read_count(reader, "nlayers", &count)) return false;
    for (size_t i = 0; i < count; i++) {
        if (!read_numbered(reader, "layer", i, 3)) return false;
        c->layers = store_grow(&c->store, c->layers, c->layer_count, sizeof *c->layers);
        c->layers[c->layer_count++] =
            (Layer){reader->word[2], (const char *const *)(reader->word + 3), reader->words - 3};
    }
    return true;
}

static bool read_loop(Case *c, Reader *reader) {
    if (!read_choice(reader, "loss", &c->loss) ||
        !read_flag(reader, "train_warmup", &c->train_warmup) ||
        !read_flag(reader, "train_inner", &c->train_inner) ||
        !read_flag(reader, "train_meta", &c->train_meta) ||
        !read_count(reader, "warmup", &c->warmup) || !read_count(reader, "steps", &c->steps) ||
        !read_flag(reader, "copy_initial_weights", &c->copy_initial_weights) ||
        !read_flag(reader, "track_higher_grads", &c->track) ||
        !read_choice(reader, "callback", &c->callback) || !reader_record(reader, "meta_weights", 2))
        return false;
    if (reader->words != c->steps + 2)
        return reader_fail(reader, "%zu meta_weights for %zu steps; one more than steps are needed",
                           reader->words - 1, c->steps);
    c->meta_weights = store_alloc(&c->store, c->steps + 1, sizeof *c->meta_weights);
    for (size_t t = 0; t <= c->steps; t++)
        if (!reader_real(reader, reader->word[1 + t], &c->meta_weights[t])) return false;
    return read_flag(reader, "want_x_grad", &c->want_x_grad) &&
           read_flag(reader, "want_third", &c->want_third) &&
           read_flag(reader, "want_hvp", &c->want_hvp);
}

/* Reads "group I set ..." lines up to the first line that is none, which is left as the current
 * one. */
static bool read_settings(Case *c, Reader *reader, size_t number) {
    Group *group = &c->groups[number];
    for (;;) {
        if (!reader_line(reader)) return reader_fail(reader, "the file ends inside a group");
        if (strcmp(reader->word[0], "group") != 0 || reader->words < 3 ||
            strcmp(reader->word[2], "set") != 0)
            return true;
        size_t owner;
        if (!reader_size(reader, reader->word[1], &owner)) return false;
        if (owner != number || reader->words != 5)
            return reader_fail(reader, "not a 'group %zu set KEY VALUE'", number);
        Setting setting = {reader->word[3], 0};
        if (!reader_real(reader, reader->word[4], &setting.value)) return false;
        group->settings =
            store_grow(&c->store, group->settings, group->setting_count, sizeof setting);
        group->settings[group->setting_count++] = setting;
    }
}

/* Leaves the first line after the groups as the current one. */
static bool read_groups(Case *c, Reader *reader) {
    size_t count;
    if (!read_word(reader, "optimizer", &c->optimizer) || !read_count(reader, "ngroups", &count))
        return false;
    if (!reader_line(reader)) return reader_fail(reader, "the file ends where 'group' should be");
    for (size_t i = 0; i < count; i++) {
        size_t number, params;
        if (reader->words < 4 || strcmp(reader->word[0], "group") != 0 ||
            strcmp(reader->word[2], "params") != 0)
            return reader_fail(reader, "not a 'group %zu params K NAME..'", i);
        if (!reader_size(reader, reader->word[1], &number) ||
            !reader_size(reader, reader->word[3], &params))
            return false;
        if (number != i || reader->words - 4 != params)
            return reader_fail(reader,
                               "group %zu with %zu names where group %zu with %zu should be",
                               number, reader->words - 4, i, params);
        c->groups = store_grow(&c->store, c->groups, c->group_count, sizeof *c->groups);
        c->groups[c->group_count++] =
            (Group){.params = (const char *const *)(reader->word + 4), .param_count = params};
        if (!read_settings(c, reader, i)) return false;
    }
    return true;
}

static bool read_hyper(Case *c, Reader *reader) {
    HyperRecord hyper = {NULL, HC_ALL_GROUPS, WHEN_INIT, 0};
    if (reader->words != 10)
        return reader_fail(reader, "not a 'hyper I key K group G when T value V'");
    if (!expect_word(reader, 2, "key") || !expect_word(reader, 4, "group") ||
        !expect_word(reader, 6, "when") || !expect_word(reader, 8, "value"))
        return false;
    char **word = reader->word;
    hyper.key = word[3];
    if (strcmp(word[5], "all") != 0 && !reader_size(reader, word[5], &hyper.group)) return false;
    if (strcmp(word[7], "init") != 0 && !reader_size(reader, word[7], &hyper.when)) return false;
    if (!reader_real(reader, word[9], &hyper.value)) return false;
    if (hyper.group != HC_ALL_GROUPS && hyper.group >= c->group_count)
        return reader_fail(reader, "group %zu of %zu", hyper.group, c->group_count);
    c->hypers = store_grow(&c->store, c->hypers, c->hyper_count, sizeof hyper);
    c->hypers[c->hyper_count++] = hyper;
    return true;
}

/* Starts at the current line, "nhyper H". */
static bool read_names(Case *c, Reader *reader) {
    size_t count;
    if (reader->words < 2 || !expect_word(reader, 0, "nhyper"))
        return reader_fail(reader, "'nhyper' without a number");
    if (!reader_size(reader, reader->word[1], &count)) return false;
    for (size_t i = 0; i < count; i++)
        if (!read_numbered(reader, "hyper", i, 3) || !read_hyper(c, reader)) return false;
    if (!read_count(reader, "nparams", &count)) return false;
    for (size_t i = 0; i < count; i++) {
        if (!read_numbered(reader, "param", i, 4)) return false;
        bool frozen = strcmp(reader->word[3], "frozen") == 0;
        if (!frozen && !expect_word(reader, 3, "trainable")) return false;
        c->params = store_grow(&c->store, c->params, c->param_count, sizeof *c->params);
        c->params[c->param_count++] = (ParamRecord){reader->word[2], frozen};
    }
    if (!read_count(reader, "nbuffers", &count)) return false;
    for (size_t i = 0; i < count; i++) {
        if (!read_numbered(reader, "buffer", i, 3)) return false;
        c->buffers = store_grow(&c->store, c->buffers, c->buffer_count, sizeof *c->buffers);
        c->buffers[c->buffer_count++] = reader->word[2];
    }
    return true;
}

static bool read_case(Case *c, Reader *reader) {
    return read_head(c, reader) && read_layers(c, reader) && read_loop(c, reader) &&
           read_groups(c, reader) && read_names(c, reader) && case_read_data(c, reader);
}

bool case_read(Case *c, const char *path, char *message) {
    Reader reader;
    *c = (Case){.tolerance = 0};
    return reader_open(&reader, &c->store, path, message) && read_case(c, &reader);
}

bool case_read_text(Case *c, const char *text, size_t size, char *message) {
    Reader reader;
    *c = (Case){.tolerance = 0};
    return reader_open_text(&reader, &c->store, text, size, message) && read_case(c, &reader);
}
