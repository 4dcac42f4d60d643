/** @file safetensors.h
 *  Named tensors in files that other programs read: safetensors, under the names of PyTorch's state dicts.
 *
 *  Weights trained in PyTorch come in with one call, and go back with another:
 *
 *      from safetensors.torch import save_file, load_file        the Python side
 *      save_file(model.state_dict(), "model.safetensors")
 *
 *      LoadReport report;                                        this side
 *      if (!module_load_safetensors(net, "model.safetensors", load_options(), &report))
 *          fprintf(stderr, "%s\n", higherc_error());             what is missing, left over, of another shape
 *      ...
 *      module_save_safetensors(net, "adapted.safetensors");      model.load_state_dict(load_file(...))
 *
 *  `net` is built here with the same layers, and needs no module_init. All layers have PyTorch's names and shapes
 *  ("0.weight" [out, in], "1.running_mean"), so nothing is transposed. A module_sequential has the names of an
 *  nn.Sequential; for self.fc1 = nn.Linear(...), "fc1.weight", make a module of one's own with
 *  module_add_child(m, "fc1", module_linear(...)), or take Param by Param (safetensors_to_param). What a state dict
 *  does not hold (eps, heads, padding) is said again here. A .pt or .pth file is not read: save it from Python, as
 *  above; module_load (module.h) reads module_save's files, another format.
 *
 *  To pick tensors without a module, to store some of one's own beside it, or to read what stands in memory already:
 *
 *      Safetensors *file = safetensors_open("model.safetensors");
 *      for (size_t i = 0; i < safetensors_count(file); i++)
 *          printf("%s\n", safetensors_name(file, i));
 *      Tensor *w = safetensors_tensor(file, "encoder.weight", tape);
 *      safetensors_destroy(file);
 *
 *  A file is 8 bytes, the length of the header (little-endian); the header, JSON that names each tensor's type, shape
 *  and place; and the numbers, row-major and little-endian. Nothing in it is believed: the header is at most
 *  100,000,000 bytes, begins with '{' and may end in spaces; no name stands twice; the places cover the rest of the
 *  file without a hole or an overlap, each as large as its shape and type say. Memory is taken for what the file has,
 *  never for what it says it has. Beyond the format, a tensor has at most 8 dimensions, and no name holds a zero byte.
 *
 *  Source: the format's description, https://github.com/huggingface/safetensors (README, "Format"). */
#ifndef HIGHERC_SAFETENSORS_H
#define HIGHERC_SAFETENSORS_H

#include "module.h"
#include "optim.h"
#include "names.h"

#ifdef __cplusplus
extern "C" {
#endif

/** How numbers stand in a file. Each type is read into Params, tensors and buffers of either type here: rounded to the
 *  nearest, a number too large becoming infinite; a BOOL that is not 0 is 1. */
typedef enum HcStoredType {
    HC_STORED_BOOL, /**< a byte each */
    HC_STORED_U8,   /**< 0 to 255 */
    HC_STORED_I8,   /**< -128 to 127 */
    HC_STORED_I16,  /**< two bytes, signed */
    HC_STORED_U16,  /**< two bytes, unsigned */
    HC_STORED_F16,  /**< IEEE 754's half precision */
    HC_STORED_BF16, /**< the upper half of an F32 */
    HC_STORED_I32,  /**< four bytes, signed */
    HC_STORED_U32,  /**< four bytes, unsigned */
    HC_STORED_F32,  /**< float */
    HC_STORED_F64,  /**< double */
    HC_STORED_I64,  /**< eight bytes, signed */
    HC_STORED_U64   /**< eight bytes, unsigned */
} StoredType;
/** "F32"; "none" for a number that is no type. */
HC_API const char *stored_type_name(StoredType type);

/** Named tensors, out of a file or to be written to one. */
typedef struct HcSafetensors Safetensors;

/* ---- reading -------------------------------------------------------------------------------------- */

/** Reads a file, also from a pipe, into memory: its tensors are read out of it below. The path is UTF-8 on Windows.
 *  Errors: HC_ERR_IO (none there, cut off, not of the format: the message says where and what would be right),
 *          HC_ERR_NOMEM. */
HC_API Safetensors *safetensors_open(const char *path);
/** The same of a file that stands in memory, mapped, in flash or linked in: it is not copied, and must stay until
 *  safetensors_destroy. It need not be aligned. */
HC_API Safetensors *safetensors_open_memory(const void *bytes, size_t size);
/** Frees it, and the memory of a file that safetensors_open read. NULL is fine. */
HC_API void safetensors_destroy(Safetensors *file);

/** How many tensors there are. Their numbers are their order in the file, then that in which they were added. */
HC_API size_t safetensors_count(const Safetensors *file);
/** A tensor's number by its name; SIZE_MAX, without an error, when there is none. */
HC_API size_t safetensors_find(const Safetensors *file, const char *name);
/** Borrowed; NULL, and HC_ERR_RANGE, for a number that is none. */
HC_API const char *safetensors_name(const Safetensors *file, size_t index);
/** HC_STORED_BOOL, and HC_ERR_RANGE, for a number that is none. */
HC_API StoredType safetensors_type(const Safetensors *file, size_t index);
/** ndim 0 for a scalar; -1, and HC_ERR_RANGE, for a number that is none. */
HC_API Shape safetensors_shape(const Safetensors *file, size_t index);
/** How many texts stand with the tensors, under "__metadata__". */
HC_API size_t safetensors_metadata_count(const Safetensors *file);
/** The key of one. Borrowed; NULL, and HC_ERR_RANGE, for a number that is none. */
HC_API const char *safetensors_metadata_key(const Safetensors *file, size_t index);
/** A text by its key. Borrowed; NULL, without an error, when there is none. */
HC_API const char *safetensors_metadata(const Safetensors *file, const char *key);

/** Copies and converts a tensor's numbers, of which there must be `count`.
 *  Errors: HC_ERR_NAME, HC_ERR_SHAPE. */
HC_API bool safetensors_to_f32(const Safetensors *file, const char *name, float *values, size_t count);
/** The same into double. */
HC_API bool safetensors_to_f64(const Safetensors *file, const char *name, double *values, size_t count);
/** Into a Param of the same shape, in place (param_set_f32).
 *  Errors: HC_ERR_NAME, HC_ERR_SHAPE. */
HC_API bool safetensors_to_param(const Safetensors *file, const char *name, Param *param);
/** As a constant on a tape, of its type.
 *  Errors: HC_ERR_NAME, HC_ERR_NOMEM. */
HC_API Tensor *safetensors_tensor(const Safetensors *file, const char *name, Tape *tape);

/* ---- writing -------------------------------------------------------------------------------------- */
/* What is added is copied. A name is UTF-8 and not taken. Errors: HC_ERR_NAME,
 * HC_ERR_SHAPE, HC_ERR_NOMEM. */

/** One without tensors. What was opened takes more, too. */
HC_API Safetensors *safetensors_create(void);
/** Numbers, row-major, stored as F32. */
HC_API bool safetensors_add_f32(Safetensors *file, const char *name, Shape shape, const float *values);
/** The same of double, stored as F64. */
HC_API bool safetensors_add_f64(Safetensors *file, const char *name, Shape shape, const double *values);
/** A tensor's numbers, in its type. */
HC_API bool safetensors_add_tensor(Safetensors *file, const char *name, Tensor *x);
/** A text under a key, in the place of an earlier one. Readers in Python look for "format": "pt" or "np". */
HC_API bool safetensors_set_metadata(Safetensors *file, const char *key, const char *value);
/** Writes all of it, in the order of the reference implementation (types with larger numbers first, then by name), so
 *  that equal tensors give equal bytes; the numbers begin at a multiple of 8 bytes. Written beside its name and then
 *  renamed, as module_save does.
 *  Errors: HC_ERR_IO when not all of it reached the disk; the old file is then as it was; HC_ERR_RANGE (a header past
 *          100,000,000 bytes), HC_ERR_NOMEM. */
HC_API bool safetensors_save(const Safetensors *file, const char *path);

/* ---- modules, optimizers and lists by name ----------------------------------------------------------- */

/** What may differ between a file and what it is loaded into. */
typedef struct HcLoadOptions {
    const char *prefix; /**< NULL; else names in the file begin with it ("encoder."), and others are not looked at */
    /** False: what the file lacks is an error; true: it stays as it is. With left_over: PyTorch's strict=False. */
    bool missing;
    bool left_over;   /**< false: a name in the file that is for nothing here is an error; true: it is passed over */
    bool other_shape; /**< false: another shape is an error; true: what has one stays as it is */
} LoadOptions;
/** All false, as PyTorch's load_state_dict(strict=True). */
HC_API LoadOptions load_options(void);

/** What a load met with, filled in whether it succeeds or not. */
typedef struct HcLoadReport {
    size_t loaded;      /**< Params, buffers and states that were written */
    size_t missing;     /**< that the file lacks */
    size_t left_over;   /**< names in the file that are for nothing here */
    size_t other_shape; /**< that the file has in another shape */
    /** The names in words, "missing: 2.bias (3); of another shape: 2.weight is (3, 4) here and (5, 4) in the file", as
     *  many as have room; empty when all fitted. */
    char text[400];
} LoadReport;

/* The loads below are all or nothing: what they find is looked at before anything is written. `report` may be NULL.
 * Numbers are converted (F16 and F64 into an f32 module, say).
 * Errors: HC_ERR_NAME (missing, left over), HC_ERR_SHAPE, each with the report's words. */

/** Each Param under prefix + its name: optim_learned(inner), Params of one's own. A NULL prefix is none. */
HC_API bool safetensors_add_params(Safetensors *file, const char *prefix, ParamList params);
/** From them. A name that is no Param of the list is left over. */
HC_API bool safetensors_to_params(const Safetensors *file, ParamList params, LoadOptions options, LoadReport *report);
/** A module's Params and buffers under prefix + their paths from it, in its type; num_batches_tracked as I64, as
 *  PyTorch has it. A Param that stands at several places is written under the first of its names, as
 *  safetensors.torch.save_model does, and read under any.
 *  Errors: HC_ERR_STATE (a Param not initialised). */
HC_API bool safetensors_add_module(Safetensors *file, const char *prefix, const Module *module);
/** From them: what an F32 or another type holds is converted to the module's. */
HC_API bool safetensors_to_module(const Safetensors *file, Module *module, LoadOptions options, LoadReport *report);
/** An optimizer's state. There is no common form, so the names are those of a PyTorch optimizer's state_dict with names
 *  of Params in place of their numbers:
 *
 *      state.0.weight.exp_avg              each state that is there yet, [shape of the Param]
 *      state.0.weight.step                 how many updates the Param has had, I64
 *      param_groups.0.lr                   each hyperparameter of each group, F64
 *      learned.lr.0.weight                 each learned hyperparameter, under its name (optim_learned)
 *      step                                optim_steps, I64 (PyTorch has no such; the Params' steps say it)
 *
 *  and under "__metadata__" prefix + "rule", its name. The names of its Params must differ. Schedules are not there,
 *  which optim_save and checkpoint.h have. A Param whose step is there has the states that are there, and no others.
 *  Errors: HC_ERR_NAME (another rule), HC_ERR_RANGE (a hyperparameter that cannot be, a step count that is none). */
HC_API bool safetensors_add_optim(Safetensors *file, const char *prefix, const Optim *optim);
/** From them, into an optimizer of the same rule whose groups and learned hyperparameters are made as they were. */
HC_API bool safetensors_to_optim(const Safetensors *file, Optim *optim, LoadOptions options, LoadReport *report);

/** A module to a file of its own, with the metadata "format": "pt". The weights are not copied before. */
HC_API bool module_save_safetensors(const Module *module, const char *path);
/** A module from one; NULL for the report is fine.
 *  Errors: those of safetensors_open and safetensors_to_module; the module is then as it was. */
HC_API bool module_load_safetensors(Module *module, const char *path, LoadOptions options, LoadReport *report);

#ifdef __cplusplus
}
#endif

#include "names_end.h"
#endif
