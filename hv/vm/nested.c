#include "hv/vm/nested.h"

#include "hv/host/paging.h"

#define EVERY_RIGHT (TABLE_READ | TABLE_WRITE | TABLE_EXECUTE)

bool nested_create(struct vm *vm, const struct table_format *format, unsigned largest, unsigned memory_type)
{
    vm->nested_type = memory_type;
    if (!table_init(&vm->nested, format, &host_pages, 4, largest))
        return false;
    for (unsigned i = 0; i < vm->backing_count; i++)
        if (!table_map(&vm->nested, vm->backing[i].gpa, vm->backing[i].physical, vm->backing[i].size,
                       EVERY_RIGHT, memory_type))
            return false;
    vm->nested.keeps_tables = true; /* other cores may be walking them */
    return true;
}

void nested_destroy(struct vm *vm)
{
    if (vm->nested.root)
        table_destroy(&vm->nested);
    vm->nested.root = 0;
}

bool nested_map(struct vm *vm, gpa_t page, hpa_t physical)
{
    return table_map(&vm->nested, page, physical, PAGE_SIZE, EVERY_RIGHT, vm->nested_type);
}

bool nested_unmap(struct vm *vm, gpa_t page)
{
    return table_unmap(&vm->nested, page, PAGE_SIZE);
}

bool nested_set_present(struct vm *vm, gpa_t page, bool present)
{
    if (!present)
        return nested_unmap(vm, page);
    for (unsigned i = 0; i < vm->backing_count; i++) {
        const struct vm_backing *piece = &vm->backing[i];

        if (page >= piece->gpa && page - piece->gpa < piece->size)
            return nested_map(vm, page, piece->physical + (page - piece->gpa));
    }
    return false;
}
