; Keel's own #DB. Where a guest steps over what exits, Bochs 2.7 keeps the trap and raises it behind VMRUN: it is dropped
; there, on what is left of vcpu->arch.gpr. Silicon has none to raise.
bits 64
default rel

extern svm_exit, trap_stubs
global svm_debug_trap

section .text

svm_debug_trap:
    push rax
    lea rax, [svm_exit]
    cmp [rsp + 8], rax
    pop rax
    jne .own
    iretq
.own:
    jmp trap_stubs + 4 * 1
