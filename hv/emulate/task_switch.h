/* Hardware task switches, which leave the guest on both vendors and are the hypervisor's to do. */
#pragma once

#include "hv/vm/vcpu.h"

/* What asked for the switch, numbered as in VMX's exit qualification (bits 31:30). */
enum task_switch_source {
    TASK_SWITCH_CALL,
    TASK_SWITCH_IRET,
    TASK_SWITCH_JMP,
    TASK_SWITCH_GATE, /* a task gate in the IDT */
};

struct task_switch {
    uint16_t selector; /* of the new TSS */
    enum task_switch_source source;
    uint8_t length; /* of the instruction that asked, 0 if an interrupt or exception did: the old task resumes
                       after it */
    bool external;  /* an interrupt or exception asked, not the program: EXT bit of error codes */
    bool has_error; /* the exception that asked has an error code: it is pushed in the new task */
    uint32_t error;
};

/*
 * Switches tasks (SDM, "Task Switching"). Returns true when the new task is in place, false when a fault was
 * raised: in the old task with nothing changed, or in the new one. Privilege was checked by the processor
 * before it left the guest. The event that asked for the switch is delivered by it, and must not be injected
 * again.
 */
bool task_switch(struct vcpu *vcpu, const struct task_switch *request);
