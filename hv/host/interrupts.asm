; The stubs of the 256 vectors: each makes the stack look alike (error code or 0, vector, general registers), then calls C.
bits 64
default rel

extern trap_dispatch
global trap_stubs

section .text

; Vector without an error code: it was pushed in the place of that.
trap_plain:
    push qword [rsp]
    mov qword [rsp + 8], 0
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

; A stub has 4 bytes; 32 of them and the two jumps that they reach are a group: interrupts.c counts on both. A vector is
; pushed as a byte with its sign, and C reads the byte.
trap_stubs:
%assign v 0
%rep 8
%assign group v
%rep 32
%if HAS_ERROR(v)
    push byte v
    jmp short error_%+group
%else
    push byte v - (v & 128) * 2
    jmp short plain_%+group
%endif
%assign v v + 1
%endrep
plain_%+group:
    jmp near trap_plain
error_%+group:
    jmp near trap_common
%endrep
