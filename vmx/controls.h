/* What Keel makes of the control bits that this CPU has: the control words, and what is missing, in words. */
#pragma once

#include "hv/vm/virt_controls.h"
#include "vmx/capabilities.h"

struct writer;

/* Every control, by word and bit. */
extern struct virt_controls vmx_control_list;

/* The control words to write into every VMCS. */
struct vmx_controls {
    union {
        struct {
            uint64_t pin, primary, secondary, tertiary, exit, exit2, entry;
        };
        uint64_t word[VMX_WORDS];
    };
    uint64_t missing[VMX_WORDS]; /* needed, toggled or wanted, but the CPU does not allow them */
    uint64_t forced[VMX_WORDS];  /* to be off, but the CPU does not allow that */
};

extern struct vmx_controls vmx_words; /* as every VMCS gets them */

/* Computes every control word. false: this CPU lacks something needed; vmx_print_needed says what. */
bool vmx_compute_controls(const struct vmx_capabilities *cpu, struct vmx_controls *out);

/* Prints, a few lines for each word, the controls in use, those missing and those forced on. */
void vmx_print_controls(const struct vmx_controls *controls, struct writer *out);

/* Takes away from `cpu` what was forbidden. */
void vmx_apply_forbidden(struct vmx_capabilities *cpu);

/*
 * Prints a line for each thing that Keel needs and this CPU lacks: its name, what it is for, and the CPU or
 * the setting that mends it. Returns how many.
 */
unsigned vmx_print_needed(const struct vmx_capabilities *cpu, struct writer *out);

/*
 * Whether a core can run what the boot core's capabilities and the control words made of them lead to. Prints
 * a line for each thing that it cannot: what was found and what is needed. Returns how many.
 */
unsigned vmx_print_unfit(const struct vmx_capabilities *core, const struct vmx_capabilities *boot,
                         const struct vmx_controls *words, struct writer *out);
