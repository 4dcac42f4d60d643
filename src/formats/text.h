/* Headers of files as text: JSON's, and Python's literals, are read piece by piece out of memory. */
#ifndef HC_FORMATS_TEXT_H
#define HC_FORMATS_TEXT_H

#include "base/status.h"

/* Once something is not as asked, `fault` says what would be right and `at` stays there; the rest then does nothing. */
typedef struct HcText {
    const unsigned char *at, *end;
    const char *fault; /* NULL: none */
} HcText;

/* Returns false. */
bool hc_text_fault(HcText *text, const char *right);
/* Whether this character comes next, after any blanks; it is then passed. */
bool hc_text_next(HcText *text, char c);
/* The same, or a fault that says what would be right. */
bool hc_text_expect(HcText *text, char c, const char *right);
/* A whole number without a sign; not after a fault, nor hc_text_end. */
bool hc_text_number(HcText *text, uint64_t *value);
/* A JSON string, decoded, with a zero byte at its end; what it takes is no longer than what was read. */
bool hc_text_string(HcText *text, char *to);
/* Whether nothing but blanks is left. */
bool hc_text_end(HcText *text);
/* Whether the bytes are UTF-8 (RFC 3629). */
bool hc_utf8(const unsigned char *bytes, size_t size);

#endif
