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

/* ---- plain structs -------------------------------------------------------------------------------------------- */

typedef Rng *A_RNG;
static Rng *take_RNG(void) {
    static Rng rng;
    return world_byte() < 245 ? &rng : NULL;
}
typedef TapeMark A_MARK;
static TapeMark take_MARK(void) {
    size_t most = sizeof world.marks / sizeof *world.marks;
    TapeMark mark = world.marks[world_below(most)];
    unsigned byte = world_byte();
    if (byte >= 250) mark = (TapeMark){.tape = byte};
    return world.mark = mark;
}
typedef Hyper A_HYPER;
static Hyper take_HYPER(void) {
    return world_byte() < 150 ? hyper_const(take_REAL()) : hyper_tensor(take_T());
}
typedef ScheduleFn *A_SCHEDULE_FN;
static ScheduleFn *take_SCHEDULE_FN(void) {
    return world_byte() < 240 ? own_schedule : NULL;
}
typedef const Schedule *A_SCHEDULE;
static const Schedule *take_SCHEDULE(void) {
    static Schedule schedules[16];
    static size_t next;
    unsigned byte = world_byte();
    if (byte >= 250) return NULL;
    Schedule *s = &schedules[next++ % 8];
    switch (byte % 8) {
    case 0:
        *s = schedule_step(take_SIZE(), take_HYPER());
        break;
    case 1:
        *s = schedule_exponential(take_HYPER());
        break;
    case 2:
        *s = schedule_cosine(take_SIZE(), take_HYPER());
        break;
    case 3:
        *s = schedule_polynomial(take_SIZE(), take_HYPER());
        break;
    case 4:
        *s = schedule_lambda(take_SCHEDULE_FN(), NULL);
        break;
    case 5: /* of two that stay */
        schedules[8] = schedule_warmup(3, hyper_const(0.5));
        schedules[9] = schedule_cosine(3, hyper_const(0.5));
        *s = schedule_then(&schedules[8], take_SIZE(), byte < 128 ? &schedules[9] : NULL);
        break;
    case 6:
        *s = (Schedule){.steps = byte};
        break;
    default:
        *s = schedule_warmup(take_SIZE(), take_HYPER());
    }
    return s;
}
typedef void *A_USER;
static void *take_USER(void) {
    return NULL;
}

/* Some fields of options whose first are so many doubles, or sizes. */
static void vary_reals(void *options, size_t count) {
    for (size_t n = world_below(3); n > 0; n--)
        ((double *)options)[world_below(count)] = take_REAL();
}
static void vary_sizes(void *options, size_t count) {
    for (size_t n = world_below(4); n > 0; n--)
        ((size_t *)options)[world_below(count)] = take_SIZE();
}
#define OPTIONS(type, made, vary, count)                                                           \
    typedef type A_##type;                                                                         \
    static type take_##type(void) {                                                                \
        type options = made;                                                                       \
        vary(&options, count);                                                                     \
        return options;                                                                            \
    }
OPTIONS(SgdOptions, sgd_options(0.1), vary_reals, 4)
OPTIONS(AdamOptions, adam_options(0.1), vary_reals, 5)
OPTIONS(AdamWOptions, adamw_options(0.1), vary_reals, 5)
OPTIONS(AdadeltaOptions, adadelta_options(0.1), vary_reals, 4)
OPTIONS(AdagradOptions, adagrad_options(0.1), vary_reals, 5)
OPTIONS(AdamaxOptions, adamax_options(0.1), vary_reals, 5)
OPTIONS(AsgdOptions, asgd_options(0.1), vary_reals, 5)
OPTIONS(RmspropOptions, rmsprop_options(0.1), vary_reals, 5)
OPTIONS(RpropOptions, rprop_options(0.1), vary_reals, 5)
OPTIONS(RadamOptions, radam_options(0.1), vary_reals, 5)
OPTIONS(NadamOptions, nadam_options(0.1), vary_reals, 6)
OPTIONS(BatchNormOptions, batch_norm_options(), vary_reals, 2)
OPTIONS(NormOptions, norm_options(), vary_reals, 1)
OPTIONS(Conv1dOptions, conv1d_options(), vary_sizes, 4)
OPTIONS(Conv2dOptions, conv2d_options(), vary_sizes, 7)
OPTIONS(Pool1dOptions, pool1d_options(2), vary_sizes, 4)
OPTIONS(Pool2dOptions, pool2d_options(2), vary_sizes, 8)

typedef RnnOptions A_RnnOptions;
static RnnOptions take_RnnOptions(void) {
    RnnOptions options = rnn_options();
    unsigned byte = world_byte();
    options.layers = byte >= 240 ? take_SIZE() : 1 + byte % 2;
    options.bidirectional = byte & 4;
    options.batch_first = byte & 8;
    options.bias = byte & 16;
    if (byte & 32) options.dropout = take_REAL();
    if (options.layers > 8 && options.layers <= 4096) options.layers = 8;
    return options;
}
typedef RnnCellOptions A_RnnCellOptions;
static RnnCellOptions take_RnnCellOptions(void) {
    unsigned byte = world_byte();
    return (RnnCellOptions){.relu = byte & 1, .bias = byte & 2};
}
typedef FModuleOptions A_FModuleOptions;
static FModuleOptions take_FModuleOptions(void) {
    unsigned byte = world_byte();
    return (FModuleOptions){byte & 1, (FMode)(byte >= 240 ? 3 : byte / 2 % 3),
                            (FBuffers)(byte >= 230 ? 7 : byte / 8 % 3)};
}
typedef GradcheckOptions A_GradcheckOptions;
static GradcheckOptions take_GradcheckOptions(void) {
    GradcheckOptions options = gradcheck_options(take_DTYPE());
    unsigned byte = world_byte();
    options.order = byte >= 200 ? (int)byte - 205 : 1;
    if (options.order > 2 && options.order < 7) options.order = 2;
    if (byte & 4) options.step = take_REAL();
    return options;
}
typedef TapeOptions A_TapeOptions;
static TapeOptions take_TapeOptions(void) {
    TapeOptions options = tape_options(take_DTYPE());
    unsigned byte = world_byte();
    options.never_reuse = byte & 1;
    options.check_nan = byte & 2;
    if (byte & 4) options.block_bytes = take_SIZE();
    if (byte & 8) options.max_bytes = 4096 * take_SIZE();
    return options;
}
typedef TasksOptions A_TasksOptions;
static TasksOptions take_TasksOptions(void) {
    TasksOptions options = {.tape = take_TapeOptions()};
    if (world_byte() & 1) options.create = own_worker;
    if (world_byte() & 1) options.user = floats;
    return options;
}

typedef UnrollOptions A_UnrollOptions;
static UnrollOptions take_UnrollOptions(void) {
    UnrollOptions options = unroll_options(take_FEW());
    unsigned byte = world_byte();
    options.keep = (UnrollKeep)(byte % 6);
    options.every = take_FEW();
    options.max_bytes = (size_t)byte << 8;
    if (byte & 32) options.rng = take_RNG();
    if (byte & 64) options.progress = own_progress;
    if (byte & 128) options.window = take_FEW();
    if (world_byte() & 3) options.judge = own_judge;
    options.outer.items = (Tensor **)(uintptr_t)take_TENSORS();
    options.outer.count = take_COUNT();
    return options;
}
typedef ImplicitOptions A_ImplicitOptions;
static ImplicitOptions take_ImplicitOptions(void) {
    ImplicitOptions options = implicit_options();
    unsigned byte = world_byte();
    options.solver = (ImplicitSolver)(byte % 4);
    options.iterations = take_FEW();
    options.inexact = byte & 4;
    if (byte & 8) options.damping = take_REAL();
    if (byte & 16) options.proximal = take_REAL();
    if (byte & 32) options.tolerance = take_REAL();
    if (byte & 64) options.step = take_REAL();
    return options;
}

#define ONE_OF(word, type, list)                                                                   \
    typedef const type *A_##word;                                                                  \
    static const type *take_##word(void) {                                                         \
        unsigned byte = world_byte();                                                              \
        return byte >= 250 ? NULL : byte >= 200 ? list[3] : list[byte % 3];                        \
    }
ONE_OF(MODULE_CLASS, ModuleClass, own_module_classes)
ONE_OF(OPTIM_CLASS, OptimClass, own_optim_classes)
ONE_OF(CUSTOM_CLASS, CustomClass, own_custom_classes)

#define FUNCTION(word, type, function)                                                             \
    typedef type *A_##word;                                                                        \
    static type *take_##word(void) {                                                               \
        return world_byte() < 240 ? function : NULL;                                               \
    }
FUNCTION(GRAD_CALLBACK, GradCallback, own_grad_callback)
FUNCTION(GRADCHECK_FN, GradcheckFn, own_gradcheck)
FUNCTION(POOL_FN, PoolFn, own_share)
FUNCTION(TASK_FN, TaskFn, own_task)
FUNCTION(UNROLL_FN, UnrollFn, own_step)
FUNCTION(IMPLICIT_LOSS, ImplicitLoss, own_loss)

typedef const Allocator *A_ALLOCATOR;
static const Allocator *take_ALLOCATOR(void) {
    return NULL;
}

#endif
