; The world switch. Only general registers change hands here: the VMCS switches what it can, and what neither Keel nor
; the VMCS touches (x87 and SSE state, DR0-3, CR2, STAR and its like) stays the guest's until another vCPU is loaded.
;
; HOST_RSP of every VMCS points behind vcpu->gpr, so that an exit pushes the guest's registers straight into their places.
bits 64
default rel

; struct vcpu (checked by static assertions in vmx/vcpu.c)
%define VCPU_GPR_END    128
%define VCPU_HOST_STACK 128

extern vmx_handle_exit, vmx_entry_failed
global vmx_enter, vmx_exit

section .text

%macro load_guest 0                     ; RBX = vcpu
    mov rsp, rbx
    pop rax
    pop rcx
    pop rdx
    pop rbx
    lea rsp, [rsp + 8]                  ; RSP is in the VMCS; flags live on
    pop rbp
    pop rsi
    pop rdi
    pop r8
    pop r9
    pop r10
    pop r11
    pop r12
    pop r13
    pop r14
    pop r15
%endmacro

; void vmx_enter(struct vcpu *vcpu, bool launched)
align 16
vmx_enter:
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15
    sub rsp, 8                          ; calls below find the stack aligned
    mov [rdi + VCPU_HOST_STACK], rsp
    mov rbx, rdi
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
    push r15
    push r14
    push r13
    push r12
    push r11
    push r10
    push r9
    push r8
    push rdi
    push rsi
    push rbp
    sub rsp, 8
    push rbx
    push rdx
    push rcx
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
    add rsp, 8
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    ret
