/** @file npy.h
 *  Arrays in NumPy's files: numpy.save writes them, numpy.load reads them.
 *
 *      np.save("x.npy", x)                                        the Python side
 *
 *      Npy *file = npy_open("x.npy");                             this side
 *      Tensor *x = npy_tensor(file, tape);                        of the tape's type, row-major, whatever the file has
 *      npy_destroy(file);
 *      npy_save_tensor("y.npy", y);                               np.load("y.npy")
 *
 *  Read are the format's versions 1.0 to 3.0, numbers of the types of StoredType but BF16, of either order of bytes and
 *  of either order of the array (C's or Fortran's), with a header of at most 10,000 bytes; no objects, structures,
 *  complex numbers, texts or dates. Nothing in a file is believed: its size must be what its header says, and memory is
 *  taken for what the file has. An array has at most 8 dimensions.
 *
 *  Source: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html */
#ifndef HIGHERC_NPY_H
#define HIGHERC_NPY_H

#include "safetensors.h"
#include "names.h"

#ifdef __cplusplus
extern "C" {
#endif

/** An array out of a file. */
typedef struct HcNpy Npy;

/** Reads a file, also from a pipe, into memory. The path is UTF-8 on Windows.
 *  Errors: HC_ERR_IO (none there, cut off, not of the format, or of numbers that are not read: the message says which),
 *          HC_ERR_NOMEM. */
HC_API Npy *npy_open(const char *path);
/** The same of a file that stands in memory: it is not copied, and must stay until npy_destroy. */
HC_API Npy *npy_open_memory(const void *bytes, size_t size);
/** Frees it, and the memory of a file that npy_open read. NULL is fine. */
HC_API void npy_destroy(Npy *file);
HC_API StoredType npy_type(const Npy *file); /**< HC_STORED_BOOL for NULL */
HC_API Shape npy_shape(const Npy *file);     /**< ndim 0 for a scalar; -1 for NULL */

/** Copies and converts the numbers, row-major, of which there must be `count`.
 *  Errors: HC_ERR_SHAPE. */
HC_API bool npy_to_f32(const Npy *file, float *values, size_t count);
/** The same into double. */
HC_API bool npy_to_f64(const Npy *file, double *values, size_t count);
/** Into a Param of the same shape, in place.
 *  Errors: HC_ERR_SHAPE. */
HC_API bool npy_to_param(const Npy *file, Param *param);
/** As a constant on a tape, of its type.
 *  Errors: HC_ERR_NOMEM. */
HC_API Tensor *npy_tensor(const Npy *file, Tape *tape);

/** Writes numbers, row-major, as version 1.0, little-endian, in C's order; beside its name and then renamed, as
 *  module_save does.
 *  Errors: HC_ERR_IO when not all of it reached the disk; the old file is then as it was; HC_ERR_SHAPE,
 *          HC_ERR_NOMEM. */
HC_API bool npy_save_f32(const char *path, Shape shape, const float *values);
/** The same of double. */
HC_API bool npy_save_f64(const char *path, Shape shape, const double *values);
/** In the Param's type.
 *  Errors: HC_ERR_STATE (not initialised), and as above. */
HC_API bool npy_save_param(const char *path, const Param *param);
/** In the tensor's type. */
HC_API bool npy_save_tensor(const char *path, Tensor *x);

#ifdef __cplusplus
}
#endif

#include "names_end.h"
#endif
