; What a guest in C begins with: Keel starts it in 64-bit mode (entry = long), at its load address. Other vCPUs come
; up from real mode by the trampoline, each with a stack of its own, in cpu_main(number).
TRAMPOLINE equ 0x7000
STACK_BITS equ 13
CPUS       equ 16

extern cpu_main
global start

section .text
bits 64
start:
    lea   rsi, [rel trampoline]
    mov   edi, TRAMPOLINE
    mov   ecx, trampoline_end - trampoline
    rep   movsb
    mov   rax, cr3
    mov   [TRAMPOLINE + root - trampoline], eax
enter_c:                                ; each takes the next number
    mov   edi, 1
    lock xadd [rel taken], edi
    lea   eax, [rdi + 1]
    shl   eax, STACK_BITS
    lea   rsp, [rel stacks]
    add   rsp, rax
    xor   ebp, ebp
    push  rbp                           ; where a backtrace ends
    jmp   cpu_main

bits 16
trampoline:
    cli
    xor   ax, ax
    mov   ds, ax
    o32 lgdt [TRAMPOLINE + gdt_pointer - trampoline]
    mov   eax, cr4
    or    eax, 1 << 5
    mov   cr4, eax
    mov   eax, [TRAMPOLINE + root - trampoline]
    mov   cr3, eax
    mov   ecx, 0xc0000080
    rdmsr
    or    eax, 1 << 8
    wrmsr
    mov   eax, cr0
    or    eax, 0x80000001
    mov   cr0, eax
    jmp   dword 0x08:enter_c
align 4
gdt_pointer:
    dw    15
    dd    TRAMPOLINE + gdt - trampoline
align 8
gdt:
    dq    0, 0x00af9b000000ffff
root:
    dd    0                             ; of the paging structures that Keel made
trampoline_end:

section .bss
alignb 16
taken:  resd 1
alignb 16
stacks: resb CPUS << STACK_BITS
