; keel.elf as bytes, and the way from the firmware's 64-bit mode to the state that the Multiboot2 specification, "Machine
; state", demands: 32-bit protected mode without paging, EAX and EBX set.

MULTIBOOT2_LOADED equ 0x36d76289

%use ifunc
%include "x86.inc"

section .rodata
align 16
global keel_elf, keel_elf_end
keel_elf:
    incbin KEEL_ELF
keel_elf_end:

; Copied to a page of its own below 4 GiB, and called there: RDI is Keel's entry, RSI the information.
global enter_start, enter_end
align 16
enter_start:
bits 64
    cli
    cld
    lea rax, [rel gdt]
    mov [rel gdt_pointer + 2], rax
    lgdt [rel gdt_pointer]
    lea rsp, [rel enter_start + 4096]           ; the end of that page
    mov rax, cr4
    btr eax, ilog2e(CR4_CET)                   ; none of these outlives paging, and PCIDE not even its end
    btr eax, ilog2e(CR4_PGE)
    btr eax, ilog2e(CR4_PCIDE)
    mov cr4, rax
    push 0x08
    lea rax, [rel .compatible]
    push rax
    retfq
bits 32
.compatible:
    mov eax, 0x10
    mov ss, eax
    mov ds, eax
    mov es, eax
    mov fs, eax
    mov gs, eax
    mov eax, cr0
    btr eax, ilog2e(CR0_PG)
    mov cr0, eax
    mov ecx, IA32_EFER
    rdmsr
    btr eax, ilog2e(EFER_LME)
    wrmsr
    mov eax, cr4
    btr eax, ilog2e(CR4_LA57)                  ; Keel's page tables have four levels
    btr eax, ilog2e(CR4_PAE)
    mov cr4, eax
    mov eax, MULTIBOOT2_LOADED
    mov ebx, esi
    jmp edi

align 8
gdt:
    dq 0
    dq 0x00cf9b000000ffff                       ; 08: 32-bit code
    dq 0x00cf93000000ffff                       ; 10: data
gdt_pointer:
    dw 3 * 8 - 1
    dq 0
enter_end:
