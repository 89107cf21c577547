/*
 * Moves between memory and XMM or MMX registers. These are in the CPU as the guest left them: Keel's own code
 * uses none. By FXSAVE's image one of them is changed; what XSAVE alone knows stays as it is, as with the
 * instructions themselves.
 */
#include "hv/lib/string.h"
#include "hv/vm/emulation.h"
#include "hv/vm/native.h"

/* SDM, "Layout of the 64-bit-mode FXSAVE64 Map". */
#define AT_STATUS  2
#define AT_TAGS    4
#define AT_ST      32
#define AT_XMM     160
#define STATUS_ES  0x80 /* an exception waits */
#define STATUS_TOP 0x3800

/* SDM, "Effect of MMX, x87 FPU, FXSAVE, and FXRSTOR Instructions on the x87 FPU Tag Word": TOP is 0, all are
 * in use. */
static void begin_mmx(uint8_t *image)
{
    uint8_t st[8][16];
    uint16_t status;

    memcpy(&status, image + AT_STATUS, sizeof(status));
    memcpy(st, image + AT_ST, sizeof(st));
    for (unsigned i = 0; i < 8; i++)
        memcpy(image + AT_ST + 16 * i, st[(i - (status >> 11)) & 7], sizeof(st[0]));
    status &= (uint16_t)~STATUS_TOP;
    memcpy(image + AT_STATUS, &status, sizeof(status));
    image[AT_TAGS] = 0xff;
}

enum outcome execute_vector(struct emulation *e)
{
    const struct instruction *in = e->in;
    bool loads = in->from.kind == OPERAND_MEMORY;
    const struct operand *reg = loads ? &in->to : &in->from;
    bool mmx = reg->kind == OPERAND_MMX;
    unsigned at = (mmx ? AT_ST : AT_XMM) + 16 * reg->index;
    uint8_t image[512] __attribute__((aligned(16)));
    struct span span;

    if (!state_usable(e, mmx ? STATE_MMX : STATE_SSE))
        return OUTCOME_FAULT;
    e->unaligned = in->opcode <= 0x11 || in->rep; /* MOVUPS, MOVUPD, MOVDQU */
    if (!operand_find(e, reg->size, 0, loads ? ACCESS_READ : ACCESS_WRITE, &span))
        return OUTCOME_FAULT;
    native_save_fpu(image);
    if (mmx && image[AT_STATUS] & STATUS_ES) {
        e->fault = (struct fault){.vector = EXC_MF};
        return OUTCOME_FAULT;
    }
    if (mmx)
        begin_mmx(image);
    if (loads) {
        memset(image + at, 0, mmx ? 8 : 16);
        span_read(e->vcpu, &span, image + at);
        if (mmx)
            memset(image + at + 8, 0xff, 2);
    } else {
        span_write(e->vcpu, &span, image + at);
    }
    if (loads || mmx)
        native_load_fpu(image);
    return OUTCOME_NEXT;
}
