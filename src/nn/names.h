/* Lists of names. A list of few is looked through; one of many has a table, open addressing by hash. */
#ifndef HC_NN_NAMES_H
#define HC_NN_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "higherc/module.h"

/* What a module holds under a name: a Param, which may be a buffer, or a child. */
typedef struct HcNamed {
    char *name;
    uint32_t hash;
    bool repeat; /* of a child that stands at an earlier place too, where its sites are counted */
    union {
        Param *param;
        Module *module;
    };
} HcNamed;

/* Where the names of a list stand in it. */
typedef struct HcNames {
    size_t *places; /* counted from 1 */
    size_t room;    /* a power of two; 0 while they are few */
} HcNames;

uint32_t hc_name_hash(const char *name, size_t length);
/* The place of a name; `count` when it is not there. */
size_t hc_names_find(const HcNames *names, const HcNamed *list, size_t count, const char *name, size_t length);
/* Makes room for one name after those of the list; false when out of memory, with all as it was. */
bool hc_names_room(HcNames *names, const HcNamed *list, size_t count);
/* Notes the name at this place, for which there is room. */
void hc_names_put(HcNames *names, const HcNamed *list, size_t place);
void hc_names_free(HcNames *names);

#endif
