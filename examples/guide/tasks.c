/* The page tasks.md: a meta-batch on threads, with the bits of one. */
#include <higherc/higherc.h>

#include <stdio.h>
#include <string.h>

typedef struct Problem {
    Module *net;
    const Optim *inner;
    double losses[25]; /* a place for each task */
} Problem;

//! [task]
static bool adapt(Task *task, void *user) {
    Problem *p = user; /* shared: the module and the optimizer are only read */
    Tensor *x = tensor_uniform(task->tape, shape2(10, 1), -1, 1, &task->rng);
    double slope = 2 * rng_uniform(&task->rng) - 1;
    Tensor *y = tensor_mul_scalar(x, slope);
    FModule *fnet = fmodule_create(task->tape, p->net, false);
    DiffOpt *opt = diffopt_create(p->inner, fnet);
    for (int t = 0; t < 3; t++)
        diffopt_step(opt, tensor_mse_loss(fmodule_forward(fnet, x), y));
    Tensor *meta = tensor_mse_loss(fmodule_forward(fnet, x), y);
    p->losses[task->index] = tensor_item(meta);
    return tensor_backward_into(tensor_mul_scalar(meta, 1.0 / 25),
                                task->grads); /* the mean over tasks */
}
//! [task]

/* A meta-iteration on so many threads; the gradient of the first layer's weights. */
static double run(Problem *p, size_t threads, float *gradient, bool ranks) {
    for (size_t i = 0; i < module_params(p->net).count; i++)
        param_zero_grad(module_params(p->net).items[i]);
    //! [run]
    Pool *pool = pool_create(threads);
    Tasks *tasks = tasks_create(pool, module_params(p->net), HC_F32);
    Rng seeds = rng_seed(7);
    //! [run]
    if (ranks) {
        TaskRanks alone = {.rank = 0, .count = 1, .exchange = NULL, .user = NULL};
        tasks_run_ranks(tasks, alone, 25, &seeds, adapt, p);
    } else {
        //! [tasks]
        tasks_run(tasks, 25, &seeds, adapt, p); /* adds to the Params' gradients */
        //! [tasks]
    }
    double sum = 0;
    for (int i = 0; i < 25; i++)
        sum += p->losses[i];
    const Param *w = module_param(p->net, "0.weight");
    if (param_grad(w)) memcpy(gradient, param_grad(w), 8 * sizeof(float));
    tasks_destroy(tasks);
    pool_destroy(pool);
    return sum / 25;
}

int main(void) {
    Rng rng = rng_seed(1);
    Module *layers[] = {module_linear(1, 8), module_tanh(), module_linear(8, 1)};
    Problem p = {.net = module_sequential(layers, 3)};
    module_init(p.net, &rng);
    Optim *inner = optim_sgd(module_params(p.net), sgd_options(0.1));
    p.inner = inner;

    float one[8] = {0}, four[8] = {0}, rank[8] = {0};
    printf("1 thread   meta loss %.3f\n", run(&p, 1, one, false));
    printf("4 threads  meta loss %.3f", run(&p, 4, four, false));
    printf("  the same bits: %s\n", memcmp(one, four, sizeof one) ? "no" : "yes");
    printf("1 rank     meta loss %.3f\n", run(&p, 2, rank, true));

    bool failed = higherc_error() != NULL;
    if (failed) fprintf(stderr, "%s\n", higherc_error());
    optim_destroy(inner);
    module_destroy(p.net);
    return failed;
}
