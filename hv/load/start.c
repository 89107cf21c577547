#include "hv/load/start.h"

#include "hv/cpu/cpuid.h"
#include "hv/cpu/registers.h"
#include "hv/load/acpi.h"
#include "hv/load/mp_table.h"
#include "hv/vm/vm.h"

/* CPUID as the boot vCPU starts: bit 9 says that its local APIC is enabled. */
gpa_t start_tables(struct vm *vm)
{
    const struct cpuid_regs *regs = cpuid_lookup(vm->vcpus[0], 1, 0);

    mp_table_build(&vm->memory, vm->vcpu_count, &(struct mp_processor){regs->eax, regs->edx | BIT(9)});
    return acpi_build(&vm->memory, vm->vcpu_count);
}

void start_vcpu(struct vcpu *vcpu, const struct entry_state *entry)
{
    struct segment code = {.selector = entry->cs, .limit = UINT32_MAX, .attributes = 0x9b | SEG_G | SEG_P};
    struct segment data = {.selector = entry->ds, .limit = UINT32_MAX, .attributes = 0x93 | SEG_G | SEG_DB};
    struct segment table = {.base = entry->gdt, .limit = entry->gdt_limit};

    vcpu_set(vcpu, REG_RIP, entry->rip);
    vcpu_set(vcpu, REG_RSP, entry->rsp);
    vcpu->arch.gpr[REG_RAX] = entry->rax;
    vcpu->arch.gpr[REG_RBX] = entry->rbx;
    vcpu->arch.gpr[REG_RSI] = entry->rsi;
    vcpu->arch.gpr[REG_RDI] = entry->rdi;
    if (entry->mode == ENTRY_REAL) {
        code = (struct segment){
            .selector = entry->cs, .base = (uint64_t)entry->cs << 4, .limit = 0xffff, .attributes = 0x9b};
        data = (struct segment){
            .selector = entry->ds, .base = (uint64_t)entry->ds << 4, .limit = 0xffff, .attributes = 0x93};
    } else {
        code.attributes |= entry->mode == ENTRY_LONG ? SEG_L : SEG_DB;
        vcpu_set_segment(vcpu, SEG_GDTR, &table);
    }
    vcpu_set_segment(vcpu, SEG_CS, &code);
    for (enum vcpu_segment i = SEG_ES; i <= SEG_GS; i++)
        if (i != SEG_CS)
            vcpu_set_segment(vcpu, i, &data);
    data.selector = entry->ss;
    if (entry->mode == ENTRY_REAL)
        data.base = (uint64_t)entry->ss << 4;
    vcpu_set_segment(vcpu, SEG_SS, &data);
    if (entry->mode == ENTRY_LONG) {
        vcpu_set(vcpu, REG_CR4, CR4_PAE);
        vcpu_set(vcpu, REG_CR3, entry->cr3);
        vcpu_set(vcpu, REG_EFER, EFER_LME | EFER_LMA);
    }
    if (entry->mode != ENTRY_REAL)
        vcpu_set(vcpu, REG_CR0, CR0_PE | CR0_ET | CR0_NE | (entry->mode == ENTRY_LONG ? CR0_PG : 0));
}
