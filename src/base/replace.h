/* Files that take another's place whole: written beside it, flushed to disk, then renamed over it. After a
 * full disk, a kill or a power cut the old file or the new one is there. */
#ifndef HC_BASE_REPLACE_H
#define HC_BASE_REPLACE_H

#include <stdbool.h>
#include <stdio.h>

typedef struct HcReplace {
    FILE *file; /* to be written to; NULL when it could not be opened */
    char *path; /* what is to be replaced: where a symbolic link leads, or the name given */
    char *
        beside; /* the file's name until then: path and ".part"; NULL for what is no regular file */
    bool no_memory; /* why there is no file */
} HcReplace;

/* What a writer that was killed left under the same name is overwritten, so only one at a time may write. Names
 * are UTF-8 on Windows. */
void hc_replace_begin(HcReplace *r, const char *path);
/* Puts the file in its place (good), or removes it. False when the old one is still there. */
bool hc_replace_end(HcReplace *r, bool good);
/* fopen(path, "rb") for such names. */
FILE *hc_open_to_read(const char *path);

#endif
