/* Interrupts between cores are counted, and reach nobody. */
#include "hv/host/apic.h"

#include "tests/unit/fake.h"

void host_apic_send(uint32_t apic_id, uint8_t vector)
{
    fake_asked.kicked = apic_id;
    fake_asked.kicked_by = vector;
    fake_asked.kicks++;
}
