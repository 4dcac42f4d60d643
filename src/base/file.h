/* The bytes of the library's files. What is in them is the business of those who save.
 *
 * Every file: "higherc\n", the kind in 8 bytes, the kind's version (u32), the body, and the CRC-32 of all
 * before it (ISO 3309). Numbers are little-endian; a text is its length (u32) and its bytes. */
#ifndef HC_BASE_FILE_H
#define HC_BASE_FILE_H

#include "base/replace.h"
#include "base/status.h"

#define HC_FILE_HEAD 20 /* bytes before the body */
#define HC_FILE_TAIL 4

uint32_t hc_crc32(uint32_t crc, const void *bytes, size_t size); /* begins with 0 */

/* ---- writing: after a failure the rest does nothing ------------------------------------------------ */

typedef struct HcWriter {
    HcReplace to;
    HcStatus status; /* of the opening */
    bool counts;     /* writes nothing, only counts */
    bool good;
    bool plain; /* without a checksum */
    uint32_t crc;
    uint64_t size; /* of what was written or counted, saturated */
} HcWriter;

/* A writer that only counts the bytes of a whole file, its tail too. */
void hc_write_count(HcWriter *w);
/* A file of another format, without head and tail, and its end. */
void hc_write_open(HcWriter *w, const char *path);
void hc_write_bytes(HcWriter *w, const void *bytes, size_t size);
bool hc_write_close(HcWriter *w, const char *who, const char *path);
void hc_write_begin(HcWriter *w, const char *path, const char *kind, uint32_t version);
void hc_write_u32(HcWriter *w, uint32_t value);
void hc_write_u64(HcWriter *w, uint64_t value);
void hc_write_f64(HcWriter *w, double value);
void hc_write_text(HcWriter *w, const char *text);
/* count reals of 4 or 8 bytes each; a writer that counts does not look at them */
void hc_write_reals(HcWriter *w, const void *reals, size_t count, size_t item);
/* Puts the file in its place. False, with the thread's error and the old file as it was, when anything did
 * not reach the disk. */
bool hc_write_end(HcWriter *w, const char *who, const char *path);

/* ---- reading: from memory, never past its end --------------------------------------------------------- */

typedef struct HcReader {
    const char *who, *name; /* for messages: the function, and the file or a part of it */
    const unsigned char *bytes;
    size_t size, at;
    uint32_t version; /* read last */
    bool whole; /* there is not more than the reader was to expect */
    bool good;  /* false once something was asked for that is not there */
} HcReader;

/* A file, to be freed with hc_free; NULL with the thread's error. Not more than one byte past `most`, what it
 * may hold if it is right; and only the first bytes of a file that is not the library's. */
void *hc_read_file(const char *who, const char *path, uint64_t most, size_t *size);
/* Checks head and tail, for a version up to this one; the reader then stands at the body. Of more bytes than
 * `most` there is no tail, but what else is wrong with them can be read. */
bool hc_read_begin(HcReader *r, const char *who, const char *name, const void *bytes, size_t size,
                   uint64_t most, const char *kind, uint32_t version);
/* The version of a body that has one of its own, up to this one; else false with the thread's error. */
bool hc_read_version(HcReader *r, uint32_t version);
/* 0, and not good any more, past the end. */
uint32_t hc_read_u32(HcReader *r);
uint64_t hc_read_u64(HcReader *r);
double hc_read_f64(HcReader *r);
/* Whether the text there is this one; *found and *length (may be NULL) get it, for messages. */
bool hc_read_text(HcReader *r, const char *text, const char **found, int *length);
/* Into `to`, or (NULL) nowhere. */
void hc_read_reals(HcReader *r, void *to, uint64_t count, size_t item);
/* Whether what was asked for was there; else false with the thread's error. */
bool hc_read_so_far(const HcReader *r);
/* Whether nothing is left either. */
bool hc_read_end(const HcReader *r);

/* ---- files of other formats: what is there is read as far as it is wanted ------------------------------- */

typedef struct HcInput {
    const char *who, *name; /* for messages */
    FILE *file;             /* NULL: the bytes are all there is, and the caller's */
    unsigned char *bytes;
    size_t size, capacity; /* read so far */
    size_t hint;           /* how long the file may be */
} HcInput;

/* False with the thread's error. What is no ordinary file, such as a pipe, is read as it comes. */
bool hc_input_open(HcInput *in, const char *who, const char *path);
bool hc_input_memory(HcInput *in, const char *who, const void *bytes, size_t size);
/* Reads on until `size` bytes are there, or all. Room is made for what the file has, whatever it says it has. False
 * with the thread's error. */
bool hc_input_want(HcInput *in, uint64_t size);
/* Closes the file. The bytes stay, to be freed with hc_free where they are the input's. */
void hc_input_close(HcInput *in);
uint64_t hc_little_endian(const unsigned char *from, size_t size);

#endif
