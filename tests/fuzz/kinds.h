/* Where arguments come from and what becomes of results, by the words that the rows of calls.def use. Of calls.c. */
#ifndef FUZZ_KINDS_H
#define FUZZ_KINDS_H

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "fuzz/own.h"
#include "fuzz/world.h"
#include "meta/diffopt.h"

/* ---- handles ------------------------------------------------------------------------------------------ */

#define HANDLE(word, type, kind)                                                                   \
    typedef type *A_##word;                                                                        \
    static type *take_##word(void) {                                                               \
        return world_take(kind);                                                                   \
    }
HANDLE(MODULE, Module, K_MODULE)
HANDLE(OPTIM, Optim, K_OPTIM)
HANDLE(GRADS, Grads, K_GRADS)
HANDLE(LBFGS, Lbfgs, K_LBFGS)
HANDLE(CHECKPOINT, Checkpoint, K_CHECKPOINT)
HANDLE(SAFETENSORS, Safetensors, K_SAFETENSORS)
HANDLE(NPY, Npy, K_NPY)
HANDLE(PROGRAM, Program, K_PROGRAM)

/* Whose weights a list may be. */
static const FModule *weighted;
typedef FModule *A_FMODULE;
typedef DiffOpt *A_DIFFOPT;
static FModule *take_FMODULE(void) {
    FModule *f = world_take(K_FMODULE);
    weighted = f;
    return f;
}
static DiffOpt *take_DIFFOPT(void) {
    DiffOpt *opt = world_take(K_DIFFOPT);
    weighted = opt && opt->scope.check == HC_DIFFOPT_WORD ? opt->module : NULL;
    return opt;
}

/* Its tasks may make calls where they run on the caller's own thread only. */
typedef Tasks *A_TASKS;
typedef void *A_TASK_USER;
static void *task_user;
static Tasks *take_TASKS(void) {
    Tasks *tasks = world_take(K_TASKS);
    task_user = tasks_tape(tasks, 1) ? NULL : &task_user;
    return tasks;
}
static void *take_TASK_USER(void) {
    return task_user;
}

static size_t listable(size_t count) {
    return count <= NUMBERS ? count : 0;
}

typedef Tensor *A_T;
static Tensor *take_T(void) {
    Tensor *x = world_take(K_TENSOR);
    world.listed = listable(tensor_count(x));
    return x;
}

typedef Tensor *A_MAYBE;
static Tensor *take_MAYBE(void) {
    return world_byte() < 128 ? NULL : take_T();
}

/* Mostly of the functional module in hand, or of some module; what goes wrong with these does not count. */
typedef Tensor *A_LOSS, *A_BASE_LOSS, *A_VECTOR;
static Tensor *loss_of(Tensor *y) {
    world.quiet = false;
    Tensor *loss = tensor_mean(tensor_square(y));
    world_clear_errors();
    return loss ? loss : take_T();
}
static Tensor *take_LOSS(void) {
    Tape *tape = fmodule_tape(weighted);
    if (world_byte() < 60 || !tape) return take_T();
    world.quiet = true;
    return loss_of(
        fmodule_forward((FModule *)(uintptr_t)weighted, tensor_ones(tape, shape2(2, 3))));
}
static Tensor *take_BASE_LOSS(void) {
    if (world_byte() < 60) return take_T();
    Tensor *x = world_take(K_TENSOR);
    world.quiet = true;
    return loss_of(module_forward(world_take(K_MODULE), x));
}
static Tensor *take_VECTOR(void) {
    Tensor *vector = world_byte() < 60 ? NULL : fmodule_vector((FModule *)(uintptr_t)weighted);
    higherc_clear_error();
    return vector ? vector : take_T();
}

typedef Param *A_PARAM;
static Param *take_PARAM(void) {
    Param *p = world_take(K_PARAM);
    world.listed = listable(param_count(p));
    return p;
}

/* To be destroyed; what a callback at work holds is looked after by those who called it. */
#define GONE(word, type, kind)                                                                     \
    typedef type *A_GONE_##word;                                                                   \
    static type *take_GONE_##word(void) {                                                          \
        world.gone = world_below(4) == 0 ? world_take_handle(kind) : NULL;                         \
        return world.gone ? world.gone->object : NULL;                                             \
    }
GONE(MODULE, Module, K_MODULE)
GONE(PARAM, Param, K_PARAM)
GONE(OPTIM, Optim, K_OPTIM)
GONE(GRADS, Grads, K_GRADS)
GONE(LBFGS, Lbfgs, K_LBFGS)
GONE(CHECKPOINT, Checkpoint, K_CHECKPOINT)
GONE(SAFETENSORS, Safetensors, K_SAFETENSORS)
GONE(NPY, Npy, K_NPY)
GONE(PROGRAM, Program, K_PROGRAM)
GONE(TASKS, Tasks, K_TASKS)

typedef Tape *A_TAPE, *A_GONE_TAPE, *A_TRIMMED_TAPE, *A_RESET_TAPE, *A_RELEASED_TAPE;
static Tape *take_TAPE(void) {
    unsigned byte = world_byte();
    if (byte >= 250) return NULL;
    size_t i = byte % TAPES;
    if (!world.tapes[i]) i = 0;
    if (world.tapes[i]) world.near = i;
    return world.tapes[i];
}
static Tape *take_GONE_TAPE(void) {
    Tape *tape = world_below(8) == 0 ? take_TAPE() : NULL;
    size_t i = world_tape_index(tape);
    if (i == TAPES - 1) return NULL; /* a callback's is not the caller's to destroy */
    world.gone_tape = i;
    return tape;
}
static Tape *take_TRIMMED_TAPE(void) {
    Tape *tape = take_TAPE();
    if (tape) world_before_trim(world_tape_index(tape));
    return tape;
}
static Tape *take_RESET_TAPE(void) {
    Tape *tape = world_below(4) == 0 ? take_TAPE() : NULL;
    world.reset_tape = world_tape_index(tape);
    return tape;
}
static Tape *take_RELEASED_TAPE(void) {
    Tape *tape = take_TAPE();
    world.released_tape = world_tape_index(tape);
    return tape;
}

typedef Pool *A_POOL, *A_NO_POOL;
static Pool *take_POOL(void) {
    size_t i = world_below(16);
    return i < 15 ? world.pools[i % 2] : NULL;
}
static Pool *take_NO_POOL(void) {
    return NULL;
}

typedef Frame *A_FRAME;
static Frame *take_FRAME(void) {
    return world_byte() < 240 ? world.frame : NULL;
}

/* ---- numbers, shapes, words --------------------------------------------------------------------------------- */

typedef size_t A_SIZE, A_COUNT, A_OUT_COUNT, A_GROUP, A_FEW, A_THREADS;
static size_t take_SIZE(void) {
    static const size_t large[] = {
        SIZE_MAX, SIZE_MAX / 2, SIZE_MAX / 8 + 1, SIZE_MAX / 64, (size_t)1 << 21, (size_t)1 << 31,
        65535,    4097};
    unsigned byte = world_byte();
    return byte >= 240 ? large[byte % 8] : byte % 6;
}
static size_t take_FEW(void) {
    return world_below(5);
}
static size_t take_THREADS(void) {
    unsigned byte = world_byte();
    return byte >= 128 ? HC_MAX_THREADS + byte : byte % 2;
}
/* Of the last list, or fewer. */
static size_t take_COUNT(void) {
    unsigned byte = world_byte();
    return byte < 200 || world.listed == 0 ? world.listed : byte % (world.listed + 1);
}
static size_t take_OUT_COUNT(void) {
    unsigned byte = world_byte();
    return byte < 200 ? 1 + byte % 3 : byte % MOST_OUT;
}
static size_t take_GROUP(void) {
    unsigned byte = world_byte();
    return byte < 100 ? HC_ALL_GROUPS : byte % 3;
}

typedef double A_REAL;
static double take_REAL(void) {
    static const double odd[] = {0,   -1, INFINITY, -INFINITY, NAN,   1e308, -0.0, 1e-308,
                                 1e9, 1,  2,        -3.5,      1e300, 1e17,  256,  0.999999};
    unsigned byte = world_byte();
    return byte >= 200 ? odd[byte % 16] : byte / 200.0;
}
typedef int64_t A_WHOLE;
static int64_t take_WHOLE(void) {
    static const int64_t odd[] = {INT64_MIN, INT64_MAX, -1, -5, (int64_t)1 << 40, 100};
    unsigned byte = world_byte();
    return byte >= 200 ? odd[byte % 6] : byte % 4;
}
typedef bool A_FLAG;
static bool take_FLAG(void) {
    return world_byte() & 1;
}
typedef int A_AXIS;
static int take_AXIS(void) {
    static const int odd[] = {INT32_MIN, INT32_MAX, 9, -9, 4, -4};
    unsigned byte = world_byte();
    return byte >= 220 ? odd[byte % 6] : (int)(byte % 5) - 2;
}
typedef unsigned A_BITS;
static unsigned take_BITS(void) {
    unsigned byte = world_byte();
    return byte >= 240 ? byte << 8 : byte % 8;
}
typedef DType A_DTYPE;
static DType take_DTYPE(void) {
    unsigned byte = world_byte();
    return (DType)(byte >= 250 ? 2 : byte % 2);
}
typedef LearnScope A_SCOPE;
static LearnScope take_SCOPE(void) {
    return (LearnScope)world_below(4);
}
typedef HcStatus A_STATUS;
static HcStatus take_STATUS(void) {
    return (HcStatus)world_below(16);
}

typedef Shape A_SHAPE, A_SMALL_SHAPE;
static Shape take_SMALL_SHAPE(void) {
    size_t dim[HC_MAX_DIMS], count = 1;
    unsigned byte = world_byte();
    if (byte >= 250) return shape_of(NULL, -1);
    if (byte >= 245) return (Shape){.ndim = byte & 1 ? INT32_MIN : INT32_MAX};
    int ndim = byte >= 230 ? (int)(byte % 9) : (int)(byte % 4), n = 0;
    for (; n < ndim; n++) {
        unsigned d = world_byte();
        dim[n] = d < 200 ? 2 + d % 2 : d % 6;
        if (count * dim[n] > NUMBERS) break;
        count *= dim[n];
    }
    return shape_of(dim, n);
}
typedef Shape A_LIKE_SHAPE;
static Shape take_LIKE_SHAPE(void) {
    if (world_byte() < 50) return take_SMALL_SHAPE();
    Shape s = tensor_shape(world_take(K_TENSOR));
    return shape_count(s) <= NUMBERS ? s : shape1(2);
}
/* At most NUMBERS numbers, or more than there is memory for. */
static Shape take_SHAPE(void) {
    Shape s = world_byte() < 100 ? tensor_shape(world_take(K_TENSOR)) : take_SMALL_SHAPE();
    if (shape_count(s) > NUMBERS) s = shape1(2);
    if (s.ndim > 0 && s.ndim <= HC_MAX_DIMS && shape_count(s) > 0 && world_byte() >= 245) {
        static const size_t large[] = {SIZE_MAX, SIZE_MAX / 4 + 2, SIZE_MAX / 32, (size_t)1 << 30};
        s.dim[world_below((size_t)s.ndim)] = large[world_below(4)];
    }
    return s;
}

static const char *const words[] = {
    "w",    "b",    "0",    "lr",    "0.weight",       "weight",   "1.w",    "sgd", /* more often */
    "1",    "2",    "bias", "beta1", "momentum",       "amsgrad",  "eps",    "exp_avg",
    "sum",  "adam", "",     ".",     "2.running_mean", "3.weight", "a.b.c.", "nothing",
    "rprop"};
typedef const char *A_NAME, *A_PATH;
static const char *take_NAME(void) {
    static char longest[400];
    unsigned byte = world_byte();
    memset(longest, 'x', sizeof longest - 1);
    if (byte >= 250) return byte & 1 ? NULL : longest;
    return words[byte % (byte < 128 ? 8 : sizeof words / sizeof *words)];
}
typedef const char *A_EQUATION;
static const char *take_EQUATION(void) {
    static const char *const known[] = {"ij",         "ij->ji",   "ii",          "ij,jk",     "i,j->ij", "...",
                                        "...i,...i",  "ij,ij->",  "ij,jk,ki->i", "i...->...", "",        "ab,cd,ef,gh",
                                        "...ii->i..."};
    static const char letters[] = "ijjk,.->. i";
    static char made[12];
    unsigned byte = world_byte();
    if (byte < 180) return known[byte % (sizeof known / sizeof *known)];
    if (byte >= 250) return NULL;
    for (size_t i = 0; i < sizeof made - 1; i++)
        made[i] = letters[world_below(sizeof letters)];
    return made;
}
/* A file of two tensors, and one of an array; with the number of their bytes. */
typedef const void *A_TENSORS_FILE, *A_ARRAY_FILE;
static const void *take_TENSORS_FILE(void) {
    static const char bytes[] = "\x89\0\0\0\0\0\0\0{\"__metadata__\":{\"wrule\":\"adam\"},"
                                "\"w\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]},"
                                "\"0\":{\"dtype\":\"F16\",\"shape\":[],\"data_offsets\":[3,5]}}abcde";
    world.listed = sizeof bytes - 1;
    return world_byte() < 240 ? bytes : NULL;
}
static const void *take_ARRAY_FILE(void) {
    static const char bytes[] = "\x93NUMPY\1\0\66\0{'descr': '>i2', 'fortran_order': True, 'shape': (3,)}abcdef";
    world.listed = sizeof bytes - 1;
    return world_byte() < 240 ? bytes : NULL;
}
static const char scratch_file[] = "fuzz_calls.tmp";
static const char *take_PATH(void) {
    static const char *const paths[] = {NULL, "", "/nowhere/at/all", "."};
    unsigned byte = world_byte();
    return byte < 250 ? paths[byte % 4] : scratch_file;
}
typedef FILE *A_FILE;
static FILE *take_FILE(void) {
    static FILE *nothing;
    if (!nothing) nothing = fopen("/dev/null", "w");
    return world_byte() < 200 ? nothing : NULL;
}

/* ---- lists -------------------------------------------------------------------------------------------------- */

static float floats[NUMBERS], floats_out[NUMBERS];
static double doubles[NUMBERS], doubles_out[NUMBERS];
static int64_t wholes[NUMBERS];

typedef const float *A_FLOATS;
typedef float *A_FLOATS_OUT;
typedef const double *A_DOUBLES;
typedef double *A_DOUBLES_OUT;
typedef const int64_t *A_WHOLES;
typedef const void *A_DATA;
static const float *take_FLOATS(void) {
    unsigned byte = world_byte();
    for (size_t i = 0; i < 64; i++)
        floats[i] = (float)((byte + i) % 7) - 2;
    return byte < 245 ? floats : NULL;
}
static const double *take_DOUBLES(void) {
    unsigned byte = world_byte();
    for (size_t i = 0; i < 64; i++)
        doubles[i] = (double)((byte + i) % 5);
    return byte < 245 ? doubles : NULL;
}
static const int64_t *take_WHOLES(void) {
    unsigned byte = world_byte();
    for (size_t i = 0; i < 64; i++)
        wholes[i] = (int64_t)((byte + i) % 3);
    if (byte >= 200) wholes[0] = INT64_MIN + byte;
    return byte < 245 ? wholes : NULL;
}
static float *take_FLOATS_OUT(void) {
    return world_byte() < 245 ? floats_out : NULL;
}
static double *take_DOUBLES_OUT(void) {
    return world_byte() < 245 ? doubles_out : NULL;
}
static const void *take_DATA(void) {
    static const double fixed[NUMBERS] = {1, 2};
    return world_byte() < 245 ? fixed : NULL;
}

/* A list of some length of its own, so that one call may have several. */
#define A_LIST(word, type, item, most)                                                             \
    typedef type const *A_##word;                                                                  \
    static type const *take_##word(void) {                                                         \
        static type lists[4 * MOST_DEPTH + 4][LIST];                                               \
        static size_t next;                                                                        \
        type *list = lists[next++ % (4 * MOST_DEPTH + 4)];                                         \
        unsigned byte = world_byte();                                                              \
        size_t n = byte >= 230 ? byte % (LIST + 1) : byte % (most);                                \
        for (size_t i = 0; i < LIST; i++)                                                          \
            list[i] = (type){0};                                                                   \
        for (size_t i = 0; i < n; i++)                                                             \
            list[i] = item();                                                                      \
        world.listed = n;                                                                          \
        return byte == 255 ? NULL : list;                                                          \
    }
typedef Tensor *TensorItem;
typedef Module *ModuleItem;
A_LIST(TENSORS, TensorItem, take_T, 4)
A_LIST(CHILDREN, ModuleItem, take_MODULE, 4)
typedef DiffOpt *DiffOptItem;
A_LIST(DIFFOPTS, DiffOptItem, take_DIFFOPT, 3)
A_LIST(AXES, int, take_AXIS, 4)
A_LIST(SIZES, size_t, take_SIZE, 4)

typedef Tensor *const *A_WEIGHTS;
static Tensor *const *take_WEIGHTS(void) {
    TensorList list = world_byte() < 200 ? fmodule_params(weighted) : (TensorList){NULL, 0};
    if (!list.count || list.count > LIST) return take_TENSORS();
    Tensor **items = (Tensor **)(uintptr_t)take_TENSORS();
    for (size_t i = 0; items && i < list.count; i++)
        if (!items[i] || !shape_equal(tensor_shape(items[i]), tensor_shape(list.items[i])))
            items[i] = list.items[i];
    world.listed = list.count;
    return items;
}

typedef size_t *A_ITEMS;
static size_t *take_ITEMS(void) {
    static size_t items[LIST];
    world.listed = world_below(LIST + 1);
    return world_byte() < 245 ? items : NULL;
}
typedef double *A_REALS; /* where a checkpoint finds a number */
static double *take_REALS(void) {
    static double real;
    return world_byte() < 245 ? &real : NULL;
}
typedef Tensor **A_OUT;
static Tensor **take_OUT(void) {
    return world_byte() < 250 ? world.out : NULL;
}
typedef ParamList A_PARAMS;
static ParamList take_PARAMS(void) {
    static Param *items[MOST_DEPTH + 1][LIST];
    unsigned byte = world_byte();
    if (byte < 128) {
        ParamList list = module_params(world_take(K_MODULE));
        if (list.count) return list;
    }
    ParamList list = {items[world.depth], byte % 4};
    for (size_t i = 0; i < list.count; i++)
        list.items[i] = take_PARAM();
    if (byte >= 250) list.items = NULL;
    return list;
}

#endif
