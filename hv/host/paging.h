/*
 * Keel's own address space. Every VM has a copy of its root that also maps the VM's RAM, so that only the
 * memory of the VM being served is there. No page is writable and executable.
 */
#pragma once

#include "ept/table.h"
#include "hv/host/boot_info.h"
#include "hv/host/instructions.h"
#include "hv/lib/base.h"

#define IMAGE_BASE    0xffffffff80000000 /* the image; all windows lie below */
#define PHYS_WINDOW   0xffff800000000000 /* physical memory that Keel itself uses, at its address plus this */
#define GUEST_WINDOW  0xffffc00000000000 /* the served VM's RAM, at its guest-physical address plus this */
#define STACKS_WINDOW 0xffffe00000000000 /* the cores' stacks */

struct frames;

/* A link address of the image minus the physical address: IMAGE_BASE if it lies where it was linked for. */
extern uint64_t image_base;

static inline void *phys_to_virt(hpa_t physical)
{
    return (void *)(PHYS_WINDOW + physical);
}

/* Of an address in the window or in the image. */
static inline hpa_t virt_to_phys(const void *address)
{
    uint64_t at = (uint64_t)address;

    return at >= IMAGE_BASE ? at - image_base : at - PHYS_WINDOW;
}

enum host_mapping { HOST_READ, HOST_WRITE, HOST_DEVICE };

/*
 * Takes the machine's memory over from the boot loader: chooses the pool, builds the final page tables and
 * switches to them. Stops in words if memory does not suffice.
 */
void paging_init(const struct boot_info *info);

/* The highest free page that a start-up IPI reaches: below 640 KiB. 0: there is none. */
hpa_t paging_low_page(void);

/* The root of Keel's own address space, and the change to that, or to a VM's (`space.root`), on this core. */
hpa_t paging_root(void);
static inline void paging_use(hpa_t root)
{
    write_cr3(root);
}

/* Maps physical memory for Keel's own use: read-only, writable, or a device's registers (uncached). NULL: no
 * memory. */
void *host_map(hpa_t physical, uint64_t size, enum host_mapping mapping);

/* Maps `pages` fresh zeroed pages at an address of the caller's. */
bool host_map_new(uint64_t address, unsigned pages);

/*
 * Lets a page of the pool be executed, not written, at an address of the calling core's own, and ends that.
 * Between the two nothing but the core itself goes there. false: no memory.
 */
bool host_show_code(uint64_t address, hpa_t physical);
void host_hide_code(uint64_t address);

/* Zeroed memory of Keel's own, page-aligned and physically contiguous. NULL if there is none left. */
void *host_allocate(uint64_t size);
void host_free(void *memory, uint64_t size);

/* The pool as ept/ takes its pages from it. */
extern const struct page_source host_pages;

/* An address space that is Keel's plus [GUEST_WINDOW + gpa) mapped by guest_space_map. */
bool guest_space_create(struct table *space);
bool guest_space_map(struct table *space, gpa_t gpa, hpa_t physical, uint64_t size);

/* The machine's memory, for guests' RAM and for the log. */
struct frames *host_frames(void);

/*
 * Counts leaves in an address space (NULL: Keel's own), those both writable and executable, which it names,
 * and those executable that are not the image's text: a core's code page is, while it runs it.
 */
struct paging_audit {
    uint64_t pages, writable_and_executable, executable; /* the last: outside the image's text */
};
struct paging_audit paging_audit(const struct table *space);
