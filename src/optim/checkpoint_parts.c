/* The parts of a checkpoint, a kind at a time. In a file: a module and an optimizer as the version of their own files
 * (u32) and the body of one; Params as their type (u32), count and the rest as a module's parameters; a stream as its
 * key and counter (u64); a count (u64), a real (f64), a setting (text). */
#include "nn/save.h"
#include "optim/checkpoint.h"

/* ---- modules and Params ---------------------------------------------------------------------------------------- */

static bool is_there(const HcPart *p, const char *who) {
    return !p->version->gone || hc_fail_thread(HC_ERR_STATE, "%s: the %s '%s' was destroyed", who,
                                               hc_part_classes[p->kind].word, p->name);
}

static bool check_module(const HcPart *p, const char *who, bool saving) {
    return is_there(p, who) && (!saving || hc_params_ready(module_params(p->object), who));
}

static void write_module(HcWriter *w, const HcPart *p) {
    hc_write_u32(w, HC_MODULE_VERSION);
    hc_write_module(w, p->object);
}

static bool read_module(HcReader *r, HcPart *p, HcPass pass) {
    return hc_read_version(r, HC_MODULE_VERSION) && hc_read_module(r, p->object, pass == HC_PASS_TAKE);
}

static bool check_params(const HcPart *p, const char *who, bool saving) {
    ParamList list = p->params;
    for (size_t i = 1; i < list.count; i++)
        if (list.items[i]->dtype != list.items[0]->dtype)
            return hc_fail_thread(HC_ERR_DTYPE, "%s: of the Params '%s', '%s' is of the other type", who, p->name,
                                  list.items[i]->cell.name);
    return !saving || hc_params_ready(list, who);
}

static DType type_of(ParamList list) {
    return list.count ? list.items[0]->dtype : HC_F32;
}

static void write_params(HcWriter *w, const HcPart *p) {
    hc_write_u32(w, (uint32_t)type_of(p->params));
    hc_write_params(w, p->params);
}

static bool read_params(HcReader *r, HcPart *p, HcPass pass) {
    return hc_read_dtype(r, type_of(p->params)) && hc_read_params(r, p->params, pass == HC_PASS_TAKE);
}

/* ---- optimizers ------------------------------------------------------------------------------------------------ */

static bool check_optim(const HcPart *p, const char *who, bool saving) {
    return is_there(p, who) && (!saving || hc_check_schedules(p->object, who));
}

static void write_optim(HcWriter *w, const HcPart *p) {
    hc_write_u32(w, HC_OPTIM_VERSION);
    hc_write_optim(w, p->object);
}

static bool read_optim(HcReader *r, HcPart *p, HcPass pass) {
    bool done = true;
    if (pass == HC_PASS_LOOK) {
        done = hc_read_version(r, HC_OPTIM_VERSION) && hc_read_optim(r, p->object, &p->loading);
        p->end = r->at;
    }
    if (pass == HC_PASS_TAKE) hc_take_optim(r, &p->loading);
    r->at = p->end;
    return done;
}

/* ---- numbers --------------------------------------------------------------------------------------------------- */

static void write_rng(HcWriter *w, const HcPart *p) {
    const Rng *rng = p->object;
    hc_write_u64(w, rng->key);
    hc_write_u64(w, rng->counter);
}

static bool read_rng(HcReader *r, HcPart *p, HcPass pass) {
    uint64_t key = hc_read_u64(r), counter = hc_read_u64(r);
    if (pass == HC_PASS_TAKE) *(Rng *)p->object = (Rng){.key = key, .counter = counter};
    return true;
}

static void write_count(HcWriter *w, const HcPart *p) {
    hc_write_u64(w, *(const size_t *)p->object);
}

static bool read_count(HcReader *r, HcPart *p, HcPass pass) {
    uint64_t count = hc_read_u64(r);
    if (count > SIZE_MAX)
        return hc_fail_thread(HC_ERR_RANGE, "%s: '%s' holds %llu, more than this machine counts", r->who, r->name,
                              (unsigned long long)count);
    if (pass == HC_PASS_TAKE) *(size_t *)p->object = (size_t)count;
    return true;
}

static void write_real(HcWriter *w, const HcPart *p) {
    hc_write_f64(w, *(const double *)p->object);
}

static bool read_real(HcReader *r, HcPart *p, HcPass pass) {
    double real = hc_read_f64(r);
    if (pass == HC_PASS_TAKE) *(double *)p->object = real;
    return true;
}

static void write_setting(HcWriter *w, const HcPart *p) {
    hc_write_text(w, p->object);
}

static bool read_setting(HcReader *r, HcPart *p, HcPass pass) {
    const char *found, *mine = p->object;
    int length;
    (void)pass;
    return hc_read_text(r, mine, &found, &length) || !r->good ||
           hc_fail_thread(HC_ERR_STATE, "%s: '%s' was saved with %s %.*s, not %s", r->who, r->name, p->name, length,
                          found, mine);
}

const HcPartClass hc_part_classes[HC_PART_KINDS] = {
    [HC_PART_MODULE] = {"module", check_module, write_module, read_module},
    [HC_PART_PARAMS] = {"Params", check_params, write_params, read_params},
    [HC_PART_OPTIM] = {"optimizer", check_optim, write_optim, read_optim},
    [HC_PART_RNG] = {"stream", NULL, write_rng, read_rng},
    [HC_PART_COUNT] = {"count", NULL, write_count, read_count},
    [HC_PART_REAL] = {"real", NULL, write_real, read_real},
    [HC_PART_SETTING] = {"setting", NULL, write_setting, read_setting},
};
