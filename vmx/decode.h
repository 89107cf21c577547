/* What the latest exit says, taken apart in one place: for its handler, and for those who observe exits. */
#pragma once

#include "hv/emulate/task_switch.h"
#include "hv/exit/exit.h"
#include "hv/x86/pc.h"
#include "vmx/instructions.h"
#include "vmx/reasons.h"

static inline unsigned vmx_instruction_length(void)
{
    return (unsigned)vmread(VMCS_EXIT_INSTRUCTION_LENGTH);
}

/* SDM, "Exit Qualification for I/O Instructions". */
static inline uint16_t io_port(uint64_t qualification)
{
    return (uint16_t)(qualification >> 16);
}

static inline unsigned io_size(uint64_t qualification)
{
    return (unsigned)((qualification & 7) + 1);
}

static inline bool io_reads(uint64_t qualification)
{
    return qualification & BIT(3);
}

static inline bool io_is_string(uint64_t qualification)
{
    return qualification & BIT(4);
}

/* SDM, "Exit Qualification for EPT Violations". */
#define VIOLATION_FETCH       BIT(2)
#define VIOLATION_LINEAR      BIT(7) /* there is a guest-linear address */
#define VIOLATION_TRANSLATION BIT(8) /* of that address, not of a paging structure on the way */

static inline __attribute__((always_inline)) struct exit_access vmx_violation(uint64_t qualification)
{
    uint64_t mask = VIOLATION_FETCH | VIOLATION_LINEAR | VIOLATION_TRANSLATION;

    return (struct exit_access){
        .gpa = vmread(VMCS_GUEST_PHYSICAL_ADDRESS),
        .operand = (qualification & mask) == (VIOLATION_LINEAR | VIOLATION_TRANSLATION),
    };
}

/* SDM, "Exit Qualification for APIC-Access VM Exits from Linear Accesses and Guest-Physical Accesses". */
#define ACCESS_TYPE(qualification) ((qualification) >> 12 & 15)
#define ACCESS_WRITE               1 /* a linear one by an instruction, as 0, a read, is */

/* The offset in the APIC's page, of an APIC write too. */
static inline uint64_t vmx_apic_offset(uint64_t qualification)
{
    return qualification & PAGE_MASK;
}

static inline struct exit_access vmx_apic_access(uint64_t qualification)
{
    return (struct exit_access){
        .gpa = PC_LOCAL_APIC + vmx_apic_offset(qualification),
        .operand = ACCESS_TYPE(qualification) <= ACCESS_WRITE,
    };
}

/* Of an EOI that hardware has done. */
static inline uint8_t vmx_eoi_vector(uint64_t qualification)
{
    return (uint8_t)qualification;
}

/* SDM, "Exit Qualification for Task Switches". */
static inline struct task_switch vmx_task_switch(void)
{
    uint64_t qualification = vmread(VMCS_EXIT_QUALIFICATION);

    return (struct task_switch){
        .selector = (uint16_t)qualification,
        .source = (enum task_switch_source)(qualification >> 30 & 3),
        .length = (uint8_t)vmx_instruction_length(),
    };
}
