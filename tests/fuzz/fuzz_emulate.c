/*
 * The emulator and task switches: the input is the state of a vCPU, then what lies in its memory: pairs of
 * place and eight bytes.
 */
#include "hv/emulate/emulate.h"
#include "hv/emulate/task_switch.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/guest.h"

/* Addresses that lead somewhere more often than not. */
static uint64_t take_address(struct input *input)
{
    uint8_t kind = (uint8_t)take(input, 1);

    if (kind & 0x80)
        return take(input, 8);
    if (kind & 0x40)
        return GUEST_MMIO + (take(input, 2) & 0x1fff);
    return take(input, 3) & 0xfffff; /* RAM, or what is after it */
}

static uint64_t processes_xcr0(void)
{
    uint32_t low, high;

    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static void make_registers(struct input *input)
{
    for (unsigned i = 0; i < 16; i++)
        guest.vcpu.arch.gpr[i] = take_address(input);
    fake_cpu.regs[REG_RSP] = take_address(input);
    fake_cpu.regs[REG_RIP] = take_address(input);
    fake_cpu.regs[REG_RFLAGS] = (take(input, 4) & 0x3f7fd5) | RFLAGS_1;
    fake_cpu.regs[REG_CR0] |= take(input, 4) & (CR0_PG | CR0_WP | CR0_AM | CR0_PE);
    if (fake_cpu.regs[REG_CR0] & CR0_PG)
        fake_cpu.regs[REG_CR0] |= CR0_PE;
    fake_cpu.regs[REG_CR3] = take_address(input);
    fake_cpu.regs[REG_CR4] =
        take(input, 4) & (CR4_PSE | CR4_PAE | CR4_LA57 | CR4_SMEP | CR4_SMAP | CR4_PKE | CR4_UMIP |
                          CR4_PCIDE | CR4_OSFXSR | CR4_OSXSAVE | CR4_OSXMMEXCPT);
    guest.vcpu.arch.xcr0 = processes_xcr0();
    fake_cpu.regs[REG_EFER] |= take(input, 1) & 1 ? EFER_NXE : 0;
    guest.pkru = (uint32_t)take(input, 1) * 0x01010101;
    guest.cpuid7_ebx = guest.cpuid7_ecx = guest.cpuid_amd8_ebx = take(input, 1) & 1 ? UINT32_MAX : 0;
    guest_set_cpl(take(input, 1) & 3);
}

static void make_segments(struct input *input)
{
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        struct segment *segment = &fake_cpu.segments[i];
        uint8_t kind = (uint8_t)take(input, 1);

        if (kind & 1)
            segment->base = take_address(input);
        if (kind & 2)
            segment->limit = (uint32_t)take_address(input);
        if (kind & 4)
            segment->attributes = take(input, 3) & 0x1f0ff;
        if (kind & 8)
            segment->selector = (uint16_t)take(input, 2);
    }
}

static void make_memory(struct input *input)
{
    while (input->left > 2) {
        uint64_t at = take(input, 2) * 8, bytes = take(input, 8);

        if (at + 8 <= GUEST_RAM)
            guest_poke(at, 8, bytes);
    }
}

static void run_instruction(gpa_t gpa)
{
    for (unsigned i = 0; i < 4; i++) {
        uint64_t gpr[16], rip = fake_cpu.regs[REG_RIP];
        uint8_t bytes[15];
        enum emulate_result result;
        bool in_other_task;

        memcpy(gpr, guest.vcpu.arch.gpr, sizeof(gpr));
        guest.raised = false;
        fake_cpu.regs[REG_CR0] &= ~CR0_TS;
        result = emulate(&guest.vcpu, gpa);
        in_other_task = fake_cpu.regs[REG_CR0] & CR0_TS; /* where a fault, or its T flag's trap, may be */
        MUST(guest.raised == (result == EMULATE_FAULT) || in_other_task);
        MUST(result == EMULATE_DONE || fake_cpu.regs[REG_RIP] == rip || in_other_task);
        MUST(result != EMULATE_UNKNOWN || memcmp(gpr, guest.vcpu.arch.gpr, sizeof(gpr)) == 0);
        MUST(emulate_bytes(&guest.vcpu, bytes) <= 15);
        fake_cpu.regs[REG_RIP] = rip; /* the same again, from the cache */
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    uint8_t mode = (uint8_t)take(&input, 1);
    struct task_switch request = {.selector = (uint16_t)take(&input, 2),
                                  .source = mode >> 4 & 3,
                                  .length = 2,
                                  .has_error = mode & 0x40};
    gpa_t gpa = mode & 4 ? take_address(&input) & (BIT(52) - 1) : EMULATE_NO_GPA;

    guest_begin(16u << (mode % 3));
    make_registers(&input);
    make_segments(&input);
    memcpy(guest.ram + 0x1000, input.at, input.left < 16 ? input.left : 16);
    if (mode & 8)
        fake_cpu.regs[REG_RIP] = 0x1000;
    make_memory(&input);
    if (mode & 0x80)
        MUST(task_switch(&guest.vcpu, &request) || guest.raised);
    else
        run_instruction(gpa);
    return 0;
}
