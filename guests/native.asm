; Runs a small guest on the machine itself, as Keel would start it: proof that a guest is right about silicon.
; A multiboot kernel (version 1 for `qemu -kernel`, 2 for GRUB). The module is the guest's flat image; the last word of
; the command line is the entry mode: real, protected or long.
bits 32

LOAD        equ 0x8000                  ; as in every guest's keel.conf
TRAMPOLINE  equ 0x6000                  ; real mode has to be entered from below 1 MiB

section .header progbits alloc noexec nowrite align=8
align 8
header2:
    dd    0xe85250d6, 0, header2_end - header2, -(0xe85250d6 + header2_end - header2)
    dw    0, 0
    dd    8
header2_end:
align 4
    dd    0x1badb002, 3, -(0x1badb002 + 3)

section .text
global start
start:
    cli
    cld
    mov   esp, stack_top
    cmp   eax, 0x36d76289
    je    .multiboot2
    mov   esi, [ebx + 16]               ; command line
    mov   eax, [ebx + 24]               ; the list of modules
    mov   edi, [eax]
    mov   ecx, [eax + 4]
    jmp   .found
.multiboot2:
    add   ebx, 8
.tag:
    cmp   dword [ebx], 1
    jne   .no_command_line
    lea   esi, [ebx + 8]
.no_command_line:
    cmp   dword [ebx], 3
    jne   .no_module
    mov   edi, [ebx + 8]
    mov   ecx, [ebx + 12]
.no_module:
    cmp   dword [ebx], 0
    je    .found
    mov   edx, [ebx + 4]
    lea   ebx, [ebx + edx + 7]
    and   ebx, ~7
    jmp   .tag

; esi: command line, edi to ecx: the module. dl = the last word's first letter.
.found:
    mov   ah, ' '
.letter:
    lodsb
    cmp   ah, ' '
    jne   .inside
    mov   dl, al
.inside:
    mov   ah, al
    test  al, al
    jnz   .letter

    sub   ecx, edi
    mov   esi, edi
    mov   edi, LOAD
    rep   movsb
    lgdt  [gdt_pointer]
    cmp   dl, 'r'
    je    enter_real
    cmp   dl, 'l'
    je    enter_long

    jmp   0x08:.flat
.flat:
    mov   eax, 0x10
    mov   ds, eax
    mov   es, eax
    mov   fs, eax
    mov   gs, eax
    mov   ss, eax
    mov   eax, LOAD
    jmp   eax

enter_long:
    mov   edi, tables
    mov   ecx, 6 * 1024
    xor   eax, eax
    rep   stosd
    mov   dword [tables], tables + 0x1000 + 3
    mov   eax, tables + 0x2000 + 3
    mov   edi, tables + 0x1000
    mov   ecx, 4
.level3:
    mov   [edi], eax
    add   eax, 0x1000
    add   edi, 8
    loop  .level3
    mov   eax, 0x83                     ; 4 GiB in pages of 2 MiB
    mov   edi, tables + 0x2000
    mov   ecx, 2048
.level2:
    mov   [edi], eax
    add   eax, 0x200000
    add   edi, 8
    loop  .level2
    mov   eax, tables
    mov   cr3, eax
    mov   eax, cr4
    or    eax, 1 << 5
    mov   cr4, eax
    mov   ecx, 0xc0000080
    rdmsr
    or    eax, 1 << 8
    wrmsr
    mov   eax, cr0
    or    eax, 1 << 31
    mov   cr0, eax
    mov   eax, 0x10
    mov   ds, eax
    mov   es, eax
    mov   ss, eax
    jmp   0x18:LOAD

enter_real:
    mov   esi, trampoline
    mov   edi, TRAMPOLINE
    mov   ecx, trampoline_end - trampoline
    rep   movsb
    jmp   0x20:TRAMPOLINE

bits 16
trampoline:
    mov   ax, 0x28
    mov   ds, ax
    mov   es, ax
    mov   fs, ax
    mov   gs, ax
    mov   ss, ax
    mov   eax, cr0
    and   al, ~1
    mov   cr0, eax
    jmp   0:TRAMPOLINE + .real - trampoline
.real:
    lidt  [cs:TRAMPOLINE + .vectors - trampoline]
    xor   ax, ax
    mov   ds, ax
    mov   es, ax
    mov   fs, ax
    mov   gs, ax
    mov   ss, ax
    mov   sp, LOAD
    jmp   0:LOAD
.vectors:
    dw    0x3ff
    dd    0
trampoline_end:

section .data
align 8
gdt:
    dq    0
    dq    0x00cf9b000000ffff            ; 0x08 32-bit code
    dq    0x00cf93000000ffff            ; 0x10 data
    dq    0x00af9b000000ffff            ; 0x18 64-bit code
    dq    0x00009b000000ffff            ; 0x20 16-bit code
    dq    0x000093000000ffff            ; 0x28 16-bit data
gdt_pointer:
    dw    gdt_pointer - gdt - 1
    dd    gdt

section .bss
alignb 4096
tables:
    resb  6 * 4096
    resb  4096
stack_top:
