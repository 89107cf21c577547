; Instructions that a hypervisor may or must take over and that have no other guest of their own: caches, MONITOR, PAUSE,
; RDTSC and RDTSCP, RDPMC, INVLPG, INVPCID, CLTS, LMSW, SMSW, descriptor tables, CR accesses, RSM, GETSEC, RDRAND.
bits 64
%include "guests/lib.inc"

; Executes it if bit %3 of register %2 in CPUID leaf %1 shows it, and expects #UD if not.
%macro as_shown 4+
    mov   eax, %1
    xor   ecx, ecx
    cpuid
    bt    %2, %3
    jc    %%shown
    xor   eax, eax
    xor   ecx, ecx
    xor   edx, edx
    faults 6, %4
    jmp   %%end
%%shown:
    xor   eax, eax
    xor   ecx, ecx
    xor   edx, edx
    works %4
%%end:
%endmacro

begin:
    begin64
    guest "instructions: caches, waiting, time, paging, control registers"

    ; Nothing is lost by INVD where a hypervisor looks on; what it does to a real cache no guest may try.
    mov   dword [FREE], 0x600df00d
    works wbinvd
    under_hypervisor
    jnc   .bare
    mov   dword [FREE + 64], 0xcafe
    works invd
    equal dword [FREE + 64], 0xcafe
.bare:
    equal dword [FREE], 0x600df00d
    user_faults 13, wbinvd
    works clflush [FREE]
    works pause
    mov   r12d, 1000
.pause:
    pause
    dec   r12d
    jnz   .pause

    ; MONITOR and MWAIT are there together, or not at all.
    mov   eax, 1
    cpuid
    bt    ecx, 3
    jc    .monitor
    mov   eax, FREE
    xor   ecx, ecx
    xor   edx, edx
    faults 6, monitor
    faults 6, mwait
.monitor:

    ; Time goes forwards, also over an exit.
    mov   r12d, 100
.time:
    rdtsc
    shl   rdx, 32
    or    rax, rdx
    mov   r8, rax
    cpuid
    rdtsc
    shl   rdx, 32
    or    rax, rdx
    cmp   rax, r8
    check a
    dec   r12d
    jnz   .time
    as_shown 0x80000001, edx, 27, rdtscp
    mov   rax, cr4
    or    eax, 4                        ; TSD
    mov   cr4, rax
    works rdtsc
    user_faults 13, rdtsc
    mov   rax, cr4
    and   eax, ~4
    mov   cr4, rax
    mov   ecx, 0x40000000
    faults 13, rdpmc
    mov   ecx, 0x1234
    faults 13, rdpmc

    ; Translations.
    works invlpg [FREE]
    mov   qword [FREE + 128], 0
    mov   qword [FREE + 136], 0
    mov   eax, 7
    xor   ecx, ecx
    cpuid
    bt    ebx, 10
    jc    .invpcid
    mov   ecx, 2
    faults 6, invpcid rcx, [FREE + 128]
    jmp   .no_invpcid
.invpcid:
    mov   ecx, 2
    works invpcid rcx, [FREE + 128]
    mov   ecx, 4
    faults_with 13, 0, invpcid rcx, [FREE + 128]
    user_faults 13, invpcid rcx, [FREE + 128]
.no_invpcid:
    mov   eax, 1
    cpuid
    bt    ecx, 17
    jnc   .no_pcid
    mov   rax, cr4
    bts   rax, 17
    works mov cr4, rax
    mov   rax, cr3
    or    rax, 5
    bts   rax, 63                       ; keep this one's translations
    works mov cr3, rax
    mov   rcx, cr3
    btr   rax, 63
    equal rax, rcx
    mov   rax, cr4
    btr   rax, 17
    works mov cr4, rax                  ; allowed with a PCID in use
    mov   eax, TABLES
    mov   cr3, rax
.no_pcid:

    ; CR0 by its other ways.
    mov   rax, cr0
    or    eax, 8
    mov   cr0, rax
    clts
    mov   rax, cr0
    bt    eax, 3
    check nc
    smsw  cx
    equal cx, ax
    mov   ecx, eax
    or    ecx, 8
    lmsw  cx
    mov   rax, cr0
    bt    eax, 3
    check c
    clts
    mov   cx, 0                         ; LMSW cannot clear PE
    lmsw  cx
    mov   rax, cr0
    bt    eax, 0
    check c
    user_faults 13, clts
    mov   eax, TABLES
    mov   rcx, cr3
    equal rax, rcx
    mov   eax, 7
    mov   cr8, rax
    mov   rax, cr8
    equal rax, 7
    xor   eax, eax
    mov   cr8, rax

    ; Descriptor tables read back.
    sgdt  [FREE]
    equal word [FREE], gdt_end - gdt - 1
    mov   rax, [FREE + 2]
    equal rax, gdt
    sidt  [FREE]
    equal word [FREE], 4095
    str   eax
    equal eax, TASK
    xor   eax, eax
    lldt  ax
    sldt  eax
    equal eax, 0

    ; What belongs to other modes, or is not shown.
    faults 6, rsm
    mov   eax, 1
    cpuid
    bt    ecx, 6
    jc    .smx
    xor   eax, eax
    faults 6, getsec
.smx:
    as_shown 1, ecx, 30, rdrand rax
    as_shown 7, ebx, 18, rdseed rax
    as_shown 7, ecx, 22, rdpid rax
    faults 6, enclu
    pass
