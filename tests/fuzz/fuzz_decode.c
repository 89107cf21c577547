/* The instruction decoder: the input is an instruction. */
#include "hv/decode/decode.h"
#include "hv/vm/vcpu.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static void check_operand(const struct operand *operand)
{
    MUST(operand->kind <= OPERAND_CONTROL);
    MUST(operand->kind == OPERAND_NONE || (operand->size && operand->size <= 108));
    MUST(operand->kind != OPERAND_REGISTER || operand->index <= REG_R15);
    MUST(operand->kind != OPERAND_HIGH_BYTE || operand->index <= REG_RBX);
    MUST(operand->kind != OPERAND_SEGMENT ||
         operand->index < SEG_COUNT); /* SLDT, LGDT and their like have system ones */
}

static void check(const struct instruction *in, unsigned size)
{
    MUST(in->operation > OP_NONE && in->operation < OP_COUNT);
    MUST(in->length > 0 && in->length <= size && in->length <= INSTRUCTION_MOST);
    MUST(in->operand_size == 1 || in->operand_size == 2 || in->operand_size == 4 || in->operand_size == 8 ||
         (in->operand_size == 16 && in->operation == OP_CMPXCHG8B));
    MUST(in->address_size == 2 || in->address_size == 4 || in->address_size == 8);
    MUST(in->segment <= SEG_GS && in->scale <= 3);
    MUST(in->base <= REG_RIP || in->base == NO_REGISTER);
    MUST(in->index <= REG_R15 || in->index == NO_REGISTER);
    MUST(!(in->rep && in->repne));
    MUST((in->operation == OP_RUN) == (in->form != NULL));
    MUST(!in->form || in->from.kind == OPERAND_MEMORY || in->to.kind == OPERAND_MEMORY);
    check_operand(&in->to);
    check_operand(&in->from);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (unsigned bits = 16; bits <= 64; bits *= 2) {
        struct instruction in, again;
        uint8_t *exact;

        if (decode(data, (unsigned)size, bits, &in) != DECODE_OK)
            continue;
        check(&in, (unsigned)size);
        exact = malloc(in.length); /* so that a byte read beyond it is noticed */
        memcpy(exact, data, in.length);
        MUST(decode(exact, in.length, bits, &again) == DECODE_OK);
        MUST(memcmp(&in, &again, sizeof(in)) == 0);
        MUST(decode(exact, in.length - 1u, bits, &again) == DECODE_MORE);
        free(exact);
    }
    return 0;
}
