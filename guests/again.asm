; Resets a thousand times, and crashes a few times in between; CMOS RAM counts.
bits 16
%include "guests/lib.inc"

STARTS equ 1000
COUNT equ 0x52                          ; in CMOS RAM, two bytes

begin:
    cli
    xor   ax, ax
    mov   ds, ax
    mov   es, ax
    mov   ss, ax
    mov   esp, 0x7c00
    mov   al, COUNT + 1
    out   0x70, al
    in    al, 0x71
    mov   bh, al
    mov   al, COUNT
    out   0x70, al
    in    al, 0x71
    mov   bl, al
    test  bx, bx
    jnz   .counts
    push  bx
    guest "again: a thousand times"
    pop   bx
.counts:
    cmp   bx, STARTS
    jae   .enough
    inc   bx
    mov   al, bl
    out   0x71, al
    mov   al, COUNT + 1
    out   0x70, al
    mov   al, bh
    out   0x71, al
    mov   ax, bx
    mov   cx, STARTS / 4
    xor   dx, dx
    div   cx
    cmp   dx, 1
    je    .crash
    mov   dx, 0xcf9
    mov   al, 6
    out   dx, al
    jmp   $
.crash:
    lidt  [no_idt]
    int3
.enough:
    call  console_set
    pass

[section .data]
no_idt: dw 0
        dq 0
