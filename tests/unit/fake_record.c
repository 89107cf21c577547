/* Nothing is recorded, where hv/debug/record.c is not linked. */
#include "hv/debug/record.h"
#include "hv/host/clock.h"
#include "hv/vm/create.h"
#include "hv/vm/native.h"

__attribute__((weak)) void clock_hold(uint64_t now)
{
    (void)now;
}

__attribute__((weak)) void record_reserve(uint64_t bytes)
{
    (void)bytes;
}

__attribute__((weak)) const char *record_open(struct life *life)
{
    (void)life;
    return NULL;
}

__attribute__((weak)) bool record_is(const struct vm *vm)
{
    (void)vm;
    return false;
}

__attribute__((weak)) void record_created(struct vm *vm)
{
    (void)vm;
}

__attribute__((weak)) void record_close(const struct vm *vm)
{
    (void)vm;
}

__attribute__((weak)) void record_start(struct vm *vm, const struct entry_state *entry)
{
    (void)vm, (void)entry;
}

__attribute__((weak)) void record_started(struct vm *vm)
{
    (void)vm;
}

__attribute__((weak)) void record_cpuid(uint32_t leaf, uint32_t subleaf, struct cpuid_regs *out)
{
    (void)leaf, (void)subleaf;
    *out = (struct cpuid_regs){0};
}

__attribute__((weak)) bool record_put(void *owner, uint8_t byte)
{
    (void)owner, (void)byte;
    return true;
}

__attribute__((weak)) bool record_input(struct vm *vm, uint8_t byte)
{
    (void)vm, (void)byte;
    return false;
}

__attribute__((weak)) void record_ready(struct vm *vm)
{
    (void)vm;
}

__attribute__((weak)) bool record_signal(struct vm *vm, enum board_signal what, unsigned code)
{
    return ((struct life *)vm->life)->board->signal(vm, what, code);
}

__attribute__((weak)) bool record_deliver(struct vm *vm, const struct apic_message *message)
{
    return ((struct life *)vm->life)->board->deliver(vm, message);
}
