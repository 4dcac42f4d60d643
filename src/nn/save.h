/* How Params and modules stand in files. */
#ifndef HC_NN_SAVE_H
#define HC_NN_SAVE_H

#include "base/file.h"
#include "nn/module.h"

/* The name and the shape. */
void hc_write_param_head(HcWriter *w, const Param *param);
/* Whether they are what the file holds there; else false with the thread's error. */
bool hc_read_param_head(HcReader *r, const Param *param);
/* The type, checked against this one. */
bool hc_read_dtype(HcReader *r, DType dtype);

/* Whether all have numbers; false with the thread's error. */
bool hc_params_ready(ParamList list, const char *who);
/* Their count, and of each its head and numbers. */
void hc_write_params(HcWriter *w, ParamList list);
/* Checks them, or (write) takes the numbers, what was checked before. */
bool hc_read_params(HcReader *r, ParamList list, bool write);

/* The body of a module's file. */
#define HC_MODULE_VERSION 1
void hc_write_module(HcWriter *w, const Module *module);
bool hc_read_module(HcReader *r, const Module *module, bool write);

/* module_load from memory; `name` is for messages. */
bool hc_module_load_bytes(Module *module, const char *name, const void *bytes, size_t size);

#endif
