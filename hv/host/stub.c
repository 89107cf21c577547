#include "hv/host/stub.h"

#include "hv/host/cpu.h"
#include "hv/host/interrupts.h"
#include "hv/host/paging.h"
#include "hv/lib/string.h"
#include "hv/x86/x86.h"

#define RETURN 0xc3

/* Exceptions that an instruction of the tables can raise with its operand in place; others are Keel's own. */
#define TAKEN                                                                                                \
    (BIT(EXC_UD) | BIT(EXC_NM) | BIT(EXC_SS) | BIT(EXC_GP) | BIT(EXC_MF) | BIT(EXC_AC) | BIT(EXC_XM))

bool stub_create(struct cpu *cpu, uint64_t base)
{
    cpu->stub.code = base + PAGE_SIZE;
    cpu->stub.operand = (uint8_t *)base;
    cpu->stub.writable = host_allocate(PAGE_SIZE);
    return cpu->stub.writable && host_map_new(base, 1);
}

uint8_t *stub_operand(void)
{
    return this_cpu()->stub.operand;
}

int32_t stub_distance(unsigned length)
{
    return -(int32_t)(PAGE_SIZE + length);
}

uint8_t stub_run(const uint8_t *code, unsigned length, struct stub_registers *registers)
{
    struct core_stub *stub = &this_cpu()->stub;

    memcpy(stub->writable, code, length);
    stub->writable[length] = RETURN;
    stub->length = length;
    stub->vector = EXC_NONE;
    if (!host_show_code(stub->code, virt_to_phys(stub->writable)))
        return EXC_UD;
    stub_call(registers, stub->code);
    host_hide_code(stub->code);
    stub->length = 0;
    return stub->vector;
}

bool stub_trapped(struct trap_frame *frame)
{
    struct core_stub *stub = &this_cpu()->stub;

    if (!stub->length || frame->rip != stub->code || !(TAKEN >> frame->vector & 1))
        return false;
    stub->vector = frame->vector;
    frame->rip += stub->length; /* to the return */
    return true;
}
