/* The same by a Program: all results of a case are its outputs, batches and hyperparameters its inputs, and the
 * gradients to the base module what it adds to the Params. */
#include <string.h>

#include "golden.h"

static Program *capture(Run *run, bool reached) {
    Tensor **inputs = store_alloc(run->store, run->input_count, sizeof *inputs);
    Tensor **outputs = store_alloc(run->store, run->pending_count, sizeof *outputs);
    for (size_t i = 0; i < run->input_count; i++)
        inputs[i] = run->inputs[i].tensor;
    for (size_t i = 0; i < run->pending_count; i++)
        outputs[i] = run->pending[i].tensor;
    return program_capture(run->tape, inputs, run->input_count, outputs, run->pending_count,
                           reached ? run->meta_loss : NULL);
}

/* The case's numbers times a factor; whole ones as they are. */
static bool run_program(Run *run, Program *program, double factor) {
    for (size_t i = 0; i < run->input_count; i++) {
        const Input *input = &run->inputs[i];
        size_t count = tensor_count(input->tensor);
        double *values = store_alloc(run->store, count, sizeof *values);
        for (size_t k = 0; k < count; k++)
            values[k] = input->values[k] * (input->whole ? 1 : factor);
        if (!program_set_f64(program, i, tensor_shape(input->tensor), values)) return false;
    }
    for (size_t i = 0; i < run->params.count; i++)
        param_zero_grad(run->params.items[i]);
    return program_run(program);
}

/* Unless the case has no inputs that change, the other numbers have to give another loss: a program that
 * runs nothing would agree with what was recorded. */
static bool check_other(Run *run, Program *program) {
    size_t item = run->manner.dtype == HC_F32 ? sizeof(float) : sizeof(double);
    for (size_t i = 0; i < run->pending_count; i++)
        if (run->pending[i].tensor == run->meta_loss &&
            memcmp(program_output(program, i), tensor_data(run->meta_loss), item) == 0)
            return run_fail(run, "replay: other inputs give the same meta loss");
    return true;
}

static bool check_outputs(Run *run, Program *program) {
    size_t item = run->manner.dtype == HC_F32 ? sizeof(float) : sizeof(double);
    for (size_t i = 0; i < run->pending_count; i++) {
        Tensor *wanted = run->pending[i].tensor;
        if (!shape_equal(program_output_shape(program, i), tensor_shape(wanted)) ||
            memcmp(program_output(program, i), tensor_data(wanted), tensor_count(wanted) * item) !=
                0)
            return run_fail(run, "replay: %s differs", run->pending[i].entry->name);
    }
    return true;
}

/* Against what tensor_backward added, which grads.c has recorded. */
static bool check_grads(Run *run) {
    for (size_t i = 0; i < run->params.count; i++) {
        const Param *param = run->params.items[i];
        const char *name = run->c->params[i].name;
        const Entry *wanted = dict_find_format(run->results, "base_grad/%s", name);
        bool same = !param_grad(param) == (wanted->kind == ENTRY_NONE);
        for (size_t k = 0; same && param_grad(param) && k < param_count(param); k++) {
            double got = param_grad_get(param, k);
            same = memcmp(&got, &wanted->values[k], sizeof got) == 0;
        }
        if (!same) return run_fail(run, "replay: base_grad/%s differs", name);
    }
    return true;
}

bool run_replay(Run *run) {
    bool reached = false, other = false;
    for (size_t i = 0; i < run->params.count; i++)
        reached = reached || tensor_reaches(run->meta_loss, run->params.items[i]);
    for (size_t i = 0; i < run->input_count; i++)
        other = other || !run->inputs[i].whole;
    Program *program = capture(run, reached);
    if (!program) return run_fail(run, "program_capture");
    bool good = (run_program(run, program, 0.5) && (!other || check_other(run, program)) &&
                 run_program(run, program, 1)) ||
                run_fail(run, "program_run");
    good = good && check_outputs(run, program) && check_grads(run);
    program_destroy(program);
    return good;
}
