/* What of one VM a core must forget before it runs another: predictors and caches that the guest could
 * measure. */
#pragma once

#include "hv/lib/format.h"

#define HYGIENE_IBPB      BIT(0) /* indirect branch prediction barrier */
#define HYGIENE_L1D_FLUSH BIT(1)
#define HYGIENE_VERW      BIT(2) /* overwrites fill, store and load buffers */

/* What a CPU says of itself. */
struct hygiene_words {
    bool intel;
    uint32_t leaf7_ebx, leaf7_edx;
    uint32_t extended8_ebx;     /* CPUID.80000008H:EBX */
    uint64_t arch_capabilities; /* IA32_ARCH_CAPABILITIES; 0: there is none */
};

/* What the CPU needs; *offered is that part of it that it can do. */
unsigned hygiene_needed(const struct hygiene_words *words, unsigned *offered);

/* "between VMs: ..." in words. */
void hygiene_describe(struct writer *out, unsigned needed, unsigned offered);

/* Decides what will be done on every core, and says it in a log line. Once, on the boot core. */
void hygiene_init(void);

/* The core is about to load a vCPU of VM `id`, and ran one of VM *before last (0: none). */
void hygiene_switch(unsigned *before, unsigned id);
