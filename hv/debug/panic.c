#include "hv/debug/panic.h"

#include "hv/debug/console.h"
#include "hv/debug/symbols.h"
#include "hv/host/apic.h"
#include "hv/host/cpu.h"
#include "hv/host/log.h"
#include "hv/host/x86.h"
#include "hv/lib/format.h"

#define BACKTRACE_MOST  24
#define STACK_SCAN_MOST KIB(8)

static uint32_t panicking; /* index of the first core that panics, plus 1 */

static const char *const exception_names[32] = {
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
};

static void print_address(uint64_t address)
{
    uint64_t offset;
    const char *name = symbol_at(address, &offset);

    if (name)
        print_to(&console_writer, "    0x%016lx %s+0x%lx\n", address, name, offset);
}

/*
 * Return addresses on the stack: words that point into Keel's code just behind a call instruction. Keel keeps
 * no frame pointers (they would cost each exit a dozen instructions), so a stale word may show among the true
 * ones.
 */
static void print_backtrace(uint64_t rip, uint64_t rsp)
{
    uint64_t end = ALIGN_UP(rsp + 1, PAGE_SIZE), offset;
    unsigned printed = 1;

    print_to(&console_writer, "backtrace:\n");
    print_address(rip);
    for (uint64_t at = ALIGN_UP(rsp, 8); at + 8 <= end && printed < BACKTRACE_MOST; at += 8) {
        uint64_t word = *(const uint64_t *)at;
        const uint8_t *code = (const uint8_t *)word;

        if (!symbol_at(word, &offset) || offset == 0)
            continue;
        if (code[-5] == 0xe8 || code[-2] == 0xff || code[-3] == 0xff || code[-6] == 0xff) {
            print_address(word);
            printed++;
        }
    }
}

static void begin(void)
{
    uint32_t nobody = 0, me;

    interrupts_off();
    if (!cpu_count) /* early: there is nothing yet that names this core, and no other one runs */
        return;
    me = this_cpu()->index + 1;
    if (!__atomic_compare_exchange_n(&panicking, &nobody, me, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
        for (;;) /* another core was first, or this one failed while it reported */
            __asm__ volatile("cli\n hlt");
    }
    host_apic_send_nmi_others();
    console_panic();
}

static _Noreturn void end(void)
{
    log_line(
        "Keel has stopped every core. Please report the lines above; the machine must be reset by hand.");
    for (;;)
        __asm__ volatile("cli\n hlt");
}

_Noreturn void panic(const char *format, ...)
{
    char text[200];
    struct text_buffer buffer;
    va_list arguments;
    uint64_t rsp;

    begin();
    text_buffer_init(&buffer, text, sizeof(text));
    va_start(arguments, format);
    vprint_to(&buffer.writer, format, arguments);
    va_end(arguments);
    log_line("KEEL PANIC: %s", text);
    __asm__ volatile("mov %%rsp, %0" : "=r"(rsp));
    print_backtrace((uint64_t)__builtin_return_address(0), rsp);
    end();
}

_Noreturn void panic_trap(const struct trap_frame *f)
{
    begin();
    log_line("KEEL PANIC: %s (vector %u, error 0x%lx) in Keel at rip 0x%lx", exception_names[f->vector],
             f->vector, f->error, f->rip);
    print_to(&console_writer, "rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", f->rax, f->rbx, f->rcx,
             f->rdx);
    print_to(&console_writer, "rsi %016lx rdi %016lx rbp %016lx rsp %016lx\n", f->rsi, f->rdi, f->rbp,
             f->rsp);
    print_to(&console_writer, "r8  %016lx r9  %016lx r10 %016lx r11 %016lx\n", f->r8, f->r9, f->r10, f->r11);
    print_to(&console_writer, "r12 %016lx r13 %016lx r14 %016lx r15 %016lx\n", f->r12, f->r13, f->r14,
             f->r15);
    print_to(&console_writer, "cr0 %016lx cr2 %016lx cr3 %016lx cr4 %016lx rflags %lx\n", read_cr0(),
             read_cr2(), read_cr3(), read_cr4(), f->rflags);
    print_backtrace(f->rip, f->rsp);
    end();
}

void panic_nmi(const struct trap_frame *frame)
{
    (void)frame;
    if (__atomic_load_n(&panicking, __ATOMIC_ACQUIRE))
        for (;;)
            __asm__ volatile("cli\n hlt");
    this_cpu()->nmi_seen++;
}
