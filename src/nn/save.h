/* How Params stand in files: name, sizes, numbers. */
#ifndef HC_NN_SAVE_H
#define HC_NN_SAVE_H

#include "base/file.h"
#include "nn/module.h"

/* The name and the shape. */
void hc_write_param_head(HcWriter *w, const Param *param);
/* Whether they are what the file holds there; else false with the thread's error. */
bool hc_read_param_head(HcReader *r, const char *who, const char *name, const Param *param);
/* The type, checked against this one. */
bool hc_read_dtype(HcReader *r, const char *who, const char *name, DType dtype);

/* module_load from memory; `name` is for messages. */
bool hc_module_load(Module *module, const char *name, const void *bytes, size_t size);

#endif
