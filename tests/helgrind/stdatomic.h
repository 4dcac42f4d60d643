/* C11's atomics as helgrind is to see them, which knows locks only: whoever reads an atomic object has what was done
 * before any write of it behind itself, which is more order than there is (ThreadSanitizer sees finer), and the object
 * itself is nobody's race. For a build with
 * -DCMAKE_C_FLAGS="-I<this folder>", by GCC or Clang, to be run by valgrind --tool=helgrind. */
#ifndef TESTS_HELGRIND_STDATOMIC_H
#define TESTS_HELGRIND_STDATOMIC_H

#include_next <stdatomic.h>
#include <stdint.h>
#include <valgrind/helgrind.h>

#define HELGRIND_WRITES(object)                                                                    \
    VALGRIND_HG_DISABLE_CHECKING((uintptr_t)(object), sizeof *(object));                           \
    ANNOTATE_HAPPENS_BEFORE((uintptr_t)(object))
#define HELGRIND_READS(object) ANNOTATE_HAPPENS_AFTER((uintptr_t)(object))

#define HELGRIND_CHANGES(object, call)                                                                \
    __extension__({                                                                                \
        HELGRIND_WRITES(object);                                                                   \
        __auto_type helgrind_result = call;                                                        \
        HELGRIND_READS(object);                                                                    \
        helgrind_result;                                                                           \
    })

#undef atomic_load
#undef atomic_store
#undef atomic_exchange
#undef atomic_compare_exchange_weak
#undef atomic_fetch_add
#undef atomic_fetch_sub
#define atomic_load(object)                                                                        \
    __extension__({                                                                                \
        VALGRIND_HG_DISABLE_CHECKING((uintptr_t)(object), sizeof *(object));                       \
        __auto_type helgrind_result = atomic_load_explicit(object, memory_order_seq_cst);          \
        HELGRIND_READS(object);                                                                    \
        helgrind_result;                                                                           \
    })
#define atomic_store(object, value)                                                                \
    __extension__({                                                                                \
        HELGRIND_WRITES(object);                                                                   \
        atomic_store_explicit(object, value, memory_order_seq_cst);                                \
    })
#define atomic_exchange(object, value)                                                             \
    HELGRIND_CHANGES(object, atomic_exchange_explicit(object, value, memory_order_seq_cst))
#define atomic_fetch_add(object, value)                                                            \
    HELGRIND_CHANGES(object, atomic_fetch_add_explicit(object, value, memory_order_seq_cst))
#define atomic_fetch_sub(object, value)                                                            \
    HELGRIND_CHANGES(object, atomic_fetch_sub_explicit(object, value, memory_order_seq_cst))
#define atomic_compare_exchange_weak(object, expected, value)                                      \
    HELGRIND_CHANGES(object,                                                                          \
                  atomic_compare_exchange_weak_explicit(object, expected, value,                   \
                                                        memory_order_seq_cst,                      \
                                                        memory_order_seq_cst))

#endif
