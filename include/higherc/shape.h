/** @file shape.h
 *  Sizes of tensors. */
#ifndef HIGHERC_SHAPE_H
#define HIGHERC_SHAPE_H

#include "tape.h"
#include "names.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The most axes a tensor has. */
#define HC_MAX_DIMS 8

/** Sizes along each axis; a plain value. dim[ndim..] are 0. */
typedef struct HcShape {
    int ndim; /**< how many axes, 0 to HC_MAX_DIMS; -1: refused */
    size_t dim[HC_MAX_DIMS]; /**< their sizes, 0 allowed */
} Shape;

HC_API Shape shape_scalar(void); /**< no axes, one element */
/** One axis of d0. */
HC_API Shape shape1(size_t d0);
/** d0 rows of d1: row-major, the last axis is the one whose neighbours stand side by side. */
HC_API Shape shape2(size_t d0, size_t d1);
/** Three axes. */
HC_API Shape shape3(size_t d0, size_t d1, size_t d2);
/** Four axes. */
HC_API Shape shape4(size_t d0, size_t d1, size_t d2, size_t d3);
/** From an array of `ndim` sizes. An ndim outside 0..8 or a NULL with ndim > 0 gives a shape with
 *  ndim -1, which every function refuses. */
HC_API Shape shape_of(const size_t *dim, int ndim);
/** Whether both have the same sizes along the same axes. */
HC_API bool shape_equal(Shape a, Shape b);
/** The product of the sizes: 1 for a scalar; SIZE_MAX when it overflows or the shape is refused. */
HC_API size_t shape_count(Shape shape);

#ifdef __cplusplus
}
#endif

#include "names_end.h"
#endif
