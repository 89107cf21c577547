/* What a core has to forget between two VMs, by what CPUID says of it. */
#include "hv/cpu/hygiene.h"

/* CPUID.(7,0):EBX and EDX. */
#define RTM                BIT(11)
#define MD_CLEAR           BIT(10)
#define IBRS_IBPB          BIT(26)
#define L1D_FLUSH          BIT(28)

#define AMD_IBPB           BIT(12) /* CPUID.80000008H:EBX */

/* IA32_ARCH_CAPABILITIES. */
#define RDCL_NO            BIT(0)
#define SKIP_L1DFL_VMENTRY BIT(3)
#define MDS_NO             BIT(5)
#define TAA_NO             BIT(8)
#define FB_CLEAR           BIT(17) /* VERW overwrites fill buffers for stale data of MMIO, too */
#define RFDS_CLEAR         BIT(28) /* and stale data of registers */

unsigned hygiene_needed(const struct hygiene_words *words, unsigned *offered)
{
    uint64_t says = words->arch_capabilities;
    unsigned needed = HYGIENE_IBPB;

    *offered = words->extended8_ebx & AMD_IBPB || words->leaf7_edx & IBRS_IBPB ? HYGIENE_IBPB : 0;
    if (!words->intel)
        return needed;
    if (!(says & (RDCL_NO | SKIP_L1DFL_VMENTRY)))
        needed |= HYGIENE_L1D_FLUSH;
    if (!(says & MDS_NO) || (!(says & TAA_NO) && words->leaf7_ebx & RTM) || says & (FB_CLEAR | RFDS_CLEAR))
        needed |= HYGIENE_VERW;
    if (words->leaf7_edx & L1D_FLUSH)
        *offered |= HYGIENE_L1D_FLUSH;
    if (words->leaf7_edx & MD_CLEAR)
        *offered |= HYGIENE_VERW;
    *offered &= needed;
    return needed;
}

static void list(struct writer *out, unsigned set)
{
    static const char *const names[] = {"IBPB", "L1D flush", "VERW"};
    const char *between = "";

    for (unsigned i = 0; i < ARRAY_LENGTH(names); i++)
        if (set >> i & 1) {
            print_to(out, "%s%s", between, names[i]);
            between = ", ";
        }
}

void hygiene_describe(struct writer *out, unsigned needed, unsigned offered)
{
    print_to(out, "between VMs: %s", offered ? "" : "nothing");
    list(out, offered);
    if (needed == offered)
        return;
    print_to(out, "; needed and not offered by this CPU: ");
    list(out, needed & ~offered);
    print_to(out, " (newer microcode may)");
}
