; What a processor does around an instruction, for those that leave a guest: the single step behind it, RFLAGS.RF that
; lets it pass its own breakpoint and no other, breakpoints on its data and ports, RF on the stack of a fault.
bits 64
%include "guests/lib.inc"

UNMAPPED equ 0x7fe00000                 ; two MiB that are not there
IOAPIC   equ 0xfec00000                 ; a device in memory; what is written to its index register is kept
TRACED   equ 0x100
RESUMED  equ 0x10000
STEP     equ 0x4000

%macro to_dr 2
    mov   rax, %2
    mov   %1, rax
%endmacro

; Nothing has been caught, DR6 is empty.
%macro quiet 0
    mov   rax, 0xffff0ff0
    mov   dr6, rax
    mov   dword [events], 0
    mov   dword [causes], 0
    mov   dword [wrong_rf], 0
    mov   qword [caught], -1
%endmacro

; RFLAGS.TF: the instruction behind is the first that traps.
%macro trace 0
    pushfq
    or    dword [rsp], TRACED
    popfq
%endmacro

; With RFLAGS.TF: one trap behind the instruction, which says so in DR6 and has RF = 0 on its stack.
%macro stepped 1+
    quiet
    mov   qword [exception_hook], end_trace
    mov   rax, [rax_for]
    trace
    %1
%%behind:
    nop
    nop
    mov   qword [exception_hook], 0
    equal dword [events], 1
    equal qword [caught_rip], %%behind
    mov   rcx, dr6
    and   ecx, 0xe00f
    equal ecx, STEP
    test  dword [caught_flags], RESUMED
    check z
    pushfq
    and   dword [rsp], ~TRACED          ; if no trap came at all
    popfq
%endmacro

; Breakpoints on the instruction and on the one behind it: the first is passed with RF, the second is hit, too.
%macro passed 1+
    to_dr dr0, %%at
    to_dr dr1, %%behind
    quiet
    to_dr dr7, 0x40a
    mov   qword [exception_hook], pass_breakpoint
    mov   rax, [rax_for]
%%at:
    %1
%%behind:
    nop
    mov   qword [exception_hook], 0
    to_dr dr7, 0x400
    equal dword [events], 2
    equal dword [causes], 3
    equal qword [caught_rip], %%behind
%endmacro

; Both, with these in RAX, RCX and RDX.
%macro around 4+
    mov   rax, %1
    mov   [rax_for], rax
    mov   ecx, %2
    mov   edx, %3
    stepped %4
    mov   ecx, %2
    mov   edx, %3
    passed %4
%endmacro

; A fault at the instruction, with RF = 1 on its stack.
%macro sets_rf 2+
    faults %1, %2
    test  dword [caught_flags], RESUMED
    check nz
%endmacro

; A breakpoint of this kind (LEN and R/W of DR7) at an address traps behind the instruction, and no other does.
%macro watched 3+
    to_dr dr2, %2
    quiet
    to_dr dr7, 0x420 | (%1) << 24
    mov   eax, [rax_for]
    traps 1, %3
    to_dr dr7, 0x400
    mov   rax, dr6
    and   eax, 0xe00f
    equal eax, 4
    test  dword [caught_flags], RESUMED
    check z
%endmacro
WRITES equ 0xd
READS  equ 0xf
PORTS  equ 0x2

begin:
    begin64
    mov   ebx, IOAPIC
    guest "around: single steps, RF and breakpoints of instructions that leave a guest"
    mov   qword [TABLES + 0x2000 + (UNMAPPED >> 21) * 8], 0
    mov   rax, cr3
    mov   cr3, rax
    mov   rax, cr4
    or    eax, 8                        ; DE
    mov   cr4, rax

    ; Registers and leaves.
    around 0, 0, 0, cpuid
    around 0, 0x1b, 0, rdmsr
    mov   ecx, 0x1b
    rdmsr
    mov   [apic_base], eax
    around [apic_base], 0x1b, 0, wrmsr
    around 0, 0, 0, rdtsc
    around 0, 0, 0, pause
    around 0, 0, 0, wbinvd
    around 0, 0, 0, invlpg [FREE]
    mov   rax, cr0
    mov   [cr0_now], rax
    mov   rax, cr4
    mov   [cr4_now], rax
    around 0, 0, 0, mov rax, cr0
    around 0, 0, 0, mov rax, cr4
    around [cr0_now], 0, 0, mov cr0, rax
    around [cr4_now], 0, 0, mov cr4, rax

    ; What a hypervisor looks at and then lets run: Bochs has the step behind it come late.
    xor   dword [cr0_now], 1 << 5       ; NE
    mov   rax, [cr0_now]
    mov   [rax_for], rax
    passed mov cr0, rax
    xor   dword [cr0_now], 1 << 5
    mov   rax, [cr0_now]
    mov   [rax_for], rax
    passed mov cr0, rax
    xor   dword [cr4_now], 1 << 6       ; MCE
    mov   rax, [cr4_now]
    mov   [rax_for], rax
    passed mov cr4, rax
    xor   dword [cr4_now], 1 << 6
    mov   rax, [cr4_now]
    mov   [rax_for], rax
    passed mov cr4, rax
    mov   rax, [cr4_now]
    bts   rax, 31
    sets_rf 13, mov cr4, rax
    mov   rax, [cr0_now]
    and   rax, ~(1 << 30)
    or    rax, 1 << 29                  ; NW without CD
    sets_rf 13, mov cr0, rax
    around TABLES, 0, 0, mov cr3, rax
    around 3, 0, 0, mov cr8, rax
    around 0, 0, 0, mov rax, cr8
    around 0, 0, 0, mov cr8, rax
    mov   eax, 1
    cpuid
    bt    ecx, 26                       ; XSAVE
    jnc   .no_xsave
    or    dword [cr4_now], 1 << 18
    mov   rax, [cr4_now]
    mov   cr4, rax
    around 1, 0, 0, xsetbv
    mov   ecx, 1
    mov   eax, 1
    xor   edx, edx
    sets_rf 13, xsetbv
.no_xsave:

    ; A hypercall, where there is a hypervisor; each vendor's instruction is undefined on the other's processor.
    under_hypervisor
    jnc   .bare
    under_svm
    je    .svm
    around 0x12345, 0, 0, vmcall
    jmp   .bare
.svm:
    around 0x12345, 0, 0, vmmcall
.bare:
    mov   ebx, IOAPIC

    ; Ports and devices in memory.
    around 0, 0, 0, in al, 0x21
    around 0, 0, 0x80, out dx, al
    mov   esi, FREE
    mov   edi, FREE
    around 0, 0, 0x80, outsb
    around 0, 0, 0x21, insb
    around 0, 0, 0, mov eax, [rbx]
    around 0, 0, 0, mov [rbx], eax
    around 0, 0, 0, add dword [rbx], 0
    mov   esi, IOAPIC
    mov   edi, FREE
    stepped movsd
    mov   esi, IOAPIC
    passed movsd

    ; A string repeated: a trap behind each element, RF = 1 on the stack of all but the last.
    mov   esi, FREE
    mov   ecx, 3
    mov   edx, 0x80
    quiet
    mov   qword [exception_hook], note_step
    trace
.string:
    rep   outsb
.string_end:
    pushfq
    and   dword [rsp], ~TRACED
    popfq
    mov   qword [exception_hook], 0
    equal dword [events], 6             ; three, and those of the three behind them
    under_hypervisor
    jnc   .no_rf                        ; Bochs has RF = 0 there
    equal dword [wrong_rf], 0
.no_rf:

    ; In the shadow of MOV SS: one step for both. HLT, behind STI too, is a step as any other, and does not sleep.
    quiet
    mov   qword [exception_hook], note_step
    mov   esi, ss
    trace
    mov   ss, esi
    cpuid
    pushfq
    and   dword [rsp], ~TRACED
    popfq
    mov   qword [exception_hook], 0
    equal dword [events], 4
    stepped sti
    cli
    under_hypervisor                    ; Bochs and QEMU sleep, where silicon takes the trap
    jnc   .no_halt
    stepped hlt
    quiet
    mov   qword [exception_hook], note_step
    trace
    sti
    hlt
    pushfq
    and   dword [rsp], ~TRACED
    popfq
    cli
    mov   qword [exception_hook], 0
    equal dword [events], 5
.no_halt:
    mov   ebx, IOAPIC

    ; Breakpoints on ports and data, of which nothing but the instruction's own exit tells a hypervisor.
    mov   qword [rax_for], 0
    mov   edx, 0x80
    watched PORTS, 0x80, out 0x80, al
    watched PORTS, 0x21, in al, 0x21
    mov   edx, 0x80
    mov   esi, FREE
    watched PORTS, 0x80, outsb
    mov   edx, 0x21
    mov   edi, FREE
    watched PORTS, 0x21, insb
    mov   edi, FREE
    mov   edx, 0x21
    watched WRITES, FREE, insb
    mov   edx, 0x80
    mov   esi, FREE
    watched READS, FREE, outsb
    watched WRITES, IOAPIC, mov [rbx], eax
    watched READS, IOAPIC, mov [rbx], eax
    watched READS, IOAPIC, mov eax, [rbx]
    watched WRITES, IOAPIC, add dword [rbx], 0
    mov   esi, IOAPIC
    mov   edi, FREE
    watched READS, IOAPIC, movsd
    mov   esi, IOAPIC
    mov   edi, FREE
    watched WRITES, FREE, movsd
    to_dr dr2, IOAPIC
    to_dr dr7, 0x420 | WRITES << 24
    works mov eax, [rbx]             ; a read is no write
    works mov dword [rbx + 0x10], 0
    to_dr dr7, 0x400

    ; Faults, of the processor and of what a hypervisor finds in its place.
    sets_rf 6, ud2
    xor   ecx, ecx
    sets_rf 0, div ecx
    sets_rf 6, rsm
    sets_rf 14, mov eax, [UNMAPPED]
    mov   ecx, 0x12345
    sets_rf 13, rdmsr
    sets_rf 13, wrmsr
    mov   ecx, 0x1b                     ; IA32_APIC_BASE with reserved bits
    xor   eax, eax
    mov   edx, 0x80000000
    sets_rf 13, wrmsr
    mov   eax, 16
    sets_rf 13, mov cr8, rax
    mov   edx, 0x80
    mov   esi, UNMAPPED
    sets_rf 14, outsb
    mov   edx, 0x21
    mov   edi, UNMAPPED
    sets_rf 14, insb
    mov   esi, IOAPIC
    sets_rf 14, movsd
    mov   dword [rbx], 0
    xor   edx, edx
    sets_rf 0, div dword [rbx]
    user_faults 13, out 0x80, al
    test  dword [caught_flags], RESUMED
    check nz
    user_faults 13, hlt
    test  dword [caught_flags], RESUMED
    check nz

    ; No trap is one: INT3, and what RF was of an interrupted instruction.
    traps 3, int3
    test  dword [caught_flags], RESUMED
    check z
    pass

; #DB at a breakpoint: lets the instruction pass.
pass_breakpoint:
    cmp   byte [caught], 1
    jne   .end
    inc   dword [events]
    mov   rax, dr6
    and   eax, 15
    or    [causes], eax
    mov   rax, 0xffff0ff0
    mov   dr6, rax
    or    dword [rsp + 8 + 56], RESUMED
.end:
    ret

; #DB of the single step that was waited for.
end_trace:
    inc   dword [events]
    and   dword [rsp + 8 + 56], ~TRACED
    ret

; #DB of a single step: RF has to be set on the stack where, and only where, the string is not at its end.
note_step:
    inc   dword [events]
    mov   rax, [caught_rip]
    cmp   rax, begin.string
    mov   eax, [caught_flags]
    jne   .behind
    xor   eax, RESUMED
.behind:
    and   eax, RESUMED
    or    [wrong_rf], eax
    ret

section .data
align 8
rax_for:   dq 0
cr0_now:   dq 0
cr4_now:   dq 0
apic_base: dd 0, 0
events:    dd 0
causes:    dd 0
wrong_rf:  dd 0
