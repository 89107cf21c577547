; The world switch. Only general registers change hands here: the VMCS switches what it can, and what neither Keel nor
; the VMCS touches (x87 and SSE state, DR0-3, CR2, STAR and its like) stays the guest's until another vCPU is loaded.
;
; HOST_RSP of every VMCS points behind vcpu->gpr, so that an exit pushes the guest's registers straight into their places.
bits 64
default rel

; struct vcpu (checked by static assertions in vmx/vcpu.c)
%define VCPU_GPR_END    128
%define VCPU_HOST_STACK 128

%include "hv/vm/registers.inc"

extern vmx_handle_exit, vmx_entry_failed
global vmx_enter, vmx_exit

section .text

%macro load_guest 0                     ; RBX = vcpu
    mov rsp, rbx
    pop rax
    load_registers
%endmacro

; void vmx_enter(struct vcpu *vcpu, bool launched)
align 16
vmx_enter:
    enter_from_c VCPU_HOST_STACK
    test sil, sil
    load_guest
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
    mov rbx, rsp
    mov rsp, [rsp + VCPU_HOST_STACK]
    call vmx_handle_exit
    test al, al
    jz leave
    load_guest
    vmresume

; The entry instruction fell through. RSP is behind vcpu->gpr, and nothing else is trusted: the other registers are the
; guest's already.
failed:
    lea rbx, [rsp - VCPU_GPR_END]
    mov rsp, [rbx + VCPU_HOST_STACK]
    mov rdi, rbx
    call vmx_entry_failed
leave:
    return_to_c
