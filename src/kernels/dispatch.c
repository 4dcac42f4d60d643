/* The choice of an instruction set, made once. The compiler's own test includes the operating system's
 * support for wide registers. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"

/* ---- the tables that were built ---------------------------------------------------------------------------- */

#ifdef HC_HAVE_NEON /* in the baseline's place */
#define FIRST(row, type, name) row(type, name, neon)
#else
#define FIRST(row, type, name) row(type, name, baseline)
#endif
#ifdef HC_HAVE_AVX2
#define AVX2(row, type, name) row(type, name, avx2)
#else
#define AVX2(row, type, name)
#endif
#ifdef HC_HAVE_AVX512
#define AVX512(row, type, name) row(type, name, avx512)
#else
#define AVX512(row, type, name)
#endif
/* A row for each level of a table. */
#define LEVELS(row, type, name) FIRST(row, type, name) AVX2(row, type, name) AVX512(row, type, name)

#ifdef HC_NO_F64
#define F64(table) NULL
#else
#define F64(table) (&table)
#endif
#define DECLARED(type, name, level) extern const type hc_##name##_##level##_f32, hc_##name##_##level##_f64;
#define ENTRY(type, name, level) [HC_AT_##level] = {&hc_##name##_##level##_f32, F64(hc_##name##_##level##_f64)},

LEVELS(DECLARED, HcKernels, kernels)

#define HC_FUNCTION(place, trace, type, name, params)
#define HC_TABLE_END(type)
#define HC_TABLE(type, name)                                                                                           \
    LEVELS(DECLARED, type, name)                                                                                       \
    const type *hc_##name(const HcKernels *k) {                                                                        \
        static const type *const built[HC_ALL_LEVELS][2] = {LEVELS(ENTRY, type, name)};                                \
        return k->tables ? k->tables->name : built[k->level][k->size == sizeof(double)];                               \
    }
#include "kernels/tables.def"
#undef HC_TABLE
#undef HC_TABLE_END
#undef HC_FUNCTION

/* ---- the levels of this machine ------------------------------------------------------------------------------ */

static const char *const names[HC_ALL_LEVELS] = {
    [HC_AT_baseline] = "baseline", [HC_AT_neon] = "neon", [HC_AT_avx2] = "avx2", [HC_AT_avx512] = "avx512"};

/* The best one last; their number. */
static size_t find_levels(HcLevel level[HC_ALL_LEVELS]) {
    size_t count = 0;
#ifdef HC_HAVE_NEON
    level[count++] = HC_AT_neon;
#else
    level[count++] = HC_AT_baseline;
#endif
#ifdef HC_HAVE_AVX2
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) level[count++] = HC_AT_avx2;
#endif
#ifdef HC_HAVE_AVX512
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        level[count++] = HC_AT_avx512;
#endif
    return count;
}

size_t hc_kernel_levels(void) {
    HcLevel levels[HC_ALL_LEVELS] = {HC_AT_baseline};
    return find_levels(levels);
}

const char *hc_kernel_level_name(size_t level) {
    HcLevel levels[HC_ALL_LEVELS] = {HC_AT_baseline};
    return level < find_levels(levels) ? names[levels[level]] : NULL;
}

const HcKernels *hc_kernels_at(size_t level, int dtype) {
    static const HcKernels *const built[HC_ALL_LEVELS][2] = {LEVELS(ENTRY, HcKernels, kernels)};
    HcLevel levels[HC_ALL_LEVELS] = {HC_AT_baseline};
    return level < find_levels(levels) ? built[levels[level]][dtype != 0] : NULL;
}

/* Whether a name is that of a level, be it here or on another machine. */
static bool is_level(const char *name) {
    for (size_t i = 0; i < HC_ALL_LEVELS; i++)
        if (strcmp(name, names[i]) == 0) return true;
    return false;
}

bool hc_kernels_built(int dtype) {
#ifdef HC_NO_F64
    return dtype == 0;
#else
    return dtype == 0 || dtype == 1;
#endif
}

const char *hc_kernels_misnamed(void) {
    const char *wanted = getenv("HIGHERC_ISA");
    return wanted && *wanted && !is_level(wanted) ? wanted : NULL;
}

const HcKernels *hc_kernels(int dtype) {
    static atomic_size_t choice; /* a level's number plus one; every thread would choose the same */
    size_t chosen = atomic_load(&choice);
    if (chosen == 0) {
        const char *wanted = getenv("HIGHERC_ISA");
        HcLevel levels[HC_ALL_LEVELS] = {HC_AT_baseline};
        size_t count = find_levels(levels);
        chosen = count;
        for (size_t i = 0; wanted && i < count; i++)
            if (strcmp(wanted, names[levels[i]]) == 0) chosen = i + 1;
        atomic_store(&choice, chosen);
    }
    return hc_kernels_at(chosen - 1, dtype);
}
