; Hypercalls: an unknown one is answered with -1000, as KVM does, from the kernel and from user mode; without a hypervisor
; the instruction does not exist. SVM=1 takes AMD's instruction.
bits 64
%include "guests/lib.inc"

%ifdef SVM
    %define hypercall vmmcall
%else
    %define hypercall vmcall
%endif

begin:
    begin64
    guest "hypercall: an unknown one gives -1000"
    under_hypervisor
    jc    .hypervisor
    faults 6, hypercall
    pass
.hypervisor:
    mov   rbx, 0x1111111111111111
    mov   rcx, 0x2222222222222222
    mov   rdx, 0x3333333333333333
    mov   rsi, 0x4444444444444444
    mov   rdi, 0x5555555555555555
    mov   eax, 1000
    hypercall
    equal rax, -1000
    mov   rax, 0x1111111111111111
    equal rbx, rax
    mov   rax, 0x2222222222222222
    equal rcx, rax
    mov   rax, 0x3333333333333333
    equal rdx, rax
    mov   rax, 0x4444444444444444
    equal rsi, rax
    mov   rax, 0x5555555555555555
    equal rdi, rax
    mov   rax, -1
    hypercall
    equal rax, -1000
    mov   rax, 1 << 63
    hypercall
    equal rax, -1000

    ; The rest of the instructions that virtualization adds are not there.
    faults 6, vmxoff
    faults 6, vmresume
    faults 6, vmlaunch
    faults 6, vmptrst [FREE]
    mov   qword [FREE], 0x1000
    faults 6, vmxon [FREE]
    mov   eax, 1
    cpuid
    bt    ecx, 5
    check nc
    mov   rax, cr4
    or    eax, 1 << 13                  ; VMXE
    faults_with 13, 0, mov cr4, rax
    pass
