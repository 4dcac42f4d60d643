/* jvp-NET, jvp-weights-NET, function-NET: what tensor_jvp along the input, or along all weights, costs beside the
 * function itself; its value is an output too. NET: the sine net 1-40-40-1 on 10 points, unroll-T's MLP 64-256-256-10
 * on 64 rows, and DEPTH times tanh(w x + b), entry by entry, of WIDTH numbers. */
#include <stdlib.h>
#include <string.h>

#include "workload.h"

enum { WIDTH = 8192, DEPTH = 10, LAYERS = 5, MOST = 8 };
typedef enum Along { ALONG_NOTHING, ALONG_WEIGHTS, ALONG_INPUT } Along;

typedef struct Jvp {
    Tape *tape;
    Module *net; /* NULL: tanh upon tanh, of two Params */
    Param *params[MOST];
    size_t param_count;
    Shape shape; /* of the input */
    float *x, *direction, *weight_direction;
    Along along;
    Program *program; /* holds the numbers as they are; NULL: recorded afresh */
} Jvp;

static void destroy(void *state) {
    Jvp *bench = state;
    program_destroy(bench->program);
    for (size_t i = 0; i < bench->param_count; i++)
        param_unref(bench->params[i]);
    module_destroy(bench->net);
    tape_destroy(bench->tape);
    free(bench->x);
    free(bench->direction);
    free(bench->weight_direction);
    free(bench);
}

/* ---- the functions ------------------------------------------------------------------------------ */

static Tensor *function(const Jvp *bench, Tensor *x) {
    if (bench->net) return module_forward(bench->net, x);
    Tensor *w = param_tensor(bench->tape, bench->params[0]), *b = param_tensor(bench->tape, bench->params[1]);
    for (size_t i = 0; i < DEPTH; i++)
        x = tensor_tanh(tensor_add(tensor_mul(w, x), b));
    return x;
}

/* The function's value, and the derivative where one is asked for. */
static bool evaluate(const Jvp *bench, Tensor *out[2]) {
    Tape *tape = bench->tape;
    Tensor *x = tensor_leaf(tensor_from_f32(tape, bench->shape, bench->x)), *inputs[MOST] = {x}, *directions[MOST];
    size_t count = bench->along == ALONG_INPUT ? 1 : bench->along == ALONG_WEIGHTS ? bench->param_count : 0;
    directions[0] = tensor_from_f32(tape, bench->shape, bench->direction);
    out[0] = function(bench, x);
    for (size_t i = 0; i < count && bench->along == ALONG_WEIGHTS; i++) {
        inputs[i] = param_tensor(tape, bench->params[i]);
        directions[i] = tensor_from_f32(tape, param_shape(bench->params[i]), bench->weight_direction);
    }
    if (count > 0) out[1] = tensor_jvp(out[0], inputs, count, directions, 0);
    return tape_status(tape) == HC_OK;
}

/* ---- making ------------------------------------------------------------------------------------- */

static bool make_mlp(Jvp *bench, size_t batch, size_t in, size_t hidden, size_t out, Rng *rng) {
    Module *layers[LAYERS] = {module_linear(in, hidden), module_relu(), module_linear(hidden, hidden),
                              module_relu(), module_linear(hidden, out)};
    bench->shape = shape2(batch, in);
    bench->net = module_sequential(layers, LAYERS);
    module_init(bench->net, rng);
    ParamList params = module_params(bench->net);
    for (size_t i = 0; i < params.count; i++)
        bench->params[bench->param_count++] = param_ref(params.items[i]);
    return bench->param_count > 0;
}

static bool make_tanh(Jvp *bench, Rng *rng) {
    bench->shape = shape1(WIDTH);
    for (size_t i = 0; i < 2; i++) {
        float *values = random_normals(WIDTH, rng);
        bench->params[i] = param_create(i == 0 ? "w" : "b", bench->shape, HC_F32);
        bench->param_count++;
        if (values) param_set_f32(bench->params[i], values, WIDTH);
        free(values);
    }
    return higherc_status() == HC_OK;
}

static bool make_function(Jvp *bench, const char *net, Rng *rng) {
    return strcmp(net, "sine") == 0  ? make_mlp(bench, 10, 1, 40, 1, rng)
           : strcmp(net, "mlp") == 0 ? make_mlp(bench, 64, 64, 256, 10, rng)
                                     : make_tanh(bench, rng);
}

static bool make_numbers(Jvp *bench, Rng *rng) {
    size_t most = 0;
    for (size_t i = 0; i < bench->param_count; i++) {
        size_t count = shape_count(param_shape(bench->params[i]));
        if (count > most) most = count;
    }
    bench->x = random_normals(shape_count(bench->shape), rng);
    bench->direction = random_normals(shape_count(bench->shape), rng);
    bench->weight_direction = random_normals(most, rng);
    return bench->x && bench->direction && bench->weight_direction;
}

static bool capture(Jvp *bench) {
    Tensor *out[2];
    if (!evaluate(bench, out)) return false;
    bench->program = program_capture(bench->tape, NULL, 0, out, bench->along == ALONG_NOTHING ? 1 : 2, NULL);
    tape_reset(bench->tape);
    return bench->program != NULL;
}

/* The net that a name ends in. */
static const char *net_of(const char *name, Along *along) {
    static const char *const stems[] = {
        [ALONG_NOTHING] = "function-", [ALONG_WEIGHTS] = "jvp-weights-", [ALONG_INPUT] = "jvp-"};
    for (*along = ALONG_NOTHING; strncmp(name, stems[*along], strlen(stems[*along])) != 0;)
        ++*along;
    return name + strlen(stems[*along]);
}

static void *create(Settings settings) {
    Jvp *bench = calloc(1, sizeof *bench);
    if (!bench) return NULL;
    Rng rng = rng_seed(1);
    const char *net = net_of(settings.name, &bench->along);
    bench->tape = tape_create(HC_F32);
    if (make_function(bench, net, &rng) && make_numbers(bench, &rng) && (!settings.replay || capture(bench)))
        return bench;
    destroy(bench);
    return NULL;
}

static bool iterate(void *state) {
    Jvp *bench = state;
    Tensor *out[2];
    if (bench->program) return program_run(bench->program);
    tape_reset(bench->tape);
    return evaluate(bench, out);
}

#define ROW(name) {.stem = name, .create = create, .iterate = iterate, .destroy = destroy}
const Workload workloads_jvp[WORKLOADS_JVP] = {
    ROW("function-sine"), ROW("jvp-sine"), ROW("jvp-weights-sine"), ROW("function-mlp"), ROW("jvp-mlp"),
    ROW("jvp-weights-mlp"), ROW("function-tanh"), ROW("jvp-tanh"), ROW("jvp-weights-tanh")};
