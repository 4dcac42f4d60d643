/* What every fuzzer here is: bytes in, and whether all was as it should be out. */
#ifndef FUZZ_TARGET_H
#define FUZZ_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* If not, says on stdout what was wrong. Nothing is left behind. */
bool fuzz_run(const uint8_t *data, size_t size);

/* How many bytes are a good deal for it. */
extern const size_t fuzz_length;

/* After the last of so many generated ones, or, with 0, of stored ones: says what was done, and whether it was enough.
 * Ends what runs share. */
bool fuzz_end(size_t generated);

#endif
