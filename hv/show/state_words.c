#include "hv/show/state_words.h"

#include "hv/cpu/native.h"
#include "hv/host/instructions.h"
#include "hv/vm/vm.h"

uint64_t state_word(struct vcpu *vcpu, unsigned word)
{
    if (word >= WORD_APIC)
        return vcpu->arch.apic.registers[4 * (word - WORD_APIC)];
    if (word < WORD_CR2)
        return vcpu->arch.gpr[word];
    if (word >= WORD_DR && word < WORD_XCR0)
        return native_dr(word - WORD_DR);
    return word == WORD_CR2    ? read_cr2()
           : word == WORD_DR6  ? read_dr6()
           : word == WORD_XCR0 ? vcpu->arch.xcr0
                               : vcpu->activity | (uint64_t)vcpu->vm->end << 8;
}
