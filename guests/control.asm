; Control registers: values of CR0, CR3 and CR4 that the processor refuses, whoever decides.
bits 64
%include "guests/lib.inc"

begin:
    begin64
    guest "control: values of CR0, CR3 and CR4 that are refused"
    mov   rax, cr0
    mov   rcx, rax
    btr   rax, 31
    faults_with 13, 0, mov cr0, rax
    mov   rax, rcx
    bts   rax, 29                       ; NW without CD
    btr   rax, 30
    faults_with 13, 0, mov cr0, rax
    mov   rax, rcx
    bts   rax, 40
    faults_with 13, 0, mov cr0, rax
    mov   rax, cr4
    btr   rax, 5
    faults_with 13, 0, mov cr4, rax
    mov   rax, cr4
    bts   rax, 25
    faults_with 13, 0, mov cr4, rax
    mov   rax, cr3
    bts   rax, 60
    faults_with 13, 0, mov cr3, rax
    pass
