/* Guest memory and RIP as a debugger sees them: by linear addresses, past every protection. */
#include "hv/event/guest_debug.h"
#include "hv/lib/string.h"
#include "hv/vm/vm.h"
#include "hv/walk/linear.h"

/* Where the guest's RAM has this address, as its paging says and whatever it forbids; NULL: nowhere. */
uint8_t *debug_find(struct vcpu *vcpu, uint64_t address, size_t count, gpa_t *gpa)
{
    struct fault fault;

    if (!guest_translate(vcpu, address, ACCESS_SYSTEM | ACCESS_NO_ALTER, gpa, &fault))
        return NULL;
    return guest_ptr(&vcpu->vm->memory, *gpa, count);
}

/* Moves bytes page by page. */
static size_t move(struct vcpu *vcpu, uint64_t address, uint8_t *bytes, size_t count, bool write)
{
    size_t done = 0;

    while (done < count) {
        size_t part = MIN(count - done, PAGE_SIZE - ((address + done) & PAGE_MASK));
        gpa_t gpa;
        uint8_t *at = debug_find(vcpu, address + done, part, &gpa);

        if (!at)
            break;
        if (write)
            memcpy(at, bytes + done, part);
        else
            memcpy(bytes + done, at, part);
        done += part;
    }
    return done;
}

size_t debug_read(struct vcpu *vcpu, uint64_t address, void *to, size_t count)
{
    return move(vcpu, address, to, count, false);
}

size_t debug_write(struct vcpu *vcpu, uint64_t address, const void *from, size_t count)
{
    return move(vcpu, address, (uint8_t *)(uintptr_t)from, count, true);
}

gva_t debug_linear_rip(struct vcpu *vcpu)
{
    uint64_t rip = vcpu_get(vcpu, REG_RIP);

    return vcpu_code_mode(vcpu) == CODE_64 ? rip : (uint32_t)(vcpu_get_segment(vcpu, SEG_CS).base + rip);
}
