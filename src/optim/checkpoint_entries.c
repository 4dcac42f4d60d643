/* The entries of a checkpoint, a kind at a time. In a file: a module and an optimizer as the version of their own files
 * (u32) and the body of one; Params as their type (u32), count and the rest as a module's parameters; a stream as its
 * key and counter (u64); a count (u64), a real (f64), a setting (text). */
#include "nn/save.h"
#include "optim/checkpoint.h"

/* ---- modules and Params ---------------------------------------------------------------------------------------- */

static bool is_there(const HcEntry *e, const char *who) {
    return !e->version->gone || hc_fail_thread(HC_ERR_STATE, "%s: the %s '%s' was destroyed", who,
                                               hc_entry_classes[e->kind].word, e->name);
}

static bool check_module(const HcEntry *e, const char *who, bool saving) {
    return is_there(e, who) && (!saving || hc_params_ready(module_params(e->object), who));
}

static void write_module(HcWriter *w, const HcEntry *e) {
    hc_write_u32(w, HC_MODULE_VERSION);
    hc_write_module(w, e->object);
}

static bool read_module(HcReader *r, HcEntry *e, HcPass pass) {
    return hc_read_version(r, HC_MODULE_VERSION) && hc_read_module(r, e->object, pass == HC_PASS_TAKE);
}

static bool check_params(const HcEntry *e, const char *who, bool saving) {
    ParamList list = e->params;
    for (size_t i = 1; i < list.count; i++)
        if (list.items[i]->dtype != list.items[0]->dtype)
            return hc_fail_thread(HC_ERR_DTYPE, "%s: of the Params '%s', '%s' is of the other type", who, e->name,
                                  list.items[i]->cell.name);
    return !saving || hc_params_ready(list, who);
}

static DType type_of(ParamList list) {
    return list.count ? list.items[0]->dtype : HC_F32;
}

static void write_params(HcWriter *w, const HcEntry *e) {
    hc_write_u32(w, (uint32_t)type_of(e->params));
    hc_write_params(w, e->params);
}

static bool read_params(HcReader *r, HcEntry *e, HcPass pass) {
    return hc_read_dtype(r, type_of(e->params)) && hc_read_params(r, e->params, pass == HC_PASS_TAKE);
}

/* ---- optimizers ------------------------------------------------------------------------------------------------ */

static bool check_optim(const HcEntry *e, const char *who, bool saving) {
    return is_there(e, who) && (!saving || hc_check_schedules(e->object, who));
}

static void write_optim(HcWriter *w, const HcEntry *e) {
    hc_write_u32(w, HC_OPTIM_VERSION);
    hc_write_optim(w, e->object);
}

static bool read_optim(HcReader *r, HcEntry *e, HcPass pass) {
    bool done = true;
    if (pass == HC_PASS_LOOK) {
        done = hc_read_version(r, HC_OPTIM_VERSION) && hc_read_optim(r, e->object, &e->loading);
        e->end = r->at;
    }
    if (pass == HC_PASS_TAKE) hc_take_optim(r, &e->loading);
    r->at = e->end;
    return done;
}

/* ---- numbers --------------------------------------------------------------------------------------------------- */

static void write_rng(HcWriter *w, const HcEntry *e) {
    const Rng *rng = e->object;
    hc_write_u64(w, rng->key);
    hc_write_u64(w, rng->counter);
}

static bool read_rng(HcReader *r, HcEntry *e, HcPass pass) {
    uint64_t key = hc_read_u64(r), counter = hc_read_u64(r);
    if (pass == HC_PASS_TAKE) *(Rng *)e->object = (Rng){.key = key, .counter = counter};
    return true;
}

static void write_count(HcWriter *w, const HcEntry *e) {
    hc_write_u64(w, *(const size_t *)e->object);
}

static bool read_count(HcReader *r, HcEntry *e, HcPass pass) {
    uint64_t count = hc_read_u64(r);
    if (count > SIZE_MAX)
        return hc_fail_thread(HC_ERR_RANGE, "%s: '%s' holds %llu, more than this machine counts", r->who, r->name,
                              (unsigned long long)count);
    if (pass == HC_PASS_TAKE) *(size_t *)e->object = (size_t)count;
    return true;
}

static void write_real(HcWriter *w, const HcEntry *e) {
    hc_write_f64(w, *(const double *)e->object);
}

static bool read_real(HcReader *r, HcEntry *e, HcPass pass) {
    double real = hc_read_f64(r);
    if (pass == HC_PASS_TAKE) *(double *)e->object = real;
    return true;
}

static void write_setting(HcWriter *w, const HcEntry *e) {
    hc_write_text(w, e->object);
}

static bool read_setting(HcReader *r, HcEntry *e, HcPass pass) {
    const char *found, *mine = e->object;
    int length;
    (void)pass;
    return hc_read_text(r, mine, &found, &length) || !r->good ||
           hc_fail_thread(HC_ERR_STATE, "%s: '%s' was saved with %s %.*s, not %s", r->who, r->name, e->name, length,
                          found, mine);
}

const HcEntryClass hc_entry_classes[HC_ENTRY_KINDS] = {
    [HC_ENTRY_MODULE] = {"module", check_module, write_module, read_module},
    [HC_ENTRY_PARAMS] = {"Params", check_params, write_params, read_params},
    [HC_ENTRY_OPTIM] = {"optimizer", check_optim, write_optim, read_optim},
    [HC_ENTRY_RNG] = {"stream", NULL, write_rng, read_rng},
    [HC_ENTRY_COUNT] = {"count", NULL, write_count, read_count},
    [HC_ENTRY_REAL] = {"real", NULL, write_real, read_real},
    [HC_ENTRY_SETTING] = {"setting", NULL, write_setting, read_setting},
};
