/* Saving and loading modules. The body of a file: the type (u32), then for parameters and then for buffers
 * the count (u64) and of each the name, the shape (u32 dimensions, u64 sizes) and the numbers. */
#include "nn/save.h"

static const char kind[] = "module";

/* ---- Params ------------------------------------------------------------------------------------------- */

void hc_write_param_head(HcWriter *w, const Param *param) {
    hc_write_text(w, param->cell.name);
    hc_write_u32(w, (uint32_t)param->shape.ndim);
    for (int i = 0; i < param->shape.ndim; i++)
        hc_write_u64(w, param->shape.dim[i]);
}

bool hc_read_param_head(HcReader *r, const Param *param) {
    const char *found;
    int length;
    char text[HC_SHAPE_TEXT];
    if (!hc_read_text(r, param->cell.name, &found, &length))
        return hc_fail_thread(HC_ERR_NAME, "%s: '%s' has '%.*s' in the place of '%s'", r->who, r->name,
                              length, found, param->cell.name);
    bool same = hc_read_u32(r) == (uint32_t)param->shape.ndim;
    for (int i = 0; same && i < param->shape.ndim; i++)
        same = hc_read_u64(r) == param->shape.dim[i];
    return same || hc_fail_thread(HC_ERR_SHAPE, "%s: in '%s', '%s' has another shape than %s", r->who,
                                  r->name, param->cell.name, hc_shape_text(param->shape, text));
}

bool hc_read_dtype(HcReader *r, DType dtype) {
    uint32_t found = hc_read_u32(r);
    return (r->good && found == (uint32_t)dtype) ||
           hc_fail_thread(HC_ERR_DTYPE, "%s: '%s' was saved as %s (module_to converts)", r->who, r->name,
                          dtype == HC_F32 ? "f64" : "f32");
}

bool hc_params_ready(ParamList list, const char *who) {
    for (size_t i = 0; i < list.count; i++)
        if (!list.items[i]->ready)
            return hc_fail_thread(HC_ERR_STATE, "%s: '%s' is not initialised (module_init, param_set)", who,
                                  list.items[i]->cell.name);
    return true;
}

void hc_write_params(HcWriter *w, ParamList list) {
    hc_write_u64(w, list.count);
    for (size_t i = 0; i < list.count; i++) {
        hc_write_param_head(w, list.items[i]);
        hc_write_reals(w, list.items[i]->data, list.items[i]->count, list.items[i]->item);
    }
}

bool hc_read_params(HcReader *r, ParamList list, bool write) {
    uint64_t count = hc_read_u64(r);
    if (!hc_read_so_far(r)) return false;
    if (count != list.count)
        return hc_fail_thread(HC_ERR_SHAPE, "%s: '%s' holds %llu tensors, not %zu", r->who, r->name,
                              (unsigned long long)count, list.count);
    for (size_t i = 0; i < list.count; i++) {
        Param *p = list.items[i];
        if (!hc_read_param_head(r, p)) return false;
        hc_read_reals(r, write ? p->data : NULL, p->count, p->item);
        if (write) hc_param_written(p);
    }
    return hc_read_so_far(r);
}

/* ---- modules ------------------------------------------------------------------------------------------ */

void hc_write_module(HcWriter *w, const Module *module) {
    hc_write_u32(w, (uint32_t)module->dtype);
    hc_write_params(w, module_params(module));
    hc_write_params(w, module_buffers(module));
}

bool hc_read_module(HcReader *r, const Module *module, bool write) {
    return hc_read_dtype(r, module->dtype) && hc_read_params(r, module_params(module), write) &&
           hc_read_params(r, module_buffers(module), write);
}

/* What a file of the module takes. */
static uint64_t file_size(const Module *module) {
    HcWriter w;
    hc_write_count(&w);
    hc_write_module(&w, module);
    return w.size;
}

bool module_save(const Module *module, const char *path) {
    const char *who = "module_save";
    if (!module || !path)
        return hc_null(who, module ? "the path" : "the module");
    if (!hc_params_ready(module_params(module), who)) return false;
    HcWriter w;
    hc_write_begin(&w, path, kind, HC_MODULE_VERSION);
    hc_write_module(&w, module);
    return hc_write_end(&w, who, path);
}

bool hc_module_load_bytes(Module *module, const char *name, const void *bytes, size_t size) {
    HcReader r;
    if (!hc_read_begin(&r, "module_load", name, bytes, size, file_size(module), kind, HC_MODULE_VERSION))
        return false;
    size_t body = r.at;
    bool sound = hc_read_module(&r, module, false) && hc_read_end(&r); /* before anything is written */
    r.at = body;
    return sound && hc_read_module(&r, module, true);
}

bool module_load(Module *module, const char *path) {
    const char *who = "module_load";
    if (!module || !path)
        return hc_null(who, module ? "the path" : "the module");
    size_t size;
    void *bytes = hc_read_file(who, path, file_size(module), &size);
    bool done = bytes && hc_module_load_bytes(module, path, bytes, size);
    hc_free(bytes);
    return done;
}
