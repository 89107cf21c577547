/* What the latest exit says, taken apart in one place: for its handler, and for those who observe exits. */
#pragma once

#include "hv/emulate/task_switch.h"
#include "hv/exit/exit.h"
#include "svm/reasons.h"
#include "svm/vendor.h"

/* APM, "IOIO Intercept Information". */
static inline uint16_t io_port(uint64_t info)
{
    return (uint16_t)(info >> 16);
}

static inline unsigned io_size(uint64_t info)
{
    return (unsigned)info >> 4 & 7;
}

static inline bool io_reads(uint64_t info)
{
    return info & BIT(0);
}

static inline bool io_is_string(uint64_t info)
{
    return info & BIT(2);
}

static inline bool svm_reads_msr(const union vmcb *vmcb)
{
    return !vmcb->exit_info1;
}

/* APM, "Nested versus Guest Page Faults, Fault Ordering". */
#define NESTED_RESERVED BIT(3)
#define NESTED_FETCH    BIT(4)
#define NESTED_FINAL    BIT(32) /* of the operand's own address, not of a paging structure on the way */

static inline struct exit_access svm_violation(const union vmcb *vmcb)
{
    return (struct exit_access){
        .gpa = vmcb->exit_info2,
        .operand = (vmcb->exit_info1 & (NESTED_FINAL | NESTED_FETCH)) == NESTED_FINAL,
    };
}

/* APM, "MOV CRx/DRx Intercepts": decode assists name the general register. */
#define MOVE_DECODED          BIT(63)
#define MOVE_REGISTER(info)   ((enum vcpu_reg)((info)&15))
#define MOVE_CONTROL(code)    ((unsigned)(code)&15)
#define MOVE_TO_CONTROL(code) ((code) >= SVM_EXIT_CR0_WRITE)

/* APM, "Task Switch Intercept Information"; one by an event says so in EXITINTINFO. */
#define TASK_BY_IRET          BIT(36)
#define TASK_BY_JMP           BIT(38)

static inline struct task_switch svm_task_switch(const union vmcb *vmcb)
{
    uint64_t info = vmcb->exit_info2;

    return (struct task_switch){
        .selector = (uint16_t)vmcb->exit_info1,
        .source = info & TASK_BY_IRET                       ? TASK_SWITCH_IRET
                  : info & TASK_BY_JMP                      ? TASK_SWITCH_JMP
                  : vmcb->exit_interrupt & VMCB_EVENT_VALID ? TASK_SWITCH_GATE
                                                            : TASK_SWITCH_CALL,
    };
}
