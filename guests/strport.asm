; String port I/O: INS and OUTS of each size, repeated, backwards, over page ends, with prefixes, and into a page fault.
; CMOS RAM behind 0x71 gives a byte that stays; PCI's address register gives 32 bits that read back.
bits 64
%include "guests/lib.inc"

INDEX equ 0x50                          ; a byte of CMOS RAM

begin:
    begin64
    guest "strport: ins and outs, rep, both directions, across pages, faults"
    mov   al, INDEX
    out   0x70, al
    in    al, 0x71
    mov   [before], al

    ; OUTSB repeated: the last byte is what stays; RSI and RCX move on.
    mov   edi, FREE
    mov   ecx, 0x2000
    xor   eax, eax
.fill:
    mov   [rdi], al
    inc   eax
    inc   edi
    loop  .fill
    mov   esi, FREE + 0xff0
    mov   ecx, 0x25
    mov   dx, 0x71
    rep   outsb
    equal rsi, FREE + 0x1015
    equal rcx, 0
    in    al, 0x71
    equal al, 0x14

    ; Backwards, across the same page end.
    std
    mov   esi, FREE + 0x1004
    mov   ecx, 8
    rep   outsb
    cld
    equal rsi, FREE + 0xffc
    in    al, 0x71
    equal al, 0xfd

    ; INSB repeated, forwards over a page end and backwards.
    mov   edi, FREE + 0xffe
    mov   ecx, 4
    rep   insb
    equal rdi, FREE + 0x1002
    equal dword [FREE + 0xffe], 0xfdfdfdfd
    equal byte [FREE + 0xffd], 0xfd     ; filled with its own low byte
    equal byte [FREE + 0x1002], 0x02
    std
    mov   edi, FREE + 0x1100
    mov   ecx, 2
    rep   insb
    cld
    equal rdi, FREE + 0x10fe
    equal dword [FREE + 0x10fe], 0x01fdfdfe

    ; A count of zero touches nothing, and a prefix of either kind repeats.
    xor   ecx, ecx
    mov   edi, FREE + 0x1200
    rep   insb
    equal rdi, FREE + 0x1200
    equal byte [FREE + 0x1200], 0
    mov   ecx, 3
    mov   edi, FREE + 0x1200
    repne insb
    equal rdi, FREE + 0x1203
    equal dword [FREE + 0x1200], 0x03fdfdfd

    ; One without a prefix leaves RCX alone.
    mov   rcx, 0x1234567812345678
    mov   edi, FREE
    insb
    mov   rax, 0x1234567812345678
    equal rcx, rax
    equal rdi, FREE + 1

    ; 32 bits: PCI's configuration address.
    mov   dx, 0xcf8
    mov   dword [FREE], 0x80000004
    mov   esi, FREE
    outsd
    equal rsi, FREE + 4
    mov   edi, FREE + 0x2ffe            ; INSD with its four bytes in two pages
    insd
    equal rdi, FREE + 0x3002
    equal dword [FREE + 0x2ffe], 0x80000004
    mov   edi, FREE + 0x3000
    mov   ecx, 2
    rep   insd
    equal rdi, FREE + 0x3008
    equal dword [FREE + 0x3004], 0x80000004

    ; 16 bits: where nobody is, words of ones.
    mov   dx, 0x2f0
    mov   edi, FREE
    mov   ecx, 3
    mov   qword [FREE], 0
    rep   insw
    mov   rax, 0x0000ffffffffffff
    equal [FREE], rax
    equal rdi, FREE + 6

    ; Segment override and 32-bit addresses: EDI alone is used, and its upper half is cleared.
    mov   ecx, 0xc0000100
    mov   eax, FREE
    xor   edx, edx
    wrmsr
    mov   dx, 0x71
    mov   byte [FREE + 0x20], 0x77
    mov   esi, 0x20
    db    0x64                          ; FS
    outsb
    in    al, 0x71
    equal al, 0x77
    mov   rdi, 0xffffffff00000000 + FREE + 0x30
    mov   rcx, 0x500000002
    a32 rep insb
    equal rdi, FREE + 0x32
    equal rcx, 0
    equal word [FREE + 0x30], 0x7777

    ; A fault in the middle: what was done is done, the registers tell where it stopped.
    mov   edi, SCRATCH
    mov   eax, FREE + 7
    mov   ecx, 512
.page:
    mov   [rdi], rax
    mov   dword [rdi + 4], 0
    add   eax, 0x1000
    add   edi, 8
    loop  .page
    mov   qword [SCRATCH + 8], 0
    mov   qword [TABLES + 0x2000 + 511 * 8], SCRATCH + 7
    mov   rax, cr3
    mov   cr3, rax
    mov   edi, 0x3fe00ffd
    mov   ecx, 10
    faults_with 14, 2, rep insb
    equal rdi, 0x3fe01000
    equal rcx, 7
    equal [caught_cr2], rdi
    mov   esi, 0x3fe00ffe
    mov   ecx, 10
    faults_with 14, 0, rep outsb
    equal rsi, 0x3fe01000
    equal rcx, 8
    mov   edi, 0x3fe00fff
    mov   ecx, 1
    mov   dx, 0xcf8
    faults_with 14, 2, insd
    equal rdi, 0x3fe00fff

    ; A non-canonical address.
    mov   rdi, 0x0000800000000000
    mov   dx, 0x71
    mov   ecx, 2
    faults_with 13, 0, rep insb
    mov   rsi, rdi
    faults_with 13, 0, outsb

    ; In 16-bit and 32-bit code segments, SI and ESI.
    call  dword far [thirty_two]
    equal dword [FREE + 0x41], 0x00777777
    mov   dword [gdt + 0x50], (SCRATCH & 0xffff) << 16 | 0xffff
    mov   dword [gdt + 0x54], 0x00009300 | SCRATCH >> 16
    call  dword far [sixteen]
    equal dword [SCRATCH + 0xfffc], 0x77777700
    mov   eax, 0xabcd0000               ; DI wrapped, CX counted, their upper halves stayed
    equal edi, eax
    equal ecx, 0x20000
    mov   al, [before]
    out   0x71, al
    pass

bits 32
in_32:
    mov   edi, FREE + 0x41
    mov   dword [edi], 0
    mov   ecx, 3
    mov   dx, 0x71
    rep   insb
    o32 retf

bits 16
in_16:
    mov   ax, 0x50
    mov   es, ax
    mov   edi, 0xabcdfffc
    mov   dword [es:di], 0
    inc   di
    mov   ecx, 0x00020003
    mov   dx, 0x71
    rep   insb
    o32 retf
bits 64

[section .data]
before: db 0
align 8
thirty_two: dd in_32
            dw CODE32
sixteen:    dd in_16
            dw CODE16
