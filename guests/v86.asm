; Virtual-8086 mode: entered by IRET, left by INT and by faults; IOPL, the I/O bitmap, interrupt redirection, paging.
bits 32
%include "guests/lib.inc"

V86_FLAGS equ 1 << 17 | 2
BITMAP    equ 104                       ; in the TSS, with 32 bytes of interrupt redirection before it
CODE_AT   equ SCRATCH                   ; segment 0x5000

%macro enter 1
    mov   dword [caught], -1
    mov   dword [resume], %%back
    push  dword 0x5000                  ; GS, FS, DS, ES
    push  dword 0x5000
    push  dword 0x5000
    push  dword 0x5000
    push  dword 0x5000
    push  dword 0xfff0
    push  dword %1
    push  dword 0x5000
    push  edx
    iretd
%%back:
%endmacro

; Runs a routine in virtual-8086 mode with EFLAGS %3: it must end in vector %1 with error code %2 at its label .END.
%macro v86 4
    mov   edx, %4 - v86_code
    enter %3
    equal dword [caught], %1
    equal dword [caught_error], %2
    equal dword [caught_rip], %4.end - v86_code
    bt    dword [caught_flags], 17
    check c
    equal dword [caught_cs], 0x5000
%endmacro

begin:
    begin32
    guest "v86: faults, IOPL, I/O bitmap, interrupt redirection, paging"
    mov   esi, v86_code
    mov   edi, CODE_AT
    mov   ecx, v86_end - v86_code
    rep   movsb
    mov   dword [gdt + TASK], (TSS & 0xffff) << 16 | 0x0fff
    mov   byte [gdt + TASK + 5], 0x89
    mov   word [TSS + 0x66], BITMAP + 32
    mov   edi, TSS + BITMAP
    mov   ecx, 32
    mov   al, 0xff                      ; every INT goes to the monitor
    rep   stosb
    mov   ecx, 0x81 / 8 + 2
    mov   al, 0xff                      ; and every port up to 0x88
    rep   stosb
    mov   eax, TASK
    ltr   ax

    ; Segment arithmetic as in real mode, then a privileged instruction.
    v86   13, 0, V86_FLAGS, code_plain
    equal dword [CODE_AT + 0x8000], 0x00001234
    v86   6, 0, V86_FLAGS, code_ud
    v86   13, 0, V86_FLAGS, code_limit

    ; IOPL below 3: CLI, PUSHF and INT are the monitor's; with 3 they work, INT through a gate for user mode.
    v86   13, 0, V86_FLAGS, code_cli
    v86   13, 0, V86_FLAGS, code_pushf
    v86   13, 0, V86_FLAGS, code_int
    v86   13, 0, V86_FLAGS | 3 << 12, code_allowed
    mov   edx, code_breakpoint - v86_code
    enter V86_FLAGS | 3 << 12
    equal dword [caught], 3
    v86   13, 0x41 * 8 + 2, V86_FLAGS | 3 << 12, code_int

    ; Ports: by the bitmap alone.
    v86   13, 0, V86_FLAGS, code_port
    and   byte [TSS + BITMAP + 32 + 0x80 / 8], ~1
    v86   6, 0, V86_FLAGS, code_port_allowed
    v86   13, 0, V86_FLAGS, code_string

    ; With CR4.VME an INT goes through the 8086 program's own table, and CLI touches VIF.
    mov   eax, 1
    cpuid
    bt    edx, 1
    jnc   .no_vme
    mov   eax, cr4
    or    eax, 1
    mov   cr4, eax
    mov   byte [TSS + BITMAP + 0x41 / 8], ~2
    mov   dword [0x41 * 4], 0x5000 << 16 | (code_int_taken - v86_code)
    mov   edx, code_int - v86_code
    enter V86_FLAGS | 3 << 12
    equal dword [caught], 6
    equal dword [caught_rip], code_int_taken - v86_code
    v86   6, 0, V86_FLAGS | 1 << 19, code_virtual
    bt    dword [caught_flags], 19
    check nc
    mov   eax, cr4
    and   eax, ~1
    mov   cr4, eax
.no_vme:

    ; Interrupts come through it: the 8254's, at IOPL 3 with IF set.
    mov   al, 0x30
    out   0x43, al
    mov   al, 0
    out   0x40, al
    mov   al, 8
    out   0x40, al
    mov   al, 0xfe
    out   0x21, al
    mov   dword [CODE_AT + 0x8000], 0
    mov   edx, code_wait - v86_code
    mov   dword [exception_hook], 0
    enter V86_FLAGS | 1 << 9
    equal dword [counts + 0x20 * 4], 1
    equal dword [caught], 13

    ; Under paging: a page of the 8086 program that is not there, and MMIO of 16-bit code.
    mov   edi, TABLES
    mov   eax, 0x87
    mov   ecx, 1024
.large:
    stosd
    add   eax, 0x400000
    loop  .large
    mov   edi, TABLES + 0x1000
    mov   eax, 7
    mov   ecx, 1024
.small:
    stosd
    add   eax, 0x1000
    loop  .small
    mov   dword [TABLES], TABLES + 0x1007
    mov   dword [TABLES + 0x1000 + 0x58 * 4], 0
    mov   dword [TABLES + 0x1000 + 0x5a * 4], APIC + 7
    mov   eax, cr4
    or    eax, 1 << 4
    mov   cr4, eax
    mov   eax, TABLES
    mov   cr3, eax
    mov   eax, cr0
    or    eax, 1 << 31
    mov   cr0, eax
    v86   14, 4, V86_FLAGS, code_page
    equal dword [caught_cr2], CODE_AT + 0x8000
    v86   6, 0, V86_FLAGS, code_apic
    mov   eax, cr0
    and   eax, ~(1 << 31)
    mov   cr0, eax
    pass

bits 16
v86_code:
code_plain:
    mov   ax, 0x5000
    mov   es, ax
    mov   word [es:0x8000], 0x1234
    push  ax
    pop   bx
    cmp   bx, ax
    jne   code_ud.end
.end:
    hlt
code_ud:
    nop
.end:
    ud2
code_limit:
    mov   si, 0xffff
.end:
    mov   ax, [si]
code_cli:
.end:
    cli
code_pushf:
.end:
    pushf
code_int:
.end:
    int   0x41
code_allowed:
    cli
    pushf
    popf
    sti
    cli
.end:
    hlt
code_breakpoint:
    int3
.end:
    ud2
code_port:
.end:
    out   0x80, al
code_port_allowed:
    out   0x80, al
    in    al, 0x80
    mov   si, 0x8000
    mov   cx, 2
    mov   dx, 0x80
    rep   outsb
.end:
    ud2
code_string:
    mov   di, 0x8000
    mov   cx, 2
    mov   dx, 0x70
.end:
    rep   insb
code_int_taken:
.end:
    ud2
code_virtual:
    sti
    cli
.end:
    ud2
code_wait:
    inc   word [0x8000]
    jnz   code_wait
    inc   word [0x8002]
    cmp   word [0x8002], 40
    jb    code_wait
.end:
    hlt
code_page:
.end:
    mov   ax, [0x8000]
code_apic:
    mov   eax, [0xa030]
    and   al, 0xf0
    cmp   al, 0x10
    jne   .bad
    mov   cx, 3
    mov   si, 0xa030
    mov   di, 0xb000
    rep   movsb
.end:
    ud2
.bad:
    hlt
v86_end:
bits 32
