/*
 * The virtual machine control block (APM, appendix "Layout of VMCB"): one list, from which the structure and
 * the table that prints it are made.
 */
#pragma once

#include "hv/lib/base.h"

struct writer;

/* Who prints a field: what a guest's crash shows, or only a dump of everything. */
enum vmcb_shown { VMCB_SHOWN_CRASH, VMCB_SHOWN_DUMP };

/* APM, "VMCB State Save Area": attributes are descriptor bits 40-47 and 52-55, without a gap. */
struct vmcb_segment {
    uint16_t selector, attributes;
    uint32_t limit;
    uint64_t base;
};

/* X(offset, name, type, name in words, printed by). Sorted. */
/* clang-format off */
#define VMCB_CONTROL(X) \
    X(0x000, cr_reads,           uint16_t, "intercepted CR reads", DUMP) \
    X(0x002, cr_writes,          uint16_t, "intercepted CR writes", DUMP) \
    X(0x004, dr_reads,           uint16_t, "intercepted DR reads", DUMP) \
    X(0x006, dr_writes,          uint16_t, "intercepted DR writes", DUMP) \
    X(0x008, exceptions,         uint32_t, "intercepted exceptions", DUMP) \
    X(0x00c, intercepts1,        uint32_t, "intercepts 1", DUMP) \
    X(0x010, intercepts2,        uint32_t, "intercepts 2", DUMP) \
    X(0x014, intercepts3,        uint32_t, "intercepts 3", DUMP) \
    X(0x03c, pause_threshold,    uint16_t, "PAUSE-filter threshold", DUMP) \
    X(0x03e, pause_count,        uint16_t, "PAUSE-filter count", DUMP) \
    X(0x040, iopm,               uint64_t, "IOPM_BASE_PA", DUMP) \
    X(0x048, msrpm,              uint64_t, "MSRPM_BASE_PA", DUMP) \
    X(0x050, tsc_offset,         uint64_t, "TSC_OFFSET", DUMP) \
    X(0x058, asid,               uint32_t, "guest ASID", DUMP) \
    X(0x05c, tlb_control,        uint8_t,  "TLB_CONTROL", DUMP) \
    X(0x060, interrupt_control,  uint64_t, "virtual interrupt control", CRASH) \
    X(0x068, interrupt_shadow,   uint64_t, "interrupt shadow", CRASH) \
    X(0x070, exit_code,          uint64_t, "EXITCODE", CRASH) \
    X(0x078, exit_info1,         uint64_t, "EXITINFO1", CRASH) \
    X(0x080, exit_info2,         uint64_t, "EXITINFO2", CRASH) \
    X(0x088, exit_interrupt,     uint64_t, "EXITINTINFO", CRASH) \
    X(0x090, nested,             uint64_t, "nested paging", DUMP) \
    X(0x098, avic_bar,           uint64_t, "AVIC APIC_BAR", DUMP) \
    X(0x0a0, ghcb,               uint64_t, "GHCB", DUMP) \
    X(0x0a8, event,              uint64_t, "EVENTINJ", CRASH) \
    X(0x0b0, nested_cr3,         uint64_t, "N_CR3", DUMP) \
    X(0x0b8, lbr_control,        uint64_t, "LBR virtualization", DUMP) \
    X(0x0c0, clean,              uint32_t, "clean bits", DUMP) \
    X(0x0c8, next_rip,           uint64_t, "nRIP", CRASH) \
    X(0x0d0, fetched,            uint8_t,  "bytes fetched", DUMP) \
    X(0x0d1, instruction,        uint8_t,  "first byte fetched", DUMP) \
    X(0x0e0, avic_page,          uint64_t, "AVIC backing page", DUMP) \
    X(0x0f0, avic_logical,       uint64_t, "AVIC logical table", DUMP) \
    X(0x0f8, avic_physical,      uint64_t, "AVIC physical table", DUMP)

#define VMCB_SAVE(X) \
    X(0x400, es,                 struct vmcb_segment, "ES", DUMP) \
    X(0x410, cs,                 struct vmcb_segment, "CS", DUMP) \
    X(0x420, ss,                 struct vmcb_segment, "SS", DUMP) \
    X(0x430, ds,                 struct vmcb_segment, "DS", DUMP) \
    X(0x440, fs,                 struct vmcb_segment, "FS", DUMP) \
    X(0x450, gs,                 struct vmcb_segment, "GS", DUMP) \
    X(0x460, gdtr,               struct vmcb_segment, "GDTR", DUMP) \
    X(0x470, ldtr,               struct vmcb_segment, "LDTR", DUMP) \
    X(0x480, idtr,               struct vmcb_segment, "IDTR", DUMP) \
    X(0x490, tr,                 struct vmcb_segment, "TR", DUMP) \
    X(0x4cb, cpl,                uint8_t,  "CPL", CRASH) \
    X(0x4d0, efer,               uint64_t, "EFER", DUMP) \
    X(0x548, cr4,                uint64_t, "CR4", DUMP) \
    X(0x550, cr3,                uint64_t, "CR3", DUMP) \
    X(0x558, cr0,                uint64_t, "CR0", DUMP) \
    X(0x560, dr7,                uint64_t, "DR7", DUMP) \
    X(0x568, dr6,                uint64_t, "DR6", DUMP) \
    X(0x570, rflags,             uint64_t, "RFLAGS", DUMP) \
    X(0x578, rip,                uint64_t, "RIP", DUMP) \
    X(0x5d8, rsp,                uint64_t, "RSP", DUMP) \
    X(0x5e0, s_cet,              uint64_t, "S_CET", DUMP) \
    X(0x5e8, ssp,                uint64_t, "SSP", DUMP) \
    X(0x5f0, isst,               uint64_t, "ISST_ADDR", DUMP) \
    X(0x5f8, rax,                uint64_t, "RAX", DUMP) \
    X(0x600, star,               uint64_t, "STAR", DUMP) \
    X(0x608, lstar,              uint64_t, "LSTAR", DUMP) \
    X(0x610, cstar,              uint64_t, "CSTAR", DUMP) \
    X(0x618, sfmask,             uint64_t, "SFMASK", DUMP) \
    X(0x620, kernel_gs_base,     uint64_t, "KernelGsBase", DUMP) \
    X(0x628, sysenter_cs,        uint64_t, "SYSENTER_CS", DUMP) \
    X(0x630, sysenter_esp,       uint64_t, "SYSENTER_ESP", DUMP) \
    X(0x638, sysenter_eip,       uint64_t, "SYSENTER_EIP", DUMP) \
    X(0x640, cr2,                uint64_t, "CR2", CRASH) \
    X(0x668, pat,                uint64_t, "G_PAT", DUMP) \
    X(0x670, debugctl,           uint64_t, "DBGCTL", DUMP) \
    X(0x678, br_from,            uint64_t, "BR_FROM", DUMP) \
    X(0x680, br_to,              uint64_t, "BR_TO", DUMP) \
    X(0x688, exception_from,     uint64_t, "LASTEXCPFROM", DUMP) \
    X(0x690, exception_to,       uint64_t, "LASTEXCPTO", DUMP)

#define VMCB_FIELDS(X) VMCB_CONTROL(X) VMCB_SAVE(X)
/* clang-format on */

/* Every field at its own offset. */
union vmcb {
    uint8_t bytes[PAGE_SIZE];
#define X(offset, name, type, words, shown)                                                                  \
    struct {                                                                                                 \
        uint8_t before_##name[offset];                                                                       \
        type name;                                                                                           \
    };
    VMCB_FIELDS(X)
#undef X
};

/* interrupt_control */
#define VMCB_V_IRQ             BIT(8)
#define VMCB_V_NMI             BIT(11) /* one waits */
#define VMCB_V_NMI_MASK        BIT(12) /* one is served */
#define VMCB_V_INTR_PRIORITY   (UINT64_C(15) << 16)
#define VMCB_V_IGN_TPR         BIT(20)
#define VMCB_V_INTR_MASKING    BIT(24)
#define VMCB_V_NMI_ENABLE      BIT(26)

/* interrupt_shadow, nested, lbr_control */
#define VMCB_SHADOW            BIT(0)
#define VMCB_NESTED_PAGING     BIT(0)
#define VMCB_LBR_VIRTUALIZED   BIT(0)

/* tlb_control (APM, "TLB Flush"). */
#define VMCB_FLUSH_ALL         1
#define VMCB_FLUSH_ASID        3

/* event, exit_interrupt (APM, "Event Injection"). */
#define VMCB_EVENT_VALID       BIT(31)
#define VMCB_EVENT_ERROR       BIT(11)
#define VMCB_EVENT_TYPE(event) ((event) >> 8 & 7)

/* clean (APM, "VMCB Clean Bits"): what the CPU may have kept since the last VMRUN. */
#define VMCB_CLEAN_INTERCEPTS  BIT(0)
#define VMCB_CLEAN_INTERRUPT   BIT(3)
#define VMCB_CLEAN_CONTROL     BIT(5)
#define VMCB_CLEAN_DEBUG       BIT(6)
#define VMCB_CLEAN_TABLES      BIT(7)
#define VMCB_CLEAN_SEGMENTS    BIT(8)
#define VMCB_CLEAN_CR2         BIT(9)
#define VMCB_CLEAN_LBR         BIT(10)

/* A field, for what goes through them. */
struct vmcb_field {
    const char *name;
    uint16_t offset;
    uint8_t size; /* 16: a segment */
    uint8_t shown;
};
extern const struct vmcb_field vmcb_fields[];
extern const unsigned vmcb_field_count;

/* The value of a field of up to 8 bytes, and its name. */
uint64_t vmcb_value(const union vmcb *vmcb, unsigned offset);
const char *vmcb_name(unsigned offset);

/* Prints `name value`, several on a line. */
void vmcb_print(const union vmcb *vmcb, enum vmcb_shown shown, struct writer *out);
