/* What a run does not look at goes. Of the nodes only those are needed whose forward is called whole, what those
 * read, inputs, outputs and gradients; all others have become addresses in calls. */
#include <string.h>

#include "program/call.h"

enum { READ = 1, CALLED = 2 };

static bool is_called_whole(const HcCall *call) {
    return call->run == hc_call_forward;
}

static void mark_all(const Program *p, Tensor *const *list, size_t count, unsigned char *marks) {
    for (size_t i = 0; i < count; i++)
        marks[list[i] - p->nodes] |= READ;
}

/* What is needed, and how many inputs stand in lists of their own. */
static size_t mark(const Program *p, unsigned char *marks) {
    size_t links = 0;
    mark_all(p, p->inputs, p->input_count, marks);
    mark_all(p, p->outputs, p->output_count, marks);
    mark_all(p, p->grads, p->grad_count, marks);
    for (size_t i = 0; i < p->call_count; i++) {
        const Tensor *x = p->calls[i].u.node;
        if (!is_called_whole(&p->calls[i])) continue;
        marks[x - p->nodes] |= CALLED;
        mark_all(p, hc_inputs(x), x->nin, marks);
        if (x->nin > HC_INLINE_INPUTS) links += x->nin;
    }
    return links;
}

/* Where each node that stays is to stand; how many do. */
static size_t number(const Program *p, const unsigned char *marks, uint32_t *place) {
    size_t kept = 0;
    for (size_t i = 0; i < p->count; i++)
        if (marks[i]) place[i] = (uint32_t)kept++;
    return kept;
}

typedef struct Move {
    const Program *p;
    const uint32_t *place;
    Tensor *nodes, **links;
} Move;

static Tensor *moved(const Move *m, const Tensor *x) {
    HC_ASSERT(x >= m->p->nodes && x < m->p->nodes + m->p->count);
    return &m->nodes[m->place[x - m->p->nodes]];
}

static void move_all(const Move *m, Tensor **list, size_t count) {
    for (size_t i = 0; i < count; i++)
        list[i] = moved(m, list[i]);
}

/* A node that is only read has no inputs any more. */
static void move_nodes(Move *m, const unsigned char *marks) {
    for (size_t i = 0; i < m->p->count; i++) {
        const Tensor *from = &m->p->nodes[i];
        if (!marks[i]) continue;
        Tensor *to = moved(m, from);
        *to = *from;
        if (!(marks[i] & CALLED)) {
            to->nin = 0;
            continue;
        }
        Tensor **in = to->in.few;
        if (to->nin > HC_INLINE_INPUTS) {
            in = to->in.many = m->links;
            m->links += to->nin;
        }
        memcpy(in, hc_inputs(from), to->nin * sizeof *in);
        move_all(m, in, to->nin);
    }
}

static void enforce(Program *p, Move *m, HcCall *calls, const unsigned char *marks) {
    Tensor **links = m->links;
    move_nodes(m, marks);
    if (p->call_count) memcpy(calls, p->calls, p->call_count * sizeof *calls);
    for (size_t i = 0; i < p->call_count; i++)
        if (is_called_whole(&calls[i])) calls[i].u.node = moved(m, calls[i].u.node);
    move_all(m, p->inputs, p->input_count);
    move_all(m, p->outputs, p->output_count);
    move_all(m, p->grads, p->grad_count);
    hc_free(p->nodes);
    hc_free(p->links);
    hc_free(p->calls);
    hc_free(p->steps);
    p->nodes = m->nodes;
    p->links = links;
    p->calls = calls;
    p->steps = NULL;
    p->call_capacity = p->call_count;
}

bool hc_program_trim(Program *p) {
    unsigned char *marks = hc_alloc_zero(p->count, 1);
    uint32_t *place = hc_alloc(p->count, sizeof *place);
    HcCall *calls = hc_alloc(p->call_count, sizeof *calls);
    size_t link_count = marks ? mark(p, marks) : 0;
    size_t kept = marks && place ? number(p, marks, place) : 0;
    Move m = {p, place, hc_alloc(kept, sizeof *m.nodes), hc_alloc(link_count, sizeof *m.links)};
    bool done = marks && place && calls && m.nodes && m.links;
    if (done) {
        enforce(p, &m, calls, marks);
        p->kept = kept;
        p->table_bytes = kept * sizeof *p->nodes + link_count * sizeof *p->links +
                         p->call_count * sizeof *p->calls;
    } else {
        hc_free(calls);
        hc_free(m.nodes);
        hc_free(m.links);
    }
    hc_free(marks);
    hc_free(place);
    return done;
}
