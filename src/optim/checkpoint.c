/* Checkpoints: a list of entries with names, saved and loaded together. The body of a file: the count of entries (u64),
 * and of each its name, its kind (u32) and what checkpoint_entries.c has of it. */
#include "optim/checkpoint.h"

#include <errno.h>
#include <string.h>

#include "nn/module.h"

static const char kind[] = "training";
enum { VERSION = 1 };

/* ---- what belongs to it ---------------------------------------------------------------------------------------- */

Checkpoint *checkpoint_create(void) {
    Checkpoint *c = hc_alloc_zero(1, sizeof *c);
    if (!c) hc_fail_thread(HC_ERR_NOMEM, "checkpoint_create: out of memory");
    return c;
}

static void free_entry(HcEntry *entry) {
    if (entry->version) hc_version_unref(entry->version);
    if (entry->kind == HC_ENTRY_SETTING) hc_free(entry->object);
    hc_params_free(&entry->params);
    hc_free(entry->name);
}

void checkpoint_destroy(Checkpoint *c) {
    if (!c || !hc_at_rest(c, "checkpoint_destroy", "checkpoint")) return;
    for (size_t i = 0; i < c->count; i++)
        free_entry(&c->entries[i]);
    hc_free(c->entries);
    hc_free(c);
}

static bool may_add(const Checkpoint *c, const char *who, const char *name) {
    if (!c || !name)
        return hc_null(who, c ? "the name" : "the checkpoint");
    if (!hc_at_rest(c, who, "checkpoint")) return false;
    for (size_t i = 0; i < c->count; i++)
        if (strcmp(c->entries[i].name, name) == 0)
            return hc_fail_thread(HC_ERR_NAME, "%s: there is a '%s' already", who, name);
    return true;
}

/* Takes over what the entry holds, also when it fails. */
static bool add(Checkpoint *c, const char *who, const char *name, HcEntry entry) {
    entry.name = hc_copy_text(name);
    if (entry.name && hc_grow((void **)&c->entries, &c->capacity, c->count, c->count + 1, sizeof entry)) {
        c->entries[c->count++] = entry;
        return true;
    }
    free_entry(&entry);
    return hc_fail_thread(HC_ERR_NOMEM, "%s: out of memory", who);
}

bool checkpoint_module(Checkpoint *c, const char *name, Module *module) {
    const char *who = "checkpoint_module";
    if (!may_add(c, who, name)) return false;
    if (!module) return hc_null(who, "the module");
    return add(c, who, name,
               (HcEntry){.kind = HC_ENTRY_MODULE, .object = module, .version = hc_version_ref(module->version)});
}

bool checkpoint_params(Checkpoint *c, const char *name, ParamList params) {
    const char *who = "checkpoint_params";
    if (!may_add(c, who, name)) return false;
    HcEntry entry = {.kind = HC_ENTRY_PARAMS};
    if (params.count && !(entry.params = hc_params_copy(params, who)).items) return false;
    return add(c, who, name, entry);
}

bool checkpoint_optim(Checkpoint *c, const char *name, Optim *optim) {
    const char *who = "checkpoint_optim";
    if (!may_add(c, who, name)) return false;
    if (!optim) return hc_null(who, "the optimizer");
    return add(c, who, name,
               (HcEntry){.kind = HC_ENTRY_OPTIM, .object = optim, .version = hc_version_ref(optim->version)});
}

static bool add_number(Checkpoint *c, const char *who, const char *name, HcEntryKind number_kind, void *number) {
    if (!may_add(c, who, name)) return false;
    if (!number) return hc_null(who, "where the number stands");
    return add(c, who, name, (HcEntry){.kind = number_kind, .object = number});
}

bool checkpoint_rng(Checkpoint *c, const char *name, Rng *rng) {
    return add_number(c, "checkpoint_rng", name, HC_ENTRY_RNG, rng);
}

bool checkpoint_count(Checkpoint *c, const char *name, size_t *count) {
    return add_number(c, "checkpoint_count", name, HC_ENTRY_COUNT, count);
}

bool checkpoint_real(Checkpoint *c, const char *name, double *real) {
    return add_number(c, "checkpoint_real", name, HC_ENTRY_REAL, real);
}

bool checkpoint_setting(Checkpoint *c, const char *name, const char *value) {
    const char *who = "checkpoint_setting";
    if (!may_add(c, who, name)) return false;
    if (!value) return hc_null(who, "the value");
    HcEntry entry = {.kind = HC_ENTRY_SETTING, .object = hc_copy_text(value)};
    if (!entry.object) return hc_fail_thread(HC_ERR_NOMEM, "%s: out of memory", who);
    return add(c, who, name, entry);
}

/* ---- saving ---------------------------------------------------------------------------------------------------- */

static bool check_entry(const HcEntry *e, const char *who, bool saving) {
    const HcEntryClass *cls = &hc_entry_classes[e->kind];
    return !cls->check || cls->check(e, who, saving);
}

static bool check_entries(const Checkpoint *c, const char *who, bool saving) {
    for (size_t i = 0; i < c->count; i++)
        if (!check_entry(&c->entries[i], who, saving)) return false;
    return true;
}

static void write_entries(HcWriter *w, const Checkpoint *c) {
    hc_write_u64(w, c->count);
    for (size_t i = 0; i < c->count; i++) {
        const HcEntry *e = &c->entries[i];
        hc_write_text(w, e->name);
        hc_write_u32(w, (uint32_t)e->kind);
        hc_entry_classes[e->kind].write(w, e);
    }
}

/* The most that a file of it takes, and one name more, to be told. */
static uint64_t most_of(const Checkpoint *c) {
    HcWriter w;
    hc_write_count(&w);
    write_entries(&w, c);
    return w.size + HC_MESSAGE_SIZE;
}

bool checkpoint_save(const Checkpoint *c, const char *path) {
    const char *who = "checkpoint_save";
    if (!c || !path)
        return hc_null(who, c ? "the path" : "the checkpoint");
    if (!check_entries(c, who, true)) return false;
    HcWriter w;
    hc_write_begin(&w, path, kind, VERSION);
    write_entries(&w, c);
    return hc_write_end(&w, who, path);
}

/* ---- loading --------------------------------------------------------------------------------------------------- */

static const char loads[] = "checkpoint_load";

static bool read_entry(HcReader *r, HcEntry *e, HcPass pass) {
    const char *found, *file = r->name;
    int length;
    char label[HC_MESSAGE_SIZE];
    if (!hc_read_text(r, e->name, &found, &length))
        return hc_fail_thread(HC_ERR_NAME, "%s: '%s' has '%.*s' in the place of '%s'", loads, file, length, found,
                              e->name);
    uint32_t there = hc_read_u32(r);
    if (there != (uint32_t)e->kind)
        return hc_fail_thread(HC_ERR_NAME, "%s: in '%s', '%s' is no %s", loads, file, e->name,
                              hc_entry_classes[e->kind].word);
    snprintf(label, sizeof label, "%s: %s", file, e->name);
    if (e->kind != HC_ENTRY_SETTING) r->name = label; /* whose message names the file and the setting apart */
    bool done = check_entry(e, loads, false) && hc_entry_classes[e->kind].read(r, e, pass) && hc_read_so_far(r);
    r->name = file;
    return done;
}

static bool read_entries(HcReader *r, Checkpoint *c, HcPass pass) {
    uint64_t count = hc_read_u64(r);
    for (size_t i = 0; i < c->count; i++) {
        if (i == count)
            return hc_fail_thread(HC_ERR_NAME, "%s: '%s' holds no '%s'", loads, r->name, c->entries[i].name);
        if (!read_entry(r, &c->entries[i], pass)) return false;
    }
    if (count == c->count) return hc_read_end(r);
    const char *found;
    int length;
    hc_read_text(r, "", &found, &length);
    return hc_fail_thread(HC_ERR_NAME, "%s: '%s' holds a '%.*s' that is not asked for", loads, r->name, length, found);
}

static bool read_all(HcReader *r, Checkpoint *c) {
    size_t body = r->at;
    for (HcPass pass = HC_PASS_LOOK; pass < HC_PASSES; pass++) {
        r->at = body;
        if (!read_entries(r, c, pass)) return false;
    }
    return true;
}

/* All are held while schedules of a caller's own may run. */
static void hold(Checkpoint *c, HcHeld *own) {
    hc_held_begin(own, c);
    for (size_t i = 0; i < c->count; i++)
        hc_held_begin(&c->entries[i].held, c->entries[i].object);
}

static void let_go(Checkpoint *c, const HcHeld *own) {
    for (size_t i = 0; i < c->count; i++)
        hc_optim_loading_free(&c->entries[i].loading);
    hc_held_end(own); /* with those after it */
}

/* Whether no optimizer of it is at work in this thread, be it that it is being loaded. */
static bool at_rest(const Checkpoint *c) {
    bool rests = true;
    for (size_t i = 0; rests && i < c->count; i++)
        if (c->entries[i].kind == HC_ENTRY_OPTIM) rests = hc_optim_at_rest(c->entries[i].object, loads);
    return rests;
}

bool hc_checkpoint_load_bytes(Checkpoint *c, const char *name, const void *bytes, size_t size) {
    HcReader r;
    HcHeld own;
    if (!hc_read_begin(&r, loads, name, bytes, size, most_of(c), kind, VERSION)) return false;
    hold(c, &own);
    bool done = read_all(&r, c);
    let_go(c, &own);
    return done;
}

bool checkpoint_load(Checkpoint *c, const char *path) {
    if (!c || !path)
        return hc_null(loads, c ? "the path" : "the checkpoint");
    if (!check_entries(c, loads, false) || !at_rest(c)) return false;
    size_t size;
    void *bytes = hc_read_file(loads, path, most_of(c), &size);
    bool done = bytes && hc_checkpoint_load_bytes(c, path, bytes, size);
    hc_free(bytes);
    return done;
}

bool checkpoint_exists(const char *path) {
    if (!path) return hc_null("checkpoint_exists", "the path");
    FILE *file;
    errno = 0;
    if (hc_open(path, &file) != HC_OK) return errno != ENOENT;
    fclose(file);
    return true;
}
