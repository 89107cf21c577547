; 64-bit mode: registers, paging of its own with a page of each size, NX, user mode and SYSCALL.
bits 64
%include "guests/lib.inc"

begin:
    begin64
    guest "long: 64-bit mode, paging with 4 KiB pages and NX, user mode, SYSCALL"

    ; RIP-relative addressing, 64-bit immediates and sixteen registers.
    mov   r15, 0x123456789abcdef0
    mov   [rel value], r15
    mov   rax, [value]
    equal rax, r15
    bswap rax
    bt    rax, 63
    check c
    mov   rcx, 0xfedcba9876543210
    mul   rcx
    mov   rcx, 0xefccae1ca0c30c04
    equal rdx, rcx

    ; The page at 2 GiB - 2 MiB through page tables: two views of one frame, then not present.
    mov   edi, SCRATCH
    mov   eax, FREE + 7
    mov   ecx, 512
.page:
    mov   [rdi], rax
    mov   dword [rdi + 4], 0
    add   edi, 8
    loop  .page
    mov   qword [TABLES + 0x3000 + 511 * 8], SCRATCH + 7
    mov   eax, 0x7fe00000
    invlpg [rax]
    mov   dword [rax + 0x123], 0xc0ffee
    equal dword [FREE + 0x123], 0xc0ffee
    mov   qword [SCRATCH], 0
    invlpg [rax]
    faults_with 14, 0, mov ecx, [rax]
    mov   ecx, 0x7fe00000
    equal [caught_cr2], rcx
    faults_with 14, 2, mov [rax], ecx

    ; No write where the page is read-only and CR0.WP is set; a write where it is not.
    mov   qword [SCRATCH], FREE + 5
    mov   rdx, cr0
    or    edx, 1 << 16
    mov   cr0, rdx
    invlpg [rax]
    faults_with 14, 3, mov [rax], ecx
    and   edx, ~(1 << 16)
    mov   cr0, rdx
    works mov [rax], ecx

    ; NX: a fetch faults with the I bit, and with EFER.NXE off bit 63 is reserved.
    mov   ecx, 0xc0000080
    rdmsr
    or    eax, 1 << 11
    wrmsr
    mov   byte [FREE], 0xc3
    mov   eax, 0x7fe00000
    mov   dword [SCRATCH + 4], 1 << 31
    invlpg [rax]
    mov   qword [caught], -1
    mov   qword [resume], .fetched
    call  rax
.fetched:
    mov   qword [resume], 0
    equal byte [caught], 14
    equal qword [caught_error], 0x11
    mov   rsp, STACK_TOP
    mov   ecx, 0xc0000080
    rdmsr
    and   eax, ~(1 << 11)
    wrmsr
    mov   rax, cr3
    mov   cr3, rax
    mov   eax, 0x7fe00000
    faults 14, mov ecx, [rax]
    test  qword [caught_error], 8       ; QEMU leaves P out of this error code
    check nz
    mov   dword [SCRATCH + 4], 0
    invlpg [rax]
    works mov ecx, [rax]

    ; The processor sets accessed and dirty in the guest's own tables.
    mov   qword [SCRATCH], FREE + 7
    invlpg [rax]
    mov   ecx, [rax]
    mov   ecx, [SCRATCH]
    and   ecx, 0x60
    equal ecx, 0x20
    mov   [rax], ecx
    mov   ecx, [SCRATCH]
    and   ecx, 0x60
    equal ecx, 0x60

    ; A non-canonical address.
    mov   rax, 0x0000800000000000
    faults_with 13, 0, mov ecx, [rax]

    ; User mode by IRET, back by an exception; then by SYSCALL.
    mov   ecx, 0xc0000080
    rdmsr
    or    eax, 1
    wrmsr
    mov   ecx, 0xc0000081
    xor   eax, eax
    mov   edx, CODE64 | (USER_DATA - 8) << 16
    wrmsr
    mov   ecx, 0xc0000082
    mov   eax, .entered
    xor   edx, edx
    wrmsr
    mov   ecx, 0xc0000084
    mov   eax, 0x200
    xor   edx, edx
    wrmsr
    mov   qword [resume], .from_user
    push  USER_DATA
    push  STACK_TOP - 0x1000
    push  0x202
    push  USER_CODE
    push  .user
    iretq
.user:
    mov   ax, cs
    and   ax, 3
    cmp   ax, 3
    check e
    syscall
.user_again:
    cli
.entered:
    mov   [SCRATCH + 0x1000], rcx
    equal qword [SCRATCH + 0x1000], .user_again
    pushfq
    pop   rax
    test  eax, 0x200
    check z
    bt    r11, 9
    check c
    o64 sysret
.from_user:
    equal byte [caught], 13
    equal qword [caught_rip], .user_again
    pass

[section .data]
value: dq 0
