/* The figures of the paper (Finn, Abbeel, Levine 2017), and what correct implementations of its
 * protocol give with the default settings and 70,000 iterations when the seed is kind: from the small
 * initial weights, seeds differ much (tests/bench/README.md has quartiles over 20 of them). */
#include "reference.h"

#include <math.h>

const size_t reference_steps[4] = {0, 1, 5, 10};

// clang-format off
/* The paper's stands first. */
static const Reference references[] = {
    {"paper",     5, false, {NAN, 0.67, 0.38, 0.35}},
    {"expected",  5, false, {3.0, 0.61, 0.40, 0.36}},
    {"expected", 10, false, {3.0, 0.36, 0.14, 0.11}},
    {"expected", 20, false, {3.0, 0.22, 0.06, 0.045}},
    {"expected", 10, true,  {NAN, 0.60, NAN, NAN}},
};
// clang-format on

const Reference *reference_next(const Reference *after, size_t shots, bool first_order) {
    const Reference *end = references + sizeof references / sizeof references[0];
    for (const Reference *r = after ? after + 1 : references; r < end; r++)
        if (r->shots == shots && r->first_order == first_order) return r;
    return NULL;
}

const Reference *reference_paper(size_t shots, bool first_order) {
    const Reference *paper = &references[0];
    return paper->shots == shots && paper->first_order == first_order ? paper : NULL;
}
