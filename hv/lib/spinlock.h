/* A lock held for a few instructions. Keel runs with interrupts off, so a core never meets itself here. */
#pragma once

#include "hv/lib/base.h"

struct spinlock {
    uint32_t held;
};

static inline void spin_lock(struct spinlock *lock)
{
    while (__atomic_fetch_or(&lock->held, 1, __ATOMIC_ACQUIRE) & 1) /* that is LOCK BTS */
        while (__atomic_load_n(&lock->held, __ATOMIC_RELAXED))
            __asm__ volatile("pause");
}

/* Takes the lock if it is free; returns whether it did. */
static inline bool spin_try_lock(struct spinlock *lock)
{
    return !__atomic_exchange_n(&lock->held, 1, __ATOMIC_ACQUIRE);
}

static inline void spin_unlock(struct spinlock *lock)
{
    __atomic_store_n(&lock->held, 0, __ATOMIC_RELEASE);
}
