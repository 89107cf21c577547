; Its processors run one at a time: each for some milliseconds, wakes the next, and halts. For tests of whether a VM's weight counts once
; or for each of its processors.
bits 64
%include "guests/lib.inc"

X2APIC_ID  equ 0x802
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
    mov   eax, 0x40000010               ; eax: thousands of the TSC's ticks in a second, as hypervisors say it
    cpuid
    imul  eax, [milliseconds]
    mov   esi, others
    mov   edi, AP_CODE
    mov   ecx, others.end - others
    rep movsb
    mov   [AP_CODE + others.ticks - others], eax
    mov   eax, [processors]
    mov   [AP_CODE + others.count - others], eax
    turn_on_x2apic
    mov   ecx, X2APIC_ICR
    xor   edx, edx
    mov   eax, 0xc4500                  ; INIT, then SIPI to all others
    wrmsr
    mov   eax, 0xc4600 | AP_CODE >> 12
    wrmsr
    cli
.for_ever:
    hlt                                 ; nobody wakes this one
    jmp   .for_ever

[section .data]
    db    "turn of ms "                 ; for a test to find and change
milliseconds: dd 8
    db    "processors "
processors: dd 8
[section .text]

bits 16
others:
    cli
    turn_on_x2apic
    mov   ecx, X2APIC_ID
    rdmsr
    mov   ebp, eax
    mov   edi, eax
    inc   edi
    cmp   edi, [cs:.count - others]     ; the next one; the last one wakes number 1
    jb    .next_known
    mov   edi, 1
.next_known:
    cmp   ebp, 1
    je    .begin
.halt:
    hlt
.begin:
    rdtsc
    mov   esi, eax
.spin:
    rdtsc
    sub   eax, esi
    cmp   eax, [cs:.ticks - others]
    jb    .spin
    mov   ecx, X2APIC_ICR
    mov   edx, edi
    mov   eax, 0x4040                   ; fixed, vector 0x40
    wrmsr
    jmp   .halt
.ticks:
    dd    0
.count:
    dd    0
.end:
