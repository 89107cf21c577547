; A triple fault: an exception with nobody to take it. It ends this machine and no other.
bits 64
%include "guests/lib.inc"

begin:
    begin64
    guest "triple: an exception without an IDT"
    say   {"pass", 13, 10}
    call  drain
    lidt  [no_idt]
    ud2

; Waits until the console has said everything.
drain:
    mov   dx, COM1 + 5
.wait:
    in    al, dx
    test  al, 0x40
    jz    .wait
    ret

[section .data]
no_idt: dw 0
        dq 0
