; Debug registers: breakpoints on execution, data and, with CR4.DE, ports; DR6, general detect, RF, and state kept
; through exits.
bits 64
%include "guests/lib.inc"

%macro to_dr 2
    mov   rax, %2
    mov   %1, rax
%endmacro

%macro clear_dr6 0
    to_dr dr6, 0xffff0ff0
%endmacro

; DR6's bits 0 to 3, BD, BS and BT are %1.
%macro dr6_is 1
    mov   rax, dr6
    and   eax, 0xe00f
    equal eax, %1
%endmacro

begin:
    begin64
    guest "debug: breakpoints on code, data and ports, DR6, general detect"

    ; What is written is kept; fixed bits read as they are; upper halves are refused.
    to_dr dr0, 0x123456789a
    to_dr dr3, 0xfffffffff0001000
    mov   rax, dr0
    mov   rcx, 0x123456789a
    equal rax, rcx
    mov   rax, dr3
    mov   rcx, 0xfffffffff0001000
    equal rax, rcx
    to_dr dr7, 0x700
    mov   rax, dr7
    equal rax, 0x700
    mov   rax, 1 << 32
    faults_with 13, 0, mov dr7, rax
    faults_with 13, 0, mov dr6, rax
    mov   rax, cr4
    and   eax, ~8
    mov   cr4, rax
    mov   rax, dr4                      ; an alias of DR6 while CR4.DE is off
    mov   rcx, dr6
    equal rax, rcx
    mov   rax, cr4
    or    eax, 8
    mov   cr4, rax
    faults 6, mov rax, dr4
    faults 6, mov dr5, rax
    clear_dr6

    ; Execution: a fault on the instruction, which RF lets pass.
    to_dr dr0, .breakpoint
    to_dr dr7, 0x402
    mov   qword [caught], -1
    mov   qword [exception_hook], with_rf
    nop
.breakpoint:
    nop
    mov   qword [exception_hook], 0
    equal qword [caught], 1
    equal qword [caught_rip], .breakpoint
    dr6_is 1
    clear_dr6

    ; Execution of an instruction that leaves the guest.
    to_dr dr1, .exits
    to_dr dr7, 0x408
    mov   qword [caught], -1
    mov   qword [exception_hook], with_rf
.exits:
    cpuid
    mov   qword [exception_hook], 0
    equal qword [caught_rip], .exits
    dr6_is 2
    clear_dr6

    ; Data: written, and read or written, as traps; only where lengths meet.
    to_dr dr2, FREE + 4
    to_dr dr7, 0x0d000420               ; DR2: writes of four bytes
    traps 1, mov dword [FREE + 4], 1
    dr6_is 4
    clear_dr6
    works mov eax, [FREE + 4]
    works mov dword [FREE + 8], 1
    works mov dword [FREE], 1
    traps 1, mov byte [FREE + 7], 1
    clear_dr6
    to_dr dr7, 0x0f000420               ; reads too
    traps 1, mov eax, [FREE + 4]
    dr6_is 4
    clear_dr6

    ; Ports: only with CR4.DE.
    to_dr dr3, 0x80
    to_dr dr7, 0x20000480               ; DR3: I/O of one byte
    traps 1, out 0x80, al
    dr6_is 8
    clear_dr6
    works out 0x84, al
    mov   dx, 0x80
    traps 1, out dx, al
    clear_dr6
    to_dr dr7, 0x400

    ; General detect: a fault before any use of a debug register, and DR7.GD clear in the handler.
    to_dr dr7, 0x2400
    faults 1, mov rax, dr0
    dr6_is 0x2000
    clear_dr6
    mov   rax, dr7
    equal eax, 0x400

    ; A breakpoint survives exits that have nothing to do with it.
    to_dr dr0, FREE
    to_dr dr7, 0x000d0402
    mov   r13d, 100
.exit:
    cpuid
    in    al, 0x21
    dec   r13d
    jnz   .exit
    mov   rax, dr0
    equal rax, FREE
    mov   rax, dr7
    equal rax, 0x000d0402
    traps 1, mov dword [FREE], 5
    dr6_is 1
    to_dr dr7, 0x400
    clear_dr6

    ; DEBUGCTL can be read, and zero written. Bochs has none.
    under_hypervisor
    jnc   .bare
    mov   ecx, 0x1d9
    rdmsr
    and   eax, 3
    equal eax, 0
    wrmsr
.bare:
    pass

; Lets the instruction pass whose breakpoint was hit: RF in the saved flags.
with_rf:
    or    dword [rsp + 8 + 56], 1 << 16
    ret
