; The device that QEMU calls pc-testdev: latch, interrupt lines, memory that always traps, a page taken away.
bits 64
%include "guests/lib.inc"

IOAPIC equ 0xfec00000
PAGE   equ 0x300000

; A line's entry in the I/O APIC: edge-triggered, vector 0x50 + line, to APIC 0.
%macro route 1
    mov   dword [IOAPIC_AT], 0x10 + 2 * %1
    mov   dword [IOAPIC_AT + 0x10], 0x50 + %1
    mov   dword [IOAPIC_AT], 0x11 + 2 * %1
    mov   dword [IOAPIC_AT + 0x10], 0
%endmacro
%define IOAPIC_AT r14

%macro line 2
    mov   al, %2
    mov   dx, 0x2000 + %1
    out   dx, al
    sti
    nop
    nop
    cli
%endmacro

%macro counted 2
    mov   eax, [counts + %1 * 4]
    equal eax, %2
%endmacro

begin:
    begin64
    guest "testdev: latch, lines, memory that traps, a page taken away"
    mov   r14d, IOAPIC
    mov   r15d, APIC
    mov   dword [r15 + 0xf0], 0x1ff

    ; The latch, in each size; 0xE8 is the same, byte by byte.
    mov   eax, 0x12345678
    out   0xe0, eax
    in    ax, 0xe2
    equal ax, 0x1234
    mov   al, 0xab
    out   0xe1, al
    in    eax, 0xe0
    equal eax, 0x1234ab78
    in    al, 0xe9
    equal al, 0xab
    mov   eax, 0xdeadbeef
    out   0xe8, eax
    in    eax, 0xe0
    equal eax, 0xdeadbeef

    ; Lines: an edge is one interrupt; line 0 is wired to pin 2, as the timer's.
    route 10
    route 23
    route 2
    line  10, 1
    line  10, 1
    counted 0x5a, 1
    mov   dword [r15 + 0xb0], 0
    line  10, 0
    line  10, 5
    counted 0x5a, 2
    mov   dword [r15 + 0xb0], 0
    line  23, 1
    counted 0x67, 1
    mov   dword [r15 + 0xb0], 0
    line  0, 1
    counted 0x52, 1
    mov   dword [r15 + 0xb0], 0

    ; Memory that traps: as memory is, to its last byte.
    mov   ebx, 0xff000000
    mov   rax, 0x1122334455667788
    mov   [rbx], rax
    mov   eax, [rbx + 3]
    equal eax, 0x22334455
    add   qword [rbx], 1
    mov   al, [rbx]
    equal al, 0x89
    mov   word [rbx + 0xfffe], 0x5aa5
    mov   al, [rbx + 0xffff]
    equal al, 0x5a

    ; A page taken away: the next access, a read, a write or a fetch, finds it as it was.
    mov   dword [PAGE], 0x12345678
    mov   eax, PAGE
    out   0xe4, eax
    mov   eax, [PAGE]
    equal eax, 0x12345678
    mov   eax, PAGE + 0x123
    out   0xe4, eax
    mov   dword [PAGE + 8], 7
    mov   eax, [PAGE + 8]
    equal eax, 7
    mov   byte [PAGE + 16], 0xc3
    mov   eax, PAGE
    out   0xe4, eax
    mov   eax, PAGE + 16
    call  rax
    mov   eax, PAGE                     ; two of them: the first is there again
    out   0xe4, eax
    mov   eax, PAGE + 0x1000
    out   0xe4, eax
    mov   eax, [PAGE]
    equal eax, 0x12345678
    mov   eax, 0xfee00000               ; no RAM: nothing
    out   0xe4, eax
    mov   eax, [r15 + 0x20]
    shr   eax, 24
    equal eax, 0
    pass
