/* Update rules of one's own that hand on what they were handed. */
#ifndef TESTS_RULES_H
#define TESTS_RULES_H

#include <higherc/higherc.h>

extern const OptimClass own_rules[];
extern const size_t own_rule_count;

#endif
