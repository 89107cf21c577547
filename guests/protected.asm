; 32-bit protected mode: segments with limits, user mode, paging with 4 KiB and 4 MiB pages, then PAE; INTO and BOUND.
bits 32
%include "guests/lib.inc"

DIRECTORY equ TABLES
TABLE     equ TABLES + 0x1000
PAE       equ SCRATCH                    ; pointer table, then four directories, 4 KiB each
VIEW      equ 0x40000000                ; addresses that paging puts elsewhere

begin:
    begin32
    guest "protected: segments, user mode, 32-bit paging, PAE"

    ; A segment with a base and a limit; one that grows downwards.
    mov   dword [gdt + OWN], (FREE & 0xffff) << 16 | 0x000f
    mov   dword [gdt + OWN + 4], 0x00409300 | (FREE >> 16 & 0xff)
    mov   eax, OWN
    mov   fs, eax
    mov   dword [fs:4], 0x1234
    equal dword [FREE + 4], 0x1234
    works mov eax, [fs:12]
    faults_with 13, 0, mov eax, [fs:13]
    faults_with 13, 0, mov al, [fs:16]
    mov   dword [gdt + OWN + 8], (FREE & 0xffff) << 16 | 0x0fff
    mov   dword [gdt + OWN + 12], 0x00409700 | (FREE >> 16 & 0xff)
    mov   eax, OWN + 8
    mov   gs, eax
    works mov eax, [gs:0x1000]
    faults_with 13, 0, mov eax, [gs:0xffc]
    faults_with 13, 0, mov [cs:FREE], eax
    mov   eax, OWN
    faults_with 13, 0, mov eax, [fs:-4]
    xor   eax, eax
    mov   fs, ax
    faults_with 13, 0, mov al, [fs:0]
    mov   eax, DATA
    mov   fs, eax
    mov   gs, eax

    ; A string port instruction through a segment that is too short.
    mov   dword [gdt + OWN], (FREE & 0xffff) << 16 | 0x000f
    mov   eax, OWN
    mov   es, eax
    mov   edi, 14
    mov   ecx, 4
    mov   dx, 0x9100
    faults_with 13, 0, rep insb
    equal edi, 16
    equal ecx, 2
    mov   eax, DATA
    mov   es, eax

    ; The instructions that 64-bit mode has not.
    mov   dword [FREE], 1
    mov   dword [FREE + 4], 5
    mov   eax, 3
    works bound eax, [FREE]
    mov   eax, 6
    faults 5, bound eax, [FREE]
    mov   al, 0x7f
    add   al, 1
    traps 4, into
    clc
    mov   al, 1
    add   al, 1
    works into
    faults 0, aam 0
    mov   eax, 0x0109
    aas
    pushad
    popad
    les   eax, [pointer]
    equal eax, 0x11223344
    mov   ax, es
    equal ax, DATA

    ; User mode: privileged instructions, ports by the TSS's bitmap, a call gate back.
    mov   word [TSS + 0x66], 104
    mov   dword [caught], -1
    mov   dword [resume], .from_user
    push  USER_DATA
    push  STACK_TOP - 0x1000
    push  2
    push  USER_CODE
    push  .user
    iretd
.user:
    in    al, 0x80
    ud2
.from_user:
    equal byte [caught], 13
    equal dword [caught_rip], .user

    ; 32-bit paging: everything as it is by 4 MiB pages, and one view through a table.
    mov   eax, cr4
    or    eax, 1 << 4                   ; PSE
    mov   cr4, eax
    mov   edi, DIRECTORY
    mov   eax, 0x87
    mov   ecx, 1024
.large:
    mov   [edi], eax
    add   eax, 0x400000
    add   edi, 4
    loop  .large
    mov   edi, TABLE
    mov   eax, FREE + 7
    mov   ecx, 1024
.small:
    mov   [edi], eax
    add   eax, 0x1000
    add   edi, 4
    loop  .small
    mov   dword [DIRECTORY + (VIEW >> 20)], TABLE + 7
    mov   eax, DIRECTORY
    mov   cr3, eax
    mov   eax, cr0
    or    eax, 1 << 31 | 1 << 16
    mov   cr0, eax
    jmp   .paged
.paged:
    mov   dword [VIEW + 0x2008], 0xabcd
    equal dword [FREE + 0x2008], 0xabcd
    mov   eax, [TABLE + 8]
    and   eax, 0x60
    equal eax, 0x60
    mov   dword [TABLE + 12], 0
    invlpg [VIEW + 0x3000]
    faults_with 14, 0, mov eax, [VIEW + 0x3000]
    mov   ecx, VIEW + 0x3000
    equal [caught_cr2], ecx
    faults_with 14, 2, mov [VIEW + 0x2ffe], eax         ; the second page of two
    equal [caught_cr2], ecx
    and   dword [TABLE + 8], ~2
    invlpg [VIEW + 0x2000]
    faults_with 14, 3, mov [VIEW + 0x2000], eax
    or    dword [TABLE + 8], 2
    mov   edi, VIEW + 0x2ffe            ; a port's bytes into that second page
    mov   ecx, 4
    mov   dx, 0x9100
    faults_with 14, 2, rep insb
    equal edi, VIEW + 0x3000
    equal ecx, 2
    mov   eax, [VIEW + 0x4000]          ; and the APIC through a page of its own
    mov   dword [TABLE + 4 * 5], APIC + 7
    invlpg [VIEW + 0x5000]
    mov   eax, [VIEW + 0x5030]
    and   eax, 0xf0
    equal eax, 0x10

    ; PAE: the same view, with pages above what 32 bits reach, NX, and pointers that are checked when CR3 is loaded.
    mov   eax, cr0
    and   eax, ~(1 << 31)
    mov   cr0, eax
    mov   edi, PAE
    mov   ecx, 5 * 1024
    xor   eax, eax
    rep   stosd
    mov   dword [PAE], PAE + 0x1001
    mov   dword [PAE + 8], PAE + 0x2001
    mov   dword [PAE + 16], PAE + 0x3001
    mov   dword [PAE + 24], PAE + 0x4001
    mov   edi, PAE + 0x1000
    mov   eax, 0x87
    mov   ecx, 2048
.two_mib:
    mov   [edi], eax
    add   eax, 0x200000
    add   edi, 8
    loop  .two_mib
    mov   edi, TABLE
    mov   ecx, 1024
    xor   eax, eax
    rep   stosd
    mov   dword [TABLE], FREE + 7
    mov   dword [TABLE + 8], FREE + 0x1007
    mov   dword [PAE + 0x2000], TABLE + 7
    mov   ecx, 0xc0000080
    rdmsr
    or    eax, 1 << 11
    wrmsr
    mov   eax, cr4
    or    eax, 1 << 5
    mov   cr4, eax
    mov   eax, PAE
    mov   cr3, eax
    mov   eax, cr0
    or    eax, 1 << 31
    mov   cr0, eax
    jmp   .pae
.pae:
    mov   dword [VIEW + 0x1010], 0x9876
    equal dword [FREE + 0x1010], 0x9876
    faults_with 14, 0, mov eax, [VIEW + 0x2000]
    mov   byte [FREE], 0xc3
    call  VIEW
    mov   dword [TABLE + 4], 1 << 31    ; NX
    invlpg [VIEW]
    mov   dword [caught], -1
    mov   dword [resume], .not_executed
    mov   eax, VIEW
    call  eax
.not_executed:
    mov   esp, STACK_TOP
    equal byte [caught], 14
    equal dword [caught_error], 0x11
    under_svm
    je    .pointers_in_memory
    mov   dword [PAE + 8], PAE + 0x2003 ; a reserved bit of a pointer
    mov   eax, PAE
    faults_with 13, 0, mov cr3, eax
    works mov ecx, [VIEW + 0x1010]      ; the old pointers are still in the processor
    mov   dword [PAE + 8], PAE + 0x2001
    works mov cr3, eax
    mov   dword [PAE + 8], 0            ; changed in memory only: not seen until CR3 is loaded
    invlpg [VIEW + 0x1000]
    works mov ecx, [VIEW + 0x1010]
    equal ecx, 0x9876
    mov   eax, PAE
    mov   cr3, eax
    faults_with 14, 0, mov ecx, [VIEW + 0x1010]
    jmp   .end_of_pae

    ; With nested paging AMD's processors hold no pointers: each walk reads them (APM, "Legacy PAE Mode").
.pointers_in_memory:
    mov   dword [PAE + 8], PAE + 0x2003
    mov   eax, PAE
    works mov cr3, eax
    faults_with 14, 9, mov ecx, [VIEW + 0x1010]
    mov   dword [PAE + 8], PAE + 0x2001
    works mov ecx, [VIEW + 0x1010]
    equal ecx, 0x9876
    mov   dword [PAE + 8], 0
    mov   eax, PAE
    mov   cr3, eax
    faults_with 14, 0, mov ecx, [VIEW + 0x1010]
.end_of_pae:
    mov   eax, cr0
    and   eax, ~(1 << 31)
    mov   cr0, eax
    pass

[section .data]
pointer: dd 0x11223344
         dw DATA
