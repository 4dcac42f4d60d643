/* Numbers of files made ours. */
#include "formats/numbers.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "tape/param.h"

static const struct Type {
    const char *name;
    unsigned char item;
} types[HC_STORED_TYPES] = {{"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"I16", 2}, {"U16", 2}, {"F16", 2}, {"BF16", 2},
                            {"I32", 4},  {"U32", 4}, {"F32", 4}, {"F64", 8}, {"I64", 8}, {"U64", 8}};

const char *stored_type_name(StoredType type) {
    return (unsigned)type < HC_STORED_TYPES ? types[type].name : "none";
}

size_t hc_stored_item(StoredType type) {
    return types[type].item;
}

/* The bits of a number. */
static uint64_t bits_at(const unsigned char *from, size_t item, bool big) {
    uint64_t bits = 0;
    for (size_t i = 0; i < item; i++)
        bits = bits << 8 | from[big ? i : item - 1 - i];
    return bits;
}

static float float_of(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* IEEE 754's half precision is exact in single: a subnormal one is its fraction times 2^-24. */
static float half_of(uint32_t bits) {
    uint32_t sign = (bits & 0x8000) << 16, exponent = bits >> 10 & 31, fraction = bits & 0x3FF;
    if (exponent == 31) return float_of(sign | 0x7F800000 | fraction << 13);
    if (exponent > 0) return float_of(sign | (exponent + 112) << 23 | fraction << 13);
    float small = (float)fraction * 0x1p-24f;
    return sign ? -small : small;
}

/* What is exact in single precision, the rest of the types apart. */
static float narrow_of(StoredType type, uint32_t bits) {
    switch (type) {
    case HC_STORED_BOOL:
        return bits ? 1 : 0;
    case HC_STORED_U8:
    case HC_STORED_U16:
        return (float)bits;
    case HC_STORED_I8:
        return (float)((int32_t)(bits ^ 0x80) - 0x80);
    case HC_STORED_I16:
        return (float)((int32_t)(bits ^ 0x8000) - 0x8000);
    case HC_STORED_F16:
        return half_of(bits);
    case HC_STORED_BF16:
        return float_of(bits << 16);
    default:
        return float_of(bits);
    }
}

static double double_of(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* A whole number of two's complement, without what C leaves to the compiler. */
static int64_t signed_of(uint64_t bits) {
    return bits >> 63 ? -(int64_t)~bits - 1 : (int64_t)bits;
}

/* Each is rounded once. */
static float to_f32(StoredType type, uint64_t bits) {
    switch (type) {
    case HC_STORED_F64:
        return (float)double_of(bits);
    case HC_STORED_I32:
        return (float)((int64_t)(bits ^ 0x80000000) - (int64_t)0x80000000);
    case HC_STORED_I64:
        return (float)signed_of(bits);
    case HC_STORED_U32:
    case HC_STORED_U64:
        return (float)bits;
    default:
        return narrow_of(type, (uint32_t)bits);
    }
}

static double to_f64(StoredType type, uint64_t bits) {
    switch (type) {
    case HC_STORED_F64:
        return double_of(bits);
    case HC_STORED_I32:
        return (double)((int64_t)(bits ^ 0x80000000) - (int64_t)0x80000000);
    case HC_STORED_I64:
        return (double)signed_of(bits);
    case HC_STORED_U32:
    case HC_STORED_U64:
        return (double)bits;
    default:
        return (double)narrow_of(type, (uint32_t)bits);
    }
}

double hc_stored_at(const HcStored *from, size_t at) {
    size_t item = hc_stored_item(from->type);
    return to_f64(from->type, bits_at(from->bytes + at * item, item, from->big));
}

/* Steps an index in row-major order, and the place in the file with it. */
static size_t next_place(const Shape *shape, size_t *index, const size_t *stride, size_t place) {
    for (int i = shape->ndim - 1; i >= 0; i--) {
        place += stride[i];
        if (++index[i] < shape->dim[i]) return place;
        place -= index[i] * stride[i];
        index[i] = 0;
    }
    return place;
}

void hc_stored_read(const HcStored *from, void *to, DType dtype) {
    size_t item = hc_stored_item(from->type), index[HC_MAX_DIMS] = {0}, stride[HC_MAX_DIMS] = {0}, step = 1;
    for (int i = 0; i < from->shape.ndim; i++, step *= from->shape.dim[i - 1])
        stride[i] = step;
    for (size_t i = 0, place = 0; i < from->count; i++) {
        uint64_t bits = bits_at(from->bytes + place * item, item, from->big);
        if (dtype == HC_F32)
            ((float *)to)[i] = to_f32(from->type, bits);
        else
            ((double *)to)[i] = to_f64(from->type, bits);
        place = from->columns ? next_place(&from->shape, index, stride, place) : place + 1;
    }
}

bool hc_stored_to(const HcStored *from, const char *who, const char *what, void *to, size_t count, DType dtype) {
    if (!to && count > 0) return hc_null(who, "values");
    if (count != from->count)
        return hc_fail_thread(HC_ERR_SHAPE, "%s: '%s' has %zu numbers, not %zu", who, what, from->count, count);
    hc_stored_read(from, to, dtype);
    return true;
}

bool hc_stored_to_param(const HcStored *from, const char *who, const char *what, Param *param) {
    char found[HC_SHAPE_TEXT], wanted[HC_SHAPE_TEXT];
    if (!param) return hc_null(who, "the Param");
    if (!shape_equal(from->shape, param->shape))
        return hc_fail_thread(HC_ERR_SHAPE, "%s: '%s' is %s, the Param '%s' is %s", who, what,
                              hc_shape_text(from->shape, found), param->cell.name,
                              hc_shape_text(param->shape, wanted));
    hc_stored_read(from, param->data, param->dtype);
    hc_param_written(param);
    return true;
}

Tensor *hc_stored_tensor(const HcStored *from, const char *who, Tape *tape) {
    DType dtype = tape_dtype(tape);
    if (!tape) return NULL;
    void *values = hc_alloc(from->count, dtype == HC_F32 ? sizeof(float) : sizeof(double));
    if (!values) {
        hc_fail(tape, HC_ERR_NOMEM, "%s: out of memory", who);
        return NULL;
    }
    hc_stored_read(from, values, dtype);
    Tensor *x =
        dtype == HC_F32 ? tensor_from_f32(tape, from->shape, values) : tensor_from_f64(tape, from->shape, values);
    hc_free(values);
    return x;
}
