#include "vmx/reasons.h"

#include "hv/lib/format.h"
#include "hv/vm/vcpu.h"

static const char *const reasons[] = {
#define X(number, name, text, about, handler) [number] = text,
    VMX_EXIT_REASONS(X)
#undef X
};

const char *vmx_exit_reason_name(uint32_t basic)
{
    return basic < ARRAY_LENGTH(reasons) && reasons[basic] ? reasons[basic] : "undefined exit reason";
}

static const char *const instruction_errors[] = {
    [0] = "no VM-instruction error",
    [1] = "VMCALL executed in VMX root operation",
    [2] = "VMCLEAR with invalid physical address",
    [3] = "VMCLEAR with VMXON pointer",
    [4] = "VMLAUNCH with non-clear VMCS",
    [5] = "VMRESUME with non-launched VMCS",
    [6] = "VMRESUME after VMXOFF",
    [7] = "VM entry with invalid control fields",
    [8] = "VM entry with invalid host-state fields",
    [9] = "VMPTRLD with invalid physical address",
    [10] = "VMPTRLD with VMXON pointer",
    [11] = "VMPTRLD with incorrect VMCS revision identifier",
    [12] = "VMREAD or VMWRITE of a VMCS component that this CPU does not have",
    [13] = "VMWRITE to a read-only VMCS component",
    [15] = "VMXON executed in VMX root operation",
    [16] = "VM entry with invalid executive-VMCS pointer",
    [17] = "VM entry with non-launched executive VMCS",
    [18] = "VM entry with executive-VMCS pointer not VMXON pointer",
    [19] = "VMCALL with non-clear VMCS",
    [20] = "VMCALL with invalid VM-exit control fields",
    [22] = "VMCALL with incorrect MSEG revision identifier",
    [23] = "VMXOFF under dual-monitor treatment of SMIs and SMM",
    [24] = "VMCALL with invalid SMM-monitor features",
    [25] = "VM entry with invalid VM-execution control fields in executive VMCS",
    [26] = "VM entry with events blocked by MOV SS",
    [28] = "invalid operand to INVEPT or INVVPID",
};

const char *vmx_instruction_error_text(uint32_t number)
{
    return number < ARRAY_LENGTH(instruction_errors) && instruction_errors[number]
               ? instruction_errors[number]
               : "undefined VM-instruction error";
}

/* SDM, "VM-Entry Failures During or After Loading Guest State": what a qualification that is not 0 names. */
static const char *const invalid_state[] = {
    [2] =
        "loading the page-directory-pointer-table entries failed: one that is present has reserved bits set",
    [3] = "an NMI was to be injected while blocking by STI is on, which this CPU refuses",
    [4] = "the VMCS link pointer: not aligned, beyond the physical-address width, or not a VMCS of this CPU "
          "whose shadow-VMCS indicator equals \"VMCS shadowing\"",
};

void vmx_print_entry_failure(uint32_t basic, uint64_t qualification, struct writer *out)
{
    if (!qualification)
        return;
    if (basic == VMX_REASON_MSR_LOADING)
        print_to(
            out,
            "entry %lu of the VM-entry MSR-load area cannot be loaded: the MSR does not exist, must not be "
            "loaded so, or the value has reserved bits set\n",
            (unsigned long)qualification);
    else if (basic == VMX_REASON_INVALID_GUEST_STATE && qualification < ARRAY_LENGTH(invalid_state) &&
             invalid_state[qualification])
        print_to(out, "%s\n", invalid_state[qualification]);
    else
        print_to(out, "exit qualification 0x%lx\n", (unsigned long)qualification);
}

/* SDM, "Injected-Event Identification", "Information for VM Exits Due to Vectored Events". */
static const char *const event_types[8] = {
    "external interrupt", "reserved event type 1", "NMI",
    "hardware exception", "software interrupt",    "privileged software exception",
    "software exception", "other event",
};

static const char *const exceptions[32] = {
    [0] = "#DE",  [1] = "#DB",  [3] = "#BP",  [4] = "#OF",  [5] = "#BR",  [6] = "#UD",  [7] = "#NM",
    [8] = "#DF",  [10] = "#TS", [11] = "#NP", [12] = "#SS", [13] = "#GP", [14] = "#PF", [16] = "#MF",
    [17] = "#AC", [18] = "#MC", [19] = "#XM", [20] = "#VE", [21] = "#CP",
};

void vmx_print_events(const struct vmcs_reader *vmcs, struct writer *out)
{
    static const uint16_t fields[] = {VMCS_ENTRY_INTERRUPTION, VMCS_EXIT_INTERRUPTION, VMCS_IDT_VECTORING};

    for (unsigned i = 0; i < ARRAY_LENGTH(fields); i++) {
        uint32_t information = (uint32_t)vmcs->read(vmcs->context, fields[i]);
        unsigned vector = INFORMATION_VECTOR(information), type = INFORMATION_TYPE(information);
        bool exception = type == EVENT_EXCEPTION || type == EVENT_SOFT_EXCEPTION;

        if (!(information & INFORMATION_VALID))
            continue;
        print_to(out, "%s: %s %u", vmcs_field_name(fields[i]), event_types[type], vector);
        if (exception && vector < ARRAY_LENGTH(exceptions) && exceptions[vector])
            print_to(out, " (%s)", exceptions[vector]);
        print_to(out, information & INFORMATION_ERROR ? " with error code\n" : "\n");
    }
}
