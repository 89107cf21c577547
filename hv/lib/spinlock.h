/*
 * A lock held for a few instructions. Keel runs with interrupts off, so a core never meets itself here. Cores
 * get it in the order in which they asked (a ticket lock): none can keep another waiting by asking often.
 */
#pragma once

#include "hv/lib/base.h"

/* All zero: free. As many cores may wait as 16 bits count. */
struct spinlock {
    union {
        struct {
            uint16_t served; /* whose turn it is */
            uint16_t next;   /* the ticket of who asks next: the lock is free if that one's turn it is */
        };
        uint32_t both;
    };
};

static inline void spin_lock(struct spinlock *lock)
{
    uint16_t ticket = __atomic_fetch_add(&lock->next, 1, __ATOMIC_ACQUIRE);

    while (unlikely(__atomic_load_n(&lock->served, __ATOMIC_ACQUIRE) != ticket))
        __asm__ volatile("pause");
}

/* Takes the lock if it is free; returns whether it did. */
static inline bool spin_try_lock(struct spinlock *lock)
{
    struct spinlock now = {.both = __atomic_load_n(&lock->both, __ATOMIC_RELAXED)}, taken = now;

    taken.next++;
    return now.served == now.next && __atomic_compare_exchange_n(&lock->both, &now.both, taken.both, false,
                                                                 __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static inline void spin_unlock(struct spinlock *lock)
{
#if __STDC_HOSTED__ /* a sanitizer does not see assembly */
    __atomic_store_n(&lock->served, (uint16_t)(lock->served + 1), __ATOMIC_RELEASE);
#else /* a store is a release on x86, and nobody else writes here: one instruction instead of three */
    __asm__ volatile("incw %0" : "+m"(lock->served) : : "memory");
#endif
}

/* For a panic: free again, whoever has it or waits for it. They have stopped for good. */
static inline void spin_break(struct spinlock *lock)
{
    __atomic_store_n(&lock->both, 0, __ATOMIC_RELEASE);
}

/* Whether a core has it at the moment: for tests and for people. */
static inline bool spin_is_held(const struct spinlock *lock)
{
    struct spinlock now = {.both = __atomic_load_n(&lock->both, __ATOMIC_RELAXED)};

    return now.served != now.next;
}
