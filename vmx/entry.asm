; The world switch. Only general registers change hands here: the VMCS switches what it can, and what neither Keel nor
; the VMCS touches (x87 and SSE state, DR0-3, CR2, STAR and its like) stays the guest's until another vCPU is loaded.
;
; HOST_RSP of every VMCS points behind vcpu->arch.gpr, so that an exit pushes the guest's registers straight into their places.
bits 64
default rel

; struct vcpu (checked by static assertions in vmx/vcpu.c)
%define VCPU_GPR_END    128
%define VCPU_HOST_STACK 128

%include "hv/x86/registers.inc"

extern vmx_handle_exit, vmx_entry_failed
global vmx_enter, vmx_leave, vmx_exit

section .text

; void vmx_enter(struct vcpu *vcpu, bool launched)
align 16
vmx_enter:
    enter_from_c VCPU_HOST_STACK
    test sil, sil
    mov rsp, rdi
    pop rax
    load_registers
    jnz .resume
    vmlaunch
    jmp failed
.resume:
    vmresume
    jmp failed

align 16
vmx_exit:
    store_registers
    push rax
    mov rdi, rsp
    mov rsp, [rsp + VCPU_HOST_STACK]
    call vmx_handle_exit
    pop rsp                             ; the vCPU lies there
    pop rax
    load_registers
    vmresume

; The entry instruction fell through. RSP is behind vcpu->arch.gpr, and nothing else is trusted: the other registers are the
; guest's already.
failed:
    lea rdi, [rsp - VCPU_GPR_END]
    mov rsp, [rdi + VCPU_HOST_STACK]
    call vmx_entry_failed
    mov rdi, [rsp]

; void vmx_leave(struct vcpu *vcpu)
vmx_leave:
    return_to_c VCPU_HOST_STACK
