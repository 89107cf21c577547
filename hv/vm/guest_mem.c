#include "hv/vm/guest_mem.h"

#include "hv/host/witness.h"
#include "hv/lib/string.h"

static const struct guest_region *region_of(const struct guest_mem *memory, gpa_t gpa)
{
    for (unsigned i = 0; i < memory->count; i++)
        if (gpa - memory->regions[i].first < memory->regions[i].size && gpa >= memory->regions[i].first)
            return &memory->regions[i];
    return NULL;
}

void *guest_ptr(const struct guest_mem *memory, gpa_t gpa, uint64_t length)
{
    const struct guest_region *region = region_of(memory, gpa);

    if (!region || length == 0 || length > region->size - (gpa - region->first))
        return NULL;
    if (unlikely(memory->recorded))
        witness->memory(gpa, region->host + (gpa - region->first), length);
    return region->host + (gpa - region->first);
}

__attribute__((cold)) void guest_looked_at(const struct guest_mem *memory, const void *at, uint64_t length)
{
    for (unsigned i = 0; i < memory->count; i++) {
        const struct guest_region *region = &memory->regions[i];
        uint64_t offset = (uint64_t)((const uint8_t *)at - region->host);

        if (offset < region->size)
            witness->memory(region->first + offset, region->host + offset, length);
    }
}

/* What to do with each piece of RAM that a run of guest-physical bytes lies in. */
struct piece_work {
    uint8_t *to;
    const uint8_t *from;
    uint8_t fill;
};

static void work_on_piece(uint8_t *ram, uint64_t length, struct piece_work *work)
{
    if (work->to) {
        memcpy(work->to, ram, length);
        work->to += length;
    } else if (work->from) {
        memcpy(ram, work->from, length);
        work->from += length;
    } else {
        memset(ram, work->fill, length);
    }
}

/* Goes over [gpa, gpa + length) region by region; `work` NULL only asks whether all of it is RAM. */
static __attribute__((noinline, cold)) bool each_piece(const struct guest_mem *memory, gpa_t gpa,
                                                       uint64_t length, struct piece_work *work)
{
    if (gpa + length < gpa)
        return false;
    while (length > 0) {
        const struct guest_region *region = region_of(memory, gpa);
        uint64_t part;

        if (!region)
            return false;
        part = MIN(length, region->size - (gpa - region->first));
        if (work)
            work_on_piece(region->host + (gpa - region->first), part, work);
        gpa += part;
        length -= part;
    }
    return true;
}

__attribute__((cold)) bool guest_read(const struct guest_mem *memory, gpa_t gpa, void *to, uint64_t length)
{
    struct piece_work work = {.to = to};

    if (unlikely(memory->recorded))
        guest_ptr(memory, gpa, length);
    return each_piece(memory, gpa, length, NULL) && each_piece(memory, gpa, length, &work);
}

__attribute__((cold)) bool guest_write(const struct guest_mem *memory, gpa_t gpa, const void *from,
                                       uint64_t length)
{
    struct piece_work work = {.from = from};

    return each_piece(memory, gpa, length, NULL) && each_piece(memory, gpa, length, &work);
}

__attribute__((cold)) bool guest_fill(const struct guest_mem *memory, gpa_t gpa, uint8_t byte,
                                      uint64_t length)
{
    struct piece_work work = {.fill = byte};

    return each_piece(memory, gpa, length, NULL) && each_piece(memory, gpa, length, &work);
}
