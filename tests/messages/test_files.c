/* Of files that other programs read: what they hold, what is written, what is loaded by name. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "support/tells.h"

static unsigned char bytes[1000];

/* A file that begins with `magic`, its header at `start` and that's length at `at`, then so many bytes of numbers. */
static size_t bytes_of(const char *magic, size_t at, size_t start, const char *header, size_t numbers) {
    size_t length = strlen(header);
    memset(bytes, 0, sizeof bytes);
    memcpy(bytes, magic, strlen(magic));
    bytes[at] = (unsigned char)(length & 255);
    bytes[at + 1] = (unsigned char)(length >> 8);
    memcpy(bytes + start, header, length);
    return start + length + numbers;
}

static size_t file_of(const char *header, size_t numbers) {
    return bytes_of("", 0, 8, header, numbers);
}

#define HEADER(text, numbers, told) TELLS(IO, safetensors_open_memory(bytes, file_of(text, numbers)), told)

static void headers(void) {
    TELLS(ARG, safetensors_open(NULL), "safetensors_open: the path is NULL");
    TELLS(IO, safetensors_open("no/such/file"), "safetensors_open: 'no/such/file' could not be opened");
    TELLS(ARG, safetensors_open_memory(NULL, 9), "safetensors_open_memory: bytes is NULL");
    TELLS(IO, safetensors_open_memory(bytes, 5),
          "safetensors_open_memory: 'memory' has 5 bytes: a safetensors file has more than 8");
    TELLS(
        IO, safetensors_open_memory(bytes, file_of("{", 0)),
        "safetensors_open_memory: 'memory' is no safetensors file: its header would have 1 bytes, not 2 to 100000000");
    TELLS(IO, safetensors_open_memory(bytes, file_of("[]", 0)),
          "safetensors_open_memory: 'memory' is no safetensors file: its header does not begin with '{'");
    TELLS(IO, safetensors_open_memory(bytes, file_of("{        }", 0) - 5),
          "safetensors_open_memory: 'memory' is cut off within its header of 10 bytes");
    HEADER("{\"\xff\":1}", 0, "safetensors_open_memory: 'memory': its header is not UTF-8");
    HEADER("{} x", 0, "safetensors_open_memory: 'memory': at byte 3 of its header should be nothing but spaces");
    HEADER("{}", 4, "safetensors_open_memory: 'memory' holds more than it should: its header says 0 bytes of numbers");
    HEADER("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 0,
           "safetensors_open_memory: 'memory' is cut off: its header says 4 bytes of numbers");
    HEADER("{\"a\":{\"dtype\":\"F31\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
           "safetensors_open_memory: 'memory': tensor 'a' is of type 'F31', which is none of BOOL, U8 to U64, I8 to "
           "I64, F16, BF16, F32, F64");
    HEADER("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4,
           "safetensors_open_memory: 'memory': tensor 'a' stands at bytes 0 to 4, its shape and type take 8");
    HEADER("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8,
           "safetensors_open_memory: 'memory': tensor 'a' begins behind a hole");
    HEADER("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", 4,
           "safetensors_open_memory: 'memory': at byte 28 of its header should be one \"dtype\"");
    HEADER("{\"a\":{\"shape\":[1],\"shape\":[1]}}", 4,
           "safetensors_open_memory: 'memory': at byte 26 of its header should be one \"shape\"");
    HEADER("{\"a\":{\"data_offsets\":[0,4],\"data_offsets\":[0,4]}}", 4,
           "safetensors_open_memory: 'memory': at byte 42 of its header should be one \"data_offsets\"");
    HEADER("{\"a\":{\"type\":1}}", 4,
           "safetensors_open_memory: 'memory': at byte 13 of its header should be \"dtype\", \"shape\" or "
           "\"data_offsets\"");
    HEADER("{\"a\":{\"dtype\":\"F32\"}}", 4,
           "safetensors_open_memory: 'memory': at byte 20 of its header should be \"dtype\", \"shape\" and "
           "\"data_offsets\" of each tensor");
    HEADER("{\"__metadata__\":{},\"__metadata__\":{}}", 0,
           "safetensors_open_memory: 'memory': at byte 34 of its header should be one \"__metadata__\"");
    HEADER("{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", 0,
           "safetensors_open_memory: 'memory': metadata 'a' stands there twice");
    HEADER("{\"a\":{\"dtype\":\"F32\",\"shape\":[01],\"data_offsets\":[0,4]}}", 4,
           "safetensors_open_memory: 'memory': at byte 31 of its header should be a number without zeros before it");
    HEADER("{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", 4,
           "safetensors_open_memory: 'memory': tensor 'a' has more than 8 dimensions");
    HEADER("{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,4]}}", 4,
           "safetensors_open_memory: 'memory': tensor 'a' has a shape of more numbers than there can be");
    HEADER("{\"a\":{\"dtype\":\"F32\",\"shape\":[x],\"data_offsets\":[0,4]}}", 4,
           "safetensors_open_memory: 'memory': at byte 29 of its header should be a whole number of 0 to 2^64 - 1");
    HEADER("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4,
           "safetensors_open_memory: 'memory': tensor 'a' stands at bytes 4 to 0, its shape and type take 4");
    HEADER("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
           "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
           8, "safetensors_open_memory: 'memory': tensor 'a' stands there twice");
    HEADER("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
           "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]}}",
           12, "safetensors_open_memory: 'memory': tensor 'b' begins behind a hole");
    HEADER("{\"\\u00g0\":{}}", 0,
           "safetensors_open_memory: 'memory': at byte 6 of its header should be four hexadecimal digits after \\u");
    HEADER("{\"\\ud800\":{}}", 0,
           "safetensors_open_memory: 'memory': at byte 8 of its header should be surrogates in pairs");
    HEADER("{\"\\q\":{}}", 0,
           "safetensors_open_memory: 'memory': at byte 4 of its header should be an escape that JSON has");
    HEADER("{\"\\u0000\":{}}", 0,
           "safetensors_open_memory: 'memory': at byte 8 of its header should be a text without a zero in it");
    HEADER("{\"\n\":{}}", 0,
           "safetensors_open_memory: 'memory': at byte 2 of its header should be control characters as escapes");
    HEADER("{\"a", 0,
           "safetensors_open_memory: 'memory': at byte 3 of its header should be a double quote at a text's end");
    HEADER("{\"a\" 1}", 0, "safetensors_open_memory: 'memory': at byte 5 of its header should be ':' behind a name");
    HEADER("{\"a\":{}} ", 0,
           "safetensors_open_memory: 'memory': at byte 6 of its header should be a text in double quotes");
    HEADER("{1}", 0, "safetensors_open_memory: 'memory': at byte 1 of its header should be a text in double quotes");
    HEADER("{\"__metadata__\":{\"a\":1}}", 0,
           "safetensors_open_memory: 'memory': at byte 21 of its header should be a text in double quotes");
}

static void contents(void) {
    Tape *tape = tape_create(HC_F64);
    Param *p = param_create("p", shape1(3), HC_F32), *fresh = param_create("fresh", shape1(1), HC_F32);
    float small[2];
    double room[2] = {0};
    size_t size = file_of("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4);
    Safetensors *file = safetensors_open_memory(bytes, size);
    TELLS(NAME, safetensors_to_f32(file, "b", small, 1), "safetensors_to_f32: there is no tensor 'b'");
    TELLS(SHAPE, safetensors_to_f32(file, "a", small, 2), "safetensors_to_f32: 'a' has 1 numbers, not 2");
    TELLS(ARG, safetensors_to_f64(file, "a", NULL, 1), "safetensors_to_f64: values is NULL");
    TELLS(ARG, safetensors_to_f64(NULL, "a", room, 1), "safetensors_to_f64: the file is NULL");
    TELLS(ARG, safetensors_to_f64(file, NULL, room, 1), "safetensors_to_f64: the name is NULL");
    TELLS(SHAPE, safetensors_to_param(file, "a", p), "safetensors_to_param: 'a' is (1), the Param 'p' is (3)");
    TELLS(ARG, safetensors_to_param(file, "a", NULL), "safetensors_to_param: the Param is NULL");
    TELLS(NAME, safetensors_tensor(file, "b", tape), "safetensors_tensor: there is no tensor 'b'");
    TELLS(ARG, safetensors_tensor(file, "a", NULL), "safetensors_tensor: the tape is NULL");
    TELLS(RANGE, safetensors_name(file, 1), "safetensors_name: there is no tensor 1 of 1");
    TELLS(RANGE, safetensors_type(file, 1), "safetensors_type: there is no tensor 1 of 1");
    TELLS(RANGE, safetensors_shape(file, 1), "safetensors_shape: there is no tensor 1 of 1");
    TELLS(ARG, safetensors_shape(NULL, 1), "safetensors_shape: the file is NULL");
    TELLS(RANGE, safetensors_metadata_key(file, 0), "safetensors_metadata_key: there is no text 0 of 0");
    TELLS(ARG, safetensors_metadata_key(NULL, 0), "safetensors_metadata_key: the file is NULL");
    safetensors_destroy(file);
    file = safetensors_create();
    safetensors_add_f32(file, "a", shape1(2), small);
    TELLS(NAME, safetensors_add_f32(file, "a", shape1(2), small), "safetensors_add_f32: 'a' is there already");
    TELLS(NAME, safetensors_add_f64(file, "__metadata__", shape1(2), room),
          "safetensors_add_f64: no tensor can be called '__metadata__'");
    TELLS(NAME, safetensors_add_f64(file, "\xff", shape1(2), room), "safetensors_add_f64: a name is not UTF-8");
    TELLS(SHAPE, safetensors_add_f64(file, "b", shape_of(NULL, 2), room),
          "safetensors_add_f64: 'b' cannot have the shape (no shape)");
    TELLS(ARG, safetensors_add_f64(file, "b", shape1(2), NULL), "safetensors_add_f64: values is NULL");
    TELLS(ARG, safetensors_add_f64(file, NULL, shape1(2), room), "safetensors_add_f64: the name is NULL");
    TELLS(ARG, safetensors_add_f64(NULL, "b", shape1(2), room), "safetensors_add_f64: the file is NULL");
    TELLS(ARG, safetensors_add_tensor(file, "b", NULL), "safetensors_add_tensor: the tensor is NULL");
    TELLS(NAME, safetensors_set_metadata(file, "a", "\xff"), "safetensors_set_metadata: a text is not UTF-8");
    TELLS(ARG, safetensors_set_metadata(file, NULL, "b"), "safetensors_set_metadata: the key is NULL");
    TELLS(ARG, safetensors_set_metadata(file, "a", NULL), "safetensors_set_metadata: the value is NULL");
    TELLS(STATE, safetensors_add_params(file, NULL, (ParamList){&fresh, 1}),
          "safetensors_add_params: 'fresh' is not initialised (module_init, param_set)");
    TELLS(IO, safetensors_save(file, "no/such/folder/x"),
          "safetensors_save: 'no/such/folder/x' could not be opened for writing");
    TELLS(ARG, safetensors_save(file, NULL), "safetensors_save: the path is NULL");
    safetensors_destroy(file);
    param_unref(p);
    param_unref(fresh);
    tape_destroy(tape);
}

static void by_name(void) {
    Module *net = module_linear(1, 1);
    module_init(net, &(Rng){1, 2});
    Optim *sgd = optim_sgd(module_params(net), sgd_options(0.1)),
          *adam = optim_adam(module_params(net), adam_options(0.1));
    LoadReport report;
    Safetensors *file = safetensors_create(), *other = safetensors_create(), *shaped = safetensors_create();
    const float two[] = {1, 2};
    safetensors_add_f32(other, "weight", shape2(1, 1), two);
    safetensors_add_f32(shaped, "weight", shape1(2), two);
    safetensors_add_f32(shaped, "bias", shape1(1), two);
    TELLS(NAME, safetensors_to_module(file, net, load_options(), &report),
          "safetensors_to_module: missing: weight (1, 1), bias (1)");
    TELLS(NAME, safetensors_to_module(other, net, load_options(), &report), "safetensors_to_module: missing: bias (1)");
    TELLS(SHAPE, safetensors_to_module(shaped, net, load_options(), &report),
          "safetensors_to_module: of another shape: weight is (1, 1) here and (2) in the file");
    TELLS(ARG, safetensors_to_module(NULL, net, load_options(), &report), "safetensors_to_module: the file is NULL");
    TELLS(ARG, safetensors_to_module(file, NULL, load_options(), &report), "safetensors_to_module: the module is NULL");
    TELLS(ARG, safetensors_to_params(file, (ParamList){(Param *[]){NULL}, 1}, load_options(), &report),
          "safetensors_to_params: a Param is NULL");
    TELLS(NAME,
          safetensors_add_params(file, NULL,
                                 (ParamList){(Param *[]){module_params(net).items[0], module_params(net).items[0]}, 2}),
          "safetensors_add_params: 'weight' is there already");
    TELLS(NAME, safetensors_to_optim(other, sgd, load_options(), &report),
          "safetensors_to_optim: the file holds no optimizer: the metadata 'rule' is missing for 'sgd'");
    safetensors_add_optim(file, NULL, sgd);
    TELLS(NAME, safetensors_to_optim(file, adam, load_options(), &report),
          "safetensors_to_optim: the file is of the rule 'sgd', not 'adam'");
    TELLS(IO, module_load_safetensors(net, "no/such/file", load_options(), &report),
          "module_load_safetensors: 'no/such/file' could not be opened");
    TELLS(ARG, module_save_safetensors(NULL, "x"), "module_save_safetensors: the module is NULL");
    TELLS(ARG, module_load_safetensors(net, NULL, load_options(), &report),
          "module_load_safetensors: the path is NULL");
    safetensors_destroy(shaped);
    safetensors_destroy(other);
    safetensors_destroy(file);
    optim_destroy(adam);
    optim_destroy(sgd);
    module_destroy(net);
}

static size_t npy_of(const char *header, size_t numbers) { /* of version 1.0 */
    return bytes_of("\x93NUMPY\x01", 8, 10, header, numbers);
}

#define ARRAY(text, numbers, told) TELLS(IO, npy_open_memory(bytes, npy_of(text, numbers)), told)

static void npy(void) {
    double room[2];
    float small[2] = {0};
    Tape *tape = tape_create(HC_F64);
    Param *p = param_create("p", shape1(3), HC_F32);
    TELLS(ARG, npy_open(NULL), "npy_open: the path is NULL");
    TELLS(IO, npy_open("no/such/file"), "npy_open: 'no/such/file' could not be opened");
    TELLS(ARG, npy_open_memory(NULL, 9), "npy_open_memory: bytes is NULL");
    memset(bytes, 0, sizeof bytes);
    TELLS(IO, npy_open_memory(bytes, 5), "npy_open_memory: 'memory' is no .npy file");
    npy_of("", 0), bytes[6] = 4;
    TELLS(IO, npy_open_memory(bytes, 10), "npy_open_memory: 'memory' has version 4.0 of its format, not 1.0 to 3.0");
    npy_of("", 0);
    TELLS(IO, npy_open_memory(bytes, 9), "npy_open_memory: 'memory' is no .npy file");
    npy_of("", 0), bytes[9] = 255;
    TELLS(IO, npy_open_memory(bytes, 10),
          "npy_open_memory: 'memory' would have a header of 65280 bytes, not at most 10000");
    npy_of("", 0), bytes[8] = 1;
    TELLS(IO, npy_open_memory(bytes, 10), "npy_open_memory: 'memory' is cut off within its header");
    ARRAY("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", 4,
          "npy_open_memory: 'memory': at byte 11 of its header should be the type of one number");
    ARRAY("{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}", 4,
          "npy_open_memory: 'memory': at byte 34 of its header should be True or False");
    ARRAY("{'descr': '<f4', 'descr': '<f4'}", 4,
          "npy_open_memory: 'memory': at byte 25 of its header should be 'descr', 'fortran_order' and 'shape', each "
          "once");
    ARRAY("{'descr': '<f4'}", 4,
          "npy_open_memory: 'memory': at byte 16 of its header should be 'descr', 'fortran_order' and 'shape', each "
          "once");
    ARRAY("{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x", 4,
          "npy_open_memory: 'memory': at byte 56 of its header should be nothing but blanks");
    ARRAY("{'descr': '<c8', 'fortran_order': False, 'shape': (1,)}", 4,
          "npy_open_memory: 'memory' is an array of '<c8', not of numbers '<f8', '<f4', '<f2', '|b1', '<i1' to '<i8' "
          "or '<u1' to '<u8'");
    ARRAY("{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1)}", 4,
          "npy_open_memory: 'memory' has more than 8 dimensions");
    ARRAY("{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807,8)}", 4,
          "npy_open_memory: 'memory' has a shape of more numbers than there can be");
    ARRAY("{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", 0,
          "npy_open_memory: 'memory' is cut off: its header says 4 bytes of numbers");
    ARRAY("{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", 5,
          "npy_open_memory: 'memory' holds more than it should: its header says 4 bytes of numbers");
    ARRAY("{'descr': '<f4', 'fortran_order': False, 'shape': 1}", 5,
          "npy_open_memory: 'memory': at byte 50 of its header should be a shape in brackets");
    ARRAY("x", 5, "npy_open_memory: 'memory': at byte 0 of its header should be '{'");
    Npy *file = npy_open_memory(bytes, npy_of("{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", 4));
    TELLS(SHAPE, npy_to_f64(file, room, 2), "npy_to_f64: 'memory' has 1 numbers, not 2");
    TELLS(ARG, npy_to_f32(file, NULL, 1), "npy_to_f32: values is NULL");
    TELLS(ARG, npy_to_f32(NULL, small, 1), "npy_to_f32: the file is NULL");
    TELLS(SHAPE, npy_to_param(file, p), "npy_to_param: 'memory' is (1), the Param 'p' is (3)");
    TELLS(ARG, npy_to_param(file, NULL), "npy_to_param: the Param is NULL");
    TELLS(ARG, npy_tensor(file, NULL), "npy_tensor: the tape is NULL");
    TELLS(ARG, npy_tensor(NULL, tape), "npy_tensor: the file is NULL");
    npy_destroy(file);
    TELLS(SHAPE, npy_save_f32("x.npy", shape_of(NULL, 2), small),
          "npy_save_f32: an array cannot have the shape (no shape)");
    TELLS(ARG, npy_save_f32(NULL, shape1(2), small), "npy_save_f32: the path is NULL");
    TELLS(ARG, npy_save_f64("x.npy", shape1(2), NULL), "npy_save_f64: values is NULL");
    TELLS(STATE, npy_save_param("x.npy", p), "npy_save_param: 'p' is not initialised (module_init, param_set)");
    TELLS(ARG, npy_save_param("x.npy", NULL), "npy_save_param: the Param is NULL");
    TELLS(ARG, npy_save_tensor("x.npy", NULL), "npy_save_tensor: the tensor is NULL");
    TELLS(IO, npy_save_f32("no/such/folder/x.npy", shape1(2), small),
          "npy_save_f32: 'no/such/folder/x.npy' could not be opened for writing");
    param_unref(p);
    tape_destroy(tape);
}

int main(void) {
    headers();
    contents();
    by_name();
    npy();
    return check_done();
}
