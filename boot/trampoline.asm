; The way of the other cores to 64-bit C, and what it shares with the boot core's: page tables, GDT, a stack, and paging's turning
; on. Like boot/entry.asm it is not compressed: both run before the rest is expanded, or far from it.

%include "x86.inc"
%include "boot/place.inc"

extern ap_cr3, ap_stack, ap_cpu, cpu_start_here       ; of hv/host/smp.c

section .text
bits 32
; Turns on long mode with the boot page tables.
global paging_on
paging_on:
    lea eax, [HERE(boot_pml4)]
    mov cr3, eax
    mov eax, cr4
    or eax, CR4_PAE
    mov cr4, eax
    mov ecx, IA32_EFER
    rdmsr
    or eax, EFER_LME | EFER_NXE
    wrmsr
    mov eax, cr0
    or eax, CR0_PG | CR0_WP
    mov cr0, eax
    ret

; The other cores start here in real mode (SIPI): copied to a page below 1 MiB, position independent until long mode. The
; copy is told how far the image lies above its link address.
bits 16
global trampoline_start, trampoline_displacement, trampoline_end
trampoline_start:
    cli
    cld
    mov ax, cs
    mov ds, ax
    movzx ebx, ax
    shl ebx, 4                                  ; where this page lies
    mov ebp, [trampoline_displacement - trampoline_start]
    lea eax, [ebx + trampoline32 - trampoline_start]
    mov [trampoline_far - trampoline_start], eax
    lea eax, [HERE(boot_gdt)]
    mov [trampoline_gdt_pointer + 2 - trampoline_start], eax
    o32 lgdt [trampoline_gdt_pointer - trampoline_start]
    mov eax, cr0
    or al, CR0_PE
    mov cr0, eax
    o32 jmp far [trampoline_far - trampoline_start]
align 8
trampoline_displacement:
    dd 0
trampoline_far:
    dd 0
    dw 0x18
trampoline_gdt_pointer:
    dw 5 * 8 - 1
    dd 0
bits 32
trampoline32:
    mov ax, 0x10
    mov ds, ax
    mov ss, ax
    lea esp, [HERE(boot_stack_top)]             ; one core starts at a time, the boot core has left this stack
    lea eax, [HERE(paging_on)]
    call eax
    push 0x08
    lea eax, [HERE(trampoline64)]
    push eax
    retf
trampoline_end:

bits 64
trampoline64:
    mov rax, .high
    jmp rax
.high:
    xor eax, eax
    mov ss, eax
    mov ds, eax
    mov es, eax
    mov fs, eax
    mov gs, eax
    xor ebp, ebp
    mov rax, [rel ap_cr3]
    mov rsp, [rel ap_stack]
    xor edi, edi
    xchg rdi, [rel ap_cpu]                      ; 0: this core comes late, and was given up
    test rdi, rdi
    jz .park
    mov cr3, rax
    call cpu_start_here
    ud2
.park:
    cli
    hlt
    jmp .park

; Moves to another stack for good, and calls a function on it: void stack_switch(uint64_t top, void (*next)(void)).
global stack_switch
stack_switch:
    mov rsp, rdi
    xor ebp, ebp
    call rsi
    ud2

; .rodata is not there yet.

align 8
global boot_gdt
boot_gdt:
    dq 0
    dq 0x00af9b000000ffff                       ; 08: 64-bit code
    dq 0x00cf93000000ffff                       ; 10: data
    dq 0x00cf9b000000ffff                       ; 18: 32-bit code
    dq 0

section .bss
alignb 4096
global boot_pml4, boot_pdpt_low, boot_pdpt_high, boot_directories, boot_stack_top
boot_pml4:          resb 4096
boot_pdpt_low:      resb 4096
boot_pdpt_high:     resb 4096
boot_directories:   resb 5 * 4096
boot_stack:         resb 16384
boot_stack_top:
