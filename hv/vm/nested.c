#include "hv/vm/nested.h"

#include "hv/host/paging.h"
#include "hv/x86/pc.h"

#define EVERY_RIGHT (TABLE_READ | TABLE_WRITE | TABLE_EXECUTE)

bool nested_create(struct vm *vm, const struct table_format *format, unsigned largest, unsigned memory_type)
{
    vm->arch.nested_type = memory_type;
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
    if (vm->arch.apic_access)
        host_free(phys_to_virt(vm->arch.apic_access), PAGE_SIZE);
    vm->arch.apic_access = 0;
}

bool nested_create_apic_access(struct vm *vm)
{
    void *page = host_allocate(PAGE_SIZE);

    if (!page)
        return false;
    vm->arch.apic_access = virt_to_phys(page);
    return nested_set_present(vm, PC_LOCAL_APIC, true) && nested_set_present(vm, PC_LOCAL_APIC, false);
}

bool nested_set_present(struct vm *vm, gpa_t page, bool present)
{
    if (!present)
        return table_unmap(&vm->nested, page, PAGE_SIZE);
    if (page == PC_LOCAL_APIC && vm->arch.apic_access)
        return table_map(&vm->nested, page, vm->arch.apic_access, PAGE_SIZE, EVERY_RIGHT,
                         vm->arch.nested_type);
    for (unsigned i = 0; i < vm->backing_count; i++) {
        const struct vm_backing *piece = &vm->backing[i];

        if (page >= piece->gpa && page - piece->gpa < piece->size)
            return table_map(&vm->nested, page, piece->physical + (page - piece->gpa), PAGE_SIZE, EVERY_RIGHT,
                             vm->arch.nested_type);
    }
    return false;
}
