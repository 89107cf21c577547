/* What a device or a processor asks of its VM is noted. */
#include "hv/vm/vm.h"

#include "tests/unit/fake.h"

void vm_stop(struct vm *vm, enum vm_end end, unsigned status)
{
    __atomic_store_n(&fake_asked.stopped, vm, __ATOMIC_RELAXED);
    __atomic_store_n(&fake_asked.end, end, __ATOMIC_RELAXED);
    __atomic_store_n(&fake_asked.status, status, __ATOMIC_RELAXED);
    __atomic_fetch_add(&fake_asked.stops, 1, __ATOMIC_RELAXED);
}

void vm_hide_page(struct vm *vm, gpa_t page)
{
    (void)vm;
    __atomic_store_n(&fake_hidden, page + 1, __ATOMIC_RELAXED);
}

void vm_show_page(struct vm *vm)
{
    (void)vm;
    __atomic_store_n(&fake_hidden, 0, __ATOMIC_RELAXED);
}
