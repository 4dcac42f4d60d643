/* Saving and loading optimizers: training goes on with the same bits, for every rule; what does not fit or
 * cannot be written is said in words and changes nothing. */
#include <higherc/higherc.h>

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "optim/rule.h"
#include "optim/save.h"
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

static size_t read_bytes(unsigned char *bytes, size_t room) {
    FILE *file = fopen(path, "rb");
    size_t size = file ? fread(bytes, 1, room, file) : 0;
    if (file) fclose(file);
    CHECK(size > 0 && size < room);
    return size;
}

static void seal(unsigned char *bytes, size_t size) {
    uint32_t crc = hc_crc32(0, bytes, size - HC_FILE_TAIL);
    for (size_t i = 0; i < HC_FILE_TAIL; i++)
        bytes[size - HC_FILE_TAIL + i] = (unsigned char)(crc >> 8 * i);
}

/* ---- schedules --------------------------------------------------------------------------------------------- */

static Hyper halved(size_t step, void *user) {
    return hyper_const(*(const double *)user / (double)(step + 1));
}

enum { SCHEDULES = 11 };

/* One of each kind, on an optimizer of two groups. All of it may go once the optimizer was saved. */
typedef struct Plan {
    Schedule step, cosine, polynomial, warmup, lambda, then, both, several, restarts, cycle, mixed;
} Plan;

static void make_plan(Plan *p, double *user) {
    p->step = schedule_step(2, hyper_const(0.5));
    p->cosine = schedule_cosine(7, hyper_const(0.1));
    p->polynomial = schedule_polynomial(9, hyper_const(2));
    p->warmup = schedule_warmup(4, hyper_const(0.2));
    p->lambda = schedule_lambda(halved, user);
    p->then = schedule_then(&p->warmup, 4, &p->cosine);
    p->both = schedule_then(&p->then, 5, &p->lambda);
    p->several = schedule_multistep((size_t[]){2, 4, 6}, 3, hyper_const(0.5));
    p->restarts = schedule_cosine_restarts(2, 2, hyper_const(0.1));
    p->cycle = schedule_one_cycle(9, 0.5, hyper_const(0.04), 0.01);
    p->mixed = schedule_then(&p->several, 5, &p->cycle);
}

static Optim *scheduled(Module *net, Plan *plan, const Schedule *schedule) {
    ParamList all = module_params(net);
    Optim *optim = optim_new("adam", (ParamList){all.items, 4});
    CHECK(optim_add_group(optim, (ParamList){all.items + 4, 2}) == 1);
    CHECK(optim_set(optim, "lr", HC_ALL_GROUPS, 0.05));
    if (!schedule) return optim;
    CHECK(optim_schedule(optim, "lr", HC_ALL_GROUPS, schedule));
    CHECK(optim_schedule(optim, "lr", 1, NULL) && optim_schedule(optim, "beta1", 1, &plan->step));
    return optim;
}

/* After loading, steps in place and on the tape go on with the same bits, also where what was loaded is gone. */
static void schedules(void) {
    double user = 0.8;
    Plan plan;
    make_plan(&plan, &user);
    const Schedule *all[SCHEDULES] = {&plan.step,   &plan.cosine, &plan.polynomial, &plan.warmup,
                                      &plan.lambda, &plan.then,   &plan.both,       &plan.several,
                                      &plan.restarts, &plan.cycle, &plan.mixed};
    for (size_t i = 0; i < SCHEDULES; i++) {
        bool own = i == 4 || i == 6; /* those with a function need it in its place */
        Module *net = unroll_net(HC_F64, false);
        Optim *optim = scheduled(net, &plan, all[i]);
        CHECK(unroll_in_place(net, optim, 3) && optim_save(optim, path));
        Module *copy = module_clone(net), *fast = module_clone(net);
        Optim *other = scheduled(copy, &plan, own ? all[i] : NULL),
              *third = scheduled(fast, &plan, own ? all[i] : NULL);
        CHECK(optim_schedule(other, "eps", 0, &plan.step)); /* goes */
        CHECK(optim_load(other, path) && optim_load(other, path) && optim_load(third, path));
        Tape *tape = tape_create(HC_F64);
        FModule *f = fmodule_create(tape, fast, false);
        DiffOpt *opt = diffopt_create(third, f);
        CHECK(optim_load(third, path));
        optim_destroy(third);
        CHECK(unroll_fast(tape, f, opt, 5) && fmodule_commit(f, fast));
        CHECK(unroll_in_place(net, optim, 5) && unroll_in_place(copy, other, 5));
        CHECK(same_params(net, copy) && same_params(net, fast));
        CHECK(optim_save(other, path) && optim_schedule(other, "lr", HC_ALL_GROUPS, NULL));
        tape_destroy(tape);
        optim_destroy(optim);
        optim_destroy(other);
        module_destroy(net);
        module_destroy(copy);
        module_destroy(fast);
    }
}

/* Of several functions of one's own each goes back to where it was. */
static void each_function(void) {
    double user[] = {0.8, 0.5, 0.3};
    Plan plan;
    Schedule each[3];
    make_plan(&plan, user);
    Module *net = unroll_net(HC_F64, false);
    Optim *optim[2] = {scheduled(net, &plan, NULL)};
    CHECK(unroll_in_place(net, optim[0], 1));
    Module *copy = module_clone(net);
    optim[1] = scheduled(copy, &plan, NULL);
    for (int i = 0; i < 3; i++)
        each[i] = schedule_lambda(halved, &user[i]);
    for (int i = 0; i < 2; i++)
        CHECK(optim_schedule(optim[i], "beta1", HC_ALL_GROUPS, &each[0]) &&
              optim_schedule(optim[i], "lr", 0, &each[1]) &&
              optim_schedule(optim[i], "lr", 1, &each[2]));
    CHECK(optim_save(optim[0], path) && optim_load(optim[1], path));
    CHECK(unroll_in_place(net, optim[0], 3) && unroll_in_place(copy, optim[1], 3));
    CHECK(same_params(net, copy));
    for (int i = 0; i < 2; i++)
        optim_destroy(optim[i]);
    module_destroy(net);
    module_destroy(copy);
}

static Hyper strange_factor(const Schedule *s, size_t step) {
    (void)s;
    (void)step;
    return hyper_const(1);
}

static void schedules_refused(void) {
    double user = 0.8;
    Plan plan;
    make_plan(&plan, &user);
    Module *net = unroll_net(HC_F64, false);
    Optim *optim = scheduled(net, &plan, &plan.both), *other = scheduled(net, &plan, NULL);
    CHECK(optim_save(optim, path) && !optim_load(other, path));
    CHECK_ERROR("optim_load: 'optim_save.tmp' has a schedule_lambda on 'lr': optim_schedule comes before loading");
    CHECK(optim_schedule(other, "lr", HC_ALL_GROUPS, &plan.then) && !optim_load(other, path));
    CHECK_ERROR("schedule_lambda");
    Schedule circle = schedule_then(&plan.step, 3, &circle);
    CHECK(optim_schedule(optim, "lr", HC_ALL_GROUPS, &circle) && !optim_save(optim, path));
    CHECK_ERROR("optim_save: the schedule of 'lr' cannot be saved: it has more than 64 parts");
    Schedule chain[64];
    chain[0] = plan.step;
    for (size_t i = 1; i < 64; i++)
        chain[i] = schedule_then(&plan.step, 1, &chain[i - 1]);
    CHECK(optim_schedule(optim, "lr", HC_ALL_GROUPS, &chain[32]) && !optim_save(optim, path));
    CHECK_ERROR("more than 64 parts");
    CHECK(optim_schedule(optim, "lr", HC_ALL_GROUPS, &chain[31]) && optim_save(optim, path));
    CHECK(optim_load(optim, path));
    Schedule broken = schedule_then(&plan.step, 3, NULL), strange = {.factor = strange_factor};
    Schedule none = {.factor = NULL}, first = schedule_then(&broken, 9, &plan.step),
             last = schedule_then(&plan.step, 3, &none);
    const Schedule *wrong[] = {&broken, &strange, &first, &last};
    for (int i = 0; i < 4; i++) {
        CHECK(optim_schedule(optim, "lr", HC_ALL_GROUPS, wrong[i]) && !optim_save(optim, path));
        CHECK_ERROR("no schedule_ function made it");
    }
    Tape *tape = tape_create(HC_F64);
    Schedule learned = schedule_exponential(hyper_tensor(tensor_scalar(tape, 0.5))),
             later = schedule_then(&plan.step, 3, &learned);
    CHECK(optim_schedule(optim, "lr", HC_ALL_GROUPS, &later) && !optim_save(optim, path));
    CHECK_ERROR("a coefficient is a tensor");
    tape_destroy(tape);
    optim_destroy(optim);
    optim_destroy(other);
    module_destroy(net);
}

static void put(unsigned char *bytes, size_t *at, uint64_t value, size_t count) {
    for (size_t i = 0; i < count; i++)
        bytes[(*at)++] = (unsigned char)(value >> 8 * i);
}

/* A file with one schedule: `thens` of them within each other, the first of each, and the rest steps. */
static bool load_nested(Optim *optim, size_t hyper, size_t thens, uint64_t steps) {
    static unsigned char bytes[1 << 16];
    CHECK(optim_save(optim, path));
    size_t at = read_bytes(bytes, sizeof bytes) - HC_FILE_TAIL - 8; /* the count, 0 */
    put(bytes, &at, 1, 8);
    put(bytes, &at, hyper, 8);
    put(bytes, &at, UINT64_MAX, 8); /* all groups */
    for (size_t i = 0; i < 2 * thens + 1; i++) {
        put(bytes, &at, i < thens ? HC_SCHEDULE_THEN : HC_SCHEDULE_STEP, 4);
        put(bytes, &at, 0x3FE0000000000000u, 8); /* 0.5 */
        put(bytes, &at, steps, 8);
    }
    at += HC_FILE_TAIL;
    seal(bytes, at);
    return hc_optim_load_bytes(optim, "nested", bytes, at);
}

/* A file with one schedule of a kind that has more numbers. */
static bool load_more(Optim *optim, HcScheduleKind kind, uint64_t steps, uint64_t growth, uint64_t milestones) {
    static unsigned char bytes[1 << 16];
    CHECK(optim_save(optim, path));
    size_t at = read_bytes(bytes, sizeof bytes) - HC_FILE_TAIL - 8; /* the count, 0 */
    put(bytes, &at, 1, 8);
    put(bytes, &at, 0, 8);
    put(bytes, &at, UINT64_MAX, 8);
    put(bytes, &at, kind, 4);
    for (int i = 0; i < 4; i++)
        put(bytes, &at, i == 1 ? steps : 0x3FE0000000000000u, 8); /* 0.5: coefficient, rise and last */
    put(bytes, &at, growth, 8);
    put(bytes, &at, milestones, 8);
    for (uint64_t i = 0; i < milestones; i++)
        put(bytes, &at, i + 1, 8);
    at += HC_FILE_TAIL;
    seal(bytes, at);
    return hc_optim_load_bytes(optim, "more", bytes, at);
}

/* What optim_save would not write is not read either, and leaves no schedule. */
static void schedules_damaged(void) {
    double user = 0.8;
    Plan plan;
    make_plan(&plan, &user);
    Module *net = unroll_net(HC_F64, false);
    Optim *optim = scheduled(net, &plan, NULL);
    const struct {
        size_t hyper, thens;
        uint64_t steps;
    } wrong[] = {{99, 1, 2}, {HC_ADAM_AMSGRAD, 1, 2}, {0, 1, 0}, {0, 32, 2}, {0, 33, 2}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        CHECK(!load_nested(optim, wrong[i].hyper, wrong[i].thens, wrong[i].steps));
        CHECK_ERROR("optim_load: 'nested' is damaged: a schedule that cannot be");
        CHECK(!hc_scheduled(optim, 0, 0) && !hc_scheduled(optim, 0, HC_ADAM_AMSGRAD));
    }
    for (int i = 0; i < 3; i++) {
        bool many = i == 2; /* milestones; else no period, or none after the first */
        CHECK(!load_more(optim, many ? HC_SCHEDULE_MULTISTEP : HC_SCHEDULE_RESTARTS, i == 0 ? 0 : 2, i == 1 ? 0 : 2,
                         many ? HC_MOST_MILESTONES + 1 : 0));
        CHECK_ERROR("optim_load: 'more' is damaged: a schedule that cannot be");
        CHECK(!hc_scheduled(optim, 0, 0));
    }
    CHECK(load_nested(optim, 0, 31, 2) && hc_scheduled(optim, 1, 0));
    CHECK(schedule_at(hc_scheduled(optim, 1, 0), 5).value == 0.5); /* the second's 3rd step: 0.5^(3 / 2) */
    optim_destroy(optim);
    optim = scheduled(net, &plan, NULL);
    CHECK(load_more(optim, HC_SCHEDULE_MULTISTEP, 0, 0, 3) && hc_scheduled(optim, 1, 0));
    CHECK(schedule_at(hc_scheduled(optim, 1, 0), 2).value == 0.25); /* 2 of them */
    optim_destroy(optim);
    module_destroy(net);
}

static Hyper tensor_factor(size_t step, void *user) {
    Tensor **factor = user;
    (void)step;
    return *factor ? hyper_tensor(*factor) : hyper_const(0.5);
}

/* A function that gives a tensor has no place among schedules in files. */
static void tensor_of_a_function(void) {
    Tensor *factor = NULL;
    Module *net = unroll_net(HC_F64, false);
    Optim *optim = optim_new("adam", module_params(net));
    Schedule own = schedule_lambda(tensor_factor, &factor);
    CHECK(optim_schedule(optim, "lr", 0, &own) && optim_save(optim, path));
    Tape *tape = tape_create(HC_F64);
    factor = tensor_scalar(tape, 0.5);
    CHECK(!optim_load(optim, path));
    CHECK_ERROR("damaged: a schedule that cannot be");
    factor = NULL;
    CHECK(optim_load(optim, path));
    tape_destroy(tape);
    optim_destroy(optim);
    module_destroy(net);
}

/* A file of the first version has no schedules, and leaves those there are. */
static void first_version(void) {
    static unsigned char bytes[1 << 16];
    double user = 0.8;
    Plan plan;
    make_plan(&plan, &user);
    Module *net = unroll_net(HC_F64, false), *copy = module_clone(net);
    Optim *optim = scheduled(net, &plan, NULL), *other = scheduled(copy, &plan, &plan.step);
    CHECK(unroll_in_place(net, optim, 2) && unroll_in_place(copy, other, 3));
    CHECK(optim_save(optim, path));
    size_t size = read_bytes(bytes, sizeof bytes) - 8; /* the count, 0 */
    bytes[16] = 1;
    seal(bytes, size);
    CHECK(hc_optim_load_bytes(other, "old", bytes, size) && optim_steps(other) == 2);
    CHECK(hc_scheduled(other, 0, 0) && hc_scheduled(other, 0, 0)->factor == plan.step.factor);
    bytes[16] = 3;
    seal(bytes, size);
    CHECK(!hc_optim_load_bytes(other, "new", bytes, size));
    CHECK_ERROR("has version 3 of its format, not 2");
    bytes[16] = 0;
    seal(bytes, size);
    CHECK(!hc_optim_load_bytes(other, "none", bytes, size));
    CHECK_ERROR("has version 0");
    optim_destroy(optim);
    optim_destroy(other);
    module_destroy(net);
    module_destroy(copy);
}

/* ---- what is no file of an optimizer ------------------------------------------------------------------------ */

/* A file of an SGD of one Param, changed at a place and closed with a right checksum. */
static bool load_changed(Optim *optim, const char *after, size_t past, uint64_t value) {
    static unsigned char bytes[4096];
    size_t size = read_bytes(bytes, sizeof bytes), at = 0, length = strlen(after);
    while (at + length < size && memcmp(bytes + at, after, length) != 0)
        at++;
    at += length + past;
    CHECK(size > 0 && at + 8 < size);
    for (size_t i = 0; i < 8; i++)
        bytes[at + i] = (unsigned char)(value >> 8 * i);
    seal(bytes, size);
    return hc_optim_load_bytes(optim, "changed", bytes, size);
}

/* What no optimizer writes is no state to go on from. */
static void nonsense(void) {
    Param *p = param_create("theta", shape1(1), HC_F32);
    param_fill(p, 1);
    SgdOptions options = sgd_options(0.1);
    options.momentum = 0.5;
    Optim *optim = optim_sgd((ParamList){&p, 1}, options);
    CHECK(optim_save(optim, path));
    CHECK(!load_changed(optim, "sgd", 4, UINT64_MAX));
    CHECK_ERROR("optim_load: 'changed' holds a count of 18446744073709551615 steps");
    CHECK(!load_changed(optim, "theta", 4 + 8, UINT64_MAX)); /* of the Param, after its shape */
    CHECK_ERROR("optim_load: 'changed' holds a count of 18446744073709551615 steps");
    CHECK(load_changed(optim, "sgd", 4, 1000) && optim_steps(optim) == 1000);
    CHECK(load_changed(optim, "nesterov", 0, 0x3FF0000000000000u)); /* 1.0 */
    CHECK(optim_set(optim, "nesterov", 0, 0) && optim_set(optim, "momentum", 0, 0));
    CHECK(optim_save(optim, path));
    CHECK(!load_changed(optim, "nesterov", 0, 0x3FF0000000000000u));
    CHECK_ERROR("optim_load: 'changed', group 0: nesterov needs momentum > 0");
    optim_destroy(optim);
    param_unref(p);
}

/* Nothing in a file is passed over: one with a byte changed is refused, or saved again as it is. */
static void every_byte(void) {
    static unsigned char bytes[1 << 12], again[1 << 12];
    Param *p = param_create("theta", shape1(1), HC_F32);
    CHECK(param_fill(p, 1) && param_add_grad_f64(p, (double[]){0.5}, 1));
    Schedule step = schedule_step(3, hyper_const(0.5));
    Optim *optim = optim_adam((ParamList){&p, 1}, adam_options(0.1));
    CHECK(optim_learn(optim, "lr", 0, HC_LEARN_GROUP) && optim_schedule(optim, "eps", 0, &step));
    CHECK(optim_step(optim) && optim_save(optim, path));
    size_t size = read_bytes(bytes, sizeof bytes), loaded = 0;
    for (size_t at = 17; at < size - HC_FILE_TAIL; at++) {
        unsigned char was = bytes[at];
        if (was != 1 && was != 2) continue; /* counts, kinds, what is there */
        bytes[at]++;
        seal(bytes, size);
        if (hc_optim_load_bytes(optim, "changed", bytes, size)) {
            CHECK(optim_save(optim, path) && read_bytes(again, sizeof again) == size);
            CHECK(memcmp(bytes, again, size) == 0);
            loaded++;
        }
        higherc_clear_error();
        bytes[at] = was;
    }
    CHECK(loaded > 0);
    optim_destroy(optim);
    param_unref(p);
}

/* The optimizer tells this error, the thread keeps the older one. */
static void older_error(void) {
    Module *net = unroll_net(HC_F32, false);
    Optim *optim = optim_new("adam", module_params(net));
    CHECK(unroll_in_place(net, optim, 1) && optim_save(optim, path));
    static unsigned char bytes[1 << 16];
    size_t size = read_bytes(bytes, sizeof bytes);
    for (size_t cut = 30; cut < size; cut += 101) {
        unsigned char tail[HC_FILE_TAIL];
        memcpy(tail, bytes + cut - HC_FILE_TAIL, sizeof tail);
        seal(bytes, cut);
        CHECK(!module_param(net, "nope"));
        CHECK(!hc_optim_load_bytes(optim, "cut", bytes, cut));
        CHECK(strstr(optim_error(optim), "optim_load: ") && strstr(optim_error(optim), "'cut'"));
        CHECK_ERROR("nope");
        memcpy(bytes + cut - HC_FILE_TAIL, tail, sizeof tail);
    }
    CHECK(!module_param(net, "nope") && !optim_load(optim, "no/such/file"));
    CHECK(strstr(optim_error(optim), "'no/such/file' could not be opened"));
    CHECK_ERROR("nope");
    CHECK(optim_load(optim, path) && higherc_error() == NULL);
    optim_destroy(optim);
    module_destroy(net);
}

int main(void) {
    for (size_t i = 0; i < unroll_config_count; i++) {
        goes_on(&unroll_configs[i], HC_F32);
        goes_on(&unroll_configs[i], HC_F64);
    }
    groups_and_learned();
    errors();
    schedules();
    each_function();
    every_byte();
    schedules_refused();
    schedules_damaged();
    tensor_of_a_function();
    first_version();
    nonsense();
    older_error();
    remove(path);
    CHECK(higherc_error() == NULL);
    return check_done();
}
