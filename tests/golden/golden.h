/** @file golden.h
 *  The golden runner: reads cases in the format of README.md beside this file, runs each one
 * through the public interface of libhigherc alone, and compares everything the case records.
 *
 *      reader.c      lines, words and numbers of a text file, with errors that name the line
 *      dict.c        named values, and the memory of one case
 *      parse.c       configuration records      data.c       data records
 *      model.c       layers to modules          optimizer.c  settings to an Optim, and its state
 *      run.c         what a case does           grads.c      the derivatives it ends with
 *      replay.c      the same by a Program      selftest.c   whether all this can fail
 *      compare.c     got against want           main.c       directories, options, the report
 *
 *  Parsing gives one dictionary (what the file holds), running another (what the library computes),
 *  and comparing matches them by name. Out of memory the program ends: it is a test. */
#ifndef GOLDEN_H
#define GOLDEN_H

#include <stdio.h>

#include <higherc/higherc.h>

/* ---- named values --------------------------------------------------------------------------- */

/** Memory that is freed together. */
typedef struct Store {
    struct StoreBlock *first;
} Store;
void *store_alloc(Store *store, size_t count, size_t size); /**< zeroed; never NULL */
/** A copy of `array` (count items) with room for at least one more, when it is full. */
void *store_grow(Store *store, void *array, size_t count, size_t size);
char *store_format(Store *store, const char *format, ...);
void store_free(Store *store);

typedef enum EntryKind {
    ENTRY_REAL,
    ENTRY_INTEGER,
    ENTRY_NONE,
    ENTRY_DIGEST,
    ENTRY_SAME
} EntryKind;

typedef struct Entry {
    const char *name;
    EntryKind kind;
    Shape shape;
    size_t count;         /**< of numbers in values */
    const double *values; /**< a digest's: the samples */
    const double *index;  /**< a digest's: where the samples stand in the flat tensor */
    double sum, abs_sum, weighted_sum; /**< a digest's */
    const char *other;                 /**< of a `same` */
    size_t line;                       /**< in the file; 0 for computed ones */
    struct Entry *next;                /**< in its chain */
} Entry;

typedef struct Dict {
    Entry **items; /**< in the order they were added */
    size_t count;
    Entry **chain;
    size_t chains;
} Dict;
/** A new entry, or NULL when there is one of that name. The name must stay. */
Entry *dict_add(Dict *dict, Store *store, const char *name);
Entry *dict_find(const Dict *dict, const char *name);
/** The same under a name put together; NULL when there is none. */
Entry *dict_find_format(const Dict *dict, const char *format, ...);

/* ---- a case ------------------------------------------------------------------------------------
 */

/** A word followed by numbers: a loss, a callback. */
typedef struct Choice {
    const char *name;
    double arg[4];
    size_t args;
} Choice;

typedef struct Layer {
    const char *kind;
    const char *const *words; /**< what follows the kind */
    size_t count;
} Layer;

typedef struct Setting {
    const char *key;
    double value;
} Setting;

typedef struct Group {
    const char *const *params;
    size_t param_count;
    Setting *settings;
    size_t setting_count;
} Group;

#define WHEN_INIT SIZE_MAX
typedef struct HyperRecord {
    const char *key;
    size_t group; /**< or HC_ALL_GROUPS */
    size_t when;  /**< the step, or WHEN_INIT */
    double value;
} HyperRecord;

typedef struct ParamRecord {
    const char *name;
    bool frozen;
} ParamRecord;

typedef struct Case {
    Store store;
    const char *name;
    double tolerance;
    Layer *layers;
    size_t layer_count;
    Choice loss;
    bool train_warmup, train_inner, train_meta;
    size_t warmup, steps;
    bool copy_initial_weights, track;
    Choice callback;
    double *meta_weights; /**< steps + 1 */
    bool want_x_grad, want_third, want_hvp;
    const char *optimizer;
    Group *groups;
    size_t group_count;
    HyperRecord *hypers;
    size_t hyper_count;
    ParamRecord *params;
    size_t param_count;
    const char **buffers;
    size_t buffer_count;
    Dict data;
} Case;

#define MESSAGE_SIZE 512

/* ---- reading
 * ------------------------------------------------------------------------------------- */

/** A file in memory, handed out line by line as words. */
typedef struct Reader {
    Store *store;
    char *text;
    size_t size, at; /**< at: start of the next line */
    size_t line;     /**< number of the current line, from 1 */
    char **word;     /**< of the current line; they stay as long as the store */
    size_t words;
    char *message; /**< MESSAGE_SIZE bytes; empty while all is well */
} Reader;

bool reader_open(Reader *reader, Store *store, const char *path, char *message);
/** The same for text that is in memory already; it is copied. */
bool reader_open_text(Reader *reader, Store *store, const char *text, size_t size, char *message);
/** The next line that is neither blank nor a comment; false at the end, without an error. */
bool reader_line(Reader *reader);
/** The next line, which must exist, begin with `key` and have at least `words` words. */
bool reader_record(Reader *reader, const char *key, size_t words);
/** Records what is wrong with the current line, once; returns false. */
bool reader_fail(Reader *reader, const char *format, ...);
bool reader_size(Reader *reader, const char *word, size_t *out);
bool reader_real(Reader *reader, const char *word, double *out);
bool reader_flag(Reader *reader, const char *word, bool *out);

/** Reads a case; the store must be freed in any case. False: `message` says what is wrong where. */
bool case_read(Case *c, const char *path, char *message);
bool case_read_text(Case *c, const char *text, size_t size, char *message);
/** The data records, up to and with `end`; then gives each `same` its value. */
bool case_read_data(Case *c, Reader *reader);

/* ---- running
 * ------------------------------------------------------------------------------------- */

/** Why the library cannot run this case yet (a kind of layer it lacks), or NULL. */
const char *case_missing(Case *c);

/** The module a case describes, of that type, with its initial values; NULL: message says why. */
Module *model_build(const Case *c, DType dtype, char *message);
const char *model_missing(const Case *c); /**< a layer kind, or NULL */

/** The optimizer a case describes, over the Params of `net`. */
Optim *optimizer_build(const Case *c, const Module *net, char *message);
/** The library's number of the case's group; SIZE_MAX for one without parameters. */
size_t optimizer_group(const Case *c, size_t group);
/** Adds warm_state/PARAM/KEY as the case asks for them. */
bool optimizer_record_state(const Case *c, const Module *net, const Optim *optim, Dict *results,
                            Store *store);

/** A constant of the tape, and where its numbers are from. */
typedef struct Input {
    Tensor *tensor;
    const double *values;
    bool whole; /**< indices: any other number might be none */
} Input;

/** A result that a tensor holds. */
typedef struct Pending {
    Tensor *tensor;
    Entry *entry;
} Pending;

/** How a case is run. */
typedef struct Manner {
    DType dtype;
    bool replay;  /**< all of it is also captured as a Program, which has to give the same bits */
    size_t every; /**< inner steps go through unroll, which keeps every so many; 0: a loop of single steps */
} Manner;

/** What running a case works with. */
typedef struct Run {
    const Case *c;
    Manner manner;
    Store *store;
    Dict *results;
    char *message;
    Tape *tape;
    Module *net;
    ParamList params; /**< of net, in the case's order */
    Optim *optim;
    FModule *fnet;
    DiffOpt *opt;
    struct Input *inputs;    /**< batches and hyperparameters, as they stand on the tape */
    struct Pending *pending; /**< tensors whose values are results, not yet read */
    size_t input_count, pending_count;
    Tensor *query_x, *query_y;
    Tensor **x, **y; /**< of the inner steps */
    Tensor **hyper;  /**< the learnable hyperparameters */
    Tensor *meta_loss;
} Run;

/** Runs a case in that manner and puts what it computes into results, under the names of README.md
 *  without expect/. False: message says why; what was computed until then is there. */
bool case_run(const Case *c, Manner manner, Dict *results, Store *store, char *message);
/** Captures what was recorded and runs it twice: on other numbers, then on the case's. */
bool run_replay(Run *run);
/** Step 6 of README.md: all derivatives of run->meta_loss. */
bool run_gradients(Run *run);
/** Says what went wrong, once, and what the library says about it; returns false. */
bool run_fail(Run *run, const char *format, ...);
/** Adds a tensor's values under a name put together; a NULL tensor adds a `none`. They are read when all
 *  is recorded (run_settle): a value that changed on the way would show, and a Program may be captured. */
bool run_record(Run *run, Tensor *value, const char *format, ...);
/** Reads what run_record was given. */
bool run_settle(Run *run);
/** A new, empty result of the Param's shape, for values[0..param_count). */
double *run_record_param(Run *run, const Param *param, const char *format, ...);

/* ---- comparing
 * ----------------------------------------------------------------------------------- */

typedef struct Tolerance {
    double relative, absolute;
} Tolerance;
/** What a case must agree to in that type. */
Tolerance case_tolerance(const Case *c, DType dtype);

/** Compares every expect/ entry and returns how many fail. Each of them is a line in `report`;
 * `worst` gets the largest deviation in units of what is allowed. Both may be NULL. */
size_t case_compare(const Case *c, const Dict *results, Tolerance tolerance, FILE *report,
                    double *worst);
/** Compares what was computed in two manners, bit for bit but for derivatives of recorded gradients, which have their
 *  tolerance alone; false: message says where they differ. */
bool case_same(const Dict *one, const Dict *other, char *message);

#endif
