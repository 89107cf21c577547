; So many exits of each kind, for a test of what Keel counts: no other instruction of it exits for the same reason.
bits 64
%include "guests/lib.inc"

%macro times_of 2+
    mov   r8d, %1
%%again:
    %2
    dec   r8d
    jnz   %%again
%endmacro

begin:
    begin64
    guest "counts: exits, each kind a number of times"
    mov   r10d, 0xfec00000
    times_of 1000, cpuid
    times_of 500, out 0x80, al
    times_of 300, in al, 0x10           ; nobody answers
    times_of 200, mov eax, [r10]
    pass
