/* A network trained in PyTorch, adapted on the device that runs it, in flat memory, and handed back.
 *
 * train.py trained it to foretell sine waves from their last eight values. What the device's sensor sends is no sine:
 * it has an overtone, and an offset that no training wave had. One step of gradient descent on each value as it comes
 * makes the network right for it (HC_EVAL: the steps are not differentiated through, so nothing of them is kept, and
 * after the first few the library asks for no memory). Saved, it is a state dict again: model.load_state_dict(...). */
#include <higherc/higherc.h>
#include <math.h>

#include "../flags.h"
#include "../memory.h"

#ifndef MODEL
#define MODEL "examples/from_pytorch/model.safetensors"
#endif

enum { SEEN = 8, WARM = 20 };

static float sensor(size_t t) {
    double a = 0.45 * (double)t;
    return (float)(0.5 + sin(a) + 0.4 * sin(2 * a + 1));
}

/* The network of train.py, with its weights. */
static Module *load(const char *path) {
    Module *layers[] = {module_linear(SEEN, 24), module_tanh(), module_linear(24, 24), module_tanh(),
                        module_linear(24, 1)};
    Module *net = module_sequential(layers, 5);
    LoadReport report;
    if (!module_load_safetensors(net, path, load_options(), &report)) return module_destroy(net), NULL;
    printf("%s: %zu tensors\n", path, report.loaded);
    return net;
}

/* Foretells `values` of them, and takes a step after each if there is an optimizer; the mean squared error over the
 * last quarter. *mallocs gets how often the library asked for memory once it had warmed up. */
static double foretell(FModule *net, DiffOpt *opt, size_t values, size_t *mallocs) {
    Tape *tape = fmodule_tape(net);
    double sum = 0;
    for (size_t t = 0; t < values; t++) {
        float window[SEEN], next = sensor(t + SEEN);
        for (size_t i = 0; i < SEEN; i++)
            window[i] = sensor(t + i);
        TapeMark mark = tape_mark(tape);
        Tensor *x = tensor_from_f32(tape, shape2(1, SEEN), window), *y = tensor_from_f32(tape, shape2(1, 1), &next);
        Tensor *loss = tensor_mse_loss(fmodule_forward(net, x), y);
        if (t >= values - values / 4) sum += tensor_item(loss);
        if (opt ? !diffopt_step_release(opt, loss) : !tape_release(tape, mark)) return (double)NAN;
        if (t == WARM) *mallocs = memory_mallocs();
    }
    *mallocs = memory_mallocs() - *mallocs;
    return sum / (double)(values / 4);
}

/* Bytes of a file; 0 where it cannot be told. */
static long size_of(const char *path) {
    FILE *file = fopen(path, "rb");
    long size = file && fseek(file, 0, SEEK_END) == 0 ? ftell(file) : 0;
    if (file) fclose(file);
    return size > 0 ? size : 0;
}

int main(int argc, char **argv) {
    size_t values = 4000, mallocs = 0;
    const char *model = MODEL, *out = "adapted.safetensors";
    const Flag flags[] = {{"--values", &values, 100, 1000000, "values that the sensor sends", NULL},
                          {"--model", NULL, 0, 0, "what train.py saved", &model},
                          {"--out", NULL, 0, 0, "where the adapted network goes", &out}};
    int status = flags_read(argc, argv, flags, sizeof flags / sizeof *flags,
                            "A network from PyTorch, adapted to a sensor's stream in flat memory, and saved again.");
    if (status != FLAGS_RUN) return status;
    memory_count();

    double before = 0, after = 0;
    Module *net = load(model);
    Optim *sgd = net ? optim_sgd(module_params(net), sgd_options(0.02)) : NULL;
    TapeOptions small_tape = tape_options(HC_F32);
    small_tape.block_bytes = 4096;
    Tape *tape = sgd ? tape_create_with(small_tape) : NULL;
    if (tape) {
        FModuleOptions options = fmodule_options(true);
        options.mode = HC_EVAL;
        FModule *fast = fmodule_create_with(tape, net, options);
        DiffOpt *opt = diffopt_create(sgd, fast);
        before = foretell(fast, NULL, values, &mallocs);
        after = foretell(fast, opt, values, &mallocs);
        if (fmodule_commit(fast, net) && module_save_safetensors(net, out)) {
            printf("squared error in foretelling the next value: %.4f as trained, %.4f adapted to %zu values\n",
                   before, after, values);
            printf("memory: %.1f KiB at most, and %zu requests for more after the first %d steps\n",
                   (double)memory_peak() / 1024, mallocs, (int)WARM);
            if (size_of(argv[0])) printf("the program: %.0f KiB\n", (double)size_of(argv[0]) / 1024);
            printf("%s: the adapted network, for PyTorch's load_state_dict\n", out);
        }
    }
    bool failed = higherc_error() != NULL || !(after < before / 4) || mallocs > 0;
    if (higherc_error())
        fprintf(stderr, "%s\n", higherc_error());
    else if (failed)
        fprintf(stderr, "from_pytorch: it did not adapt in flat memory: too few values?\n");
    tape_destroy(tape);
    optim_destroy(sgd);
    module_destroy(net);
    return failed;
}
