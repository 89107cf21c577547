#include "hv/host/interrupts.h"

#include "hv/host/apic.h"
#include "hv/host/cpu.h"
#include "hv/host/instructions.h"
#include "hv/host/log.h"
#include "hv/host/stub.h"

/* No vector is given out twice, and none is an exception's: sets are added up, and each number counts once.
 */
#define IN_SET(number, set) ((number) / 64 == (set) ? BIT((number) % 64) : 0)
#define X0(name, number)    IN_SET(number, 0) +
#define X1(name, number)    IN_SET(number, 1) +
#define X2(name, number)    IN_SET(number, 2) +
#define X3(name, number)    IN_SET(number, 3) +
#define BITS_IN(sum)        __builtin_popcountll(sum)
#define X(name, number)     +1
_Static_assert(BITS_IN(HOST_VECTORS(X0) UINT64_C(0)) + BITS_IN(HOST_VECTORS(X1) UINT64_C(0)) +
                       BITS_IN(HOST_VECTORS(X2) UINT64_C(0)) + BITS_IN(HOST_VECTORS(X3) UINT64_C(0)) ==
                   HOST_VECTORS(X),
               "two of Keel's vectors have one number");
#undef X
_Static_assert(!((HOST_VECTORS(X0) UINT64_C(0)) & UINT32_MAX), "exceptions have the vectors below 32");

extern const struct {
    uint64_t at, go_on;
} fixups_start[], fixups_end[];

static void (*handlers[256])(void);
static exception_handler *exceptions[EXCEPTIONS];

void interrupts_handle(uint8_t vector, void (*handler)(void))
{
    handlers[vector] = handler;
}

void interrupts_handle_exception(uint8_t vector, exception_handler *handler)
{
    exceptions[vector] = handler;
}

static bool fix_up(struct trap_frame *frame)
{
    for (typeof(&fixups_start[0]) entry = fixups_start; entry < fixups_end; entry++)
        if (entry->at == frame->rip) {
            frame->rip = entry->go_on;
            return true;
        }
    return false;
}

void interrupts_serve(uint8_t vector)
{
    if (handlers[vector])
        handlers[vector]();
    if (vector != VECTOR_SPURIOUS)
        host_apic_eoi();
}

/* Called by the stubs with the frame they built. */
void trap_dispatch(struct trap_frame *frame);
void trap_dispatch(struct trap_frame *frame)
{
    if (frame->vector >= EXCEPTIONS) {
        interrupts_serve(frame->vector);
        return;
    }
    if (stub_trapped(frame) || (frame->vector == EXC_GP && fix_up(frame)))
        return;
    if (!exceptions[frame->vector])
        panic("exception %u at rip 0x%lx", frame->vector, frame->rip);
    exceptions[frame->vector](frame);
}
