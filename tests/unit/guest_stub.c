/*
 * hv/host/stub.h on the host: the instruction is executed in this process, with the test guest's x87 and
 * vector state in the CPU meanwhile. An exception comes as a signal.
 */
#include "hv/cpu/native.h"
#include "hv/cpu/state_area.h"
#include "hv/host/stub.h"
#include "hv/vm/vcpu.h"
#include "tests/unit/guest.h"
#include "tests/unit/guest_trap.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static uint8_t *pages; /* code, then the operand */
static uint8_t hosts[GUEST_STATE] __attribute__((aligned(64)));

uint8_t *guest_pages(unsigned count)
{
    uint8_t *at =
        mmap(NULL, count * PAGE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (at == MAP_FAILED)
        abort();
    return at;
}

static void prepare(void)
{
    if (!pages)
        pages = guest_pages(2);
}

uint8_t *stub_operand(void)
{
    prepare();
    return pages + PAGE_SIZE;
}

int32_t stub_distance(unsigned length)
{
    return (int32_t)(PAGE_SIZE - length);
}

static void exchange(uint8_t *save, uint8_t *load)
{
    __asm__ volatile("xsave64 %0" : "+m"(*save) : "a"(-1), "d"(-1) : "memory");
    __asm__ volatile("xrstor64 %0" : : "m"(*load), "a"(-1), "d"(-1) : "memory");
}

__attribute__((noinline)) void guest_state_call(struct stub_registers *registers, uint64_t entry)
{
    exchange(hosts, guest.state);
    stub_call(registers, entry);
    exchange(guest.state, hosts);
}

uint8_t stub_run(const uint8_t *code, unsigned length, struct stub_registers *registers)
{
    unsigned vector;

    prepare();
    if (length > STUB_CODE_MOST)
        abort();
    memcpy(pages, code, length);
    pages[length] = 0xc3;
    guest.runs++;
    guest_trap_begin(pages, length);
    guest_state_call(registers, (uint64_t)pages);
    vector = guest_trap_end();
    return vector == GUEST_NO_TRAP ? EXC_NONE : (uint8_t)vector;
}

bool stub_create(struct cpu *cpu, uint64_t base)
{
    (void)cpu, (void)base;
    return true;
}

void native_save_fpu(uint8_t *image, bool wide)
{
    (void)wide;
    memcpy(image, guest.state, 512);
}

void native_load_fpu(const uint8_t *image, bool wide)
{
    (void)wide;
    memcpy(guest.state, image, 512);
}

static uint8_t kept[GUEST_STATE];

void native_keep(struct vcpu *vcpu)
{
    (void)vcpu;
    memcpy(kept, guest.state, sizeof(kept));
}

void native_return_upper(struct vcpu *vcpu, uint8_t *scratch)
{
    (void)scratch;
    area_take_upper(vcpu, guest.state, kept);
}
