; What each kind of exit costs: a thousand of each between two RDTSC, in ticks of the TSC, which in Bochs (sync=none) are
; instructions. Printed as `bench NAME: TICKS`; the loop's own few instructions are in every row, and in the first alone.
; SVM=1 takes AMD's hypercall instruction.
bits 64
%include "guests/lib.inc"

%define ROUNDS 1000

%macro measure 2+
    mov   r8d, ROUNDS
    lfence
    rdtsc
    mov   r9d, eax
%%again:
    %2
    dec   r8d
    jnz   %%again
    rdtsc
    sub   eax, r9d
    mov   r12d, eax
    say   {"bench ", %1, ": "}
    mov   eax, r12d
    xor   edx, edx
    mov   ecx, ROUNDS
    div   ecx
    mov   ebx, eax
    call  print_decimal
    say   {13, 10}
%endmacro

%macro do_cpuid 0
    xor   eax, eax
    cpuid
%endmacro

%macro do_rdmsr 1
    mov   ecx, %1
    rdmsr
%endmacro

%macro do_wrmsr 1
    mov   ecx, %1
    xor   eax, eax
    xor   edx, edx
    wrmsr
%endmacro

%macro do_hypercall 0
    mov   eax, 1000                     ; a number that nobody serves
%ifdef SVM
    vmmcall
%else
    vmcall
%endif
%endmacro

%macro do_tpr 0
    xor   eax, eax
    mov   cr8, rax
%endmacro

begin:
    begin64
    guest "bench: instructions per exit"
    mov   r10d, 0xfec00000
    mov   r11d, APIC + 0x30
    measure "nop", nop
    measure "cpuid", do_cpuid
    measure "rdmsr APIC_BASE", do_rdmsr 0x1b
    measure "wrmsr ignored", do_wrmsr 0x8b
    measure "hypercall unknown", do_hypercall
    measure "in 0x21", in al, 0x21
    measure "out 0x80", out 0x80, al
    measure "in 0x40", in al, 0x40
    measure "mmio read IOAPIC", mov eax, [r10]
    measure "mmio write IOAPIC", mov [r10], eax
    measure "mmio read local APIC", mov eax, [r11]
    measure "local APIC: EOI", mov dword [r11 + 0x80], 0
    measure "local APIC: TPR", do_tpr
    measure "local APIC: self IPI", mov dword [r11 + 0x2d0], 0x40041
    measure "in 0x10", in al, 0x10
    pass
