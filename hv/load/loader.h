/*
 * What the loaders of hv/load/ share: one guest being loaded, the memory that it takes so far, and where
 * Keel's own data for it lies. Nothing outside hv/load/ needs this.
 */
#pragma once

#include "hv/load/guest_map.h"
#include "hv/load/load.h"

/*
 * Data that a guest is started with: one piece of LOW_SIZE bytes from loader->low on, of which these are
 * offsets. All is the guest's own RAM again once it has read what it wants. The GDT has Linux's selectors
 * (Linux, "The Linux/x86 Boot Protocol").
 */
#define LOW_GDT           0x0
#define LOW_PAGE_TABLES   0x1000 /* PML4, PDPT, four page directories */
#define LOW_BOOT_INFO     0x7000 /* Linux's zero page, or the multiboot information */
#define LOW_CMDLINE       0x8000 /* room up to LOW_BOOT_INFO_END */
#define LOW_BOOT_INFO_END 0xf000
#define LOW_SIZE          (MAP_EBDA - LOW_USUAL) /* the stack grows down from its end */
#define LOW_USUAL         0x90000                /* where it is unless the kernel lies there */

#define BOOT_CS           0x10
#define BOOT_DS           0x18

struct claim {
    gpa_t first, last;
    const char *what;
};

struct loader {
    const struct guest_mem *memory;
    const struct load_request *request;
    struct entry_state *entry;
    struct guest_map map;
    gpa_t low; /* set by loader_place_low */
    struct claim claims[64];
    unsigned claim_count;
    char *reason;
    size_t reason_size;
};

/* A kernel format: whether a module looks like one, and how it is loaded. */
struct kernel_format {
    const char *name;
    const char *sign; /* what makes a file one, for the line about a file that is none */
    bool (*recognise)(const struct module *kernel);
    bool takes_modules;
    bool (*load)(struct loader *loader);
};

extern const struct kernel_format linux_bzimage_format, linux_elf_format, multiboot1_format,
    multiboot2_format, flat_format;

/* Puts "kernel NAME: " and the text into the caller's reason. Always returns false. */
bool loader_refuse(struct loader *loader, const char *format, ...) PRINTF_LIKE(2, 3);

/*
 * Takes [first, first + size) for `what`: it must be RAM of the VM that nothing else has taken. Returns where
 * Keel sees it, or NULL with the reason said.
 */
void *loader_claim(struct loader *loader, const char *what, gpa_t first, uint64_t size);

/*
 * Takes LOW_SIZE bytes for loader->low: at the end of base memory, or where what is loaded already leaves
 * room. Every loader does, once its kernel lies where it must, and before anything whose place it chooses.
 * Returns false with the reason said if there is no room.
 */
bool loader_place_low(struct loader *loader);

/*
 * Finds `size` bytes on a boundary of `align`, a power of 2: the highest ones of [from, end) that are RAM
 * above 1 MiB and free, or the lowest. Returns false if there are none.
 */
enum placement { PLACE_LOWEST, PLACE_HIGHEST };
struct range_wish {
    gpa_t from, end;
    uint64_t size, align;
    enum placement placement;
};
bool loader_find(const struct loader *loader, const struct range_wish *wish, gpa_t *at);

/* Whether [first, first + size) is RAM that nothing has taken. */
bool loader_is_free(const struct loader *loader, gpa_t first, uint64_t size);

/*
 * Copies `file` to whole pages that are free: the highest ones of [from, end), or the lowest. Returns false
 * with the reason said if there are none.
 */
bool loader_place(struct loader *loader, const struct module *file, enum placement placement, gpa_t from,
                  gpa_t end, gpa_t *at);

/*
 * The states that the loaders start the boot vCPU in: 32-bit flat segments without paging; or 64-bit mode
 * with the low 4 GiB mapped to themselves. Both write a GDT, and need loader->low. Registers
 * not named in `struct entry_state` are 0, and so are those that the caller leaves.
 */
void loader_start_protected(struct loader *loader, uint32_t eip);
void loader_start_long(struct loader *loader, uint64_t rip);

/* The bytes of a file at `offset`, or NULL if it has not that many. */
static inline const void *module_at(const struct module *file, uint64_t offset, uint64_t length)
{
    return offset <= file->size && length <= file->size - offset ? file->bytes + offset : NULL;
}
