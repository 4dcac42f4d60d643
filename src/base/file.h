/* The bytes of the library's files. What is in them is the business of those who save.
 *
 * Every file: "higherc\n", the kind in 8 bytes, the kind's version (u32), the body, and the CRC-32 of all
 * before it (ISO 3309). Numbers are little-endian; a text is its length (u32) and its bytes. */
#ifndef HC_BASE_FILE_H
#define HC_BASE_FILE_H

#include <stdio.h>

#include "base/status.h"

#define HC_FILE_HEAD 20 /* bytes before the body */
#define HC_FILE_TAIL 4

uint32_t hc_crc32(uint32_t crc, const void *bytes, size_t size); /* begins with 0 */

/* ---- writing: after a failure the rest does nothing ------------------------------------------------ */

typedef struct HcWriter {
    FILE *file;
    uint32_t crc;
    bool good;
} HcWriter;

void hc_write_begin(HcWriter *w, const char *path, const char *kind, uint32_t version);
void hc_write_u32(HcWriter *w, uint32_t value);
void hc_write_u64(HcWriter *w, uint64_t value);
void hc_write_f64(HcWriter *w, double value);
void hc_write_text(HcWriter *w, const char *text);
/* count reals of 4 or 8 bytes each */
void hc_write_reals(HcWriter *w, const void *reals, size_t count, size_t item);
/* Closes the file. False, with the thread's error, when anything did not reach it. */
bool hc_write_end(HcWriter *w, const char *who, const char *path);

/* ---- reading: from memory, never past its end --------------------------------------------------------- */

typedef struct HcReader {
    const unsigned char *bytes;
    size_t size, at;
    bool good; /* false once something was asked for that is not there */
} HcReader;

/* The whole file, to be freed with hc_free; NULL with the thread's error. Stops at the first bytes of a
 * file that is not the library's. */
void *hc_read_file(const char *who, const char *path, size_t *size);
/* Checks head and tail; the reader then stands at the body. `name` is for messages. */
bool hc_read_begin(HcReader *r, const char *who, const char *name, const void *bytes, size_t size,
                   const char *kind, uint32_t version);
/* 0, and not good any more, past the end. */
uint32_t hc_read_u32(HcReader *r);
uint64_t hc_read_u64(HcReader *r);
double hc_read_f64(HcReader *r);
/* Whether the text there is this one; *found and *length (may be NULL) get it, for messages. */
bool hc_read_text(HcReader *r, const char *text, const char **found, int *length);
/* Into `to`, or (NULL) nowhere. */
void hc_read_reals(HcReader *r, void *to, uint64_t count, size_t item);
/* Whether all was there and nothing is left. */
bool hc_read_end(HcReader *r, const char *who, const char *name);

#endif
