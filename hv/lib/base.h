/* The few names that every file of Keel may use. */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t gva_t; /* guest-linear address */
typedef uint64_t gpa_t; /* guest-physical address */
typedef uint64_t hpa_t; /* host-physical address */

#define BIT(n)                              (UINT64_C(1) << (n))
#define KIB(n)                              ((uint64_t)(n) << 10)
#define MIB(n)                              ((uint64_t)(n) << 20)
#define GIB(n)                              ((uint64_t)(n) << 30)

#define PAGE_SHIFT                          12
#define PAGE_SIZE                           KIB(4)
#define PAGE_MASK                           (PAGE_SIZE - 1)

#define ARRAY_LENGTH(array)                 (sizeof(array) / sizeof((array)[0]))
#define MIN(a, b)                           ((a) < (b) ? (a) : (b))
#define MAX(a, b)                           ((a) > (b) ? (a) : (b))

/* `to` is a power of two. */
#define ALIGN_DOWN(value, to)               ((value) & ~((uint64_t)(to)-1))
#define ALIGN_UP(value, to)                 ALIGN_DOWN((value) + (uint64_t)(to)-1, to)

#define container_of(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

/* From here on the variable has this value, and the compiler does not know how it came about. */
#define HIDE_ORIGIN(variable)               __asm__("" : "+r"(variable))

/*
 * Reads what other cores write meanwhile: once, whole, and in no order with anything else. The compiler's own
 * atomic load forms the address first, with an instruction more; a sanitizer of threads knows no other.
 */
#ifdef __SANITIZE_THREAD__
#define LOAD_SHARED(place) __atomic_load_n(&(place), __ATOMIC_RELAXED)
#else
#define LOAD_SHARED(place)                                                                                   \
    ({                                                                                                       \
        __typeof__((place) + 0) loaded = (place);                                                            \
                                                                                                             \
        HIDE_ORIGIN(loaded);                                                                                 \
        loaded;                                                                                              \
    })
#endif

#define PRINTF_LIKE(text, first) __attribute__((format(printf, text, first)))
#define PACKED                   __attribute__((packed))
#define ALIGNED(bytes)           __attribute__((aligned(bytes)))
#define UNUSED                   __attribute__((unused))
#define likely(x)                __builtin_expect(!!(x), 1)
#define unlikely(x)              __builtin_expect(!!(x), 0)
