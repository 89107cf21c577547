; Loads x87 state for ever: what QEMU's TCG does beside that to the first core's state (docs/emulators.md).
bits 64
%include "guests/lib.inc"

begin:
    begin64
    guest "loads: loads x87 state for ever"
    sub   rsp, 32
    fninit
    fnstenv [rsp]
.again:
    fldenv [rsp]
    jmp   .again
