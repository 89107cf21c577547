; Events whose delivery itself leaves the guest, because the IDT or the stack is in a page that was taken away: each
; arrives once, in its order.
bits 64
%include "guests/lib.inc"

SELF    equ 0x40000                     ; fixed, to this processor alone
STACK   equ 0x200000                    ; pages of their own
NMI     equ 0x4400

%macro away 1
    mov   eax, %1
    out   0xe4, eax
%endmacro

%macro self 1
    mov   dword [r15 + 0x300], SELF | %1
%endmacro

; The instruction with the IDT away, then with the stack away.
%macro twice 2+
    away  IDT
    %1    %2
    away  STACK - 0x1000
    %1    %2
%endmacro

%macro soft 1+
    %1
%endmacro

; Vector %1 has come %2 times since the last look.
%macro came 2
    equal dword [counts + %1 * 4], %2
    mov   dword [counts + %1 * 4], 0
%endmacro

%macro window 0
    sti
    nop
    nop
    cli
%endmacro

begin:
    begin64
    guest "deliver: exceptions, interrupts and NMIs by way of a page that is away"
    mov   r15d, APIC
    mov   dword [r15 + 0xf0], 0x1ff
    mov   esp, STACK

    ; Exceptions: faults, with an error code, traps.
    xor   ebx, ebx
    mov   eax, 1
    xor   edx, edx
    away  IDT
    faults 0, div ebx
    away  STACK - 0x1000
    faults 0, div ebx
    mov   bx, 0xfff8
    away  IDT
    faults_with 13, 0xfff8, mov ds, bx
    away  STACK - 0x1000
    faults_with 13, 0xfff8, mov ds, bx
    away  IDT
    traps 3, int3
    away  STACK - 0x1000
    traps 3, int3
    under_svm                           ; which does not tell INT1 from other traps
    je    .no_int1
    away  IDT
    traps 1, db 0xf1
    away  STACK - 0x1000
    traps 1, db 0xf1
.no_int1:
    mov   rbx, 1 << 32
    away  IDT
    faults 14, mov rcx, [rbx]
    equal [caught_cr2], rbx

    ; INT n.
    mov   dword [counts + 0x61 * 4], 0
    twice soft, int 0x61
    came  0x61, 2

    ; Interrupts.
    away  IDT
    self  0x62
    window
    came  0x62, 1
    away  STACK - 0x1000
    self  0x62
    window
    came  0x62, 1

    ; Two at once: the higher first.
    mov   qword [interrupt_hook], note
    mov   dword [order], 0
    away  IDT
    self  0x52
    self  0x63
    window
    came  0x52, 1
    came  0x63, 1
    equal dword [order], 0x6352

    ; INT n behind STI, while an interrupt waits: INT n comes first.
    under_svm                           ; QEMU's TCG forgets a shadow at VMRUN
    je    .no_shadow
    mov   dword [order], 0
    self  0x62
    away  IDT
    sti
    int   0x61
    cli
    nop
    equal dword [order], 0x6162
    mov   dword [order], 0
    self  0x62
    away  STACK - 0x1000
    sti
    int   0x61
    cli
    equal dword [order], 0x6162
    came  0x61, 2
    came  0x62, 2
.no_shadow:
    mov   qword [interrupt_hook], 0

    ; A gate that is not present: #NP, itself delivered with the IDT away; the gate mended, INT n runs again.
    mov   byte [IDT + 0x61 * 16 + 5], 0x0e
    mov   qword [exception_hook], mend
    away  IDT
    int   0x61
    mov   qword [exception_hook], 0
    came  0x61, 1
    came  11, 1

    ; NMIs: the IDT away, the stack away; one that waits for the IRET of another, whose stack is away.
    mov   qword [exception_hook], nothing
    away  IDT
    mov   dword [r15 + 0x310], 0
    mov   dword [r15 + 0x300], NMI
    came  2, 1
    away  STACK - 0x1000
    mov   dword [r15 + 0x300], NMI
    came  2, 1
    mov   qword [exception_hook], another
    mov   dword [r15 + 0x300], NMI
    nop
    came  2, 2
    equal dword [deepest], 1
    mov   qword [exception_hook], 0

    ; The task priority holds the lower one back.
    mov   dword [r15 + 0x80], 0x60
    self  0x52
    self  0x72
    away  IDT
    window
    came  0x72, 1
    equal dword [counts + 0x52 * 4], 0
    mov   dword [r15 + 0x80], 0
    window
    came  0x52, 1
    pass

; Vectors in the order in which their handlers begin.
note:
    shl   dword [order], 8
    mov   eax, [interrupt_vector]
    or    [order], eax
    ret

mend:
    mov   byte [IDT + 0x61 * 16 + 5], 0x8e
nothing:
    ret

; In the first NMI: a second one, and the stack goes away right before IRET.
another:
    inc   dword [depth]
    mov   eax, [depth]
    cmp   eax, [deepest]
    jbe   .less
    mov   [deepest], eax
.less:
    cmp   dword [counts + 2 * 4], 1
    jne   .last
    mov   dword [r15 + 0x300], NMI
    in    al, 0x21
.last:
    dec   dword [depth]
    away  STACK - 0x1000
    ret

section .data
align 4
order:   dd 0
depth:   dd 0
deepest: dd 0
