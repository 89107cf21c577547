; What a boot sector finds where firmware was: 18.2 ticks a second without any set-up, the BIOS data area, vectors that return.
bits 16
%include "guests/lib.inc"

TICKS    equ 0x46c
MIDNIGHT equ 0x470

begin:
    cli
    xor   ax, ax
    mov   ds, ax
    mov   es, ax
    mov   ss, ax
    mov   esp, 0x7c00
    jmp   0:.here
.here:
    guest "bios: ticks, data area, vectors"

    ; Nothing is set up here: the timer ticks, and wakes.
    mov   dword [TICKS], 0
    mov   cx, 3
.ticks:
    sti
    hlt
    loop  .ticks
    mov   eax, [TICKS]
    cmp   eax, 3
    check ae

    ; The user's tick: within the BIOS's, with its registers kept.
    cli
    mov   word [0x1c * 4], user
    mov   word [0x1c * 4 + 2], 0
    mov   esi, 0x12345678
    mov   eax, 0x9abcdef0
    mov   edx, 0x0fedcba9
    sti
    hlt
    cli
    equal word [users], 1
    equal eax, 0x9abcdef0
    equal edx, 0x0fedcba9
    equal esi, 0x12345678

    ; Midnight.
    mov   byte [MIDNIGHT], 0
    mov   dword [TICKS], 0x1800af
    sti
    hlt
    cli
    equal byte [MIDNIGHT], 1
    cmp   dword [TICKS], 2
    check b

    ; The data area.
    equal word [0x400], COM1
    equal word [0x40e], 0x9fc0
    mov   ax, [0x410]
    test  ax, 1 << 1 | 1 << 9
    check nz
    equal word [0x413], 639
    mov   ax, [0x41a]
    equal ax, [0x41c]                   ; no key waits
    equal byte [0x449], 3
    equal word [0x44a], 80
    equal word [0x463], 0x3d4
    equal byte [0x484], 24

    ; A function that is not there says so; other vectors return with all as it was.
    clc
    mov   ah, 0x42
    int   0x13
    check c
    equal ah, 0x86
    mov   ax, 0x1234
    clc
    int   0x20
    check nc
    equal ax, 0x1234

    ; An irq that the sector opens ends in the 8259As by itself: the RTC's twice, and the timer beside it.
    in    al, 0xa1
    and   al, ~1
    out   0xa1, al
    mov   word [0x70 * 4], clock
    mov   word [0x70 * 4 + 2], 0
    mov   eax, [0x77 * 4]               ; the end of an irq of the slave
    mov   [ends], eax
    mov   al, 0x0a
    out   0x70, al
    mov   al, 0x2f                      ; 2 a second
    out   0x71, al
    mov   al, 0x0c                      ; what came before at another rate
    out   0x70, al
    in    al, 0x71
    mov   al, 0x0b
    out   0x70, al
    mov   al, 0x42
    out   0x71, al
    mov   dword [TICKS], 0
.clock:
    sti
    hlt
    cli
    cmp   word [clocks], 2
    jb    .clock
    cmp   dword [TICKS], 5
    check ae
    pass

user:
    inc   word [cs:users]
    iret

clock:
    push  ax
    inc   word [cs:clocks]
    mov   al, 0x0c
    out   0x70, al
    in    al, 0x71
    pop   ax
    jmp   far [cs:ends]

[section .data]
align 4
ends:   dd 0
users:  dw 0
clocks: dw 0
