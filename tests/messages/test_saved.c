/* Of the library's own files, and of what is called from within other calls. */
#include <math.h>
#include <stdio.h>

#include "support/tells.h"

#define PATH "messages_saved.bin"

static bool passes(Frame *frame, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    (void)frame, (void)nin, (void)nout;
    out[0] = in[0];
    return true;
}

static Module *of_params(const char *first, Shape shape, const char *second) {
    Module *module = module_create(&(ModuleClass){.name = "own", .forward = passes}, NULL);
    module_add_param(module, first, shape);
    if (second)
        module_add_param(module, second, shape1(1));
    module_init(module, &(Rng){1, 2});
    return module;
}

static void modules(void) {
    Module *net = of_params("w", shape1(2), NULL), *named = of_params("v", shape1(2), NULL);
    Module *shaped = of_params("w", shape1(3), NULL), *more = of_params("w", shape1(2), "v");
    Module *wide = of_params("w", shape1(2), NULL);
    module_to(wide, HC_F64);
    CHECK(module_save(net, PATH));
    TELLS(NAME, module_load(named, PATH), "module_load: 'messages_saved.bin' has 'w' in the place of 'v'");
    TELLS(SHAPE, module_load(shaped, PATH), "module_load: in 'messages_saved.bin', 'w' has another shape than (3)");
    TELLS(SHAPE, module_load(more, PATH), "module_load: 'messages_saved.bin' holds 1 tensors, not 2");
    TELLS(DTYPE, module_load(wide, PATH), "module_load: 'messages_saved.bin' was saved as f32 (module_to converts)");
    TELLS(IO, module_load(net, "no/such/file"), "module_load: 'no/such/file' could not be opened");
    TELLS(ARG, module_load(net, NULL), "module_load: the path is NULL");
    TELLS(ARG, module_save(NULL, PATH), "module_save: the module is NULL");
    TELLS(IO, module_save(net, "no/such/folder/x"), "module_save: 'no/such/folder/x' could not be opened for writing");
    Optim *adam = optim_adam(module_params(net), adam_options(0.1));
    TELLS(IO, optim_load(adam, PATH), "optim_load: 'messages_saved.bin' holds something else than 'optim'");
    FILE *file = fopen(PATH, "r+b");
    if (file && fseek(file, 40, SEEK_SET) == 0)
        fputc(77, file);
    if (file)
        fclose(file);
    TELLS(IO, module_load(net, PATH),
          "module_load: 'messages_saved.bin' is cut off or damaged (its checksum is wrong)");
    Module *all[] = {net, named, shaped, more, wide};
    optim_destroy(adam);
    for (int i = 0; i < 5; i++)
        module_destroy(all[i]);
}

static bool leaves(OptimUpdate *update, void *user) {
    (void)update, (void)user;
    return true;
}

static void optimizers(void) {
    Module *net = of_params("w", shape1(2), NULL), *more = of_params("w", shape1(2), "v");
    Optim *adam = optim_adam(module_params(net), adam_options(0.1)),
          *sgd = optim_sgd(module_params(net), sgd_options(1));
    Optim *of_more = optim_adam(module_params(more), adam_options(0.1));
    Optim *learned = optim_adam(module_params(net), adam_options(0.1));
    optim_learn(learned, "lr", 0, HC_LEARN_GROUP);
    CHECK(optim_save(adam, PATH));
    TELLS(NAME, optim_load(sgd, PATH), "optim_load: in 'messages_saved.bin' the rule is 'adam', not 'sgd'");
    TELLS(SHAPE, optim_load(of_more, PATH),
          "optim_load: 'messages_saved.bin' holds 1 Params in a group, the optimizer 2");
    TELLS(STATE, optim_load(learned, PATH),
          "optim_load: 'lr' of group 0 is learned otherwise in 'messages_saved.bin': optim_learn comes before loading");
    const OptimHyper any = {"lr", -1, -INFINITY, INFINITY, false}, positive = {"lr", 1, 0, INFINITY, false};
    const OptimClass saves = {.name = "own", .update = leaves, .hypers = &any, .hyper_count = 1},
                     loads = {.name = "own", .update = leaves, .hypers = &positive, .hyper_count = 1};
    Optim *saved = optim_create(&saves, module_params(net), NULL);
    Optim *own = optim_create(&loads, module_params(net), NULL);
    CHECK(optim_save(saved, PATH));
    TELLS(RANGE, optim_load(own, PATH), "optim_load: 'messages_saved.bin': lr cannot be -1: it is from 0 up");
    optim_destroy(saved);
    optim_destroy(own);
    optim_destroy(adam);
    optim_destroy(sgd);
    optim_destroy(of_more);
    optim_destroy(learned);
    module_destroy(net);
    module_destroy(more);
}

static void checkpoints(void) {
    Module *net = of_params("w", shape1(2), NULL);
    size_t count = 3;
    double real = 1;
    Checkpoint *saved = checkpoint_create(), *other = checkpoint_create(), *less = checkpoint_create();
    Checkpoint *kinds = checkpoint_create(), *set = checkpoint_create();
    checkpoint_count(saved, "count", &count);
    checkpoint_setting(saved, "seed", "1");
    CHECK(checkpoint_save(saved, PATH));
    TELLS(NAME, checkpoint_count(saved, "count", &count), "checkpoint_count: there is a 'count' already");
    TELLS(ARG, checkpoint_count(saved, NULL, &count), "checkpoint_count: the name is NULL");
    TELLS(ARG, checkpoint_count(saved, "b", NULL), "checkpoint_count: where the number stands is NULL");
    TELLS(ARG, checkpoint_save(saved, NULL), "checkpoint_save: the path is NULL");
    TELLS(ARG, checkpoint_exists(NULL), "checkpoint_exists: the path is NULL");
    checkpoint_count(other, "count", &count);
    checkpoint_setting(other, "seed", "1");
    checkpoint_real(other, "real", &real);
    TELLS(NAME, checkpoint_load(other, PATH), "checkpoint_load: 'messages_saved.bin' holds no 'real'");
    checkpoint_count(less, "count", &count);
    TELLS(NAME, checkpoint_load(less, PATH),
          "checkpoint_load: 'messages_saved.bin' holds a 'seed' that is not asked for");
    checkpoint_real(kinds, "count", &real);
    checkpoint_setting(kinds, "seed", "1");
    TELLS(NAME, checkpoint_load(kinds, PATH), "checkpoint_load: in 'messages_saved.bin', 'count' is no real");
    checkpoint_count(set, "count", &count);
    checkpoint_setting(set, "seed", "2");
    TELLS(STATE, checkpoint_load(set, PATH), "checkpoint_load: 'messages_saved.bin' was saved with seed 1, not 2");
    Checkpoint *all[] = {saved, other, less, kinds, set};
    for (int i = 0; i < 5; i++)
        checkpoint_destroy(all[i]);
    module_destroy(net);
}

static void tapes(void) {
    Tape *tape = tape_create(HC_F64);
    Tensor *a = tensor_ones(tape, shape2(2, 3)), *two[] = {a, a};
    tells_on(tape, NULL);
    TELLS(ARG, tape_mark(NULL), "tape_mark: the tape is NULL");
    TELLS(ARG, tape_rng(NULL), "tape_rng: the tape is NULL");
    TELLS(ARG, tensor_einsum("abcdefghi->a", &a, 1),
          "tensor_einsum: \"abcdefghi->a\": an operand with more than 8 subscripts");
    TELLS(ARG, tensor_einsum("ij-", &a, 1), "tensor_einsum: \"ij-\": a - without >");
    TELLS(ARG, tensor_einsum("ij->i,", &a, 1), "tensor_einsum: \"ij->i,\": a result that does not end");
    TELLS(ARG, tensor_custom(&(CustomClass){.name = "none"}, two, 2, NULL),
          "tensor_custom: the class has no name or no forward");
    TELLS(ARG, tensor_custom(NULL, two, 2, NULL), "tensor_custom: the class has no name or no forward");
    TELLS(ARG, tensor_custom(&(CustomClass){.name = "none"}, two, 0, NULL), "tensor_custom: there are no inputs");
    tape_reset(tape);
    TELLS(EXPIRED, tensor_shape(a), "tensor_shape: the tensor was freed by a reset or release of its tape");
    TELLS(EXPIRED, tensor_count(a), "tensor_count: the tensor was freed by a reset or release of its tape");
    tells_on(NULL, NULL);
    tape_destroy(tape);
}

int main(void) {
    modules();
    optimizers();
    checkpoints();
    tapes();
    remove(PATH);
    return check_done();
}
