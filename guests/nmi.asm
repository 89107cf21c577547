; NMI: from the local APIC to itself, blocked until IRET, and one remembered meanwhile; it wakes HLT with interrupts off.
bits 64
%include "guests/lib.inc"

SELF_NMI equ 0x4400                     ; to the destination in the upper half

%macro send_nmi 0
    mov   dword [r15 + 0x310], r14d
    mov   dword [r15 + 0x300], SELF_NMI
%endmacro

begin:
    begin64
    guest "nmi: self NMI, blocking until IRET, HLT"
    mov   r15d, APIC
    mov   r14d, [r15 + 0x20]            ; this processor's id, in the destination's place
    mov   dword [r15 + 0xf0], 0x1ff

    ; One NMI, with interrupts off.
    mov   qword [exception_hook], count
    send_nmi
    call  settle
    equal dword [counts + 2 * 4], 1
    equal dword [deepest], 1

    ; Two more while the handler runs: one comes behind its IRET, the other is lost.
    mov   dword [nested], 2
    send_nmi
    call  settle
    equal dword [counts + 2 * 4], 3
    equal dword [deepest], 1

    ; An exception's IRET within the handler ends the blocking early: then it nests.
    mov   dword [nested], 1
    mov   dword [break], 1
    send_nmi
    call  settle
    equal dword [counts + 2 * 4], 5
    equal dword [deepest], 2

    ; HLT with interrupts off: an NMI from the 8254 through the I/O APIC, at pin 0 or 2, wakes it.
    mov   ebx, 0xfec00000
    mov   dword [rbx], 0x10
    mov   dword [rbx + 0x10], 0x400
    mov   dword [rbx], 0x14
    mov   dword [rbx + 0x10], 0x400
    call  start_pit
    cli
    hlt
    equal dword [counts + 2 * 4], 6

    ; And with interrupts on, behind STI.
    call  start_pit
    sti
    hlt
    cli
    equal dword [counts + 2 * 4], 7
    mov   qword [exception_hook], 0
    pass

; One shot in ten milliseconds.
start_pit:
    mov   al, 0x30
    out   0x43, al
    mov   al, 11932 & 0xff
    out   0x40, al
    mov   al, 11932 >> 8
    out   0x40, al
    ret

; Exits of every kind, so that an NMI that waits has had its chance.
settle:
    mov   r12d, 20
.more:
    cpuid
    in    al, 0x21
    mov   eax, [r15 + 0x30]
    dec   r12d
    jnz   .more
    ret

count:
    cmp   dword [caught], 2
    jne   .other
    inc   dword [depth]
    mov   eax, [depth]
    cmp   eax, [deepest]
    jbe   .no_deeper
    mov   [deepest], eax
.no_deeper:
    push  rbx
    push  r12
.send:
    cmp   dword [nested], 0
    je    .sent
    dec   dword [nested]
    send_nmi
    jmp   .send
.sent:
    cmp   dword [break], 0
    je    .no_break
    mov   dword [break], 0
    int3
.no_break:
    call  settle
    pop   r12
    pop   rbx
    dec   dword [depth]
.other:
    ret

[section .data]
align 4
depth:   dd 0
deepest: dd 0
nested:  dd 0
break:   dd 0
