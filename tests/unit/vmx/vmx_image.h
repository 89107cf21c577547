/* A CPU with all of VMX, and VMCSs that enter on it: what the tests of the entry checks break. */
#pragma once

#include "vmx/controls.h"
#include "vmx/fields.h"

#define IMAGE_FIELDS       0x3800 /* every encoding, halved */
#define IMAGE_VIRTUAL_APIC 0x5000 /* its VTPR is image.vtpr */
#define IMAGE_LINKED_VMCS  0x6000 /* holds the CPU's own revision */
#define IMAGE_OTHER_VMCS   0x7000 /* holds another one */

struct image {
    uint64_t fields[IMAGE_FIELDS];
    uint32_t vtpr;
};

enum image_kind { IMAGE_64, IMAGE_REAL, IMAGE_PAE, IMAGE_8086, IMAGE_KINDS };

/* A CPU that allows every control that the SDM names. */
void image_cpu(struct vmx_capabilities *cpu);

/* A VMCS with Keel's own controls that enters a guest of this kind. */
void image_build(struct image *image, const struct vmx_capabilities *cpu, enum image_kind kind);

/* What reads it. */
struct vmcs_reader image_reader(struct image *image);

static inline uint64_t *image_at(struct image *image, uint32_t encoding)
{
    return &image->fields[encoding >> 1];
}
