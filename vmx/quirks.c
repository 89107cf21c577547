#include "vmx/quirks.h"

#include "hv/host/feature.h"
#include "hv/host/instructions.h"
#include "hv/host/log.h"
#include "vmx/controls.h"

#define CPUID_PDCM 15

/*
 * Bochs 2.7 delivers a virtual interrupt, whatever RFLAGS.IF is, when one of the machine's own is to exit. It
 * is known by an MSR that its CPUID shows and that it has not.
 */
void vmx_find_quirks(void)
{
    static const char control[] = "virtual-interrupt delivery";
    uint64_t value;

    if (!cpu_has(1, 0, 2, CPUID_PDCM) || rdmsr_safe(IA32_PERF_CAPABILITIES, &value) ||
        !vmx_allowed(&vmx_cpu, VMX_SECONDARY, VMX_SECONDARY_VIRTUAL_INTERRUPT_DELIVERY))
        return;
    log_line("%s not used: emulators have it wrong; with `disable = none` it is", control);
    virt_forbid(&vmx_control_list, control, sizeof(control) - 1);
}
