/* A VM's RAM: a few regions of guest-physical memory, each mapped in one piece while the VM is being served.
 */
#pragma once

#include "hv/lib/base.h"

struct guest_region {
    gpa_t first;
    uint64_t size;
    uint8_t *host; /* where Keel sees `first` */
};

/* Region 0 begins at 0, region 1, if any, at 4 GiB. */
struct guest_mem {
    struct guest_region regions[3]; /* more than a PC needs */
    unsigned count;
    bool recorded; /* what Keel looks at is told to hv/observe/record.h */
};

/* Where Keel sees [gpa, gpa + length), or NULL if that is not wholly inside one region. length 0 is never
 * inside. */
void *guest_ptr(const struct guest_mem *memory, gpa_t gpa, uint64_t length);

/* For a recording: what a pointer of guest_ptr's leads to is looked at again. */
void guest_looked_at(const struct guest_mem *memory, const void *at, uint64_t length);

/* Copy across region borders; false, with nothing copied, if any byte is not RAM. */
bool guest_read(const struct guest_mem *memory, gpa_t gpa, void *to, uint64_t length);
bool guest_write(const struct guest_mem *memory, gpa_t gpa, const void *from, uint64_t length);
bool guest_fill(const struct guest_mem *memory, gpa_t gpa, uint8_t byte, uint64_t length);
