; A kernel as people write them to test a machine: multiboot 1, an ELF32 file with 64-bit code, nothing of guests/lib.inc.
; It wants two modules, a command line whose first word is the number of processors, and the test device.

STACK       equ 0x4000                  ; of each processor, in .bss
TRAMPOLINE  equ 0                       ; over the interrupt vectors, as such kernels have it
TICK        equ 0x30
LINE        equ 0x31
SERVE       equ 0x32

%define APIC   r15                      ; in registers of each processor, from its first 64-bit instruction on
%define IOAPIC r14

%assign CHECKS 0
%macro check 1
    %assign CHECKS CHECKS + 1
    j%+1  %%holds
    mov   edi, CHECKS
    jmp   failed
%%holds:
%endmacro
%macro equal 2
    cmp   %1, %2
    check e
%endmacro
%macro say 1
    [section .rodata]
%%text: db %1, 10, 0
    __SECT__
    mov   esi, %%text
    call  print
%endmacro

section .multiboot progbits alloc noexec nowrite align=4
    dd    0x1badb002, 3, -(0x1badb002 + 3)

section .text
bits 32
global start
start:
    mov   esp, stacks + STACK
    push  eax
    push  ebx
    mov   eax, cr0                      ; the state that the specification promises
    and   eax, 0x80000001
    cmp   eax, 1
    jne   early
    pushfd
    pop   eax
    test  eax, 0x20200                  ; IF, VM
    jnz   early
%assign SEGMENT 0
%rep 6
    %if SEGMENT == 0
    mov   ax, cs
    %elif SEGMENT == 1
    mov   ax, ds
    %elif SEGMENT == 2
    mov   ax, es
    %elif SEGMENT == 3
    mov   ax, fs
    %elif SEGMENT == 4
    mov   ax, gs
    %else
    mov   ax, ss
    %endif
    lsl   ecx, ax
    jnz   early
    inc   ecx                           ; 4 GiB
    jnz   early
    %assign SEGMENT SEGMENT + 1
%endrep
    pop   ebx
    pop   eax
    cmp   eax, 0x2badb002
    jne   early
    mov   [information], ebx

    mov   edi, tables                   ; 4 GiB in pages of 2 MiB
    mov   dword [edi], tables + 0x1000 + 7
    mov   eax, tables + 0x2000 + 7
    mov   ecx, 4
.pointer:
    mov   [edi + 0x1000], eax
    add   eax, 0x1000
    add   edi, 8
    loop  .pointer
    mov   edi, tables + 0x2000
    mov   eax, 0x87
    mov   ecx, 2048
.page:
    mov   [edi], eax
    add   eax, 0x200000
    add   edi, 8
    loop  .page
    mov   ebx, first
to_long:                                ; to ebx, in 64-bit mode
    lgdt  [gdt_pointer]
    mov   eax, cr4
    bts   eax, 5
    mov   cr4, eax
    mov   eax, tables
    mov   cr3, eax
    mov   ecx, 0xc0000080
    rdmsr
    bts   eax, 8
    wrmsr
    mov   eax, cr0
    bts   eax, 31
    mov   cr0, eax
    jmp   8:.long
early:
    mov   al, 0x7f
    out   0xf4, al
    jmp   early

bits 16
trampoline:
    cli
    mov   ax, cs
    mov   ds, ax
    o32 lgdt [.pointer - trampoline]
    mov   eax, cr0
    or    al, 1
    mov   cr0, eax
    jmp   dword 0x18:other32
.pointer:
    dw    gdt_pointer - gdt - 1
    dd    gdt
trampoline_end:

bits 32
other32:
    mov   eax, 0x10
    mov   ds, eax
    mov   ss, eax
    mov   ebx, other
    jmp   to_long

bits 64
to_long.long:
    mov   eax, 0x10
    mov   ds, eax
    mov   es, eax
    mov   ss, eax
    lidt  [idt_pointer]
    mov   r15d, 0xfee00000
    mov   r14d, 0xfec00000
    jmp   rbx

; Another processor: a stack by its APIC id, then it serves calls.
other:
    mov   eax, [APIC + 0x20]
    shr   eax, 24
    imul  eax, eax, STACK
    lea   esp, [rax + stacks + STACK]
    mov   dword [APIC + 0xf0], 0x1ff
    lock inc dword [running]
.wait:
    sti
    hlt
    jmp   .wait

first:
    mov   esp, stacks + STACK
    mov   dx, 0x3f8 + 3
    mov   al, 3
    out   dx, al
    call  look_at_information
    call  fill_idt
    call  look_at_acpi
    call  try_apics
    call  try_test_device
    call  start_others
    say   "kernel: all passed"
    xor   edi, edi
leave:
    mov   eax, edi
    out   0xf4, al
    hlt
    jmp   leave

; edi = the check's number.
failed:
    push  rdi
    say   "kernel: a check failed; its number is the exit status"
    pop   rdi
    jmp   leave

print:
    lodsb
    test  al, al
    jz    .end
    mov   ah, al
    mov   dx, 0x3f8 + 5
.busy:
    in    al, dx
    test  al, 0x20
    jz    .busy
    mov   al, ah
    mov   dx, 0x3f8
    out   dx, al
    jmp   print
.end:
    ret

; Memory, command line, memory map, modules.
look_at_information:
    mov   ebx, [information]
    mov   eax, [rbx]
    and   eax, 0x6d
    equal eax, 0x6d                     ; memory, command line, modules, section headers, memory map
    cmp   dword [rbx + 4], 600
    check ae
    mov   eax, [rbx + 8]
    inc   eax
    shl   eax, 10
    mov   [memory], eax
    mov   esi, [rbx + 16]
    call  print
    mov   esi, [rbx + 16]
    movzx eax, byte [rsi]
    sub   al, '0'
    mov   [count], eax
    mov   dx, 0x510                     ; the firmware configuration device knows too
    mov   al, 5
    out   dx, ax
    inc   edx
    in    al, dx
    equal al, [count]
    mov   eax, [rbx + 48]               ; the memory map has RAM from 1 MiB on, as long as mem_upper says
    mov   ecx, [rbx + 44]
    add   ecx, eax
.entry:
    cmp   eax, ecx
    check b
    cmp   qword [rax + 4], 0x100000
    je    .found
    add   eax, [rax]
    add   eax, 4
    jmp   .entry
.found:
    equal dword [rax + 20], 1
    mov   edx, [rbx + 8]
    shl   edx, 10
    cmp   [rax + 12], rdx
    check e
    equal dword [rbx + 20], 2
    mov   esi, [rbx + 24]
    mov   eax, [rsi]
    equal dword [rax], "one."
    mov   eax, [rsi + 4]
    sub   eax, [rsi]
    equal eax, 4
    mov   eax, [rsi + 8]
    equal dword [rax], "a 1"
    mov   eax, [rsi + 16]
    equal dword [rax], "two!"
    mov   eax, [rsi + 24]
    equal byte [rax], 0
    mov   eax, [rbx + 28]               ; section headers: their names are where the string table was put
    imul  ecx, [rbx + 40], 40
    add   ecx, [rbx + 36]
    mov   ecx, [rcx + 12]
    test  ecx, ecx
    check nz
    test  eax, eax
    check nz
    mov   eax, [rbx + 36]
    mov   eax, [rax + 40]
    equal dword [rcx + rax], ".tex"      ; the first, as ld orders them
    ret

fill_idt:
    mov   edi, idt
    mov   ecx, 256
.gate:
    mov   eax, unexpected
    call  .put
    loop  .gate
    mov   eax, on_tick
    mov   edi, idt + TICK * 16
    call  .put
    mov   eax, on_line
    call  .put
    mov   eax, on_call
.put:
    mov   [rdi], ax
    mov   word [rdi + 2], 8
    mov   word [rdi + 4], 0x8e00
    shr   eax, 16
    mov   [rdi + 6], ax
    add   edi, 16
    ret

unexpected:
    mov   edi, 0x7e
    jmp   leave
on_tick:
    lock inc dword [ticks]
    jmp   ended
on_line:
    lock inc dword [lines]
    jmp   ended
on_call:
    lock inc dword [calls]
ended:
    mov   dword [APIC + 0xb0], 0
    iretq

; RSDP by a search, RSDT, and in the MADT as many processors as the command line says.
look_at_acpi:
    mov   ebx, 0xe0000
.search:
    mov   rax, "RSD PTR "
    cmp   [rbx], rax
    je    .rsdp
    add   ebx, 16
    cmp   ebx, 0x100000
    check b
    jmp   .search
.rsdp:
    mov   ebx, [rbx + 16]
    mov   ecx, [rbx + 4]
    lea   edi, [rbx + rcx]
    add   ebx, 36
.table:
    cmp   ebx, edi
    check b
    mov   eax, [rbx]
    add   ebx, 4
    cmp   dword [rax], "APIC"
    jne   .table
    equal dword [rax + 36], 0xfee00000
    mov   edi, [rax + 4]
    add   edi, eax
    add   eax, 44
    xor   ecx, ecx
.entry:
    cmp   byte [rax], 0
    jne   .next
    inc   ecx
.next:
    movzx edx, byte [rax + 1]
    add   eax, edx
    cmp   eax, edi
    jb    .entry
    equal ecx, [count]
    ret

; The local APIC's timer and IPI to itself; the 8254 through the I/O APIC.
try_apics:
    mov   ecx, 0x1b
    rdmsr
    and   eax, 0xfffff900
    equal eax, 0xfee00900
    mov   dword [APIC + 0xf0], 0x1ff
    mov   al, 0xff
    out   0x21, al
    out   0xa1, al
    sti
    mov   dword [APIC + 0x300], 0x40000 | SERVE
.self:
    cmp   dword [calls], 1
    jne   .self
    mov   dword [APIC + 0x3e0], 0xb
    mov   dword [APIC + 0x320], TICK
    mov   dword [APIC + 0x380], 10000
    cli
.timer:
    cmp   dword [ticks], 0
    jne   .ticked
    sti
    hlt
    cli
    jmp   .timer
.ticked:
    mov   dword [APIC + 0x320], 0x10000
    mov   dword [IOAPIC], 1
    mov   eax, [IOAPIC + 0x10]
    shr   eax, 16
    cmp   al, 23
    check e
    mov   dword [IOAPIC], 0x10 + 2 * 2
    mov   dword [IOAPIC + 0x10], TICK
    mov   al, 0x34                      ; 1000 times a second
    out   0x43, al
    mov   al, 1193 & 0xff
    out   0x40, al
    mov   al, 1193 >> 8
    out   0x40, al
.pit:
    cmp   dword [ticks], 5
    jae   .counted
    sti
    hlt
    cli
    jmp   .pit
.counted:
    mov   dword [IOAPIC + 0x10], 0x10000
    ret

try_test_device:
    mov   eax, 0x12345678
    out   0xe0, eax
    in    ax, 0xe2
    equal ax, 0x1234
    mov   al, 0x99
    out   0xe1, al
    in    eax, 0xe0
    equal eax, 0x12349978
    mov   dword [IOAPIC], 0x10 + 2 * 14
    mov   dword [IOAPIC + 0x10], LINE
    mov   dx, 0x2000 + 14
    mov   al, 1
    sti
    out   dx, al
.line:
    cmp   dword [lines], 1
    jne   .line
    xor   al, al
    out   dx, al
    mov   eax, 0xff000000
    mov   dword [rax + 0x1234], 0x55aa
    add   dword [rax + 0x1234], 1
    equal dword [rax + 0x1234], 0x55ab
    mov   ebx, [memory]                 ; the last page of RAM, away until it is read
    sub   ebx, 0x1000
    mov   dword [rbx], 0x600d
    mov   eax, ebx
    out   0xe4, eax
    equal dword [rbx], 0x600d
    ret

; Each answers one call.
start_others:
    mov   esi, trampoline
    mov   edi, TRAMPOLINE
    mov   ecx, trampoline_end - trampoline
    rep   movsb
    mov   dword [APIC + 0x300], 0xc4500 ; INIT, and no wait
    mov   dword [APIC + 0x300], 0xc4600 | TRAMPOLINE >> 12
    mov   ecx, [count]
.running:
    pause
    cmp   [running], ecx
    jne   .running
    mov   dword [calls], 1
    mov   dword [APIC + 0x300], 0xc4000 | SERVE
.called:
    pause
    cmp   [calls], ecx
    jne   .called
    ret

section .data
align 8
gdt:
    dq    0
    dq    0x00af9b000000ffff            ; 0x08 64-bit code
    dq    0x00cf93000000ffff            ; 0x10 data
    dq    0x00cf9b000000ffff            ; 0x18 32-bit code
gdt_pointer:
    dw    gdt_pointer - gdt - 1
    dd    gdt, 0
idt_pointer:
    dw    4095
    dd    idt, 0
running:      dd 1
ticks:        dd 0
lines:        dd 0
calls:        dd 0

section .bss
alignb 4096
tables:       resb 6 * 4096
idt:          resb 4096
stacks:       resb 8 * STACK
information:  resd 1
memory:       resd 1
count:        resd 1
