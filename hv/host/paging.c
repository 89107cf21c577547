#include "hv/host/paging.h"

#include "hv/host/frames.h"
#include "hv/host/instructions.h"
#include "hv/host/log.h"
#include "hv/lib/string.h"

uint64_t image_base = IMAGE_BASE; /* until entry.asm has found where the image lies */

extern const char image_start[], text_end[], rodata_end[], image_end[];

static struct frames frames;
static struct table keel;
static struct spinlock mapping_lock;

#define POOL_LEAST     MIB(4)
#define POOL_MOST      MIB(512)
#define POOL_SHARE     32       /* of all memory, one part */
#define ROOT_SPAN      GIB(512) /* what an entry of the root spans */
#define LOW_MEMORY     MIB(1)
#define CONVENTIONAL   KIB(640)
#define SLOTS_BORROWED 4 /* root entries of the physical window that guests' spaces share: 2 TiB */

/* The boot page tables map the low 4 GiB where they are: until the final tables are on, the pool is seen
 * there. */
#define BOOT_REACH     GIB(4)

static bool take_page(void *context, uint64_t *physical)
{
    (void)context;
    *physical = frame_allocate(&frames, 1, 1);
    if (*physical == FRAME_NONE)
        return false;
    memset((void *)(frames.window + *physical), 0, PAGE_SIZE);
    return true;
}

static void give_page(void *context, uint64_t physical)
{
    (void)context;
    frame_free(&frames, physical, 1);
}

static uint64_t *see_page(void *context, uint64_t physical)
{
    (void)context;
    return (uint64_t *)(frames.window + physical);
}

const struct page_source host_pages = {take_page, give_page, see_page, NULL};

#define ROOM(array) ARRAY_LENGTH(((struct boot_info *)0)->array)
#define RANGES_MOST (ROOM(memory) + ROOM(efi_memory) + ROOM(modules) + 2)

static struct memory_range usable[ROOM(memory)], reserved[RANGES_MOST];
static struct memory_map map;

static void reserve(hpa_t first, uint64_t size)
{
    reserved[map.reserved_count++] = (struct memory_range){first, size};
}

/*
 * UEFI, "Memory Type Usage after ExitBootServices": the loader's, the boot services' and free memory are the
 * operating system's. All else, and what is marked for the run-time services, stays as it is.
 */
static bool efi_leaves(const struct efi_range *range)
{
    return range->type < 64 && (BIT(range->type) & EFI_RANGES_LEFT) &&
           !(range->attributes & EFI_RANGE_RUNTIME);
}

/* What is not for use: the first MiB, Keel's image, the modules, and what either memory map keeps. */
static void list_reserved(const struct boot_info *info)
{
    reserve(0, LOW_MEMORY);
    reserve(virt_to_phys(image_start), (uint64_t)(image_end - image_start));
    for (unsigned i = 0; i < info->module_count; i++)
        reserve(info->modules[i].first, info->modules[i].size);
    for (unsigned i = 0; i < info->memory_count; i++)
        if (info->memory[i].type != MEMORY_RAM)
            reserve(info->memory[i].first, info->memory[i].size);
    for (unsigned i = 0; i < info->efi_memory_count; i++)
        if (!efi_leaves(&info->efi_memory[i]))
            reserve(info->efi_memory[i].first, info->efi_memory[i].size);
}

static void take_stock(const struct boot_info *info)
{
    uint64_t total = 0, wanted;

    map = (struct memory_map){.usable = usable, .reserved = reserved};
    for (unsigned i = 0; i < info->memory_count; i++)
        if (info->memory[i].type == MEMORY_RAM) {
            usable[map.usable_count++] = (struct memory_range){info->memory[i].first, info->memory[i].size};
            total += info->memory[i].size;
        }
    list_reserved(info);
    wanted = ALIGN_UP(MIN(MAX(total / POOL_SHARE, POOL_LEAST), POOL_MOST), MIB(2));
    if (!frames_init(&frames, &map, wanted, BOOT_REACH, 0) &&
        !frames_init(&frames, &map, POOL_LEAST, BOOT_REACH, 0))
        panic("too little memory: Keel needs %lu MiB in one piece below 4 GiB for itself, the largest free "
              "piece has %lu "
              "KiB of %lu MiB in all. Give the machine more memory.",
              POOL_LEAST / MIB(1), frames.pool.size / KIB(1), total / MIB(1));
}

hpa_t paging_low_page(void)
{
    struct memory_map low = map;
    struct memory_range range = {0};
    hpa_t best = 0;

    low.reserved++; /* all but the first MiB itself */
    low.reserved_count--;
    while (memory_map_next(&low, range.first + range.size, &range) && range.first < CONVENTIONAL)
        best = MIN(range.first + range.size, CONVENTIONAL) - PAGE_SIZE;
    return best;
}

static void map_or_stop(uint64_t from, hpa_t to, uint64_t size, unsigned access)
{
    if (!table_map(&keel, from, to, size, access | TABLE_GLOBAL, PAT_WB))
        panic("no memory for Keel's own page tables");
}

static void map_image(const char *from, const char *to, unsigned access)
{
    map_or_stop((uint64_t)from, virt_to_phys(from), (uint64_t)(to - from), access);
}

void paging_init(const struct boot_info *info)
{
    uint32_t a, b, c, d;

    take_stock(info);
    cpuid(0x80000001, 0, &a, &b, &c, &d);
    if (!table_init(&keel, &table_format_x86, &host_pages, 4, d & BIT(26) ? 3 : 2))
        panic("no memory for Keel's own page tables");
    map_image(image_start, text_end, TABLE_READ | TABLE_EXECUTE);
    map_image(text_end, rodata_end, TABLE_READ);
    map_image(rodata_end, image_end, TABLE_READ | TABLE_WRITE);
    map_or_stop(PHYS_WINDOW + frames.pool.first, frames.pool.first, frames.pool.size,
                TABLE_READ | TABLE_WRITE);
    write_cr3(keel.root);
    frames.window = PHYS_WINDOW;
}

hpa_t paging_root(void)
{
    return keel.root;
}

static bool is_mapped(hpa_t page)
{
    struct table_leaf leaf;

    return table_query(&keel, PHYS_WINDOW + page, &leaf);
}

void *host_map(hpa_t physical, uint64_t size, enum host_mapping mapping)
{
    unsigned access = TABLE_READ | TABLE_GLOBAL | (mapping == HOST_READ ? 0 : TABLE_WRITE);
    hpa_t first = ALIGN_DOWN(physical, PAGE_SIZE), end = ALIGN_UP(physical + size, PAGE_SIZE);
    const uint64_t reach = SLOTS_BORROWED * ROOT_SPAN;
    bool mapped = true;

    if (size == 0 || size > reach || physical > reach - size)
        return NULL;
    spin_lock(&mapping_lock);
    for (hpa_t page = first; page < end && mapped;) {
        hpa_t run = page;

        while (run < end && !is_mapped(run))
            run += PAGE_SIZE;
        mapped = table_map(&keel, PHYS_WINDOW + page, page, run - page, access,
                           mapping == HOST_DEVICE ? PAT_UC : PAT_WB);
        page = run;
        while (page < end && is_mapped(page))
            page += PAGE_SIZE;
    }
    spin_unlock(&mapping_lock);
    return mapped ? phys_to_virt(physical) : NULL;
}

bool host_map_new(uint64_t address, unsigned pages)
{
    for (unsigned i = 0; i < pages; i++) {
        uint64_t physical;
        bool mapped;

        if (!take_page(NULL, &physical))
            return false;
        spin_lock(&mapping_lock);
        mapped = table_map(&keel, address + i * PAGE_SIZE, physical, PAGE_SIZE,
                           TABLE_READ | TABLE_WRITE | TABLE_GLOBAL, PAT_WB);
        spin_unlock(&mapping_lock);
        if (!mapped)
            return false;
    }
    return true;
}

bool host_show_code(uint64_t address, hpa_t physical)
{
    bool mapped;

    spin_lock(&mapping_lock);
    mapped = table_map(&keel, address, physical, PAGE_SIZE, TABLE_READ | TABLE_EXECUTE, PAT_WB);
    spin_unlock(&mapping_lock);
    return mapped;
}

void host_hide_code(uint64_t address)
{
    spin_lock(&mapping_lock);
    table_unmap(&keel, address, PAGE_SIZE);
    spin_unlock(&mapping_lock);
    invlpg(address);
}

void *host_allocate(uint64_t size)
{
    uint64_t count = ALIGN_UP(size, PAGE_SIZE) / PAGE_SIZE;
    hpa_t first = frame_allocate(&frames, count, 1);

    if (first == FRAME_NONE)
        return NULL;
    return memset(phys_to_virt(first), 0, count * PAGE_SIZE);
}

void host_free(void *memory, uint64_t size)
{
    frame_free(&frames, virt_to_phys(memory), ALIGN_UP(size, PAGE_SIZE) / PAGE_SIZE);
}

struct frames *host_frames(void)
{
    return &frames;
}

bool guest_space_create(struct table *space)
{
    static const struct {
        uint64_t first, spans;
    } shared[] = {{PHYS_WINDOW, SLOTS_BORROWED}, {STACKS_WINDOW, 1}, {ALIGN_DOWN(IMAGE_BASE, ROOT_SPAN), 1}};
    bool complete;

    if (!table_init(space, &table_format_x86, &host_pages, 4, keel.largest_leaf))
        return false;
    spin_lock(&mapping_lock);
    complete = true;
    for (unsigned i = 0; i < ARRAY_LENGTH(shared) && complete; i++)
        complete = table_borrow(space, &keel, shared[i].first, shared[i].spans * ROOT_SPAN);
    spin_unlock(&mapping_lock);
    return complete;
}

bool guest_space_map(struct table *space, gpa_t gpa, hpa_t physical, uint64_t size)
{
    return gpa + size <= ROOT_SPAN &&
           table_map(space, GUEST_WINDOW + gpa, physical, size, TABLE_READ | TABLE_WRITE, PAT_WB);
}

static void audit_leaf(void *context, const struct table_leaf *leaf)
{
    struct paging_audit *audit = context;
    unsigned both = TABLE_WRITE | TABLE_EXECUTE;

    bool text = leaf->address >= (uint64_t)image_start && leaf->address < (uint64_t)text_end;

    audit->pages++;
    audit->executable += leaf->access & TABLE_EXECUTE && !text;
    if ((leaf->access & both) != both)
        return;
    audit->writable_and_executable++;
    log_line("paging: 0x%lx, %lu bytes, is writable and executable", leaf->address, leaf->size);
}

struct paging_audit paging_audit(const struct table *space)
{
    struct paging_audit audit = {0};

    table_visit(space ? space : &keel, audit_leaf, &audit);
    return audit;
}
