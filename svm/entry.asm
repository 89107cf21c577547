; The world switch. VMRUN switches what the VMCB's save area begins with, and RAX and RSP; VMLOAD and VMSAVE the rest of
; it, which is the machine's GS base and TR too. General registers change hands here, and what neither touches (x87 and
; SSE state, DR0-3, TSC_AUX) stays the guest's until another vCPU is loaded.
;
; RSP points behind vcpu->arch.gpr at VMRUN and comes back so: the guest's registers are pushed straight into their places.
; Until STGI the global interrupt flag is off and nothing can use that stack.
bits 64
default rel

; struct vcpu, struct svm_vcpu (checked by static assertions in svm/vcpu.c)
%define VCPU_HOST_STACK 128
%define VCPU_VENDOR     136
%define VMCB_RAX        0x5f8
%define SVM_PHYSICAL    4096
%define SVM_HOST_STATE  4104

%include "hv/x86/registers.inc"

extern svm_handle_exit
global svm_enter, svm_leave, svm_exit

section .text

; void svm_enter(struct vcpu *vcpu)
align 16
svm_enter:
    enter_from_c VCPU_HOST_STACK

.again:                                 ; RDI = vcpu
    mov rsi, [rdi + VCPU_VENDOR]
    mov rcx, [rdi]
    mov rax, [rsi + SVM_PHYSICAL]
    mov [rsi + VMCB_RAX], rcx
    clgi
    sti                                 ; interrupts of the machine leave the guest whatever its own flag
    lea rsp, [rdi + 8]
    load_registers
    vmload
    vmrun
svm_exit:
    vmsave
    store_registers
    lea rdi, [rsp - 8]
    mov rsi, [rdi + VCPU_VENDOR]
    mov rsp, [rdi + VCPU_HOST_STACK]
    mov rax, [rsi + SVM_HOST_STATE]
    mov rcx, [rsi + VMCB_RAX]
    mov [rdi], rcx
    vmload
    cli
    stgi
    call svm_handle_exit
    mov rdi, [rsp]                      ; the vCPU lies there
    jmp svm_enter.again

; void svm_leave(struct vcpu *vcpu)
svm_leave:
    return_to_c VCPU_HOST_STACK
