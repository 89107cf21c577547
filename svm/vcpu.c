#include "svm/vcpu.h"

#include "hv/cpu/cpuid.h"
#include "hv/cpu/msr.h"
#include "hv/cpu/native.h"
#include "hv/event/event.h"
#include "hv/host/cpu.h"
#include "hv/host/feature.h"
#include "hv/host/instructions.h"
#include "hv/host/log.h"
#include "hv/host/paging.h"
#include "hv/lib/string.h"
#include "svm/entry.h"
#include "svm/exits.h"
#include "svm/quirks.h"
#include "svm/reasons.h"
#include "svm/registers.h"
#include "svm/vm.h"

_Static_assert(offsetof(struct vcpu, arch.gpr) == 0 && sizeof(((struct vcpu *)0)->arch.gpr) == 128,
               "as in entry.asm");
_Static_assert(offsetof(struct vcpu, arch.host_stack) == 128, "as in entry.asm");
_Static_assert(offsetof(struct vcpu, arch.vendor) == 136, "as in entry.asm");
_Static_assert(offsetof(struct svm_vcpu, vmcb) == 0, "as in entry.asm");
_Static_assert(offsetof(struct svm_vcpu, physical) == 4096, "as in entry.asm");
_Static_assert(offsetof(struct svm_vcpu, host_state) == 4104, "as in entry.asm");
_Static_assert(offsetof(union vmcb, rax) == 0x5f8, "as in entry.asm");

#define IOPM_SIZE  KIB(12)
#define MSRPM_SIZE KIB(8)

/* APM, "Pause Intercept Filtering": so many PAUSEs, each within so many cycles of the last, are a loop. PAUSE
 * itself takes about 65. */
#define PAUSES     256
#define PAUSES_GAP 256

/* One for all: every guest may touch the same MSRs natively, but without RDTSCP no TSC_AUX; and no ports. */
static uint8_t *msrpm, *msrpm_no_tsc_aux, *iopm;

/* APM, "MSR Intercepts": two bits for each MSR, the lower for reads, in a vector for each of three ranges. */
static void allow_msr(uint8_t *map, uint32_t msr)
{
    unsigned vector = msr >= 0xc0010000 ? 2 : msr >= 0xc0000000 ? 1 : 0, bit = 2 * (msr & 0x1fff);

    map[KIB(2) * vector + bit / 8] &= (uint8_t) ~(3 << bit % 8);
}

bool svm_make_maps(void)
{
    msrpm = host_allocate(MSRPM_SIZE);
    msrpm_no_tsc_aux = host_allocate(MSRPM_SIZE);
    iopm = host_allocate(IOPM_SIZE);
    if (!msrpm || !msrpm_no_tsc_aux || !iopm) {
        log_line("SVM: no memory for the maps of MSRs and ports: give the machine more");
        return false;
    }
    memset(msrpm, 0xff, MSRPM_SIZE);
    memset(msrpm_no_tsc_aux, 0xff, MSRPM_SIZE);
    memset(iopm, 0xff, IOPM_SIZE);
    for (const uint32_t *msr = msr_native; *msr; msr++) {
        allow_msr(msrpm, *msr);
        if (*msr != IA32_TSC_AUX)
            allow_msr(msrpm_no_tsc_aux, *msr);
    }
    return true;
}

bool svm_vcpu_create(struct vcpu *vcpu)
{
    struct svm_vcpu *svm = host_allocate(sizeof(*svm)); /* page-aligned, so the VMCB is too */
    union vmcb *vmcb;

    vcpu->arch.vendor = svm;
    svm_native.xsaves = cpu_has(0xd, 1, 0, 3);
    if (!svm || !native_create(vcpu))
        return false;
    vmcb = &svm->vmcb;
    svm->physical = virt_to_phys(vmcb);
    svm->core = -1;
    svm_set_intercepts(vmcb);
    svm_intercept(vmcb, SVM_EXIT_RDTSCP, cpuid_hides(vcpu, "rdtscp"));
    svm_intercept(vmcb, SVM_EXIT_INVPCID, cpuid_hides(vcpu, "invpcid"));
    vmcb->msrpm = virt_to_phys(cpuid_hides(vcpu, "rdtscp") ? msrpm_no_tsc_aux : msrpm);
    vmcb->iopm = virt_to_phys(iopm);
    vmcb->asid = svm_next_asid();
    vmcb->nested = VMCB_NESTED_PAGING;
    vmcb->nested_cr3 = vcpu->vm->nested.root;
    vmcb->pause_count = PAUSES;
    vmcb->pause_threshold = PAUSES_GAP;
    vmcb->lbr_control = svm_has(SVM_LBR) ? VMCB_LBR_VIRTUALIZED : 0;
    return true;
}

void svm_vcpu_destroy(struct vcpu *vcpu)
{
    struct svm_vcpu *svm = vcpu->arch.vendor;

    if (!svm)
        return;
    native_destroy(vcpu);
    host_free(svm, sizeof(*svm));
    vcpu->arch.vendor = NULL;
}

void svm_vcpu_reset(struct vcpu *vcpu)
{
    struct svm_vcpu *svm = svm_of(vcpu);
    union vmcb *vmcb = &svm->vmcb;

    memset(vmcb->bytes + offsetof(union vmcb, es), 0, sizeof(*vmcb) - offsetof(union vmcb, es));
    vmcb->interrupt_control = VMCB_V_INTR_MASKING | VMCB_V_IGN_TPR | VMCB_V_INTR_PRIORITY |
                              (svm_has(SVM_VNMI) ? VMCB_V_NMI_ENABLE : 0);
    vmcb->interrupt_shadow = 0;
    vmcb->event = 0;
    vmcb->pat = PAT_RESET;
    vmcb->tsc_offset = vcpu->arch.tsc_offset;
    svm->nmi = NMI_OPEN;
    svm->stepping = false;
    reset_registers(vcpu);
    vmcb->clean = 0;
}

void svm_vcpu_load(struct vcpu *vcpu)
{
    struct svm_vcpu *svm = svm_of(vcpu);
    struct cpu *cpu = this_cpu();

    if (svm->core != (int)cpu->index || svm_asids_shared) {
        svm->core = (int)cpu->index;
        svm->host_state = virt_to_phys(cpu->vendor) + PAGE_SIZE;
        svm->vmcb.clean = 0;
        svm_flush(vcpu);
    }
    write_cr3(vcpu->vm->space.root);
    native_load(vcpu, &svm_native);
    svm_cr2_changed(&svm->vmcb);
    cpu->current = vcpu;
}

void svm_vcpu_put(struct vcpu *vcpu)
{
    native_take_xcr0(vcpu);
    native_put(vcpu, &svm_native);
    write_cr3(paging_root());
    this_cpu()->current = NULL;
}

void svm_run(struct vcpu *vcpu)
{
    if (!vcpu_begins(vcpu))
        return;
    svm_enter(vcpu);
}
