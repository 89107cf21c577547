/* Memory for Keel itself comes from this process, page by page and zero, until a test refuses it. */
#include "hv/host/paging.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/fake.h"

uint64_t image_base;

void *host_allocate(uint64_t size)
{
    void *memory;

    if (fake_memory.refused_at && --fake_memory.refused_at == 0)
        return NULL;
    memory = aligned_alloc(PAGE_SIZE, ALIGN_UP(size, PAGE_SIZE));
    if (!memory)
        return NULL;
    fake_memory.blocks++;
    return fake_memory.latest = memset(memory, 0, ALIGN_UP(size, PAGE_SIZE));
}

void host_free(void *memory, uint64_t size)
{
    (void)size;
    fake_memory.blocks -= memory != NULL;
    free(memory);
}

hpa_t paging_root(void)
{
    return FAKE_ROOT;
}
