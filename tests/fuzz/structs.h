/* Where options, classes and callbacks come from, beside what kinds.h gives. Of calls.c. */
#ifndef FUZZ_STRUCTS_H
#define FUZZ_STRUCTS_H

#include "fuzz/kinds.h"

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
    switch (byte % 11) {
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
    case 7:
        *s = schedule_multistep(take_SIZES(), world_below(4), take_HYPER());
        break;
    case 8:
        *s = schedule_cosine_restarts(take_SIZE(), take_SIZE(), take_HYPER());
        break;
    case 9:
        *s = schedule_one_cycle(take_SIZE(), byte & 32 ? 0.25 : take_REAL(), take_HYPER(), take_REAL());
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
OPTIONS(LionOptions, lion_options(0.1), vary_reals, 4)
OPTIONS(BatchNormOptions, batch_norm_options(), vary_reals, 2)
OPTIONS(NormOptions, norm_options(), vary_reals, 1)
OPTIONS(ConvTranspose1dOptions, conv_transpose1d_options(), vary_sizes, 5)
OPTIONS(ConvTranspose2dOptions, conv_transpose2d_options(), vary_sizes, 9)
OPTIONS(Pool1dOptions, pool1d_options(2), vary_sizes, 4)
OPTIONS(Pool2dOptions, pool2d_options(2), vary_sizes, 8)

typedef Conv1dOptions A_Conv1dOptions;
static Conv1dOptions take_Conv1dOptions(void) {
    Conv1dOptions options = conv1d_options();
    vary_sizes(&options, 4);
    options.pad = (ConvPad)world_below(4);
    if (options.pad == HC_PAD_UNEVEN) options.padding_after = take_SIZE();
    return options;
}
typedef Conv2dOptions A_Conv2dOptions;
static Conv2dOptions take_Conv2dOptions(void) {
    Conv2dOptions options = conv2d_options();
    vary_sizes(&options, 7);
    options.pad = (ConvPad)world_below(4);
    if (options.pad == HC_PAD_UNEVEN) options.padding_after[world_below(2)] = take_SIZE();
    return options;
}
typedef LbfgsOptions A_LbfgsOptions;
static LbfgsOptions take_LbfgsOptions(void) {
    LbfgsOptions options = lbfgs_options();
    unsigned byte = world_byte();
    vary_reals(&options, 3);
    options.iterations = take_FEW();
    options.history = byte & 4 ? take_SIZE() : take_FEW();
    options.strong_wolfe = byte & 1;
    if (options.history > 100 && options.history <= SIZE_MAX / 2) options.history = 100;
    return options;
}
typedef LbfgsReport *A_LBFGS_REPORT;
static LbfgsReport *take_LBFGS_REPORT(void) {
    static LbfgsReport report;
    return world_byte() < 128 ? &report : NULL;
}
typedef LoadOptions A_LoadOptions;
static LoadOptions take_LoadOptions(void) {
    unsigned byte = world_byte();
    return (LoadOptions){byte & 8 ? take_NAME() : NULL, byte & 1, byte & 2, byte & 4};
}
typedef LoadReport *A_LOAD_REPORT;
static LoadReport *take_LOAD_REPORT(void) {
    static LoadReport report;
    return world_byte() < 128 ? &report : NULL;
}
typedef StoredType A_STORED_TYPE;
static StoredType take_STORED_TYPE(void) {
    return (StoredType)(world_byte() % 20);
}
typedef AttentionOptions A_AttentionOptions;
static AttentionOptions take_AttentionOptions(void) {
    unsigned byte = world_byte();
    AttentionOptions options = {
        .bias = byte & 1, .causal = byte & 2, .batch_first = byte & 4, .dropout = byte & 8 ? take_REAL() : 0};
    if (byte & 16) options.key_size = take_SIZE();
    if (byte & 32) options.value_size = take_SIZE();
    return options;
}
typedef TransformerOptions A_TransformerOptions;
static TransformerOptions take_TransformerOptions(void) {
    unsigned byte = world_byte();
    TransformerOptions options = transformer_options();
    options.feedforward = take_FEW();
    options.gelu = byte & 1;
    options.norm_first = byte & 2;
    options.causal = byte & 4;
    options.batch_first = byte & 8;
    if (byte & 16) options.dropout = take_REAL();
    if (byte & 32) options.eps = take_REAL();
    return options;
}
typedef LossReduction A_LOSS_REDUCTION;
static LossReduction take_LOSS_REDUCTION(void) {
    return (LossReduction)(world_byte() % 5); /* there are four */
}
typedef ClassLossOptions A_ClassLossOptions;
static ClassLossOptions take_ClassLossOptions(void) {
    ClassLossOptions options = class_loss_options();
    unsigned byte = world_byte();
    if (byte & 1) options.weight = take_MAYBE();
    if (byte & 2) options.ignore_index = take_WHOLE();
    if (byte & 4) options.label_smoothing = byte & 8 ? 0.125 : take_REAL();
    options.reduction = take_LOSS_REDUCTION();
    return options;
}
typedef TripletOptions A_TripletOptions;
static TripletOptions take_TripletOptions(void) {
    TripletOptions options = triplet_options();
    vary_reals(&options, 3);
    options.swap = take_FLAG();
    options.reduction = take_LOSS_REDUCTION();
    return options;
}
typedef GaussianNllOptions A_GaussianNllOptions;
static GaussianNllOptions take_GaussianNllOptions(void) {
    GaussianNllOptions options = {take_FLAG(), take_REAL(), take_LOSS_REDUCTION()};
    return options;
}

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
typedef TaskRanks A_TaskRanks;
static TaskRanks take_TaskRanks(void) {
    TaskRanks ranks = {.rank = world_below(5), .count = world_below(6)};
    ranks.exchange = world_byte() < 240 ? own_exchange : NULL;
    return ranks;
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
FUNCTION(MODULE_FN, ModuleFn, own_module_fn)
FUNCTION(LBFGS_FN, LbfgsFn, own_descent)
FUNCTION(POOL_FN, PoolFn, own_share)
FUNCTION(TASK_FN, TaskFn, own_task)
FUNCTION(UNROLL_FN, UnrollFn, own_step)
FUNCTION(IMPLICIT_LOSS, ImplicitLoss, own_loss)

typedef const Allocator *A_ALLOCATOR;
static const Allocator *take_ALLOCATOR(void) {
    return NULL;
}

#endif
