/* What an emulator gets wrong of SVM: found out by trying, but for what only chance shows. */
#include "hv/host/acpi.h"
#include "hv/host/cpu.h"
#include "hv/host/idt.h"
#include "hv/host/instructions.h"
#include "hv/host/log.h"
#include "hv/host/paging.h"
#include "svm/quirks.h"
#include "svm/reasons.h"

#define CODE_64BIT 0x29b
#define DATA_FLAT  0xc93
#define ASID       1

/* This core's own state for a guest, but for RFLAGS; what could come meanwhile is intercepted. */
static void prepare(union vmcb *vmcb)
{
    static const uint8_t codes[] = {SVM_EXIT_VMRUN, SVM_EXIT_DB,   SVM_EXIT_MC, SVM_EXIT_SHUTDOWN,
                                    SVM_EXIT_NMI,   SVM_EXIT_INIT, SVM_EXIT_HLT};

    for (unsigned i = 0; i < ARRAY_LENGTH(codes); i++)
        svm_intercept(vmcb, codes[i], true);
    vmcb->asid = ASID;
    vmcb->tlb_control = VMCB_FLUSH_ALL;
    vmcb->cs = (struct vmcb_segment){.attributes = CODE_64BIT, .limit = UINT32_MAX};
    vmcb->ds = vmcb->es = vmcb->ss = (struct vmcb_segment){.attributes = DATA_FLAT, .limit = UINT32_MAX};
    vmcb->efer = rdmsr(IA32_EFER);
    vmcb->cr0 = read_cr0();
    vmcb->cr3 = read_cr3();
    vmcb->cr4 = read_cr4();
    vmcb->dr6 = DR6_ONES;
    vmcb->dr7 = 0x400;
}

/* A NOP and a HLT, which exits if nothing does before. Returns whether NOP was not run. */
static bool run(union vmcb *vmcb)
{
    uint64_t begin;

    __asm__ volatile("leaq 1f(%%rip), %%rcx\n"
                     "movq %%rcx, %0\n"
                     "movq %%rcx, %1\n"
                     "clgi\n"
                     "vmrun %%rax\n"
                     "stgi\n"
                     "jmp 2f\n"
                     "1: nop\n"
                     "hlt\n"
                     "2:"
                     : "=m"(vmcb->rip), "=m"(begin)
                     : "a"(virt_to_phys(vmcb))
                     : "rcx", "cc", "memory");
    return vmcb->rip == begin;
}

static bool debug_exit_loses_cause(union vmcb *vmcb)
{
    vmcb->rflags = RFLAGS_1 | RFLAGS_TF;
    run(vmcb);
    return vmcb->exit_code == SVM_EXIT_DB && !(vmcb->dr6 & DR6_BS);
}

/* A virtual interrupt that waits: whether its exit comes before the NOP. */
static bool exits_before_nop(union vmcb *vmcb)
{
    vmcb->rflags = RFLAGS_1 | RFLAGS_IF;
    vmcb->interrupt_control = VMCB_V_IRQ | VMCB_V_INTR_PRIORITY | VMCB_V_IGN_TPR | VMCB_V_INTR_MASKING;
    svm_intercept(vmcb, SVM_EXIT_VINTR, true);
    return run(vmcb) && vmcb->exit_code == SVM_EXIT_VINTR;
}

static bool misses_window(union vmcb *vmcb)
{
    return !exits_before_nop(vmcb);
}

/* Behind STI it is not to come so soon. */
static bool forgets_shadow(union vmcb *vmcb)
{
    vmcb->interrupt_shadow = VMCB_SHADOW;
    return exits_before_nop(vmcb);
}

/* The exit stores what the CPU has. */
static bool loses_cr2(union vmcb *vmcb)
{
    const uint64_t any = 0x5a5a000;

    vmcb->rflags = RFLAGS_1;
    vmcb->cr2 = any;
    run(vmcb);
    return vmcb->cr2 != any;
}

/*
 * QEMU's TCG keeps the global interrupt flag and whether nested paging is on in one word for each CPU, and
 * FXRSTOR, XRSTOR, FRSTOR and FLDENV on any CPU clear another bit of the first CPU's word (IGNNE#) without a
 * lock, in another thread. What VMRUN, #VMEXIT, CLGI or STGI of the first CPU changed at the same moment is
 * lost: a guest goes on without nested paging, or Keel with it.
 */
static bool loses_state_of_first_core(void)
{
    uint32_t a, b, c, d;

    cpuid(1, 0, &a, &b, &c, &d);
    if (!(c & BIT(31))) /* a hypervisor has written this CPUID */
        return false;
    cpuid(0x40000000, 0, &a, &b, &c, &d);
    return b == 0x54474354 && c == 0x43544743 && d == 0x47435447; /* TCGTCGTCGTCG */
}

static bool shows(bool (*flaw)(union vmcb *vmcb))
{
    union vmcb *vmcb = host_allocate(sizeof(*vmcb));
    bool found;

    if (!vmcb)
        return false;
    prepare(vmcb);
    found = flaw(vmcb);
    host_free(vmcb, sizeof(*vmcb));
    return found;
}

void svm_find_quirks(void)
{
    interrupts_enter_at(EXC_DB, (uint64_t)svm_debug_trap);
    svm_cpu.quirks = (struct svm_quirks){
        .loses_dr6 = shows(debug_exit_loses_cause),
        .forgets_shadow = shows(forgets_shadow),
        .misses_window = shows(misses_window),
        .loses_cr2 = shows(loses_cr2),
    };
    if (svm_cpu.quirks.loses_dr6)
        log_line(
            "SVM: an intercepted #DB does not say its cause in DR6, as in Bochs 2.7: none is intercepted, "
            "and a guest whose #DB handler hits a breakpoint can keep its core");
    this_cpu()->spared = machine.apic_count > 1 && loses_state_of_first_core();
    if (this_cpu()->spared)
        log_line("SVM: QEMU's TCG loses what its first CPU does where others load x87 state: VMs that do not "
                 "name core "
                 "0 in `cpus` stay off it; give QEMU one CPU more (-smp) for as many as before");
}
