#include "hv/show/core.h"

#include "hv/host/instructions.h"
#include "hv/host/paging.h"
#include "hv/lib/format.h"
#include "hv/show/state.h"
#include "hv/show/symbols.h"

#define CODE_BEFORE 16
#define CODE_BYTES  32

static const char *const exception_names[] = {
    "divide error",
    "debug exception",
    "NMI",
    "breakpoint",
    "overflow",
    "BOUND range exceeded",
    "invalid opcode",
    "device not available",
    "double fault",
    "coprocessor segment overrun",
    "invalid TSS",
    "segment not present",
    "stack-segment fault",
    "general protection",
    "page fault",
    "reserved 15",
    "x87 error",
    "alignment check",
    "machine check",
    "SIMD error",
    "virtualization exception",
    "control protection",
    "reserved 22",
    "reserved 23",
    "reserved 24",
    "reserved 25",
    "reserved 26",
    "reserved 27",
    "hypervisor injection", /* this and the next two: APM, "Vectors" */
    "VMM communication",
    "security exception",
    "reserved 31",
};
_Static_assert(ARRAY_LENGTH(exception_names) == EXCEPTIONS, "every exception has a name");

void core_describe_trap(const struct trap_frame *frame, char *text, size_t size)
{
    format_text(text, size, "%s (vector %u, error 0x%lx) in Keel at rip 0x%lx",
                exception_names[frame->vector], frame->vector, frame->error, frame->rip);
}

void core_print_backtrace(uint64_t rip, uint64_t rsp, unsigned most, struct writer *out)
{
    uint64_t end = rsp < STACKS_WINDOW ? 0 : ALIGN_UP(rsp + 1, PAGE_SIZE), word = rip, offset;

    print_to(out, "backtrace:\n");
    for (uint64_t at = ALIGN_UP(rsp, 8); most; at += 8) {
        const char *name = symbol_at(word, &offset);
        const uint8_t *code = (const uint8_t *)word;

        if (word == rip && !name)
            print_to(out, "    0x%016lx\n", rip);
        else if (name && (word == rip || (offset && (code[-5] == 0xe8 || code[-2] == 0xff ||
                                                     code[-3] == 0xff || code[-6] == 0xff))))
            print_to(out, "    0x%016lx %s+0x%lx\n", word, name, offset), most--;
        if (at + 8 > end)
            break;
        word = *(const uint64_t *)at;
    }
}

/* Keel's registers: the frame's, and those that nothing has changed since. */
static void take_state(const struct trap_frame *f, struct cpu_state *state)
{
    struct PACKED {
        uint16_t limit;
        uint64_t base;
    } gdt, idt;
    uint16_t task;

    __asm__ volatile("sgdt %0\n sidt %1\n str %2" : "=m"(gdt), "=m"(idt), "=rm"(task));
    *state = (struct cpu_state){
        .values = {f->rax,     f->rcx,     f->rdx,     f->rbx,     f->rsp,           f->rbp,
                   f->rsi,     f->rdi,     f->r8,      f->r9,      f->r10,           f->r11,
                   f->r12,     f->r13,     f->r14,     f->r15,     f->rip,           f->rflags,
                   read_cr0(), read_cr2(), read_cr3(), read_cr4(), rdmsr(IA32_EFER), read_dr6(),
                   read_dr7(), 0,          read_dr0(), read_dr1(), read_dr2(),       read_dr3()},
        .segments = {[SEG_CS] = {.selector = (uint16_t)f->cs},
                     [SEG_SS] = {.selector = (uint16_t)f->ss},
                     [SEG_FS] = {.base = rdmsr(IA32_FS_BASE)},
                     [SEG_GS] = {.base = rdmsr(IA32_GS_BASE)},
                     [SEG_TR] = {.selector = task},
                     [SEG_GDTR] = {.base = gdt.base, .limit = gdt.limit},
                     [SEG_IDTR] = {.base = idt.base, .limit = idt.limit}},
    };
    if (state->values[REG_CR4] & CR4_OSXSAVE)
        state->values[STATE_XCR0] = xgetbv(0);
}

void core_print(const struct trap_frame *frame, struct writer *out)
{
    struct cpu_state state;
    uint64_t offset;

    take_state(frame, &state);
    state_print(&state, out);
    if (symbol_at(frame->rip, &offset))
        state_print_code((const uint8_t *)frame->rip - CODE_BEFORE, CODE_BYTES, CODE_BEFORE, out);
}

void core_handle_traps(exception_handler *trap, exception_handler *nmi)
{
    for (unsigned vector = 0; vector < EXCEPTIONS; vector++)
        interrupts_handle_exception((uint8_t)vector, vector == EXC_NMI ? nmi : trap);
}
