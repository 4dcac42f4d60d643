/* What an operation is, and a node. A tape node points at its operation's constant descriptor, so the
 * tape never asks which operation it holds. */
#ifndef HC_TAPE_OP_H
#define HC_TAPE_OP_H

#include "kernels/kernels.h"
#include "tape/form.h"

typedef struct HcOp HcOp;
typedef struct HcSweep HcSweep; /* ops/cotangent.h */
typedef struct HcTaken HcTaken; /* grad/sweep.h */
struct HcProgram;

typedef struct HcReduce {
    uint32_t axes; /* bit i: axis i */
    bool keep;
    bool stored; /* reads its input in the order of storage */
} HcReduce;

/* An operation's plain attributes. */
typedef union HcAttr {
    double real[4];
    const HcForm *form;
    HcReduce reduce;
    struct {
        int axis;
        size_t start, step, size; /* size: of the axis on the other side */
    } range;
    struct {
        bool ta, tb; /* operands read transposed */
    } product;
    struct {
        int offset; /* of a diagonal, in columns */
        bool upper;
        double diagonal; /* what it is multiplied by */
        size_t rows, cols;
    } triangle;
    struct {
        uint64_t key, counter; /* where the node's numbers begin, so that it draws the same again */
        double p;
        bool of_tape; /* from the tape's own stream */
    } random;
    struct {
        uint16_t stride[2], pad[2], dilation[2], kernel[2]; /* along H and W */
        uint32_t groups;
        bool counts_padding, relu; /* relu: before the largest is taken */
        union {
            const HcForm *form; /* of the result, where the inputs do not say */
            double eps;         /* of the batch norm before it */
        };
    } window;
    struct {
        const void *cls; /* a CustomClass */
        void *state;     /* the caller's */
        void *value;     /* while the node is made: a tensor to be copied */
    } custom;
    int axes[HC_MAX_DIMS]; /* a permutation */
    unsigned bits;
    uint64_t version; /* a borrowing leaf: that of its cell when it was made */
} HcAttr;

/* Memory that a leaf borrows and someone may write; the first member of Param. */
typedef struct HcCell {
    uint64_t version; /* counts the writes */
    const char *name;
} HcCell;

/* Why no gradient flows through a node; the larger number explains more and is passed on. */
typedef enum HcWhy {
    HC_WHY_NOTHING,     /* one does flow */
    HC_WHY_CONSTANT,    /* data */
    HC_WHY_FROZEN,      /* a frozen Param */
    HC_WHY_RECORDING,   /* history was off */
    HC_WHY_NO_GRAPH,    /* a gradient without HC_CREATE_GRAPH */
    HC_WHY_FIRST_ORDER, /* a gradient in HC_FIRST_ORDER */
    HC_WHY_EVAL,        /* a step in HC_EVAL */
    HC_WHY_DETACHED,    /* tensor_detach */
    HC_WHY_OP,          /* an operation without a derivative */
    HC_WHY_COPIED       /* copy_initial_weights */
} HcWhy;

enum {
    HC_NODE_NEEDS = 1,    /* a gradient flows through it */
    HC_NODE_SCRATCH = 2,  /* placed in the scratch store, freed by its last holder */
    HC_NODE_BORROWED = 4, /* reads memory of an HcCell: itself or through aliases */
    HC_NODE_CONSUME = 8,  /* read by no one else: where it is the acc it may be overwritten */
    HC_NODE_OWNS = 16,    /* of a buffer no other reads: in scratch freed with it, by a Program never shared */
    HC_NODE_PARAM = 32,   /* the leaf of a Param */
    HC_NODE_LOST = 64,    /* its numbers came from tensors by a way that was not recorded */
    HC_NODE_BESIDE = 128  /* it, or one of its inputs, reads memory of an HcCell */
};

#define HC_INLINE_INPUTS 4
#define HC_LAST_BIT 15u
#define HC_CHECK_WORD 0x48634e64u
#define HC_HIDDEN_WORD 0x48634869u /* of a node that no caller may hold */

/* What others read of a node, up to its first two inputs, is one line of cache. Where a place has two names, the
 * comment says of which node each is. */
struct HcTensor {
    const HcOp *op;
    Tape *tape;
    const HcForm *form;
    void *data;
    uint32_t check;
    union {
        uint32_t index;   /* among those of the tape, or of a Program */
        uint32_t holders; /* of a scratch node */
    };
    uint32_t nin;
    uint8_t flags, why;
    uint16_t passing; /* bit j: a gradient flows on to input j; HC_LAST_BIT: or to one after it */
    union {
        Tensor *few[HC_INLINE_INPUTS];
        Tensor **many;
    } in;
    union {
        uint64_t serial;  /* counts the tensors of the tape */
        size_t displaced; /* of a Program's alias: how far into its input's memory it begins, in bytes */
    };
    union {
        const HcCell *cell;   /* of a leaf that borrows: whose memory, a Param's among others; else NULL, or */
        const HcTaken *taken; /* of a gradient kept as a constant: how it was taken */
    };
    HcAttr attr;
};

static inline Tensor *const *hc_inputs(const Tensor *t) {
    return t->nin <= HC_INLINE_INPUTS ? t->in.few : t->in.many;
}

/* Descriptor flags. */
enum {
    HC_OP_ALIAS = 1,   /* the result reads input 0's memory: infer sets data */
    HC_OP_ACC = 2,     /* adds to a last input past `arity`, which may be missing, or changes it */
    HC_OP_NODIFF = 4,  /* no derivative: no gradient flows through */
    HC_OP_LEAF = 8,    /* history begins here: an input is only what the numbers were taken from */
    HC_OP_COPY = 16,   /* the result has input 0's numbers, in memory of its own */
    HC_OP_RANDOM = 32, /* draws numbers: attr.random is in use */
    HC_OP_PARTS = 64,  /* several outputs: parts that follow it on the tape */
    HC_OP_PART = 128,  /* one of them: it has no rule and keeps its cotangent for its parent's */
    HC_OP_MORE = 256   /* may have inputs past `arity` that are no acc */
};

/* Which values a rule reads (HcOp.reads): input j, or the result. */
#define HC_IN(j) (1u << (j))
#define HC_READS_OUTPUT 0x8000u
#define HC_MOST_READ 9 /* inputs; no rule reads one after these */
#define HC_MOST_COMPOSED HC_MOST_READ

struct HcOp {
    const char *name; /* as the public builder's, for messages */
    unsigned flags;
    unsigned arity; /* how many inputs at most, but for what ACC and MORE say */
    /* Sets y->form from inputs and attributes, for an alias y->data too. Any other's form must be
     * packed: forward writes it in that order. False after hc_fail. */
    bool (*infer)(Tensor *y);
    /* Computes y->data from the node alone; where op->flags say ACC, into what is there. Numbers are read and
     * written by the kernels of y->tape->k only, and what else runs on them goes through its `call`, for a
     * Program keeps the calls in the place of the forward; memory in between is a workspace. */
    bool (*forward)(Tensor *y);
    /* Hands each needed input its cotangent (ops/cotangent.h), given that of y. Calls builders only. */
    void (*vjp)(HcSweep *sweep, Tensor *y, Tensor *gy);
    /* For a fused operation: records the same value made of other operations out of y's inputs, at most
     * HC_MOST_COMPOSED. One without vjp has the rule of that. */
    Tensor *(*compose)(Tensor *y);
    /* Which values the gradient to input j reads: HC_IN(i) for input i, HC_READS_OUTPUT for y. In an input
     * whose gradient reads neither itself nor y, the operation is linear. */
    uint16_t reads[HC_MOST_READ];
    size_t kernel; /* offset in HcKernels of the elementwise function, for the shared forwards */
    /* How many multiply-adds a number of the result takes, for a program to weigh; or NULL. */
    size_t (*cost)(const Tensor *y);
    /* For an operation with things of its own on the tape: makes those of a Program's copy live with the Program,
     * while the tape is as it was captured. False after hc_fail on that tape. */
    bool (*own)(struct HcProgram *program, Tensor *copy);
};

/* Runs and records one operation. NULL inputs and errors as tensor.h says. In two halves: the attributes are written
 * to the node in between, member by member, for what stands beside them is compared with them and must be set. */
Tensor *hc_begin(const HcOp *op, Tensor *const *in, size_t nin);
Tensor *hc_finish(Tensor *y);
/* In one call, with attributes of which each byte is set; form: the result's, where infer lets the caller say it, or
 * NULL. */
Tensor *hc_emit_as(const HcOp *op, const HcAttr *attr, const HcForm *form, Tensor *const *in, size_t nin);

static inline Tensor *hc_emit(const HcOp *op, const HcAttr *attr, Tensor *const *in, size_t nin) {
    Tensor *y = hc_begin(op, in, nin);
    if (!y) return NULL;
    if (attr) y->attr = *attr;
    return hc_finish(y);
}

static inline Tensor *hc_emit1(const HcOp *op, const HcAttr *attr, Tensor *x) {
    return hc_emit(op, attr, &x, 1);
}

static inline Tensor *hc_emit2(const HcOp *op, const HcAttr *attr, Tensor *a, Tensor *b) {
    return hc_emit(op, attr, (Tensor *[]){a, b}, 2);
}

/* A leaf of a shape; data NULL: owned and not yet filled, else borrowed. */
Tensor *hc_emit_leaf(Tape *tape, const char *who, Shape shape, void *data, HcWhy why);
/* The same on the tape, whatever its manner. */
Tensor *hc_emit_tape_leaf(Tape *tape, const char *who, Shape shape, void *data, HcWhy why);
/* A leaf with x's numbers, as a constant or (needs) one of which gradients can be asked; it shares x's
 * memory where it may (share), else has its own. */
Tensor *hc_leaf_of(Tensor *x, bool share, bool needs, HcWhy why);

/* Runs a node's forward, and frees its workspaces. */
bool hc_forward(Tensor *y);
/* For forwards: input j's numbers as `form` (packed, of its shape) stores them, or row-major; copied to
 * a workspace if they are not so, or NULL after hc_fail. */
const void *hc_copied_input(Tensor *y, size_t j, const HcForm *form);
/* For forwards: memory to compute in, which lives until the forward ends; NULL after hc_fail. */
void *hc_workspace(Tensor *y, size_t bytes);

static inline const void *hc_input_as(Tensor *y, size_t j, const HcForm *form) {
    const Tensor *x = hc_inputs(y)[j];
    return x->form == form ? x->data : hc_copied_input(y, j, form);
}

static inline const void *hc_dense_input(Tensor *y, size_t j) {
    return hc_input_as(y, j, hc_inputs(y)[j]->form->plain);
}

/* x's numbers as a constant in memory of its own, stored as x is, views too: in what order a rule sums may follow from
 * that, and is to be the same where x itself would have stood. Made in the tape's manner; NULL after hc_fail. */
Tensor *hc_copied(const Tensor *x, HcWhy why);
/* The same in scratch, held for the caller. */
Tensor *hc_apart(const Tensor *x);
/* A leaf over numbers that lie as the form, also one of another tape, says. */
Tensor *hc_leaf_over(Tape *tape, const char *who, const HcForm *form, void *numbers, HcWhy why);
/* How many numbers lie from the first that a form shows to the last. */
size_t hc_extent(const HcForm *form);
/* Copies x's numbers to `to`, as `form` (packed, of x's shape) stores them, or row-major. */
void hc_copy_as(const Tensor *x, const HcForm *form, void *to);
void hc_copy_dense(const Tensor *x, void *to);
/* For an ACC operation's forward: makes y->data hold the acc input, or zeros without one. */
void hc_start_from_acc(Tensor *y);
/* The acc input of a node, or NULL. */
static inline Tensor *hc_acc_of(const Tensor *y) {
    return (y->op->flags & HC_OP_ACC) && y->nin > y->op->arity ? hc_inputs(y)[y->op->arity] : NULL;
}

extern const HcOp hc_op_leaf;

#endif
