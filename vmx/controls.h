/* What Keel makes of the control bits that this CPU has: the control words, and what is missing, in words. */
#pragma once

#include "vmx/capabilities.h"

struct writer;

enum vmx_wanted { VMX_CONTROL_OFF, VMX_CONTROL_WANTED, VMX_CONTROL_TOGGLED, VMX_CONTROL_NEEDED };

struct vmx_control {
    uint8_t word;     /* enum vmx_control_word */
    uint8_t bit;      /* of the word */
    uint8_t how;      /* enum vmx_wanted */
    uint8_t since;    /* which words mend its absence; of needed and toggled ones */
    const char *name; /* as the SDM writes it */
    const char *why;  /* of needed and toggled ones */
};

/* Every control, by word and bit. */
extern const struct vmx_control vmx_control_list[];
extern const unsigned vmx_control_count;

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

/* From now on, `cpu` is taken not to have what vmx_forbid named: wanted controls alone can be. */
bool vmx_forbid(const char *name, size_t length);
void vmx_apply_forbidden(struct vmx_capabilities *cpu);

/*
 * Prints a line for each thing that Keel needs and this CPU lacks: its name, what it is for, and the CPU or
 * the setting that mends it. Returns how many.
 */
unsigned vmx_print_needed(const struct vmx_capabilities *cpu, struct writer *out);

/* The name of a control bit, "reserved" if it has none. */
const char *vmx_control_name(enum vmx_control_word word, unsigned bit);
