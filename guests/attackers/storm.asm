; Processor 0 sends interrupts to all others without a pause; they halt with interrupts off, so that each one only wakes them. For tests
; of who pays for wake-ups: beside a victim that counts its own rounds (guests/spin.asm).
bits 64
%include "guests/lib.inc"

X2APIC_SVR equ 0x80f
X2APIC_ICR equ 0x830
AP_CODE    equ 0x20000

%macro turn_on_x2apic 0
    mov   ecx, 0x1b
    rdmsr
    or    ah, 0xc                       ; IA32_APIC_BASE.EN and EXTD
    wrmsr
    mov   ecx, X2APIC_SVR
    mov   eax, 0x1ff
    xor   edx, edx
    wrmsr
%endmacro

begin:
    begin64
    mov   esi, others
    mov   edi, AP_CODE
    mov   ecx, others.end - others
    rep movsb
    turn_on_x2apic
    mov   ecx, X2APIC_ICR
    xor   edx, edx
    mov   eax, 0xc4500                  ; INIT, then SIPI to all others
    wrmsr
    mov   eax, 0xc4600 | AP_CODE >> 12
    wrmsr
.again:
    mov   eax, 0xc4040                  ; fixed, vector 0x40, to all others
    wrmsr
    jmp   .again

bits 16
others:
    cli
    turn_on_x2apic
.halt:
    mov   ecx, [cs:.spins - others]
    jecxz .sleep
    loop  $, ecx
.sleep:
    hlt
    jmp   .halt
    db    "spins "                      ; for a test to find and change: turns of a loop after each wake-up
.spins:
    dd    0
.end:
