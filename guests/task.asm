; Hardware task switches of 32-bit code: JMP, CALL and IRET, an exception through a task gate, a double fault through one,
; busy bits, links, NT and TS, CR3 and LDT per task, and the exceptions of a switch that fails.
bits 32
%include "guests/lib.inc"
%include "guests/task.inc"

GATE        equ OWN + 8                 ; a task gate to it
FAULT_TASK  equ OWN + 16                ; for the double fault
LOCAL       equ OWN + 24                ; an LDT
TSS3        equ SCRATCH + 0x100
LDT         equ SCRATCH + 0x200
NOWHERE     equ 0x7fc00000              ; four MiB that are not mapped
STACK3      equ SCRATCH + 0x3000

; The type of a descriptor, with its present bit.
%macro type_is 2
    equal byte [gdt + %1 + 5], %2
%endmacro

begin:
    begin32
    guest "task: hardware task switches"
    descriptor SECOND, TSS2, 0x89
    descriptor FAULT_TASK, TSS3, 0x89
    mov   dword [gdt + GATE], SECOND << 16
    mov   dword [gdt + GATE + 4], 0x8500
    mov   dword [gdt + LOCAL], (LDT & 0xffff) << 16 | 0x17
    mov   dword [gdt + LOCAL + 4], 0x8200 | LDT >> 16
    mov   dword [LDT + 8], 0x0000ffff
    mov   dword [LDT + 12], 0x00cf9300

    ; JMP there and back: registers of both are kept, only the running one is busy, TS is set.
    task_state TSS2, second_jumps, STACK2
    clts
    mov   ebx, 0x11111111
    mov   ebp, 0x22222222
    jmp   SECOND:0
    equal ebx, 0x11111111
    equal ebp, 0x22222222
    equal dword [seen], 0x1
    type_is SECOND, 0x89
    type_is TASK, 0x8b
    mov   eax, cr0
    test  al, 8
    check nz
    clts
    equal dword [TSS2 + 0x34], 0x33333333               ; EBX of the task that was left

    ; CALL and IRET: a link back, NT in the new task, both busy meanwhile.
    task_state TSS2, second_returns, STACK2
    call  SECOND:0
    equal dword [seen], 0x2
    equal word [TSS2], TASK
    type_is SECOND, 0x89
    type_is TASK, 0x8b
    pushfd
    pop   eax
    test  eax, 1 << 14
    check z
    mov   eax, [flags_inside]
    test  eax, 1 << 14
    check nz
    call  SECOND:0                      ; it goes on behind its IRET
    equal dword [seen], 0x3

    ; Through a task gate; and with a page directory and an LDT of its own.
    mov   edi, TABLES
    mov   eax, 0x87
    mov   ecx, 1024
.large:
    stosd
    add   eax, 0x400000
    loop  .large
    mov   edi, TABLES + 0x1000
    mov   eax, 0x87
    mov   ecx, 1024
.other:
    stosd
    add   eax, 0x400000
    loop  .other
    mov   dword [TABLES + 0x1000 + 0x100 * 4], FREE | 0x87
    mov   eax, cr4
    or    eax, 1 << 4
    mov   cr4, eax
    mov   eax, TABLES
    mov   cr3, eax
    mov   [TSS + 0x1c], eax
    mov   eax, cr0
    or    eax, 1 << 31
    mov   cr0, eax
    task_state TSS2, second_pages, STACK2
    mov   dword [TSS2 + 0x1c], TABLES + 0x1000
    mov   dword [TSS2 + 0x60], LOCAL
    mov   dword [TSS2 + 0x54], 0xc      ; DS from the LDT
    mov   dword [FREE + 0x40], 0x600d
    call  GATE:0
    equal dword [seen], 0x600d
    mov   eax, cr3
    equal eax, TABLES
    sldt  eax
    equal ax, 0

    ; An exception with an error code through a gate: it is pushed on the new stack.
    task_state TSS2, second_error, STACK2
    mov   eax, [IDT + 13 * 8]
    mov   [saved_gate], eax
    mov   eax, [IDT + 13 * 8 + 4]
    mov   [saved_gate + 4], eax
    mov   dword [IDT + 13 * 8], SECOND << 16
    mov   dword [IDT + 13 * 8 + 4], 0x8500
    mov   eax, 0x1000
    mov   fs, ax                        ; the task skips these two bytes
    equal dword [seen], 0x1000
    mov   eax, [saved_gate]
    mov   [IDT + 13 * 8], eax
    mov   eax, [saved_gate + 4]
    mov   [IDT + 13 * 8 + 4], eax

    ; A double fault with a stack that is not there, as systems catch it.
    task_state TSS3, third_double, STACK3
    mov   dword [IDT + 8 * 8], FAULT_TASK << 16
    mov   dword [IDT + 8 * 8 + 4], 0x8500
    mov   dword [TABLES + (NOWHERE >> 20)], 0
    mov   eax, cr3
    mov   cr3, eax
    mov   esp, NOWHERE + 0x1000
    ud2
.after_double:
    mov   esp, STACK_TOP
    equal dword [seen], 0x8
    type_is FAULT_TASK, 0x89

    ; Refused before anything is changed: a busy task, a descriptor that is none, not present, too short.
    mov   byte [gdt + SECOND + 5], 0x8b
    faults_with 13, SECOND, jmp SECOND:0
    mov   byte [gdt + SECOND + 5], 0x09
    faults_with 11, SECOND, jmp SECOND:0
    mov   byte [gdt + SECOND + 5], 0x89
    mov   word [gdt + SECOND], 0x66
    faults_with 10, SECOND, jmp SECOND:0
    mov   word [gdt + SECOND], 0x67
    type_is TASK, 0x8b
    str   eax
    equal eax, TASK

    ; Found in the new task: a code segment that is data, which is that task's #TS.
    task_state TSS2, second_jumps, STACK2
    mov   dword [TSS2 + 0x4c], DATA
    mov   dword [exception_hook], in_new_task
    call  SECOND:0
.refused:
    mov   dword [exception_hook], 0
    equal dword [caught], 10
    equal dword [caught_error], DATA
    equal dword [task_then], SECOND
    pass

; In the handler of #TS: the new task is the current one. Goes back by hand.
in_new_task:
    str   eax
    mov   [task_then], eax
    mov   byte [gdt + TASK + 5], 0x89
    mov   byte [gdt + SECOND + 5], 0x89
    mov   eax, TASK
    ltr   ax
    pushfd
    and   dword [esp], ~(1 << 14)
    popfd
    mov   esp, STACK_TOP
    jmp   begin.refused

second_jumps:
    mov   dword [seen], 1
    mov   ebx, 0x33333333
    jmp   TASK:0

second_returns:
    mov   dword [seen], 2
    pushfd
    pop   dword [flags_inside]
    iretd
    mov   dword [seen], 3
    iretd

second_pages:
    mov   eax, [0x40000040]             ; elsewhere in this task
    mov   [seen], eax
    iretd

second_error:
    pop   dword [seen]
    add   dword [TSS + 0x20], 2
    iretd

third_double:
    pop   eax                           ; the error code, 0
    or    eax, 8
    mov   [seen], eax
    mov   dword [TSS + 0x20], begin.after_double
    iretd

[section .data]
align 8
saved_gate:   dq 0
seen:         dd 0
flags_inside: dd 0
task_then:    dd 0
