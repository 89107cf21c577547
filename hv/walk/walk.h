/* The guest's own paging: guest-linear to guest-physical, with every permission it asks for. */
#pragma once

#include "hv/cpu/registers.h"

#define ACCESS_READ     0
#define ACCESS_WRITE    BIT(0)
#define ACCESS_FETCH    BIT(1)
#define ACCESS_SYSTEM   BIT(2) /* implicit supervisor access (descriptor tables, TSS): CPL does not matter */
#define ACCESS_NO_ALTER BIT(3) /* sets no accessed or dirty bit: for debuggers */

/*
 * Translates one guest-linear address. Returns true and the guest-physical address, or false and the #PF
 * (with error code and address) that silicon would raise. Sets accessed and dirty bits as silicon does,
 * except with ACCESS_NO_ALTER.
 */
bool guest_translate(struct vcpu *vcpu, gva_t gva, unsigned access, gpa_t *gpa, struct fault *fault);

/*
 * The paging-structure entries that a translation used, as they were left: for each, the aligned 64 bits that
 * hold it, where Keel sees them. While they compare equal, and the control registers are the same, so is the
 * translation. `exact` is false if an entry was not in RAM and cannot be compared.
 */
#define WALK_LEVELS_MOST 5
struct walk_path {
    struct {
        const uint64_t *where;
        uint64_t value;
    } entries[WALK_LEVELS_MOST];
    unsigned count;
    bool exact;
};

/* Whether PAE paging may begin with this CR3: no entry of its page-directory-pointer table that is present
 * has a reserved bit set (SDM, "PDPTE Registers"). true in other modes. */
bool guest_pdptes_valid(struct vcpu *vcpu, uint64_t cr3);

/* guest_translate, which also tells the path that it took. */
bool guest_walk(struct vcpu *vcpu, gva_t gva, unsigned access, struct walk_path *path, gpa_t *gpa,
                struct fault *fault);
