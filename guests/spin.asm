; Computes without end on all its processors, and ends itself some seconds after its TSC was 0: for tests of who gets how
; much time. Says `rounds N`: what the first processor has done, a thousand additions each.
bits 64
%include "guests/lib.inc"

AP_CODE     equ 0x20000

begin:
    begin64
    guest "spin: computes until its time is over"
    mov   eax, 0x40000010               ; eax: thousands of the TSC's ticks in a second, as hypervisors say it
    cpuid
    imul  rax, rax, 1000
    mov   ecx, [seconds]
    imul  rax, rcx
    mov   r10, rax                      ; the end
    mov   dword [AP_CODE], 0xfeebfb     ; sti; jmp $: Bochs's SVM loses exits for interrupts while they are off
    sti
    mov   esi, APIC
    mov   dword [rsi + 0xf0], 0x1ff
    mov   dword [rsi + 0x300], 0xc4500  ; INIT to all others
    mov   dword [rsi + 0x300], 0xc4600 | AP_CODE >> 12
    xor   r11d, r11d                    ; rounds
    xor   r12d, r12d                    ; a sum of 1 to 1000, again and again
.round:
    mov   ecx, 1000
.add:
    add   r12, rcx
    dec   ecx
    jnz   .add
    inc   r11d
    rdtsc
    shl   rdx, 32
    or    rax, rdx
    cmp   rax, r10
    jb    .round
    say   "rounds "
    mov   ebx, r11d
    call  print_decimal
    say   {13, 10}
    mov   eax, r11d                     ; a round adds 500500
    imul  rax, rax, 500500
    equal rax, r12
    pass

[section .data]
    db    "seconds "                    ; for a test to find and change
seconds: dd 3
