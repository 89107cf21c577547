/* SDM, "Checks on Guest Segment Registers". */
#include "vmx/checks_rows.h"

/* The fields of the eight segments follow one another, in the order of enum vcpu_segment. */
#define SELECTOR_OF(segment) (VMCS_GUEST_ES_SELECTOR + 2u * (segment))
#define LIMIT_OF(segment)    (VMCS_GUEST_ES_LIMIT + 2u * (segment))
#define RIGHTS_OF(segment)   (VMCS_GUEST_ES_ACCESS_RIGHTS + 2u * (segment))

_Static_assert(SELECTOR_OF(SEG_TR) == VMCS_GUEST_TR_SELECTOR, "segments as VMX orders them");
_Static_assert(LIMIT_OF(SEG_TR) == VMCS_GUEST_TR_LIMIT, "segments as VMX orders them");
_Static_assert(RIGHTS_OF(SEG_TR) == VMCS_GUEST_TR_ACCESS_RIGHTS, "segments as VMX orders them");

#define RIGHTS_RESERVED UINT64_C(0xfffe0f00) /* bits 31:17 and 11:8 */
#define SELECTOR_TI     BIT(2)
#define SELECTOR_RPL(s) ((s)&3)
#define TYPE_ACCESSED   1
#define TYPE_READABLE   2
#define TYPE_CODE       8
#define TYPE_DATA_RW    3
#define TYPE_LDT        2
#define TYPE_TSS_16     3
#define TYPE_TSS        11

static uint64_t selector(const struct vmx_entry *entry, unsigned segment)
{
    return field(entry, SELECTOR_OF(segment));
}

static uint64_t rights(const struct vmx_entry *entry, unsigned segment)
{
    return field(entry, RIGHTS_OF(segment));
}

static bool virtual_8086(const struct vmx_entry *entry)
{
    return field(entry, VMCS_GUEST_RFLAGS) & RFLAGS_VM;
}

static bool unrestricted(const struct vmx_entry *entry)
{
    return control_on(entry, VMX_SECONDARY, VMX_SECONDARY_UNRESTRICTED_GUEST);
}

/* `argument` of every row here is a segment. */
static CHECK_CONDITION(usable)
{
    return !(rights(entry, check->argument) & SEG_UNUSABLE);
}

static CHECK_CONDITION(in_virtual_8086)
{
    return virtual_8086(entry);
}

/* The rights of CS are checked always, those of other segments where these are usable. */
static CHECK_CONDITION(not_virtual_8086)
{
    return !virtual_8086(entry) && (check->argument == SEG_CS || usable(entry, check));
}

static CHECK_CONDITION(restricted)
{
    return !virtual_8086(entry) && !unrestricted(entry);
}

static CHECK_CONDITION(restricted_data)
{
    return restricted(entry, check) && usable(entry, check) && SEG_TYPE(rights(entry, check->argument)) <= 11;
}

static CHECK_CONDITION(stack_at_level_0)
{
    return !virtual_8086(entry) &&
           (SEG_TYPE(rights(entry, SEG_CS)) == TYPE_DATA_RW || !(field(entry, VMCS_GUEST_CR0) & CR0_PE));
}

static CHECK_FUNCTION(table_indicator)
{
    return demand_bits(0, SELECTOR_TI);
}

static CHECK_FUNCTION(stack_rpl)
{
    return demand_true(SELECTOR_RPL(value) == SELECTOR_RPL(selector(entry, SEG_CS)));
}

static CHECK_FUNCTION(base_of_selector)
{
    return demand_equal(selector(entry, check->argument) << 4);
}

static CHECK_FUNCTION(base_below_4g)
{
    return demand_bits(0, UPPER_32);
}

static CHECK_FUNCTION(limit_64k)
{
    return demand_equal(0xffff);
}

static CHECK_FUNCTION(rights_virtual_8086)
{
    return demand_equal(0xf3);
}

static CHECK_FUNCTION(code_type)
{
    unsigned type = SEG_TYPE(value);
    bool code = (type & TYPE_CODE) && (type & TYPE_ACCESSED);

    return demand_true(code || (type == TYPE_DATA_RW && unrestricted(entry)));
}

static CHECK_FUNCTION(stack_type)
{
    return demand_true(SEG_TYPE(value) == 3 || SEG_TYPE(value) == 7);
}

static CHECK_FUNCTION(data_type)
{
    unsigned type = SEG_TYPE(value);

    return demand_true((type & TYPE_ACCESSED) && (!(type & TYPE_CODE) || (type & TYPE_READABLE)));
}

static CHECK_FUNCTION(code_or_data)
{
    return demand_bits(SEG_S, 0);
}

static CHECK_FUNCTION(system_segment)
{
    return demand_bits(0, SEG_S);
}

/* A conforming code segment (types 13 and 15) may be more privileged than the stack. */
static CHECK_FUNCTION(code_dpl)
{
    unsigned dpl = SEG_DPL(value), stack = SEG_DPL(rights(entry, SEG_SS));

    switch (SEG_TYPE(value)) {
    case TYPE_DATA_RW:
        return demand_true(dpl == 0);
    case 9:
    case 11:
        return demand_true(dpl == stack);
    case 13:
    case 15:
        return demand_true(dpl <= stack);
    default:
        return demand_true(true);
    }
}

static CHECK_FUNCTION(stack_dpl)
{
    return demand_true(SEG_DPL(value) == SELECTOR_RPL(selector(entry, SEG_SS)));
}

static CHECK_FUNCTION(dpl_0)
{
    return demand_true(SEG_DPL(value) == 0);
}

static CHECK_FUNCTION(data_dpl)
{
    return demand_true(SEG_DPL(value) >= SELECTOR_RPL(selector(entry, check->argument)));
}

static CHECK_FUNCTION(present)
{
    return demand_bits(SEG_P, 0);
}

static CHECK_FUNCTION(rights_reserved)
{
    return demand_bits(0, RIGHTS_RESERVED);
}

static CHECK_FUNCTION(code_size)
{
    bool long_mode = control_on(entry, VMX_ENTRY, VMX_ENTRY_IA32E_MODE_GUEST);

    return demand_bits(0, long_mode && (value & SEG_L) ? SEG_DB : 0);
}

/* A limit that ends inside a page needs G 0, one of 1 MiB or more needs G 1. */
static CHECK_FUNCTION(granularity)
{
    uint64_t limit = field(entry, LIMIT_OF(check->argument));

    return demand_bits(limit & 0xfff00000 ? SEG_G : 0, (limit & PAGE_MASK) != PAGE_MASK ? SEG_G : 0);
}

static CHECK_FUNCTION(task_type)
{
    bool long_mode = control_on(entry, VMX_ENTRY, VMX_ENTRY_IA32E_MODE_GUEST);
    unsigned type = SEG_TYPE(value);

    return demand_true(type == TYPE_TSS || (type == TYPE_TSS_16 && !long_mode));
}

static CHECK_FUNCTION(ldt_type)
{
    return demand_true(SEG_TYPE(value) == TYPE_LDT);
}

static CHECK_FUNCTION(task_usable)
{
    return demand_bits(0, SEG_UNUSABLE);
}

/* clang-format off */
#define ROW(part, segment, if, what, text) \
    {AT(GUEST_##segment##_##part, GUEST_SEGMENTS), .applies = if, .demand = what, .argument = SEG_##segment, \
     .words = text}
#define ALWAYS NULL

#define CANONICAL_BASE(segment, if) ROW(BASE, segment, if, check_canonical, "must be canonical")
#define LOW_BASE(segment, if)       ROW(BASE, segment, if, base_below_4g, "the base must be below 4 GiB")

#define VIRTUAL_8086(segment) \
    ROW(BASE, segment, in_virtual_8086, base_of_selector, "the selector times 16, in virtual-8086 mode"), \
    ROW(LIMIT, segment, in_virtual_8086, limit_64k, "in virtual-8086 mode"), \
    ROW(ACCESS_RIGHTS, segment, in_virtual_8086, rights_virtual_8086, "in virtual-8086 mode")

#define PRESENT(segment, if) \
    ROW(ACCESS_RIGHTS, segment, if, present, "P, the segment must be present"), \
    ROW(ACCESS_RIGHTS, segment, if, rights_reserved, "reserved bits"), \
    ROW(ACCESS_RIGHTS, segment, if, granularity, \
        "G must be 0 if any of bits 11:0 of the limit is 0, and 1 if any of its bits 31:20 is 1")

#define CODE_OR_DATA(segment) \
    ROW(ACCESS_RIGHTS, segment, not_virtual_8086, code_or_data, "S, the segment must be code or data"), \
    PRESENT(segment, not_virtual_8086)

#define DATA(segment) \
    ROW(ACCESS_RIGHTS, segment, not_virtual_8086, data_type, \
        "bits 3:0 must be the type of accessed data or of accessed, readable code"), \
    ROW(ACCESS_RIGHTS, segment, restricted_data, data_dpl, \
        "DPL (bits 6:5) must not be less than the RPL of the selector, without \"unrestricted guest\"")

const struct vmx_check vmx_segment_checks[] = {
    ROW(SELECTOR, TR, ALWAYS, table_indicator, "TI, the TSS must be in the GDT"),
    ROW(SELECTOR, LDTR, usable, table_indicator, "TI, the LDT must be in the GDT"),
    ROW(SELECTOR, SS, restricted, stack_rpl, "RPL must equal that of CS, without \"unrestricted guest\""),

    CANONICAL_BASE(TR, ALWAYS),
    CANONICAL_BASE(FS, ALWAYS),
    CANONICAL_BASE(GS, ALWAYS),
    CANONICAL_BASE(LDTR, usable),
    LOW_BASE(CS, ALWAYS),
    LOW_BASE(SS, usable),
    LOW_BASE(DS, usable),
    LOW_BASE(ES, usable),

    VIRTUAL_8086(ES),
    VIRTUAL_8086(CS),
    VIRTUAL_8086(SS),
    VIRTUAL_8086(DS),
    VIRTUAL_8086(FS),
    VIRTUAL_8086(GS),

    CODE_OR_DATA(ES),
    CODE_OR_DATA(CS),
    CODE_OR_DATA(SS),
    CODE_OR_DATA(DS),
    CODE_OR_DATA(FS),
    CODE_OR_DATA(GS),

    DATA(ES),
    DATA(DS),
    DATA(FS),
    DATA(GS),

    ROW(ACCESS_RIGHTS, CS, not_virtual_8086, code_type,
        "bits 3:0 must be the type of accessed code: 9, 11, 13 or 15 (or 3, with \"unrestricted guest\")"),
    ROW(ACCESS_RIGHTS, CS, not_virtual_8086, code_dpl,
        "DPL (bits 6:5) must be 0 for type 3, equal that of SS for 9 and 11, not exceed it for 13 and 15"),
    ROW(ACCESS_RIGHTS, CS, not_virtual_8086, code_size, "D/B, because L is 1 in IA-32e mode"),
    ROW(ACCESS_RIGHTS, SS, not_virtual_8086, stack_type, "bits 3:0 must be the type of a stack: 3 or 7"),
    ROW(ACCESS_RIGHTS, SS, restricted, stack_dpl,
        "DPL (bits 6:5) must equal the RPL of the selector, without \"unrestricted guest\""),
    ROW(ACCESS_RIGHTS, SS, stack_at_level_0, dpl_0,
        "DPL (bits 6:5) must be 0 if the type of CS is 3 or CR0.PE is 0"),

    ROW(ACCESS_RIGHTS, TR, ALWAYS, task_type,
        "bits 3:0 must be the type of a busy TSS: 11 (or 3, a 16-bit TSS, outside IA-32e mode)"),
    ROW(ACCESS_RIGHTS, TR, ALWAYS, system_segment, "S, a TSS is a system segment"),
    ROW(ACCESS_RIGHTS, TR, ALWAYS, task_usable, "TR must be usable"),
    PRESENT(TR, ALWAYS),

    ROW(ACCESS_RIGHTS, LDTR, usable, ldt_type, "bits 3:0 must be the type of an LDT: 2"),
    ROW(ACCESS_RIGHTS, LDTR, usable, system_segment, "S, an LDT is a system segment"),
    PRESENT(LDTR, usable),
};
/* clang-format on */

const unsigned vmx_segment_check_count = ARRAY_LENGTH(vmx_segment_checks);
