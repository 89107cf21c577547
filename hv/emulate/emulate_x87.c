/* What x87 remembers of its latest instruction: where it was, what it was, and where its operand was. */
#include "hv/cpu/native.h"
#include "hv/emulate/emulate_run.h"
#include "hv/host/stub.h"
#include "hv/lib/string.h"

/* SDM, "Layout of the 64-bit-mode FXSAVE64 Map" and "Non-64-bit-Mode Layout of FXSAVE Map". */
#define AT_OPCODE   6
#define AT_CODE     8
#define AT_OPERAND  16
#define AT_SELECTOR 4 /* behind a pointer of 32 bits */

/* SDM, "x87 FPU Control Instructions": those leave it alone. */
static bool is_control(const struct instruction *in)
{
    return in->form->size == S_ENV || in->form->size == S_STATE ||
           (in->form->size == S_2 && (in->opcode == 0xd9 || in->opcode == 0xdd));
}

/*
 * SDM, "x87 FPU Exception Synchronization": an exception that waits is raised before the operand is touched,
 * but not by those that store control, status, environment or state.
 */
bool run_waits(struct emulation *e)
{
    static const uint8_t fwait[] = {0x9b};
    const struct instruction *in = e->in;
    struct stub_registers registers = {.flags = RFLAGS_1};
    bool waits = in->form->state == STATE_MMX ||
                 (in->form->state == STATE_X87 && !(is_control(in) && in->form->flags & FORM_STORES));

    if (!waits || run_code(fwait, sizeof(fwait), &registers, 0, 0) == EXC_NONE)
        return true;
    e->fault = (struct fault){.vector = EXC_MF};
    return false;
}

static void put_pointer(uint8_t *at, uint64_t offset, uint16_t selector, bool wide)
{
    memcpy(at, &offset, wide ? 8 : 4);
    if (!wide)
        memcpy(at + AT_SELECTOR, &selector, sizeof(selector));
}

void run_note_x87(struct emulation *e)
{
    const struct instruction *in = e->in;
    uint8_t image[512] __attribute__((aligned(16)));
    uint16_t opcode = (uint16_t)((in->opcode & 7) << 8 | in->modrm);
    bool wide = e->mode == CODE_64;

    if (is_control(in))
        return;
    native_save_fpu(image, wide);
    memcpy(image + AT_OPCODE, &opcode, sizeof(opcode));
    put_pointer(image + AT_CODE, e->rip, vcpu_get_segment(e->vcpu, SEG_CS).selector, wide);
    put_pointer(image + AT_OPERAND, effective_address(e), vcpu_get_segment(e->vcpu, in->segment).selector,
                wide);
    native_load_fpu(image, wide);
}
