/* Between the files of the emulator: one instruction on its way through it. Others include emulate.h. */
#pragma once

#include "hv/decode/decode.h"
#include "hv/decode/decode_forms.h"
#include "hv/emulate/emulate.h"
#include "hv/walk/linear.h"
#include "hv/walk/segment.h"

struct emulation {
    struct vcpu *vcpu;
    const struct instruction *in;
    enum code_mode mode;
    const uint8_t *bytes; /* of the instruction */
    uint64_t rip;
    gpa_t gpa; /* where the memory operand is, if the exit said so and may be believed; or EMULATE_NO_GPA */
    uint64_t rsp_bias; /* what POP has added to RSP before it addresses its operand */
    uint64_t dr7;      /* if it enables a breakpoint, else 0 */
    uint64_t hits;     /* breakpoints on data and ports that it has met, as in DR6 */
    struct fault fault;
};

/* How an instruction ended. */
enum outcome {
    OUTCOME_NEXT,   /* RIP moves on */
    OUTCOME_STAY,   /* a REP did its share: RIP stays for the rest */
    OUTCOME_DONE,   /* it has seen to its own end by vcpu_advance: RIP is where the guest goes on */
    OUTCOME_AGAIN,  /* nothing has happened: the guest begins the instruction anew */
    OUTCOME_RAISED, /* an exception was raised on the way, in this task or in another: RIP stays where that is
                     */
    OUTCOME_FAULT,  /* `fault` says which; nothing that the instruction has not completed is visible */
    OUTCOME_UNKNOWN, /* not emulated */
};

/* #UD, or another exception with the error code 0. */
static inline enum outcome emulation_fault(struct emulation *e, uint8_t vector)
{
    e->fault = (struct fault){.vector = vector, .has_error = vector != EXC_UD};
    return OUTCOME_FAULT;
}

/* The arithmetic of one operation: from `a` (the destination's old value) and `b` to the new value. */
struct alu {
    uint64_t a, b;
    uint64_t accumulator; /* what CMPXCHG compares with; the count of a double shift */
    uint64_t flags;       /* RFLAGS, in and out */
    unsigned size;        /* of the operands, in bytes */
};

typedef uint64_t alu_function(struct alu *alu);

/* emulate_operand.c: operands, read and written as the instruction names them. */

uint64_t operand_register(struct emulation *e, const struct operand *operand);
void operand_set_register(struct emulation *e, const struct operand *operand, uint64_t value);

/* A register of `size` bytes; 8 and 16 bits leave the rest alone, 32 bits clear it. */
uint64_t register_get(struct vcpu *vcpu, unsigned index, unsigned size);
void register_set(struct vcpu *vcpu, unsigned index, unsigned size, uint64_t value);

/* The effective address of the memory operand, cut to the address size. */
uint64_t effective_address(struct emulation *e);

/* Finds the memory operand, moved by `offset` bytes, and checks every right to it. */
bool operand_find(struct emulation *e, unsigned size, uint64_t offset, unsigned access, struct span *span);

/* Finds memory at segment:offset for an access that is not the ModRM operand. */
bool memory_find(struct emulation *e, enum vcpu_segment segment, uint64_t offset, unsigned size,
                 unsigned access, struct span *span);

/* Notes the breakpoints on data there: for what finds memory by other ways than the two above. */
void watch_data(struct emulation *e, gva_t gva, unsigned size, unsigned access);

/* The value of a source operand; a memory operand is found and read. false: fault. */
bool operand_read(struct emulation *e, const struct operand *operand, uint64_t *value);

/* The value of an operand that is not memory. */
uint64_t operand_value(struct emulation *e, const struct operand *operand);

uint64_t span_value(struct emulation *e, const struct span *span);
void span_set_value(struct emulation *e, const struct span *span, uint64_t value);

/* emulate_state.c */

/* false: #UD, or #NM, as the guest's CR0, CR4 and XCR0 and the mode of its code are. */
bool state_usable(struct emulation *e, enum extended_state state);

/* emulate_flags.c */

#define IOPL(flags) ((flags) >> 12 & 3)

/* Whether a program of virtual-8086 mode may push and pop RFLAGS. false: #GP(0). */
bool flags_allowed(struct emulation *e);

/* What RFLAGS are once `value` has been popped, by POPF, or by IRET (`returns`). false: #GP(0). */
bool flags_popped(struct emulation *e, uint64_t value, bool returns, uint64_t *flags);

/* emulate_alu.c */
alu_function alu_add, alu_or, alu_adc, alu_sbb, alu_and, alu_sub, alu_xor, alu_rol, alu_ror, alu_rcl, alu_rcr,
    alu_shl, alu_shr, alu_sar, alu_not, alu_neg, alu_inc, alu_dec, alu_bt, alu_bts, alu_btr, alu_btc,
    alu_xchg, alu_cmpxchg, alu_bsf, alu_bsr, alu_shld, alu_shrd;

/*
 * Computes a memory destination that was found for writing: as one atomic access if `locked` and in RAM.
 * Leaves in `alu` what the computation left. false if other processors kept changing it: nothing has
 * happened.
 */
bool modify_memory(struct emulation *e, const struct span *span, bool locked, alu_function *compute,
                   struct alu *alu);

/* Sign-extends `size` bytes to 64 bits. */
static inline int64_t sign_extend(uint64_t value, unsigned size)
{
    unsigned unused_bits = 64 - 8 * size;

    return (int64_t)(value << unused_bits) >> unused_bits;
}

/* The instructions themselves, by what they have in common. */
typedef enum outcome execute_function(struct emulation *e);

execute_function execute_modify, execute_compare, execute_bit, execute_exchange, execute_compare_exchange,
    execute_compare_exchange_pair, execute_double_shift; /* emulate_modify.c, emulate_exchange.c */
execute_function execute_multiply, execute_divide;       /* emulate_multiply.c */
execute_function execute_move, execute_move_conditionally, execute_set, execute_load_segment, execute_push,
    execute_pop, execute_pop_segment, execute_flush;                        /* emulate_move.c */
execute_function execute_move_control, execute_move_debug, execute_nothing; /* emulate_control.c */
execute_function execute_string, execute_string_io;                         /* emulate_string.c */
execute_function execute_push_flags, execute_pop_flags;                     /* emulate_flags.c */
execute_function execute_push_all, execute_pop_all, execute_enter, execute_load_far, execute_bound,
    execute_translate;                                                      /* emulate_frame.c */
execute_function execute_run;                                               /* emulate_run.c */
execute_function execute_call, execute_return, execute_jump, execute_leave; /* emulate_branch.c */
execute_function execute_jump_far, execute_call_far, execute_return_far, execute_return_interrupt;
execute_function execute_load_system, execute_store_system, execute_load_table, execute_store_table,
    execute_load_status, execute_ask_selector, execute_adjust_level,
    execute_invalidate;                                 /* emulate_system.c */
execute_function execute_move_line, execute_clear_line; /* emulate_line.c */

/* The stack (emulate_move.c): bytes of its pointer in use, and what RSP becomes, moved by `by` bytes. */
unsigned stack_size(struct emulation *e);
uint64_t stack_moved(struct emulation *e, int by, unsigned size);

/* What to do for each operation. */
struct operation_row {
    execute_function *execute;
    bool
        one_operand_in_memory; /* its only access to memory is its memory operand, at the effective address */
    bool rewrites;             /* where that is its destination, it is read first */
};

extern const struct operation_row operation_rows[OP_COUNT];

/* emulate_compute.c: of those that are arithmetic; NULL: it is not. */
extern alu_function *const operation_compute[OP_COUNT];
