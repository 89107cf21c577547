; Software interrupts and exceptions of instructions through a task gate: the old task goes on behind the instruction.
bits 32
%include "guests/lib.inc"
%include "guests/task.inc"

; The instruction must run the second task, and go on behind itself.
%macro switches 2+
    task_state TSS2, second, STACK2
    mov   dword [IDT + %1 * 8], SECOND << 16
    mov   dword [IDT + %1 * 8 + 4], 0xe500
    mov   dword [seen], 0
    mov   al, 0x7f
    add   al, 1                         ; OF, for INTO
    %2
    equal dword [seen], 1
    equal word [TSS2], TASK
%endmacro

begin:
    begin32
    guest "taskgate: software interrupts through a task gate"
    descriptor SECOND, TSS2, 0x89
    switches 0x50, int 0x50
    switches 3, int3
    switches 4, into
    pass

second:
    inc   dword [seen]
    iretd

[section .data]
seen: dd 0
