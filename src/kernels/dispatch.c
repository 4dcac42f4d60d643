/* The choice of an instruction set, made once. The compiler's own test includes the operating system's
 * support for wide registers. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"

#ifdef HC_HAVE_NEON /* in the baseline's place */
extern const HcKernels hc_kernels_neon_f32, hc_kernels_neon_f64;
#else
extern const HcKernels hc_kernels_baseline_f32, hc_kernels_baseline_f64;
#endif
#ifdef HC_HAVE_AVX2
extern const HcKernels hc_kernels_avx2_f32, hc_kernels_avx2_f64;
#endif
#ifdef HC_HAVE_AVX512
extern const HcKernels hc_kernels_avx512_f32, hc_kernels_avx512_f64;
#endif

#ifdef HC_NO_F64
#define F64(table) NULL
#else
#define F64(table) (&table)
#endif

typedef struct Level {
    const char *name;
    const HcKernels *f32, *f64;
} Level;

#define MOST_LEVELS 3

/* The levels of this machine, the best one last; their number. */
static size_t find_levels(Level level[MOST_LEVELS]) {
    size_t count = 0;
#ifdef HC_HAVE_NEON
    level[count++] = (Level){"neon", &hc_kernels_neon_f32, F64(hc_kernels_neon_f64)};
#else
    level[count++] = (Level){"baseline", &hc_kernels_baseline_f32, F64(hc_kernels_baseline_f64)};
#endif
#ifdef HC_HAVE_AVX2
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        level[count++] = (Level){"avx2", &hc_kernels_avx2_f32, F64(hc_kernels_avx2_f64)};
#endif
#ifdef HC_HAVE_AVX512
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        level[count++] = (Level){"avx512", &hc_kernels_avx512_f32, F64(hc_kernels_avx512_f64)};
#endif
    return count;
}

size_t hc_kernel_levels(void) {
    Level levels[MOST_LEVELS] = {{NULL, NULL, NULL}};
    return find_levels(levels);
}

const char *hc_kernel_level_name(size_t level) {
    Level levels[MOST_LEVELS] = {{NULL, NULL, NULL}};
    return level < find_levels(levels) ? levels[level].name : NULL;
}

const HcKernels *hc_kernels_at(size_t level, int dtype) {
    Level levels[MOST_LEVELS] = {{NULL, NULL, NULL}};
    if (level >= find_levels(levels)) return NULL;
    return dtype == 0 ? levels[level].f32 : levels[level].f64;
}

/* Whether a name is that of a level, be it here or on another machine. */
static bool is_level(const char *name) {
    static const char *const names[] = {"baseline", "neon", "avx2", "avx512"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
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
        Level levels[MOST_LEVELS] = {{NULL, NULL, NULL}};
        size_t count = find_levels(levels);
        chosen = count;
        for (size_t i = 0; wanted && i < count; i++)
            if (strcmp(wanted, levels[i].name) == 0) chosen = i + 1;
        atomic_store(&choice, chosen);
    }
    return hc_kernels_at(chosen - 1, dtype);
}
