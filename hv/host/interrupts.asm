; One stub a vector: makes the stack look alike for all (error code or 0, vector, general registers), then calls C.
bits 64
default rel

extern trap_dispatch
global trap_stubs

section .text

trap_common:
    push rax
    push rbx
    push rcx
    push rdx
    push rsi
    push rdi
    push rbp
    push r8
    push r9
    push r10
    push r11
    push r12
    push r13
    push r14
    push r15
    cld
    mov rdi, rsp
    mov rbx, rsp
    and rsp, -16
    call trap_dispatch
    mov rsp, rbx
    pop r15
    pop r14
    pop r13
    pop r12
    pop r11
    pop r10
    pop r9
    pop r8
    pop rbp
    pop rdi
    pop rsi
    pop rdx
    pop rcx
    pop rbx
    pop rax
    add rsp, 16
    iretq

; SDM, "Exception and Interrupt Vectors": these push an error code themselves.
%define HAS_ERROR(v) ((v) == 8 || ((v) >= 10 && (v) <= 14) || (v) == 17 || (v) == 21 || (v) == 29 || (v) == 30)

%assign v 0
%rep 256
stub_%+v:
%if !HAS_ERROR(v)
    push 0
%endif
    push v
    jmp trap_common
%assign v v + 1
%endrep

section .rodata
align 8
trap_stubs:
%assign v 0
%rep 256
    dq stub_%+v
%assign v v + 1
%endrep
