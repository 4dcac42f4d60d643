/* What goes with a program: what operations keep with it, and all it holds itself. */
#include "program/call.h"

bool hc_program_own(Program *p, HcOwned owned) {
    if (!hc_grow((void **)&p->owned, &p->owned_capacity, p->owned_count, p->owned_count + 1, sizeof *p->owned)) {
        owned.destroy(owned.object);
        return false;
    }
    p->owned[p->owned_count++] = owned;
    return true;
}

void *hc_program_owned(const Program *p, const void *key) {
    for (size_t i = 0; i < p->owned_count; i++)
        if (p->owned[i].key == key) return p->owned[i].object;
    return NULL;
}

void hc_program_free(Program *p) {
    if (!p) return;
    for (size_t i = 0; i < p->owned_count; i++)
        p->owned[i].destroy(p->owned[i].object);
    for (size_t i = 0; i < p->grad_count; i++)
        param_unref(p->grad_params[i]);
    for (size_t i = 0; p->uses && i < p->use_count; i++)
        param_unref(p->uses[i].param);
    hc_stamped_free(&p->stamps);
    void *all[] = {p->nodes, p->links,       p->steps,      p->calls, p->inputs, p->outputs,
                   p->grads, p->grad_params, p->grad_calls, p->uses,  p->owned};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        hc_free(all[i]);
    hc_free(p->constants);
    if (!p->series) {
        hc_free(p->memory);
        for (size_t i = 0; i < HC_MOST_WORKSPACES; i++)
            hc_free(p->workspaces[i]);
        tape_destroy(p->tape);
    }
    hc_free(p);
}

