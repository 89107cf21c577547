#include "svm/checks.h"

#include "hv/lib/format.h"
#include "hv/x86/interrupts.h"
#include "hv/x86/registers.h"
#include "hv/x86/x86.h"
#include "svm/reasons.h"

#define UPPER_32 UINT64_C(0xffffffff00000000)
#define CR4_DEFINED                                                                                          \
    (CR4_VME | CR4_PVI | CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_MCE | CR4_PGE | CR4_PCE | CR4_OSFXSR |   \
     CR4_OSXMMEXCPT | CR4_UMIP | CR4_LA57 | CR4_FSGSBASE | CR4_PCIDE | CR4_OSXSAVE | CR4_SMEP | CR4_SMAP |   \
     CR4_PKE | CR4_CET)
#define EFER_DEFINED                                                                                         \
    (EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE | EFER_SVME | EFER_LMSLE | EFER_FFXSR | EFER_TCE |            \
     EFER_MCOMMIT | EFER_INTWB | EFER_UAIE | EFER_AIBRSE)
#define CS_L        BIT(9)
#define CS_D        BIT(10)
#define EVENT_LEGAL (BIT(EVENT_INTERRUPT) | BIT(EVENT_NMI) | BIT(EVENT_EXCEPTION) | BIT(EVENT_SOFT_INTERRUPT))

#define CHECK(name)                                                                                          \
    static bool name(const union vmcb *vmcb UNUSED, const struct svm_capabilities *cpu UNUSED,               \
                     uint64_t value UNUSED, uint64_t argument UNUSED)

CHECK(any_of)
{
    return value & argument;
}

CHECK(none_of)
{
    return !(value & argument);
}

CHECK(write_through_with_caches_on)
{
    return (value & (CR0_CD | CR0_NW)) == CR0_NW;
}

CHECK(beyond_physical)
{
    return value >> cpu->physical_bits;
}

/* `argument`: how long it is. */
CHECK(map_beyond_physical)
{
    return (value + argument - 1) >> cpu->physical_bits;
}

static bool enters_long_mode(const union vmcb *vmcb)
{
    return (vmcb->efer & EFER_LME) && (vmcb->cr0 & CR0_PG);
}

CHECK(no_pae)
{
    return enters_long_mode(vmcb) && !(value & CR4_PAE);
}

CHECK(no_protection)
{
    return enters_long_mode(vmcb) && !(value & CR0_PE);
}

CHECK(two_code_sizes)
{
    return enters_long_mode(vmcb) && (vmcb->cr4 & CR4_PAE) &&
           (vmcb->cs.attributes & (CS_L | CS_D)) == (CS_L | CS_D);
}

CHECK(cet_without_wp)
{
    return (value & CR4_CET) && !(vmcb->cr0 & CR0_WP);
}

static bool injects(uint64_t event, enum event_type type)
{
    return (event & VMCB_EVENT_VALID) && VMCB_EVENT_TYPE(event) == (unsigned)type;
}

CHECK(reserved_event_type)
{
    return (value & VMCB_EVENT_VALID) && !(EVENT_LEGAL >> VMCB_EVENT_TYPE(value) & 1);
}

CHECK(no_exception)
{
    return injects(value, EVENT_EXCEPTION) && ((value & 0xff) == EXC_NMI || (value & 0xff) > 31);
}

CHECK(exception_of_other_modes)
{
    unsigned vector = value & 0xff;

    return injects(value, EVENT_EXCEPTION) && enters_long_mode(vmcb) && (vmcb->cs.attributes & CS_L) &&
           (vector == EXC_BR || vector == EXC_OF);
}

/* APM, "NMI Virtualization": the machine's NMIs must be intercepted then. */
CHECK(virtual_nmis_without_intercept)
{
    return (value & VMCB_V_NMI_ENABLE) && !(vmcb->intercepts1 & BIT(SVM_EXIT_NMI % 32));
}

/* Types 2 and 3 are reserved; 0 UC, 1 WC, 4 WT, 5 WP, 6 WB, 7 UC-. */
CHECK(bad_memory_type)
{
    for (unsigned i = 0; i < 8; i++) {
        unsigned type = value >> (8 * i) & 0xff;

        if (type > 7 || type == 2 || type == 3)
            return true;
    }
    return false;
}

#define AT(name) offsetof(union vmcb, name)

const struct svm_check svm_checks[] = {
    {AT(intercepts2), none_of, BIT(SVM_EXIT_VMRUN % 32), "the intercept of VMRUN, bit 0, must be on"},
    {AT(iopm), map_beyond_physical, KIB(12), "the map must end within the physical-address width"},
    {AT(msrpm), map_beyond_physical, KIB(8), "the map must end within the physical-address width"},
    {AT(asid), none_of, UINT32_MAX, "0 is the host's"},
    {AT(interrupt_control), virtual_nmis_without_intercept, 0,
     "virtual NMIs, bit 26, need the intercept of NMI"},
    {AT(nested_cr3), beyond_physical, 0, "beyond the physical-address width"},
    {AT(event), reserved_event_type, 0, "the event's type, bits 10:8, is reserved"},
    {AT(event), no_exception, 0, "the vector is that of no exception"},
    {AT(event), exception_of_other_modes, 0, "64-bit code does not raise #BR or #OF"},
    {AT(efer), none_of, EFER_SVME, "SVME, bit 12, must be 1"},
    {AT(efer), any_of, ~EFER_DEFINED, "reserved bits must be 0"},
    {AT(cr0), write_through_with_caches_on, 0, "NW, bit 29, needs CD, bit 30"},
    {AT(cr0), any_of, UPPER_32, "bits 63:32 must be 0"},
    {AT(cr0), no_protection, 0, "EFER.LME and PG, bit 31, need PE, bit 0"},
    {AT(cr3), beyond_physical, 0, "beyond the physical-address width"},
    {AT(cr4), any_of, ~CR4_DEFINED, "reserved bits must be 0"},
    {AT(cr4), no_pae, 0, "EFER.LME and CR0.PG need PAE, bit 5"},
    {AT(cr4), cet_without_wp, 0, "CET, bit 23, needs CR0.WP"},
    {AT(cs), two_code_sizes, 0, "L and D may not both be 1 in long mode"},
    {AT(dr6), any_of, UPPER_32, "bits 63:32 must be 0"},
    {AT(dr7), any_of, UPPER_32, "bits 63:32 must be 0"},
    {AT(pat), bad_memory_type, 0, "every byte must be a memory type: 0, 1, 4, 5, 6 or 7"},
    {AT(s_cet), any_of, UINT64_C(0x3c0), "reserved bits 9:6 must be 0"},
};

const unsigned svm_check_count = ARRAY_LENGTH(svm_checks);

bool svm_check_broken(const struct svm_check *check, const union vmcb *vmcb,
                      const struct svm_capabilities *cpu)
{
    return check->broken(vmcb, cpu, vmcb_value(vmcb, check->field), check->argument);
}

unsigned svm_explain_vmrun(const union vmcb *vmcb, const struct svm_capabilities *cpu, struct writer *out)
{
    unsigned broken = 0;

    for (unsigned i = 0; i < svm_check_count; i++) {
        const struct svm_check *check = &svm_checks[i];

        if (!svm_check_broken(check, vmcb, cpu))
            continue;
        print_to(out, "%s: found 0x%lx: %s (APM, \"Canonicalization and Consistency Checks\")\n",
                 vmcb_name(check->field), (unsigned long)vmcb_value(vmcb, check->field), check->words);
        broken++;
    }
    return broken;
}
