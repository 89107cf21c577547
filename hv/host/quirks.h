/*
 * What emulators get wrong of the machine itself (docs/emulators.md), found out by trying, and which of their
 * models have what Keel needs. The vendors' quirks.h have what is wrong of VMX and of SVM.
 */
#pragma once

#include "hv/lib/base.h"

/* For messages that say what mends a lack. */
#define MODEL_WITH_VMX "in Bochs cpu: model=corei7_skylake_x"
#define MODEL_WITH_KVM "in QEMU with nested KVM -cpu host"
#define MODEL_WITH_NPT "in QEMU: -cpu EPYC,+svm,+npt"
#define MODELS_WITH_EITHER                                                                                   \
    "Bochs: cpu: model=corei7_skylake_x or ryzen; QEMU: -cpu max, or with KVM -cpu host, nesting on"

/* Bits of a page-directory-pointer entry of PAE that are reserved and that QEMU 7.2 sets: accessed. */
#define PDPTE_SET_ALL_THE_SAME BIT(5)

/* false: XSAVEC and XSAVES lose registers. First called before a vCPU is loaded: it uses them. */
bool host_compacts(void);

/*
 * Whether the TSC deadline fires, and not before the TSC is there. `pending`: whether the timer's vector is
 * in IRR.
 */
bool host_deadline_works(bool (*pending)(void));
