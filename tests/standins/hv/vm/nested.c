/* A VM needs no second-level page tables: no processor walks them. */
#include "hv/vm/nested.h"

bool nested_create(struct vm *vm, const struct table_format *format, unsigned largest, unsigned memory_type)
{
    (void)vm, (void)format, (void)largest, (void)memory_type;
    return true;
}

void nested_destroy(struct vm *vm)
{
    (void)vm;
}

bool nested_set_present(struct vm *vm, gpa_t page, bool present)
{
    (void)vm, (void)page, (void)present;
    return true;
}
