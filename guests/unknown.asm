; What is not there: ports read as ones and take what is written, memory likewise, MSRs raise #GP, CPUID leaves are zero.
bits 64
%include "guests/lib.inc"

begin:
    begin64
    guest "unknown: ports, memory and MSRs that nobody answers"

    ; Every port of a range that no PC uses, in each size; and unaligned ones.
    mov   edx, 0x9100
.port:
    in    al, dx
    equal al, 0xff
    in    ax, dx
    equal ax, 0xffff
    in    eax, dx
    equal eax, 0xffffffff
    mov   eax, 0x12345678
    out   dx, al
    out   dx, ax
    out   dx, eax
    in    eax, dx
    equal eax, 0xffffffff
    add   edx, 7
    cmp   edx, 0x9200
    jb    .port
    mov   dx, 0xffff                    ; the last port: what is behind it wraps or is not there
    in    al, dx
    equal al, 0xff

    ; Half a device: the last port of the serial port and the first one behind it. No byte of the hole is anything but ones.
    mov   dx, 0x3ff
    mov   al, 0x5a
    out   dx, al
    in    al, dx
    equal al, 0x5a

    ; Memory far above all RAM.
    mov   edi, 0xfd000000
    mov   rax, [rdi]
    equal rax, -1
    mov   dword [rdi], 0
    mov   eax, [rdi]
    equal eax, -1

    ; The same above 4 GiB, through page tables of our own.
    mov   rax, 0x2000000000 | 0x87      ; 128 GiB: within what any processor of today addresses
    mov   [TABLES + 0x3000 + 8], rax
    mov   rax, cr3
    mov   cr3, rax
    mov   edi, 0x40200000
    mov   rax, [rdi]
    equal rax, -1

    mov   ecx, 0x4b564d7f
    faults_with 13, 0, rdmsr
    faults_with 13, 0, wrmsr
    mov   ecx, 0x40000fff
    faults_with 13, 0, rdmsr
    mov   ecx, 0x1fff
    faults_with 13, 0, rdmsr
    mov   ecx, 0xc0001fff
    faults_with 13, 0, rdmsr
    mov   ecx, 0xffffffff
    faults_with 13, 0, rdmsr
    mov   ecx, 0x480                    ; VMX's capabilities
    mov   eax, 1
    cpuid
    bt    ecx, 5
    jc    .vmx
    mov   ecx, 0x480
    faults_with 13, 0, rdmsr
.vmx:
    pass
