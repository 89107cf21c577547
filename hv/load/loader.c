#include "hv/load/loader.h"

#include "hv/lib/format.h"
#include "hv/lib/string.h"
#include "hv/x86/pc.h"

#define LOW_LEAST 0x1000 /* what real mode keeps for itself lies below */

bool loader_refuse(struct loader *loader, const char *format, ...)
{
    struct text_buffer buffer;
    va_list arguments;

    text_buffer_init(&buffer, loader->reason, loader->reason_size);
    print_to(&buffer.writer, "kernel %s: ", loader->request->kernel->name);
    va_start(arguments, format);
    vprint_to(&buffer.writer, format, arguments);
    va_end(arguments);
    return false;
}

static const struct claim *claimed(const struct loader *loader, gpa_t first, gpa_t last)
{
    for (unsigned i = 0; i < loader->claim_count; i++)
        if (first <= loader->claims[i].last && last >= loader->claims[i].first)
            return &loader->claims[i];
    return NULL;
}

static void refuse_no_ram(struct loader *loader, const char *what, gpa_t first, uint64_t size)
{
    gpa_t low_end = guest_map_low_end(&loader->map), last = first + size - 1;

    if (last >= first && first >= MAP_FIRMWARE_END && last >= low_end && last < PC_PCI_HOLE)
        loader_refuse(loader, "%s needs RAM at 0x%lx to 0x%lx; the VM's ends at 0x%lx: give it memory = %luM",
                      what, first, last, low_end, ALIGN_UP(last + 1, MIB(1)) >> 20);
    else
        loader_refuse(
            loader,
            "%s needs %lu bytes at 0x%lx, which is not RAM in a VM: it has 0x0 to 0x%x, and 0x%x to "
            "0x%lx; link it to load there",
            what, size, first, MAP_EBDA - 1, MAP_FIRMWARE_END, low_end - 1);
}

void *loader_claim(struct loader *loader, const char *what, gpa_t first, uint64_t size)
{
    const struct claim *other;

    if (!guest_map_is_ram(&loader->map, first, size)) {
        refuse_no_ram(loader, what, first, size);
        return NULL;
    }
    other = claimed(loader, first, first + size - 1);
    if (other) {
        loader_refuse(loader,
                      "%s needs 0x%lx to 0x%lx, but 0x%lx to 0x%lx is taken by %s; link it to load elsewhere",
                      what, first, first + size - 1, other->first, other->last, other->what);
        return NULL;
    }
    if (loader->claim_count == ARRAY_LENGTH(loader->claims)) {
        loader_refuse(loader, "it has more than %u pieces to load, the most that Keel keeps track of",
                      loader->claim_count);
        return NULL;
    }
    loader->claims[loader->claim_count++] = (struct claim){first, first + size - 1, what};
    return guest_ptr(loader->memory, first, size);
}

/* Each step of these two passes over one claim, so that they end. */
static bool find_highest(const struct loader *loader, const struct range_wish *wish, gpa_t from, gpa_t end,
                         gpa_t *at)
{
    while (end > from && end - from >= wish->size) {
        gpa_t first = ALIGN_DOWN(end - wish->size, wish->align);
        const struct claim *other = first >= from ? claimed(loader, first, first + wish->size - 1) : NULL;

        if (first >= from && !other) {
            *at = first;
            return true;
        }
        end = other ? other->first : from;
    }
    return false;
}

static bool find_lowest(const struct loader *loader, const struct range_wish *wish, gpa_t from, gpa_t end,
                        gpa_t *at)
{
    for (gpa_t first = from;;) {
        const struct claim *other;

        first = ALIGN_UP(first, wish->align);
        if (first >= end || end - first < wish->size)
            return false;
        other = claimed(loader, first, first + wish->size - 1);
        if (!other) {
            *at = first;
            return true;
        }
        first = other->last + 1;
    }
}

bool loader_find(const struct loader *loader, const struct range_wish *wish, gpa_t *at)
{
    gpa_t from = MAX(wish->from, MAP_FIRMWARE_END), end = MIN(wish->end, guest_map_low_end(&loader->map));

    return (wish->placement == PLACE_HIGHEST ? find_highest : find_lowest)(loader, wish, from, end, at);
}

bool loader_is_free(const struct loader *loader, gpa_t first, uint64_t size)
{
    return guest_map_is_ram(&loader->map, first, size) && !claimed(loader, first, first + size - 1);
}

bool loader_place_low(struct loader *loader)
{
    gpa_t low = LOW_USUAL;

    while (low >= LOW_LEAST && !loader_is_free(loader, low, LOW_SIZE))
        low -= PAGE_SIZE;
    if (low < LOW_LEAST)
        return loader_refuse(loader,
                             "what Keel starts it with needs %u KiB in one piece below 0x%x, and the kernel "
                             "leaves none there; link it to load elsewhere",
                             LOW_SIZE >> 10, MAP_EBDA);
    loader->low = low;
    return loader_claim(loader, "what Keel starts it with", low, LOW_SIZE) != NULL;
}

bool loader_place(struct loader *loader, const struct module *file, enum placement placement, gpa_t from,
                  gpa_t end, gpa_t *at)
{
    const char *what = file == loader->request->ramdisk ? "ramdisk" : "module";
    struct range_wish wish = {from, end, ALIGN_UP(file->size, PAGE_SIZE), PAGE_SIZE, placement};
    void *to;

    if (file->size == 0)
        return loader_refuse(loader, "its %s %s is an empty file", what, file->name);
    if (wish.size < file->size || !loader_find(loader, &wish, at))
        return loader_refuse(loader,
                             "its %s %s needs %lu KiB, and there are not that many in one piece between "
                             "0x%lx and 0x%lx beside the kernel; give the VM more memory, or a smaller %s",
                             what, file->name, wish.size >> 10, from,
                             MIN(end, guest_map_low_end(&loader->map)), what);
    to = loader_claim(loader, "the ramdisk or a module", *at, wish.size);
    if (!to)
        return false;
    memcpy(to, file->bytes, file->size);
    return true;
}

/* Segment descriptors, flat, accessed (SDM, "Segment Descriptors"). */
#define DESCRIPTOR_CODE32 UINT64_C(0x00cf9b000000ffff)
#define DESCRIPTOR_CODE64 UINT64_C(0x00af9b000000ffff)
#define DESCRIPTOR_DATA   UINT64_C(0x00cf93000000ffff)

static void start_flat(struct loader *loader, uint64_t code)
{
    const uint64_t gdt[] = {[BOOT_CS / 8] = code, [BOOT_DS / 8] = DESCRIPTOR_DATA};
    struct entry_state *entry = loader->entry;

    entry->gdt = loader->low + LOW_GDT;
    guest_write(loader->memory, entry->gdt, gdt, sizeof(gdt));
    entry->gdt_limit = sizeof(gdt) - 1;
    entry->cs = BOOT_CS;
    entry->ds = entry->ss = BOOT_DS;
    entry->rsp = loader->low + LOW_SIZE;
}

void loader_start_protected(struct loader *loader, uint32_t eip)
{
    start_flat(loader, DESCRIPTOR_CODE32);
    loader->entry->mode = ENTRY_PROTECTED;
    loader->entry->rip = eip;
}

/* Paging-structure entries (SDM, "4-Level Paging and 5-Level Paging"). */
#define PTE_PRESENT        BIT(0)
#define PTE_WRITE          BIT(1)
#define PTE_ACCESSED       BIT(5)
#define PTE_DIRTY          BIT(6)
#define PTE_LARGE          BIT(7)
#define ENTRIES            (PAGE_SIZE / sizeof(uint64_t))
#define IDENTITY_GIGABYTES 4

static void write_identity_map(const struct guest_mem *memory, gpa_t pml4)
{
    const uint64_t pdpt = pml4 + PAGE_SIZE, directories = pdpt + PAGE_SIZE;
    uint64_t entry = pdpt | PTE_PRESENT | PTE_WRITE | PTE_ACCESSED;

    guest_fill(memory, pml4, 0, 2 * PAGE_SIZE);
    guest_write(memory, pml4, &entry, sizeof(entry));
    for (unsigned i = 0; i < IDENTITY_GIGABYTES; i++) {
        entry = (directories + i * PAGE_SIZE) | PTE_PRESENT | PTE_WRITE | PTE_ACCESSED;
        guest_write(memory, pdpt + i * sizeof(entry), &entry, sizeof(entry));
    }
    for (unsigned i = 0; i < IDENTITY_GIGABYTES * ENTRIES; i++) {
        entry = i * MIB(2) | PTE_PRESENT | PTE_WRITE | PTE_ACCESSED | PTE_DIRTY | PTE_LARGE;
        guest_write(memory, directories + i * sizeof(entry), &entry, sizeof(entry));
    }
}

void loader_start_long(struct loader *loader, uint64_t rip)
{
    start_flat(loader, DESCRIPTOR_CODE64);
    loader->entry->mode = ENTRY_LONG;
    loader->entry->rip = rip;
    loader->entry->cr3 = loader->low + LOW_PAGE_TABLES;
    write_identity_map(loader->memory, loader->entry->cr3);
}
