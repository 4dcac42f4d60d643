/* The page replay.md: a meta-iteration captured once, and run on other numbers. */
#include <higherc/higherc.h>

#include <stdio.h>

/* Two inner steps on (x, y), judged on (xq, yq). */
static Tensor *meta_loss(Tape *tape, Module *net, const Optim *inner, Tensor *const *data) {
    FModule *fnet = fmodule_create(tape, net, false);
    DiffOpt *opt = diffopt_create(inner, fnet);
    for (int t = 0; t < 2; t++)
        diffopt_step(opt, tensor_mse_loss(fmodule_forward(fnet, data[0]), data[1]));
    return tensor_mse_loss(fmodule_forward(fnet, data[2]), data[3]);
}

/* Numbers of task i: x, y, xq, yq, four points each. */
static void draw(float numbers[4][4], size_t i) {
    Rng rng = rng_seed(i);
    for (size_t j = 0; j < 16; j++)
        numbers[j / 4][j % 4] = (float)rng_uniform(&rng);
}

int main(void) {
    Rng rng = rng_seed(1);
    Module *layers[] = {module_linear(1, 8), module_tanh(), module_linear(8, 1)};
    Module *net = module_sequential(layers, 3);
    module_init(net, &rng);
    Optim *inner = optim_sgd(module_params(net), sgd_options(0.1));
    Tape *tape = tape_create(HC_F32);
    Param *w = module_param(net, "0.weight");
    Shape shape = shape2(4, 1);
    float numbers[4][4];

    //! [capture]
    draw(numbers, 0);
    Tensor *data[4]; /* made on the tape, and inputs of the Program */
    for (int j = 0; j < 4; j++)
        data[j] = tensor_from_f32(tape, shape, numbers[j]);
    Tensor *loss = meta_loss(tape, net, inner, data);
    Program *program = program_capture(tape, data, 4, &loss, 1, loss);
    tape_reset(tape); /* the Program has all it needs */
    //! [capture]

    for (size_t i = 1; i <= 3; i++) {
        draw(numbers, i);
        param_zero_grad(w);
        //! [run]
        for (size_t j = 0; j < 4; j++)
            program_set_f32(program, j, shape, numbers[j]);
        program_run(program); /* adds to the Params' gradients, as tensor_backward does */
        double replayed = program_item(program, 0);
        //! [run]
        double gradient = param_grad_get(w, 0);

        tape_reset(tape);
        param_zero_grad(w);
        for (int j = 0; j < 4; j++)
            data[j] = tensor_from_f32(tape, shape, numbers[j]);
        loss = meta_loss(tape, net, inner, data);
        double recorded = tensor_item(loss);
        tensor_backward(loss);
        bool same = replayed == recorded && gradient == param_grad_get(w, 0);
        printf("task %d: loss %.3f, same bits as recording it: %s\n", (int)i, replayed,
               same ? "yes" : "no");
    }

    bool failed = higherc_error() != NULL;
    if (failed) fprintf(stderr, "%s\n", higherc_error());
    program_destroy(program);
    optim_destroy(inner);
    tape_destroy(tape);
    module_destroy(net);
    return failed;
}
