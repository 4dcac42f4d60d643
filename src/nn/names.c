/* Names of Params, buffers and children, found by hash where they are many. */
#include "nn/names.h"

#include <string.h>

#include "base/alloc.h"
#include "nn/module.h"

enum { FEW = 16 };

uint32_t hc_name_hash(const char *name, size_t length) {
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)name[i]) * 16777619u;
    return hash;
}

static bool is(const HcNamed *named, const char *name, size_t length) {
    return strncmp(named->name, name, length) == 0 && named->name[length] == 0;
}

/* The first place of the table for a hash, whose low bits alone lie close for close names. */
static size_t start(const HcNames *names, uint32_t hash) {
    return (hash ^ hash >> 15) & (names->room - 1);
}

size_t hc_names_find(const HcNames *names, const HcNamed *list, size_t count, const char *name, size_t length) {
    if (!names->room) {
        size_t i = 0;
        while (i < count && !is(&list[i], name, length))
            i++;
        return i;
    }
    uint32_t hash = hc_name_hash(name, length);
    for (size_t i = start(names, hash); names->places[i]; i = (i + 1) & (names->room - 1)) {
        size_t place = names->places[i] - 1;
        HC_ASSERT(place < count);
        if (list[place].hash == hash && is(&list[place], name, length)) return place;
    }
    return count;
}

bool hc_names_room(HcNames *names, const HcNamed *list, size_t count) {
    if (count < FEW || count < names->room / 2) return true;
    HcNames more = {.room = names->room ? 2 * names->room : 4 * FEW};
    more.places = hc_alloc_zero(more.room, sizeof *more.places);
    if (!more.places) return false;
    hc_free(names->places);
    *names = more;
    for (size_t i = 0; i < count; i++)
        hc_names_put(names, list, i);
    return true;
}

void hc_names_put(HcNames *names, const HcNamed *list, size_t place) {
    if (!names->room) return;
    size_t i = start(names, list[place].hash);
    while (names->places[i])
        i = (i + 1) & (names->room - 1);
    names->places[i] = place + 1;
}

void hc_names_free(HcNames *names) {
    hc_free(names->places);
    *names = (HcNames){.room = 0};
}

/* ---- of a module ------------------------------------------------------------------------------------ */

size_t hc_module_number(const Module *module, bool buffer, const char *name) {
    size_t length = strlen(name);
    return buffer ? hc_names_find(&module->buffer_names, module->buffers, module->buffer_count, name, length)
                  : hc_names_find(&module->param_names, module->params, module->param_count, name, length);
}

size_t hc_module_child(const Module *module, const char *name, size_t length) {
    return hc_names_find(&module->child_names, module->children, module->child_count, name, length);
}
