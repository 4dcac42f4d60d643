/* The graph as text for Graphviz, one line a node, without recursion. */
#include "base/replace.h"
#include "tape/tape.h"

/* A byte for each node up to `last`: below the output or not. NULL after hc_fail. */
static unsigned char *find_below(Tape *tape, size_t last) {
    unsigned char *below = hc_alloc_zero(last + 1, 1);
    if (!below) {
        hc_fail_nomem(tape, "tape_write_dot");
        return NULL;
    }
    below[last] = 1;
    for (size_t i = last + 1; i-- > 0;) {
        if (!below[i]) continue;
        const Tensor *x = hc_node(tape, i);
        for (uint32_t j = 0; j < x->nin; j++)
            below[hc_inputs(x)[j]->index] = 1;
    }
    return below;
}

/* A name inside a quoted string. */
static bool put_name(FILE *file, const char *name) {
    for (; *name; name++) {
        if ((*name == '"' || *name == '\\') && fputc('\\', file) == EOF) return false;
        if (fputc(*name, file) == EOF) return false;
    }
    return true;
}

static bool put_node(FILE *file, const Tensor *x) {
    char shape[HC_SHAPE_TEXT];
    bool param = x->flags & HC_NODE_PARAM;
    bool done =
        fprintf(file, "  n%u [label=\"", x->index) > 0 &&
        put_name(file, param ? x->cell->name : x->op->name) &&
        fprintf(file, "\\n%s\"%s%s];\n", hc_shape_text(hc_form_shape(x->form), shape),
                param ? ", shape=box" : "", x->flags & HC_NODE_NEEDS ? "" : ", style=dashed") > 0;
    for (uint32_t j = 0; done && j < x->nin; j++)
        done = fprintf(file, "  n%u -> n%u;\n", hc_inputs(x)[j]->index, x->index) > 0;
    return done;
}

bool tape_write_dot(Tape *tape, Tensor *output, const char *path) {
    const char *who = "tape_write_dot";
    if (!tape || !path)
        return hc_fail(tape, HC_ERR_ARG, "%s: the %s is NULL", who, tape ? "path" : "tape");
    if (output && !hc_check(who, output)) return false;
    if (output && output->tape != tape)
        return hc_fail(tape, HC_ERR_TAPE, "%s: the output is on another tape", who);
    size_t end = output ? (size_t)output->index + 1 : tape->count;
    unsigned char *below = output ? find_below(tape, output->index) : NULL;
    if (output && !below) return false;
    HcReplace out;
    HcStatus status = hc_replace_open(&out, path);
    bool done = status == HC_OK && fputs("digraph tape {\n", out.file) != EOF;
    for (size_t i = 0; done && i < end; i++)
        if ((!below || below[i]) && hc_alive(hc_node(tape, i)))
            done = put_node(out.file, hc_node(tape, i));
    done = done && fputs("}\n", out.file) != EOF;
    done = hc_replace_close(&out, done);
    hc_free(below);
    if (status == HC_ERR_NOMEM) return hc_fail_nomem(tape, who);
    return done || hc_fail(tape, HC_ERR_IO, "%s: '%s' could not be written in full", who, path);
}
