#include "hv/crash/panic.h"

#include "hv/console/console.h"
#include "hv/console/screen.h"
#include "hv/crash/symbols.h"
#include "hv/crash/watchdog.h"
#include "hv/host/apic.h"
#include "hv/host/clock.h"
#include "hv/host/cpu.h"
#include "hv/host/instructions.h"
#include "hv/host/log.h"
#include "hv/host/log_ring.h"
#include "hv/host/paging.h"
#include "hv/show/state.h"
#include "hv/vm/vm.h"

#define BACKTRACE_MOST 24
#define BRIEFLY        6 /* of another core's backtrace */
#define CODE_BEFORE    16
#define CODE_BYTES     32
#define out            (&log_writer)

void (*panic_last_words)(struct writer *to);
static uint32_t panicking; /* index of the first core that panics, plus 1 */

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
_Static_assert(ARRAY_LENGTH(exception_names) == 32, "every exception has a name");

/*
 * The function at RIP, and return addresses on the stack: words that point into Keel's code just behind a
 * call instruction. Keel keeps no frame pointers (they would cost each exit a dozen instructions), so a stale
 * word may show among the true ones.
 */
static void print_backtrace(uint64_t rip, uint64_t rsp, unsigned most, struct writer *to)
{
    uint64_t end = rsp < STACKS_WINDOW ? 0 : ALIGN_UP(rsp + 1, PAGE_SIZE), word = rip, offset;

    print_to(to, "backtrace:\n");
    for (uint64_t at = ALIGN_UP(rsp, 8); most; at += 8) {
        const char *name = symbol_at(word, &offset);
        const uint8_t *code = (const uint8_t *)word;

        if (word == rip && !name)
            print_to(to, "    0x%016lx\n", rip);
        else if (name && (word == rip || (offset && (code[-5] == 0xe8 || code[-2] == 0xff ||
                                                     code[-3] == 0xff || code[-6] == 0xff))))
            print_to(to, "    0x%016lx %s+0x%lx\n", word, name, offset), most--;
        if (at + 8 > end)
            break;
        word = *(const uint64_t *)at;
    }
}

/* Which vCPU a core has, and what that did. */
static void print_vcpu(const struct vcpu *vcpu, struct writer *to)
{
    if (!vcpu)
        return;
    print_to(to, "vcpu %u of vm %s; ", vcpu->id, vcpu->vm->name);
    state_print_exits(vcpu, to);
}

void panic_print_core(const struct cpu *cpu, const struct trap_frame *where, struct writer *to)
{
    print_to(to, "cpu %u: ", cpu->index);
    if (where)
        print_backtrace(where->rip, where->rsp, BRIEFLY, to);
    else
        print_to(to, "does not answer\n");
    print_vcpu(cpu->current, to);
}

/* The NMI has reached every core before this long is over, or does not. */
static void await_stop(void)
{
    uint64_t patience = clock_now() + clock_hz() / 10;

    for (unsigned i = 0; i < cpu_count; i++)
        while (cpus[i] != this_cpu() && !__atomic_load_n(&cpus[i]->stopped, __ATOMIC_ACQUIRE) &&
               clock_now() < patience)
            cpu_pause();
}

static void print_other_cores(void)
{
    for (unsigned i = 0; i < cpu_count; i++)
        if (cpus[i] != this_cpu())
            panic_print_core(cpus[i], cpus[i]->stopped, out);
}

static void begin(void)
{
    uint32_t nobody = 0, me;

    interrupts_off();
    if (!cpu_count) /* early: there is nothing yet that names this core, and no other one runs */
        return;
    me = this_cpu()->index + 1;
    if (!__atomic_compare_exchange_n(&panicking, &nobody, me, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        halt_for_ever(); /* another core was first, or this one failed while it reported */
    host_apic_send_nmi_others();
    await_stop(); /* so that no other core's line falls into the report */
    log_panic();
    console_panic();
    screen_panic();
}

static _Noreturn void end(uint64_t rip, uint64_t rsp)
{
    print_backtrace(rip, rsp, BACKTRACE_MOST, out);
    if (cpu_count) {
        print_vcpu(this_cpu()->current, out);
        print_other_cores();
        if (panic_last_words)
            panic_last_words(out);
    }
    log_line(
        "Keel has stopped every core. Please report the lines above; the machine must be reset by hand.");
    halt_for_ever();
}

static void report(const char *reason, uint64_t rip, uint64_t rsp)
{
    begin();
    log_line("KEEL PANIC: %s", reason);
    end(rip, rsp);
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

/* An exception in Keel. */
static void trap(struct trap_frame *f)
{
    struct cpu_state state;
    uint64_t offset;

    begin();
    log_line("KEEL PANIC: %s (vector %u, error 0x%lx) in Keel at rip 0x%lx", exception_names[f->vector],
             f->vector, f->error, f->rip);
    take_state(f, &state);
    state_print(&state, out);
    if (symbol_at(f->rip, &offset))
        state_print_code((const uint8_t *)f->rip - CODE_BEFORE, CODE_BYTES, CODE_BEFORE, out);
    end(f->rip, f->rsp);
}

/* An NMI while Keel runs: another core's panic, or the machine's own. */
static void nmi(struct trap_frame *frame)
{
    struct cpu *cpu = this_cpu();

    if (__atomic_load_n(&panicking, __ATOMIC_ACQUIRE)) {
        __atomic_store_n(&cpu->stopped, frame, __ATOMIC_RELEASE);
        halt_for_ever();
    }
    watchdog_nmi(frame);
    cpu->nmi_seen++;
}

void panic_init(void)
{
    panic_report_by(report);
    for (unsigned vector = 0; vector < ARRAY_LENGTH(exception_names); vector++)
        interrupts_handle_exception((uint8_t)vector, vector == EXC_NMI ? nmi : trap);
}
