/* No page tables: what is asked is noted. */
#include "hv/cpu/apic_page.h"

#include "tests/unit/fake.h"

void vcpu_place_apic(struct vcpu *vcpu, enum apic_mode mode, gpa_t base)
{
    bool answers = mode == APIC_XAPIC;

    vcpu->arch.apic.mode = mode;
    vcpu->local.first = answers ? base : 1;
    vcpu->local.last = answers ? base + PAGE_MASK : 0;
    bus_range_prepare(&vcpu->local);
    __atomic_fetch_add(&fake_asked.placed[vcpu->id], 1, __ATOMIC_RELAXED);
}
