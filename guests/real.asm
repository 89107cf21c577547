; Real mode: the interrupt table, segment arithmetic and limits, strings, stack in 16 and 32 bits, A20, ports, then
; protected mode and back, and segments that keep their limit ("unreal").
bits 16
%include "guests/lib.inc"

; Expects vector %1, whose handler counts it and returns to %%after.
%macro raises 2+
    mov   word [resume], %%after
    mov   byte [came], 0xff
    %2
%%after:
    cmp   byte [came], %1
    check e
%endmacro

; Vector %1 of the table goes to the routine %2.
%macro vector 2
    mov   word [es:%1 * 4], %2
    mov   word [es:%1 * 4 + 2], 0
%endmacro

begin:
    cli
    xor   ax, ax
    mov   ds, ax
    mov   es, ax
    mov   ss, ax
    mov   esp, 0x7c00
    jmp   0:.here
.here:
    guest "real: interrupts, segments, strings, A20, unreal mode"
    mov   al, 0xff
    out   0x21, al
    out   0xa1, al
    vector 0, on_0
    vector 1, on_1
    vector 3, on_3
    vector 6, on_6
    vector 13, on_13
    vector 0x80, on_80

    ; INT and IRET: flags and address on the stack.
    raises 0x80, int 0x80
    equal sp, 0x7c00
    raises 3, int3
    mov   ax, 0x1234
    pushf
    call  0:.far
    equal ax, 0x4321
    jmp   .called
.far:
    mov   ax, 0x4321
    iret
.called:

    ; Faults of real mode have no error code.
    xor   cx, cx
    raises 0, div cx
    raises 6, ud2
    mov   si, 0xffff
    raises 13, mov ax, [si]
    mov   esi, 0x10000
    raises 13, a32 mov al, [esi]
    mov   eax, 0x80000000
    raises 6, lldt ax                   ; no such thing here

    ; Segments: base is selector times 16; different names of one byte.
    mov   ax, 0x5000
    mov   fs, ax
    mov   ax, 0x4fff
    mov   gs, ax
    mov   byte [fs:0], 0x77
    equal byte [gs:16], 0x77

    ; Strings wrap in 16 bits and stay within the segment; the upper halves of registers are left alone.
    mov   ax, 0x5000
    mov   es, ax
    mov   edi, 0xabcdfffe
    mov   ecx, 0x00010004
    mov   al, 0x5a
    rep   stosb
    equal edi, 0xabcd0002
    equal ecx, 0x00010000
    equal word [fs:0], 0x5a5a
    equal word [fs:0xfffe], 0x5a5a
    std
    mov   di, 1
    mov   cx, 3
    mov   al, 0x33
    rep   stosb
    cld
    equal di, 0xfffe
    equal word [fs:0], 0x3333
    equal byte [fs:0xffff], 0x33
    mov   di, 0x10
    mov   cx, 4
    mov   dx, 0x9100                    ; where nobody is
    rep   insw
    equal di, 0x18
    equal dword [fs:0x14], 0xffffffff
    mov   si, table
    mov   cx, 3
    mov   dx, 0x80
    rep   outsb
    equal si, table + 3

    ; 32-bit operands and addresses.
    mov   eax, 0x12345678
    push  eax
    pop   bx
    pop   cx
    equal bx, 0x5678
    equal cx, 0x1234
    mov   ebx, table
    mov   eax, [ebx + 4]
    equal eax, 0xdeadbeef
    pushad
    popad
    equal sp, 0x7c00

    ; Flags through POPF and PUSHF: IOPL and NT can be set here, VM and the reserved bits cannot.
    push  word 0x7202
    popf
    pushf
    pop   ax
    and   ax, 0x7fd7
    equal ax, 0x7202
    push  word 2
    popf

    ; Single step.
    mov   word [steps], 0
    push  word 0x102
    popf
    nop
    nop
    cpuid
    push  word 2
    popf
    nop
    equal word [steps], 5

    ; A20: the byte at 1 MiB is another one than that at 0, or the same, as port 0x92 says.
    mov   ax, 0xffff
    mov   gs, ax
    in    al, 0x92
    or    al, 2
    out   0x92, al
    mov   byte [0x500], 0x11
    mov   byte [gs:0x510], 0x22
    equal byte [0x500], 0x11
    equal byte [gs:0x510], 0x22

    ; CR0 and descriptor tables.
    smsw  ax
    test  al, 1
    check z
    mov   eax, cr0
    test  al, 1
    check z
    lidt  [vectors]
    sidt  [table]
    equal word [table], 0x3ff

    ; Protected mode and back, with DS four GiB long: it stays so.
    lgdt  [gdt_pointer]
    mov   eax, cr0
    or    al, 1
    mov   cr0, eax
    jmp   0x08:.protected
.protected:
    mov   ax, 0x10
    mov   fs, ax
    mov   ax, 0x18                      ; in protected mode with another base
    mov   gs, ax
    mov   eax, cr0
    and   al, ~1
    mov   cr0, eax
    jmp   0:.back
.back:
    mov   edi, 0x00412345
    mov   byte [fs:edi], 0x99
    a32 cmp byte [fs:edi], 0x99
    check e
    equal byte [gs:0x5], 0x99           ; base 0x412340 until the selector is loaded again
    mov   ax, 0x5000
    mov   gs, ax
    mov   byte [gs:5], 0x55
    mov   byte [fs:edi], 0x98
    equal byte [gs:5], 0x55
    mov   edi, 0xfee00030               ; the local APIC from 16-bit code
    mov   eax, [fs:edi]
    and   eax, 0xf0
    equal eax, 0x10

    ; HLT, woken by the 8254 through the interrupt table.
    xor   ax, ax
    mov   es, ax
    vector 0x20, on_timer
    mov   al, 0x11
    out   0x20, al
    mov   al, 0x20
    out   0x21, al
    mov   al, 4
    out   0x21, al
    mov   al, 1
    out   0x21, al
    mov   al, 0xfe
    out   0x21, al
    mov   al, 0x30
    out   0x43, al
    mov   al, 0xa0
    out   0x40, al
    mov   al, 0x10
    out   0x40, al
    mov   byte [came], 0
    sti
    hlt
    cli
    equal byte [came], 0x20
    pass

; What was raised, and on at the place that `raises` named.
%macro handler 2
on_%1:
    mov   byte [cs:came], %2
    push  bp
    mov   bp, sp
    push  ax
    mov   ax, [cs:resume]
    mov   [bp + 2], ax
    pop   ax
    pop   bp
    iret
%endmacro

handler 0, 0
handler 3, 3
handler 6, 6
handler 13, 13
handler 80, 0x80

on_1:
    inc   word [cs:steps]
    iret

on_timer:
    push  ax
    mov   byte [cs:came], 0x20
    mov   al, 0x20
    out   0x20, al
    pop   ax
    iret

[section .data]
align 4
table:  db 1, 2, 3, 0
        dd 0xdeadbeef
resume: dw 0
steps:  dw 0
came:   db 0
vectors:
        dw 0x3ff
        dd 0
align 8
gdt:    dq 0
        dq 0x00009b000000ffff
        dq 0x00cf93000000ffff           ; all four GiB
        dq 0x000093412340ffff
gdt_end:
gdt_pointer:
        dw gdt_end - gdt - 1
        dd gdt
