/* The words of a recording: the state of the vCPU at an exit and at an entry. */
#include <stdio.h>
#include <string.h>

#include "hv/cpu/native.h"
#include "hv/host/instructions.h"
#include "hv/vm/vm.h"
#include "svm/vendor.h"
#include "tests/replay/playing.h"
#include "vmx/fields.h"
#include "vmx/instructions.h"
#include "vmx/ops.h"
#include "vmx/vendor.h"

static uint64_t word_of(struct vcpu *vcpu, unsigned word)
{
    if (word >= RECORD_VENDOR)
        return virt->show.word(vcpu, played_header.numbers[word - RECORD_VENDOR]);
    if (word >= WORD_APIC)
        return vcpu->arch.apic.registers[4 * (word - WORD_APIC)];
    if (word < WORD_CR2)
        return vcpu->arch.gpr[word];
    if (word >= WORD_DR && word < WORD_XCR0)
        return played.dr[word - WORD_DR];
    return word == WORD_CR2    ? played.cr[2]
           : word == WORD_DR6  ? played.dr[6]
           : word == WORD_XCR0 ? vcpu->arch.xcr0
                               : vcpu->activity | (uint64_t)vcpu->vm->end << 8;
}

bool is_vmx(void)
{
    return virt->show.word == vmx_ops.show.word;
}

static void set_word(struct vcpu *vcpu, unsigned word, uint64_t value)
{
    uint16_t number = word >= RECORD_VENDOR ? played_header.numbers[word - RECORD_VENDOR] : 0;

    if (word >= RECORD_VENDOR && is_vmx())
        played.vmcs[number % ARRAY_LENGTH(played.vmcs)] = value;
    else if (word >= RECORD_VENDOR)
        memcpy(vmcb_of(vcpu)->bytes + number, &value, sizeof(value));
    else if (word >= WORD_APIC)
        vcpu->arch.apic.registers[4 * (word - WORD_APIC)] = (uint32_t)value;
    else if (word < WORD_CR2)
        vcpu->arch.gpr[word] = value;
    else if (word == WORD_CR2)
        played.cr[2] = value;
    else if (word == WORD_DR6)
        played.dr[6] = value;
    else if (word >= WORD_DR && word < WORD_XCR0)
        played.dr[word - WORD_DR] = value;
    else if (word == WORD_XCR0)
        played.xcr0 = value;
    if (word != WORD_ACTIVITY)
        return;
    vcpu->activity = (enum vcpu_activity)(value & 0xff);
    vcpu->vm->end = (enum vm_end)(value >> 8);
    vcpu->vm->ending = vcpu->vm->end != VM_RUNS;
}

static const char *word_name(unsigned word)
{
    static const char *const names[WORD_APIC] = {"rax",
                                                 "rcx",
                                                 "rdx",
                                                 "rbx",
                                                 "the place of rsp",
                                                 "rbp",
                                                 "rsi",
                                                 "rdi",
                                                 "r8",
                                                 "r9",
                                                 "r10",
                                                 "r11",
                                                 "r12",
                                                 "r13",
                                                 "r14",
                                                 "r15",
                                                 "cr2",
                                                 "dr6",
                                                 "dr0",
                                                 "dr1",
                                                 "dr2",
                                                 "dr3",
                                                 "xcr0",
                                                 "activity and end of the VM"};
    static char text[64];

    if (word < WORD_APIC)
        return names[word];
    if (word < RECORD_VENDOR)
        snprintf(text, sizeof(text), "local APIC, register 0x%x", 16 * (word - WORD_APIC));
    else if (is_vmx())
        return vmcs_field_name(played_header.numbers[word - RECORD_VENDOR]);
    else
        snprintf(text, sizeof(text), "VMCB 0x%03x, %s", played_header.numbers[word - RECORD_VENDOR],
                 vmcb_name(played_header.numbers[word - RECORD_VENDOR]));
    return text;
}

/* The recorded words, into `words`. */
void take_words(const struct record *record)
{
    unsigned word = 0;
    size_t place = 0;
    uint64_t difference;

    while (stream_word(record, &place, &word, &difference))
        playing.words[word - 1] += difference;
}

void load_words(struct vcpu *vcpu)
{
    for (unsigned i = 0; i < playing.stream.word_count; i++)
        if (word_of(vcpu, i) != playing.words[i])
            set_word(vcpu, i, playing.words[i]);
    if (played.xcr0 != vcpu->arch.xcr0)
        native_take_xcr0(vcpu);
}

/* What after a reset is the machine's: what caused an exit that there was not yet, the ASID, and what life.c
 * sets. */
bool is_machines_own(unsigned word)
{
    uint16_t number = word >= RECORD_VENDOR ? played_header.numbers[word - RECORD_VENDOR] : 0;

    if (word == WORD_ACTIVITY || (word == WORD_DR6 && !is_vmx()))
        return true;
    if (word < RECORD_VENDOR)
        return false;
    return is_vmx() ? (number >> 10 & 3) == VMCS_GROUP_INFORMATION : number == offsetof(union vmcb, asid);
}

/* Each that differs on a line. */
void compare_words(struct vcpu *vcpu, bool (*unless)(unsigned word))
{
    bool same = true;

    for (unsigned i = 0; i < playing.stream.word_count; i++) {
        uint64_t here = word_of(vcpu, i);

        if (likely(here == playing.words[i]) || (unless && unless(i)))
            continue;
        if (same)
            print_place();
        same = false;
        printf("  what     %s: recorded 0x%lx, here 0x%lx\n", word_name(i), playing.words[i], here);
    }
    if (same)
        return;
    end_with(DIFFERENT);
}
