; Leaves a pattern in all of its memory and registers, and ends: scans.asm, which comes next, must not find it.
bits 64
%include "guests/lib.inc"
%include "guests/pattern.inc"

begin:
    begin64
    guest "fills: a pattern for nobody to find"
    call  allow_sse
    call  end_of_memory
    mov   rcx, rax
    load_pattern rax
    mov   edi, 0x80000
    sub   rcx, 0xc0000
    push  rcx
    mov   ecx, 0x20000 / 8
    rep   stosq
    pop   rcx
    shr   rcx, 3
    mov   edi, 0xc0000
    rep   stosq
    call  plant_in_msrs
    call  plant_in_cmos
    call  plant_in_registers
    pass
