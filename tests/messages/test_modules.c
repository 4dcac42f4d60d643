/* Of modules: making them, their trees, forwards. */
#include <stdio.h>
#include <string.h>

#include "support/tells.h"

#define MUCH ((size_t)4000000000) /* the square of which no memory holds */

static Tape *tape, *far;

static Tensor *ones(Shape shape) {
    return tensor_ones(tape, shape);
}

static bool fails(Frame *frame, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    (void)frame, (void)in, (void)nin, (void)out, (void)nout;
    return false;
}

static bool no_output(Frame *frame, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    (void)frame, (void)in, (void)nin, (void)out, (void)nout;
    return true;
}

static bool no_init(Module *module, Rng *rng) {
    (void)module, (void)rng;
    return false;
}

static void *no_copy(const void *state) {
    (void)state;
    return NULL;
}

static const ModuleClass failing = {.name = "failing", .forward = fails, .init = no_init, .clone_state = no_copy},
                         empty = {.name = "empty", .forward = no_output};

static Tensor *no_tensor(Tensor *x, void *user) {
    (void)x, (void)user;
    return NULL;
}

static void makers(void) {
    Conv2dOptions o = conv2d_options();
    ConvTranspose2dOptions t = conv_transpose2d_options();
    Pool2dOptions p = pool2d_options(2);
    BatchNormOptions b = batch_norm_options();
    NormOptions n = norm_options();
    AttentionOptions a = attention_options();
    RnnOptions r = rnn_options();
    TransformerOptions f = transformer_options();
    TELLS(ARG, module_create(NULL, NULL), "module_create: the class is NULL");
    TELLS(ARG, module_create(&(ModuleClass){.name = "none"}, NULL), "module_create: no forward");
    TELLS(ARG, module_lambda(NULL, NULL), "module_lambda: the function is NULL");
    TELLS(ARG, module_sequential(NULL, 2), "module_sequential: children is NULL");
    TELLS(ARG, module_sequential((Module *[]){NULL}, 1), "module_sequential: the child is NULL");
    TELLS(ARG, module_sum(NULL, 0), "module_sum: no children");
    TELLS(ARG, module_concat(NULL, 0, 0), "module_concat: no children");
    o.groups = 2;
    TELLS(ARG, module_conv2d(3, 4, 3, 3, o), "module_conv2d: 3 and 4 channels are not divisible into 2 groups");
    o = conv2d_options();
    TELLS(ARG, module_conv2d(3, 4, 0, 3, o),
          "module_conv2d: kernel 0, stride 1, padding 0, dilation 1: these are 1 to 65535, the padding from 0");
    o.stride[0] = 2, o.pad = HC_PAD_SAME;
    TELLS(ARG, module_conv2d(3, 4, 3, 3, o), "module_conv2d: HC_PAD_SAME with stride 2, not 1");
    o = conv2d_options();
    o.pad = (ConvPad)9;
    TELLS(ARG, module_conv2d(3, 4, 3, 3, o), "module_conv2d: there is no ConvPad 9");
    o.pad = HC_PAD_UNEVEN, o.padding_after[0] = 70000;
    TELLS(ARG, module_conv2d(3, 4, 3, 3, o), "module_conv2d: padding 70000 is above 65535");
    TELLS(ARG, module_conv1d(3, 4, 0, conv1d_options()),
          "module_conv1d: kernel 0, stride 1, padding 0, dilation 1: these are 1 to 65535, the padding from 0");
    t.output_padding[0] = 1;
    TELLS(ARG, module_conv_transpose2d(3, 4, 3, 3, t),
          "module_conv_transpose2d: output padding 1 is not below stride 1 or dilation 1");
    TELLS(
        ARG, module_conv_transpose1d(3, 4, 0, conv_transpose1d_options()),
        "module_conv_transpose1d: kernel 0, stride 1, padding 0, dilation 1: these are 1 to 65535, the padding from 0");
    TELLS(ARG, module_upsample2d(0, 2, false), "module_upsample2d: 0 by 2: factors are from 1");
    p.padding[0] = 2;
    TELLS(ARG, module_max_pool2d(p), "module_max_pool2d: kernel 2, padding 2: the padding is at most half the kernel");
    p = pool2d_options(2);
    p.dilation[0] = 2;
    TELLS(ARG, module_avg_pool2d(p), "module_avg_pool2d: dilation 2: that of an average is 1");
    TELLS(ARG, module_max_pool1d(pool1d_options(0)),
          "module_max_pool1d: kernel 0, stride 0, padding 0, dilation 1: these are 1 to 65535, the padding from 0");
    TELLS(ARG, module_avg_pool1d(pool1d_options(0)),
          "module_avg_pool1d: kernel 0, stride 0, padding 0, dilation 1: these are 1 to 65535, the padding from 0");
    TELLS(ARG, module_adaptive_avg_pool2d(0, 1), "module_adaptive_avg_pool2d: 0 by 1: sizes are from 1");
    TELLS(ARG, module_dropout(1.5), "module_dropout: p 1.5 is not in [0, 1]");
    b.eps = -1;
    TELLS(ARG, module_batch_norm1d(3, b), "module_batch_norm1d: eps -1 is not a number from 0 up");
    b = batch_norm_options();
    b.momentum = 2;
    TELLS(ARG, module_batch_norm2d(3, b), "module_batch_norm2d: momentum 2 is not in [0, 1]");
    n.eps = -1;
    TELLS(ARG, module_layer_norm(shape1(3), n), "module_layer_norm: eps -1 is not a number from 0 up");
    TELLS(ARG, module_group_norm(1, 3, n), "module_group_norm: eps -1 is not a number from 0 up");
    TELLS(ARG, module_rms_norm(shape1(3), n), "module_rms_norm: eps -1 is not a number from 0 up");
    TELLS(ARG, module_instance_norm1d(3, n), "module_instance_norm1d: eps -1 is not a number from 0 up");
    n = norm_options();
    TELLS(SHAPE, module_layer_norm(shape_of(NULL, 2), n),
          "module_layer_norm: (no shape) is no shape of a tensor: 0 to 8 sizes that fit memory");
    TELLS(ARG, module_group_norm(2, 3, n), "module_group_norm: 2 groups do not divide 3 channels");
    TELLS(ARG, module_multihead_attention(4, 3, a), "module_multihead_attention: 3 heads do not divide size 4");
    a.dropout = 2;
    TELLS(ARG, module_multihead_attention(4, 2, a), "module_multihead_attention: dropout 2 is not in [0, 1]");
    f.eps = -1;
    TELLS(ARG, module_transformer_encoder_layer(4, 2, f),
          "module_transformer_encoder_layer: eps -1 is not a number from 0 up");
    f = transformer_options();
    f.dropout = -1;
    TELLS(ARG, module_transformer_decoder_layer(4, 2, f),
          "module_transformer_decoder_layer: dropout -1 is not in [0, 1]");
    TELLS(ARG, module_transformer_decoder_layer(4, 3, transformer_options()),
          "module_transformer_decoder_layer: 3 heads do not divide size 4");
    r.layers = 0;
    TELLS(ARG, module_rnn(2, 3, r), "module_rnn: no layers");
    r.layers = 5000;
    TELLS(RANGE, module_lstm(2, 3, r), "module_lstm: 5000 layers, more than 4096");
    r = rnn_options();
    r.relu = true;
    TELLS(ARG, module_gru(2, 3, r), "module_gru: relu is an option of module_rnn only");
    r = rnn_options();
    r.dropout = 2;
    TELLS(ARG, module_rnn(2, 3, r), "module_rnn: dropout 2 is not in [0, 1]");
    TELLS(SHAPE, module_rnn(MUCH, MUCH, rnn_options()),
          "module_rnn: 'weight_ih_l0': (4000000000, 4000000000) is no shape of a tensor: 0 to 8 sizes that fit memory");
    TELLS(ARG, module_lstm_cell(2, 3, (RnnCellOptions){.relu = true}),
          "module_lstm_cell: relu is an option of module_rnn_cell only");
#if SIZE_MAX > UINT32_MAX
    TELLS(SHAPE, module_gru_cell(2, SIZE_MAX / 2, rnn_cell_options()),
          "module_gru_cell: a hidden size of 9223372036854775807 does not fit memory");
#endif
    TELLS(SHAPE, module_linear(MUCH, MUCH),
          "module_linear: 'weight': (4000000000, 4000000000) is no shape of a tensor: 0 to 8 sizes that fit memory");
    TELLS(SHAPE, module_embedding(MUCH, MUCH),
          "module_embedding: 'weight': (4000000000, 4000000000) is no shape of a tensor: 0 to 8 sizes that fit memory");
}

static Module *f64(void) {
    Module *module = module_relu();
    module_to(module, HC_F64);
    return module;
}

static void trees(void) {
    Module *net = module_create(&empty, NULL), *third = module_create(&empty, NULL), *other = module_linear(2, 3);
    Rng rng = rng_seed(1);
    TELLS(ARG, module_add_param(NULL, "w", shape1(2)), "module_add_param: the module is NULL");
    TELLS(ARG, module_add_param(net, NULL, shape1(2)), "module_add_param: the name is NULL");
    TELLS(ARG, module_add_param(net, "a.b", shape1(2)),
          "module_add_param: 'a.b' is no name: 1 to 63 letters without dots");
    TELLS(SHAPE, module_add_param(net, "w", shape_of(NULL, 2)),
          "module_add_param: 'w': (no shape) is no shape of a tensor: 0 to 8 sizes that fit memory");
    module_add_param(net, "w", shape1(2));
    TELLS(NAME, module_add_param(net, "w", shape1(2)), "module_add_param: there is a 'w' already");
    TELLS(NAME, module_add_buffer(net, "w", shape1(2), 0), "module_add_buffer: there is a 'w' already");
    TELLS(ARG, module_add_child(net, "a", NULL), "module_add_child: the child is NULL");
    TELLS(ARG, module_add_child(NULL, "a", module_relu()), "module_add_child: the module is NULL");
    TELLS(STATE, module_add_child(net, "a", net), "module_add_child: a module cannot hold itself");
    TELLS(DTYPE, module_add_child(net, "a", f64()), "module_add_child: 'a' is f64, the module f32 (module_to)");
    module_add_child(net, "a", other);
    TELLS(STATE, module_add_child(third, "b", other), "module_add_child: 'b' belongs to another module already");
    module_destroy(third);
    TELLS(NAME, module_add_child(net, "a", module_relu()), "module_add_child: there is a 'a' already");
    TELLS(STATE, module_destroy(other), "module_destroy: the linear module belongs to another, which destroys it");
    TELLS(STATE, module_to(other, HC_F64), "module_to: the linear module belongs to another: convert the whole tree");
    TELLS(ARG, module_to(NULL, HC_F64), "module_to: the module is NULL");
    TELLS(ARG, module_to(net, (DType)7), "module_to: 7 is no type");
    TELLS(NAME, module_tie(net, "a.weight", "v"), "module_tie: there is no 'v'");
    TELLS(SHAPE, module_tie(net, "w", "a.weight"),
          "module_tie: 'w' is (2), 'a.weight' is (3, 2): both must be of one shape");
    TELLS(ARG, module_tie(net, "w", NULL), "module_tie: the source is NULL");
    TELLS(NAME, module_param(net, "a.v"), "module_param: there is no 'a.v'");
    TELLS(ARG, module_param(net, NULL), "module_param: the path is NULL");
    TELLS(NAME, module_buffer(net, "w"), "module_buffer: there is no 'w'");
    TELLS(NAME, module_find(net, "a.b"), "module_find: there is no 'a.b'");
    TELLS(ARG, module_find(NULL, "a"), "module_find: the module is NULL");
    TELLS(ARG, module_init(net, NULL), "module_init: the stream is NULL");
    TELLS(ARG, module_init(NULL, &rng), "module_init: the module is NULL");
    TELLS(ARG, module_init_truncated_normal(net, 1, NULL), "module_init_truncated_normal: the stream is NULL");
    TELLS(ARG, module_clone(NULL), "module_clone: the module is NULL");
    TELLS(ARG, module_print(NULL, stdout), "module_print: the module is NULL");
    TELLS(ARG, module_weight_norm(NULL, "v", 0), "module_weight_norm: the module is NULL");
    TELLS(NAME, module_weight_norm(module_linear(2, 3), "v", 0), "module_weight_norm: the linear module has no 'v'");
    TELLS(SHAPE, module_weight_norm(module_linear(2, 3), "weight", 2), "module_weight_norm: axis 2 of 2 dimensions");
    TELLS(STATE, module_weight_norm(other, "weight", 0),
          "module_weight_norm: the linear module belongs to another already");
    TELLS(STATE, module_weight_norm(module_weight_norm(module_linear(2, 3), "bias", 0), "bias_v", 0),
          "module_weight_norm: 'bias_v' is part of a normalised weight");
    Module *named = module_linear(2, 3);
    module_add_param(named, "weight_v", shape1(1));
    TELLS(NAME, module_weight_norm(named, "weight", 0), "module_weight_norm: there is a 'weight_v' already");
    Module *stuck = module_create(&failing, &rng);
    TELLS(STATE, module_init(stuck, &rng), "module_init: the init of the failing module failed");
    TELLS(NOMEM, module_clone(stuck), "module_clone: out of memory");
    module_destroy(stuck);
    stuck = module_create(&empty, &rng);
    TELLS(STATE, module_clone(stuck), "module_clone: the empty module cannot copy its state");
    module_destroy(stuck);
    module_destroy(net);
    Module *deep = module_relu();
    for (int i = 1; i < 256; i++)
        deep = module_sequential(&deep, 1);
    TELLS(RANGE, module_sequential(&deep, 1), "module_sequential: '0' would be nested more than 256 deep");
}

/* Whether a forward of the module fails with this text. */
#define FORWARD(code, made, input, text)               \
    do {                                               \
        Module *net = made;                            \
        module_to(net, HC_F64);                        \
        module_init(net, tape_rng(tape));              \
        higherc_clear_error();                         \
        TELLS(code, module_forward(net, input), text); \
        module_destroy(net);                           \
    } while (0)

static Module *nested(Module *inner) {
    Module *body = module_sequential((Module *[]){module_relu(), inner}, 2);
    return module_sequential((Module *[]){module_identity(), body}, 2);
}

static void forwards(void) {
    RnnOptions turned = rnn_options();
    turned.batch_first = true;
    FORWARD(SHAPE, module_linear(2, 3), ones(shape2(2, 3)),
            "module_forward: linear: tensor_linear: input (2, 3), weight (3, 2), bias (3); it takes [..., in], [out, "
            "in] and [out]");
    FORWARD(SHAPE, nested(module_linear(2, 3)), ones(shape2(2, 3)),
            "module_forward: linear '1.1': tensor_linear: input (2, 3), weight (3, 2), bias (3); it takes [..., in], "
            "[out, in] and [out]");
    FORWARD(STATE, nested(module_create(&failing, NULL)), ones(shape1(1)),
            "module_forward: failing '1.1': its forward failed");
    FORWARD(STATE, module_create(&empty, NULL), ones(shape1(1)),
            "module_forward: empty: its forward left output 0 NULL");
    FORWARD(STATE, module_lambda(no_tensor, NULL), ones(shape1(1)), "module_forward: lambda: its forward failed");
    FORWARD(SHAPE, module_upsample2d(2, 2, true), ones(shape2(2, 3)),
            "module_forward: upsample2d: (2, 3); it takes [N, C, H, W]");
    FORWARD(SHAPE, module_batch_norm1d(3, batch_norm_options()), ones(shape1(3)),
            "module_forward: batch_norm1d: (3); it takes 2 or 3 axes, the second of size 3");
    FORWARD(SHAPE, module_batch_norm2d(3, batch_norm_options()), ones(shape2(2, 3)),
            "module_forward: batch_norm2d: (2, 3); it takes 4 axes, the second of size 3");
    FORWARD(SHAPE, module_instance_norm1d(3, instance_norm_options()), ones(shape3(2, 3, 1)),
            "module_forward: instance_norm1d: (2, 3, 1); it takes [N, 3, L], of more than one value per channel");
    FORWARD(SHAPE, module_instance_norm2d(3, instance_norm_options()), ones(shape2(2, 3)),
            "module_forward: instance_norm2d: (2, 3); it takes [N, 3, H, W], of more than one value per channel");
    FORWARD(SHAPE, module_rnn(2, 3, rnn_options()), ones(shape2(5, 3)),
            "module_forward: rnn: (5, 3); it takes 2 or 3 axes, the last of size 2");
    FORWARD(SHAPE, module_lstm(2, 3, turned), ones(shape3(4, 0, 2)), "module_forward: lstm: a sequence of no steps");
    FORWARD(SHAPE, module_gru_cell(2, 3, rnn_cell_options()), ones(shape3(1, 1, 2)),
            "module_forward: gru_cell: (1, 1, 2); it takes 1 or 2 axes, the last of size 2");
    FORWARD(SHAPE, module_multihead_attention(4, 2, attention_options()), ones(shape2(5, 3)),
            "module_forward: multihead_attention: query (5, 3), key (5, 3), value (5, 3): it takes [L, N, size] of "
            "sizes 4, 4 and 4");
    FORWARD(ARG, module_transformer_decoder_layer(4, 2, transformer_options()), ones(shape2(5, 4)),
            "module_forward: transformer_decoder_layer: takes x and the memory, then a mask of x and one of the "
            "memory, and gives one tensor");
    FORWARD(RANGE, module_embedding(2, 3), tensor_full(tape, shape1(1), 2),
            "module_forward: embedding: tensor_embedding: index 2 at position 0 is not in 0..1");
}

static void inputs(void) {
    Module *linear = module_linear(2, 3), *lstm = module_lstm(2, 3, rnn_options());
    Module *cell = module_lstm_cell(2, 3, rnn_cell_options());
    AttentionOptions o = attention_options();
    o.batch_first = true;
    Module *attention = module_multihead_attention(4, 2, o);
    Module *encoder = module_transformer_encoder_layer(4, 2, transformer_options()),
           *all[] = {linear, lstm, cell, attention, encoder};
    Tensor *x = ones(shape2(5, 2)), *s = ones(shape2(1, 4)), *out[20];
    TELLS(DTYPE, module_forward(linear, x), "module_forward: the module is f32, the tape f64 (module_to)");
    for (int i = 0; i < 5; i++)
        module_to(all[i], HC_F64);
    TELLS(STATE, module_forward(linear, x),
          "module_forward: linear: param_tensor: 'weight' is not initialised (module_init, param_set)");
    for (int i = 0; i < 5; i++)
        module_init(all[i], tape_rng(tape));
    TELLS(ARG, module_forward(NULL, x), "module_forward: the module is NULL");
    TELLS(ARG, module_forward(linear, NULL), "module_forward: a tensor is NULL");
    TELLS(ARG, module_forward_n(linear, NULL, 1, out, 1), "module_forward_n: the list of inputs is NULL");
    TELLS(ARG, module_forward_n(linear, &x, 0, out, 1), "module_forward_n: no inputs");
    TELLS(ARG, module_forward_n(linear, &x, 1, NULL, 1), "module_forward_n: the list of outputs is NULL");
    TELLS(ARG, module_forward_n(linear, &x, 1, out, 2),
          "module_forward_n: linear: takes one tensor and gives one, not 1 and 2");
    TELLS(ARG, module_forward_n(linear, &x, 1, out, 20),
          "module_forward_n: linear: 20 outputs, at most 16 are possible");
    TELLS(ARG, module_forward_n(lstm, (Tensor *[]){x, s}, 2, out, 1),
          "module_forward_n: lstm: takes a sequence, or that and 2 initial states, and gives the outputs and up to 2 "
          "final states");
    TELLS(SHAPE, module_forward_n(lstm, (Tensor *[]){x, s, s}, 3, out, 1),
          "module_forward_n: lstm: a state is (1, 4) where (1, 3) is needed");
    TELLS(ARG, module_forward_n(cell, (Tensor *[]){x, s}, 2, out, 1),
          "module_forward_n: lstm_cell: takes an input, or that and 2 states, and gives up to 2");
    Tensor *y = ones(shape3(1, 5, 4)), *five[] = {y, y, y, y, y};
    TELLS(ARG, module_forward_n(attention, five, 5, out, 1),
          "module_forward_n: multihead_attention: takes x, or query, key and value, and a mask after them");
    TELLS(ARG, module_forward_n(attention, five, 1, out, 3),
          "module_forward_n: multihead_attention: gives the result, and the weights");
    TELLS(SHAPE, module_forward_n(attention, (Tensor *[]){y, ones(shape2(3, 3))}, 2, out, 1),
          "module_forward_n: multihead_attention: mask (3, 3) does not broadcast to [N, heads, L, S], (1, 2, 5, 5)");
    TELLS(SHAPE, module_forward_n(attention, (Tensor *[]){y, x, y}, 3, out, 1),
          "module_forward_n: multihead_attention: query (1, 5, 4), key (5, 2), value (1, 5, 4): it takes [N, L, size] "
          "of sizes 4, 4 and 4");
    TELLS(ARG, module_forward_n(encoder, five, 3, out, 1),
          "module_forward_n: transformer_encoder_layer: takes x, or x and a mask, and gives one tensor");
    for (int i = 0; i < 5; i++)
        module_destroy(all[i]);
}

/* What a frame is asked, by a forward that says what went wrong. */
static int asked;
static bool asks(Frame *frame, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    (void)nin, (void)nout;
    out[0] = in[0];
    if (asked == 0) return frame_param(frame, "v") != NULL;
    if (asked == 1) return frame_buffer(frame, NULL) != NULL;
    if (asked == 2) return frame_set_buffer(frame, "b", tensor_ones(far, shape1(2)));
    if (asked == 3) return frame_set_buffer(frame, "b", in[0]);
    if (asked == 4) return frame_set_buffer(frame, "b", NULL);
    return frame_call(frame, "c", in[0]) != NULL;
}

static void frames(void) {
    static const ModuleClass asking = {.name = "asking", .forward = asks};
    Module *net = module_create(&asking, NULL);
    Tensor *x = ones(shape1(3));
    module_add_buffer(net, "b", shape1(2), 0);
    module_to(net, HC_F64);
    asked = 0;
    TELLS(NAME, module_forward(net, x), "module_forward: asking: frame_param: the asking module has no 'v'");
    asked++;
    TELLS(NAME, module_forward(net, x), "module_forward: asking: frame_buffer: the asking module has no '(NULL)'");
    asked++;
    TELLS(TAPE, module_forward(net, x),
          "module_forward: asking: frame_set_buffer: the value for 'b' is on another tape");
    asked++;
    TELLS(SHAPE, module_forward(net, x), "module_forward: asking: frame_set_buffer: 'b' is (2), the value (3)");
    asked++;
    TELLS(ARG, module_forward(net, x), "module_forward: asking: frame_set_buffer: the value is NULL");
    asked++;
    TELLS(NAME, module_forward(net, x), "module_forward: asking: frame_call: the asking module has no child 'c'");
    TELLS(ARG, frame_param(NULL, "w"), "frame_param: the frame is NULL");
    TELLS(ARG, frame_call(NULL, "w", x), "frame_call: the frame is NULL");
    module_destroy(net);
}

int main(void) {
    tape = tape_create(HC_F64), far = tape_create(HC_F64);
    tells_on(tape, far);
    makers();
    trees();
    forwards();
    inputs();
    frames();
    tape_destroy(far);
    tape_destroy(tape);
    return check_done();
}
