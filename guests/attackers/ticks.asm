; Every processor starts a periodic local APIC timer with the shortest count and halts. As it is the timers are masked, and so is the 8254,
; at 50 kHz, and nothing wakes anybody; a test may open them.
bits 64
%include "guests/lib.inc"

AP_CODE   equ 0x20000
PERIODIC  equ 1 << 17
MASKED    equ 1 << 16

begin:
    begin64
    mov   esi, others
    mov   edi, AP_CODE
    mov   ecx, others.end - others
    rep   movsb
    mov   eax, [lvt]
    mov   [AP_CODE + others.lvt - others], eax
    mov   esi, APIC
    mov   dword [rsi + 0xf0], 0x1ff
    mov   al, 0x34                      ; counter 0, mode 2
    out   0x43, al
    mov   al, 24
    out   0x40, al
    xor   eax, eax
    out   0x40, al
    mov   dword [rsi + 0x3e0], 0xb      ; divide by 1
    mov   eax, [lvt]
    mov   [rsi + 0x320], eax
    mov   dword [rsi + 0x380], 1
    mov   dword [rsi + 0x300], 0xc4500  ; INIT, then SIPI to all others
    mov   dword [rsi + 0x300], 0xc4600 | AP_CODE >> 12
    test  dword [lvt], MASKED
    jnz   .deaf
.awake:
    sti
    hlt
    jmp   .awake
.deaf:
    cli
    hlt
    jmp   .deaf

[section .data]
    db    "lvt "                        ; for a test to find and change
lvt: dd PERIODIC | MASKED | 0x40
[section .text]

bits 16
others:
    cli
    xor   ax, ax
    mov   ds, ax
    mov   word [0x40 * 4], .tick - others
    mov   word [0x40 * 4 + 2], AP_CODE >> 4
    mov   ecx, 0x1b
    rdmsr
    or    ah, 0xc                       ; IA32_APIC_BASE.EN and EXTD
    wrmsr
    mov   ecx, 0x80f
    mov   eax, 0x1ff
    xor   edx, edx
    wrmsr
    mov   ecx, 0x83e
    mov   eax, 0xb
    wrmsr
    mov   ecx, 0x832
    mov   eax, [cs:.lvt - others]
    wrmsr
    mov   ecx, 0x838
    mov   eax, 1
    wrmsr
    test  byte [cs:.lvt + 2 - others], MASKED >> 16
    jnz   .halt
    sti
.halt:
    hlt
    jmp   .halt
.tick:
    mov   ecx, 0x80b
    xor   eax, eax
    xor   edx, edx
    wrmsr
    iret
.lvt:
    dd    0
.end:
