/* Saving and loading optimizers: training goes on with the same bits, for every rule; what does not fit or
 * cannot be written is said in words and changes nothing. */
#include <higherc/higherc.h>

#include <stdio.h>
#include <string.h>

#include "support/check.h"
#include "support/unroll.h"

static const char path[] = "optim_save.tmp";

static bool same_params(const Module *a, const Module *b) {
    bool same = true;
    for (size_t i = 0; i < module_params(a).count; i++) {
        const Param *p = module_params(a).items[i], *q = module_params(b).items[i];
        size_t item = param_dtype(p) == HC_F32 ? sizeof(float) : sizeof(double);
        same = same && memcmp(param_data(p), param_data(q), param_count(p) * item) == 0;
    }
    return same;
}

/* Three steps, then three more on the same optimizer and on one that was saved and loaded between. */
static void goes_on(const UnrollConfig *config, DType dtype) {
    Module *net = unroll_net(dtype, false);
    Optim *optim = unroll_optim(config, module_params(net));
    CHECK(unroll_in_place(net, optim, 3));
    CHECK(optim_save(optim, path));
    Module *copy = module_clone(net);
    Optim *other = optim_new(config->name, module_params(copy));
    CHECK(optim_load(other, path) && optim_steps(other) == 3);
    CHECK(unroll_in_place(net, optim, 3) && unroll_in_place(copy, other, 3));
    CHECK(same_params(net, copy));
    optim_destroy(optim);
    optim_destroy(other);
    module_destroy(net);
    module_destroy(copy);
}

/* A Param that was never updated has no state before and after. */
static void groups_and_learned(void) {
    Module *net = unroll_net(HC_F32, false), *copy = module_clone(net);
    Optim *optim[2];
    for (int i = 0; i < 2; i++) {
        ParamList all = module_params(i ? copy : net);
        optim[i] = optim_new("adam", (ParamList){all.items, 4});
        CHECK(optim_add_group(optim[i], (ParamList){all.items + 4, 2}) == 1);
        CHECK(optim_learn(optim[i], "lr", HC_ALL_GROUPS, HC_LEARN_WEIGHT));
    }
    CHECK(optim_set(optim[0], "lr", 0, 0.5) && optim_set(optim[0], "beta1", 1, 0.25));
    param_freeze(module_params(net).items[0], true);
    CHECK(unroll_in_place(net, optim[0], 2));
    CHECK(optim_save(optim[0], path) && optim_load(optim[1], path));
    CHECK(optim_get(optim[1], "beta1", 1) == 0.25 && optim_get(optim[1], "beta1", 0) == 0.9);
    CHECK(param_get(optim_learned(optim[1]).items[0], 7) == 0.5);
    for (size_t i = 0; i < 6; i++) {
        const Param *p = module_params(net).items[i], *q = module_params(copy).items[i];
        const void *a = optim_param_state(optim[0], p, "exp_avg"),
                   *b = optim_param_state(optim[1], q, "exp_avg");
        CHECK(!a == (i == 0) && !b == (i == 0));
        CHECK(!a || !b || memcmp(a, b, param_count(p) * sizeof(float)) == 0);
        CHECK(optim_param_steps(optim[1], q) == (i ? 2 : 0));
    }
    Optim *plain = optim_new("adam", (ParamList){module_params(copy).items, 4});
    CHECK(optim_add_group(plain, (ParamList){module_params(copy).items + 4, 2}) == 1);
    CHECK(!optim_load(plain, path));
    CHECK_ERROR("'lr' of group 0 is learned otherwise");
    CHECK(strstr(optim_error(plain), "learned otherwise") != NULL);
    CHECK(optim_get(plain, "beta1", 1) == 0.9 && optim_steps(plain) == 0);
    optim_destroy(plain);
    optim_destroy(optim[0]);
    optim_destroy(optim[1]);
    module_destroy(net);
    module_destroy(copy);
}

static void refused(Optim *optim, const char *words) {
    CHECK(!optim_load(optim, path));
    CHECK_ERROR(words);
    CHECK(optim_steps(optim) == 0);
    optim_destroy(optim);
}

static void errors(void) {
    Module *net = unroll_net(HC_F32, false), *wide = unroll_net(HC_F64, false);
    ParamList params = module_params(net);
    Param *swapped[] = {params.items[1], params.items[0]};
    Optim *optim = optim_new("adam", params);
    CHECK(unroll_in_place(net, optim, 1) && optim_save(optim, path));
    refused(optim_new("adamw", params), "the rule is 'adam', not 'adamw'");
    refused(optim_new("adam", module_params(wide)), "was saved as f32");
    refused(optim_new("adam", (ParamList){params.items, 2}), "holds 6 Params in a group");
    refused(optim_new("adam", (ParamList){swapped, 2}), "holds 6 Params");
    Optim *two = optim_new("adam", (ParamList){params.items, 2});
    CHECK(optim_add_group(two, (ParamList){params.items + 2, 4}) == 1);
    refused(two, "holds 1 groups, the optimizer 2");
    CHECK(!optim_save(NULL, path));
    CHECK_ERROR("the optimizer is NULL");
    CHECK(!optim_save(optim, NULL));
    CHECK_ERROR("the path is NULL");
    CHECK(!optim_load(NULL, path));
    CHECK_ERROR("the optimizer is NULL");
    CHECK(!optim_load(optim, NULL));
    CHECK_ERROR("the path is NULL");
    CHECK(!optim_load(optim, "no/such/file"));
    CHECK_ERROR("could not be opened");
    FILE *full = fopen("/dev/full", "wb");
    if (full) {
        fclose(full);
        CHECK(!optim_save(optim, "/dev/full"));
        CHECK_ERROR("could not be written in full");
    }
    CHECK(module_save(net, path));
    CHECK(!optim_load(optim, path));
    CHECK_ERROR("holds something else than 'optim'");
    CHECK(optim_steps(optim) == 1);
    optim_destroy(optim);
    module_destroy(net);
    module_destroy(wide);
}

int main(void) {
    for (size_t i = 0; i < unroll_config_count; i++) {
        goes_on(&unroll_configs[i], HC_F32);
        goes_on(&unroll_configs[i], HC_F64);
    }
    groups_and_learned();
    errors();
    remove(path);
    CHECK(higherc_error() == NULL);
    return check_done();
}
