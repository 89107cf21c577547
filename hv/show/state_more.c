/* The registers of a vCPU that a crash report leaves out. */
#include "hv/cpu/msr.h"
#include "hv/cpu/virt_state.h"
#include "hv/lib/format.h"
#include "hv/show/state.h"

/* SDM, "Model-Specific Registers (MSRs)"; those that are in neither segment nor control register. */
static const struct {
    char name[15];
    uint32_t number;
} msrs[] = {
    {"STAR", IA32_STAR},
    {"LSTAR", IA32_LSTAR},
    {"CSTAR", IA32_CSTAR},
    {"FMASK", IA32_FMASK},
    {"KERNEL_GS_BASE", IA32_KERNEL_GS_BASE},
    {"SYSENTER_CS", IA32_SYSENTER_CS},
    {"SYSENTER_ESP", IA32_SYSENTER_ESP},
    {"SYSENTER_EIP", IA32_SYSENTER_EIP},
    {"PAT", IA32_PAT},
    {"APIC_BASE", IA32_APIC_BASE},
    {"MISC_ENABLE", IA32_MISC_ENABLE},
    {"TSC_AUX", IA32_TSC_AUX},
    {"MTRR_DEF_TYPE", IA32_MTRR_DEF_TYPE},
    {"XSS", IA32_XSS},
    {"DEBUGCTL", IA32_DEBUGCTL},
};

void state_print_more(struct vcpu *vcpu, struct writer *out)
{
    unsigned column = 0;
    uint64_t value;

    print_to(out, "cr8  %016lx  TSC offset %016lx\n",
             (uint64_t)vcpu->arch.interrupts.get_tpr(vcpu->arch.interrupts.state), vcpu->arch.tsc_offset);
    for (unsigned i = 0; i < ARRAY_LENGTH(msrs); i++)
        if (virt_state->get_msr(vcpu, msrs[i].number, &value) || msr_read(vcpu, msrs[i].number, &value))
            print_to(out, "%s%-14s %016lx",
                     column++ % 3 ? "  "
                     : column > 1 ? "\n"
                                  : "",
                     msrs[i].name, value);
    print_to(out, "\n");
}
