; All processors of a VM: INIT and SIPI, IPIs of every kind to exactly their receivers, and what is each one's own.
bits 64
%include "guests/lib.inc"
%include "guests/smp.inc"

FIXED       equ 0x51
SHOOT       equ 0x52
STORM       equ 0x53
ACKED       equ OWN_FIELDS              ; in a block: the last TLB shoot-down that this one has seen
PAGE_TABLE  equ FREE + 0x80000
PAGES       equ FREE + 0x82000          ; two, which WINDOW shows in turn
WINDOW      equ FREE + 0x200000

; Sends `icr` for each destination of the table; `match` says which processors it addresses.
%macro destinations 3
    mov   r13d, %1
    mov   r14d, %2
    mov   esi, %3
    call  try_destinations
%endmacro

; The interrupt must come to the processors whose bits are set in r12, once, and to no other.
%macro shorthand 2
    mov   r12, %2
    mov   r8d, FIXED
    mov   eax, 0x4000 | FIXED | %1
    call  send_and_compare
%endmacro

begin:
    begin64
    guest "smp: INIT, SIPI, IPIs, TLB shoot-downs, TSC, MTRRs of all processors"
    call  count_processors
    call  prepare
    call  start_others
    sti

    say   {"counts", 13, 10}
    all_do add_up
    imul  eax, [count], 1000
    equal [atomic], eax
    equal [locked], eax

    say   {"physical, shorthands", 13, 10}
    destinations 0, match_physical, physical
    call  try_shorthands
    say   {"flat", 13, 10}
    all_do set_flat
    destinations LOGICAL, match_flat, flat
    destinations LOGICAL | LOWEST, match_flat, flat
    say   {"cluster", 13, 10}
    all_do set_cluster
    destinations LOGICAL, match_cluster, cluster
    destinations LOGICAL | LOWEST, match_cluster, cluster
    say   {"priorities, NMI", 13, 10}
    call  try_priorities
    call  try_nmis
    say   {"INIT, SIPI", 13, 10}
    call  try_restarts
    say   {"storm", 13, 10}
    all_do storm
    say   {"TLB", 13, 10}
    all_do shoot_and_read
    say   {"TSC", 13, 10}
    all_do read_tsc
    say   {"caches", 13, 10}
    all_do own_caches
    under_svm                           ; QEMU has one PAT for Keel and all guests
    je    .no_pat
    all_do own_pat
.no_pat:

    mov   eax, 1
    cpuid
    bt    ecx, 21
    jnc   .end
    say   {"x2APIC", 13, 10}
    all_do enable_x2apic
    mov   byte [x2apic], 1
    destinations 0, match_physical, physical
    destinations 0, match_physical, broadcast
    call  try_shorthands
    under_hypervisor
    jnc   .no_clusters                  ; Bochs's own reach processor 0 alone
    destinations LOGICAL, match_x2apic, x2apic_clusters
    destinations LOGICAL | LOWEST, match_x2apic, x2apic_clusters
.no_clusters:
    call  try_nmis
    all_do storm
.end:
    pass

prepare:
    mov   edi, BLOCKS
    mov   ecx, 0x90000 / 8
    xor   eax, eax
    rep   stosq
    mov   dword [PAGE_TABLE], PAGES + 3
    mov   dword [TABLES + 0x2000 + (WINDOW >> 21) * 8], PAGE_TABLE + 3
    mov   rax, cr3
    mov   cr3, rax
    mov   esi, trampoline
    mov   edi, TRAMPOLINE
    mov   ecx, trampoline_end - trampoline
    rep   movsb
    mov   word [IDT + NMI * 16], on_nmi
    mov   word [IDT + FENCE * 16], on_fence
    mov   word [IDT + WAKE * 16], on_wake
    mov   word [IDT + FIXED * 16], on_fixed
    mov   word [IDT + SHOOT * 16], on_shoot
    mov   word [IDT + STORM * 16], on_storm
    mov   r15d, .end
    jmp   own_block
.end:
    ret

counting on_fixed, FIXED
counting on_storm, STORM

; esi = table: number, then destinations; r13d = bits of the command; r14 = whom a destination means.
try_destinations:
    lodsd
    mov   r10d, eax
.destination:
    lodsd
    mov   r9d, eax
    xor   ecx, ecx
    xor   r12d, r12d
.processor:
    call  r14
    jz    .not
    bts   r12, rcx
.not:
    inc   ecx
    cmp   ecx, [count]
    jb    .processor
    mov   r8d, FIXED
    mov   edx, r9d
    lea   eax, [r13 + 0x4000 + FIXED]
    test  r13d, LOWEST
    jnz   .lowest
    call  send_and_compare
.next:
    dec   r10d
    jnz   .destination
    ret
.lowest:
    call  send
    call  fence
    call  who
    mov   rbx, rdx
    and   rbx, r12
    equal rbx, rdx                      ; nobody who is not addressed
    test  r12, r12
    setnz al
    popcnt rcx, rdx
    equal cl, al                        ; and of those one
    mov   r12, rdx
    call  compare
    jmp   .next

; rdx = the processors that had vector r8d. Changes ecx, ebx.
who:
    xor   ecx, ecx
    xor   edx, edx
.processor:
    mov   ebx, ecx
    shl   ebx, 12
    cmp   dword [BLOCKS + rbx + r8 * 4], 0
    je    .not
    bts   rdx, rcx
.not:
    inc   ecx
    cmp   ecx, [count]
    jb    .processor
    ret

; NZ if destination r9d means processor ecx. Change eax, ebx.
match_physical:
    cmp   r9d, [everyone]
    je    matched
    cmp   r9d, ecx
    je    matched
unmatched:
    cmp   eax, eax
    ret
matched:
    or    al, 1
    ret
match_flat:
    mov   eax, ecx
    and   eax, 7
    bt    r9d, eax
    jc    matched
    jmp   unmatched
match_cluster:
    cmp   r9d, 0xff
    je    matched
    mov   eax, ecx
    shr   eax, 2
    mov   ebx, r9d
    shr   ebx, 4
    cmp   eax, ebx
    jne   unmatched
    mov   eax, ecx
    and   eax, 3
    bt    r9d, eax
    jc    matched
    jmp   unmatched
match_x2apic:
    cmp   r9d, -1
    je    matched
    mov   eax, ecx
    shr   eax, 4
    mov   ebx, r9d
    shr   ebx, 16
    cmp   eax, ebx
    jne   unmatched
    mov   eax, ecx
    and   eax, 15
    bt    r9d, eax
    jc    matched
    jmp   unmatched

try_shorthands:
    shorthand TO_SELF, 1
    shorthand TO_ALL, [all]
    mov   r12, [all]
    btr   r12, 0
    shorthand TO_OTHERS, r12
    ret

; NMIs, and SMIs, of which a VM sees nothing.
try_nmis:
    mov   r8d, NMI
    xor   r9d, r9d
.next:
    xor   r12d, r12d
    bts   r12, r9
    mov   edx, r9d
    mov   eax, SEND_NMI
    call  send_and_compare
    inc   r9d
    cmp   r9d, [count]
    jb    .next
    mov   r12, [all]
    btr   r12, 0
    mov   eax, SEND_NMI | TO_OTHERS
    call  send_and_compare
    under_hypervisor
    jnc   .bare
    xor   r12d, r12d
    mov   eax, SEND_SMI | TO_ALL
    call  send_and_compare
.bare:
    ret

; Lowest priority: the one whose task priority is below the others', each in turn.
try_priorities:
    all_do set_flat
    mov   dword [chosen], 0
.next:
    all_do set_priority
    call  fence                         ; WAKE in service would count as a priority
    mov   r8d, FIXED
    xor   r12d, r12d
    mov   eax, [chosen]
    bts   r12, rax
    mov   edx, 0xff
    mov   eax, 0x4000 | LOGICAL | LOWEST | FIXED
    call  send_and_compare
    inc   dword [chosen]
    mov   eax, [chosen]
    cmp   eax, [count]
    jb    .next
    mov   dword [chosen], -1
    all_do set_priority
    ret
set_priority:
    mov   eax, [gs:OWN_ID]
    xor   ecx, ecx
    cmp   eax, [chosen]
    je    .set
    cmp   dword [chosen], -1
    je    .set
    mov   cl, 3
.set:
    mov   cr8, rcx
    ret

; SIPI means nothing to one that runs. After INIT it takes no interrupt, until SIPI.
try_restarts:
    mov   eax, SEND_SIPI | TO_OTHERS
    call  send
    call  fence
    mov   r9d, 1
.next:
    mov   eax, [count]
    dec   eax
    equal [alive], eax
    cmp   r9d, eax
    ja    .end
    mov   edx, r9d
    mov   eax, SEND_INIT
    call  send
    under_hypervisor
    jnc   .bare                         ; Bochs's own APIC forgets nothing at INIT
    mov   edx, r9d
    mov   eax, 0x4000 | FIXED
    call  send
.bare:
    mov   edx, r9d
    mov   eax, SEND_SIPI
    call  send
    mov   eax, [count]
.wait:
    pause
    cmp   [alive], eax
    jne   .wait
    dec   dword [alive]
    mov   r8d, FIXED
    xor   r12d, r12d
    call  fence
    call  compare
    inc   r9d
    jmp   .next
.end:
    ret

; The tasks of all processors.

acquire:
    lock bts dword [lock_word], 0
    jnc   .end
.wait:
    pause
    test  byte [lock_word], 1
    jnz   .wait
    jmp   acquire
.end:
    ret

add_up:
    mov   ecx, 1000
.next:
    lock inc dword [atomic]
    call  acquire
    inc   dword [locked]
    mov   byte [lock_word], 0
    loop  .next
    ret

set_flat:
    mov   ecx, [gs:OWN_ID]
    and   ecx, 7
    mov   eax, 0x01000000
    shl   eax, cl
    mov   ebx, APIC
    mov   dword [rbx + 0xe0], 0xffffffff
    mov   [rbx + 0xd0], eax
    ret

set_cluster:
    mov   ecx, [gs:OWN_ID]
    mov   edx, ecx
    shr   edx, 2
    shl   edx, 28
    and   ecx, 3
    mov   eax, 0x01000000
    shl   eax, cl
    or    eax, edx
    mov   ebx, APIC
    mov   dword [rbx + 0xe0], 0x0fffffff
    mov   [rbx + 0xd0], eax
    ret

enable_x2apic:
    mov   ecx, 0x1b
    rdmsr
    or    eax, 1 << 10
    wrmsr
    mov   ecx, 0x802
    rdmsr
    equal eax, [gs:OWN_ID]
    mov   dword [everyone], -1
    ret

; Each sends to the next one, again as soon as that has counted.
storm:
    mov   esi, [gs:OWN_ID]
    inc   esi
    cmp   esi, [count]
    jb    .inside
    xor   esi, esi
.inside:
    mov   edi, esi
    shl   edi, 12
    mov   ecx, 40
.next:
    mov   ebx, [BLOCKS + rdi + STORM * 4]
    inc   ebx
    mov   eax, 0x4000 | STORM
    mov   edx, esi
    call  send
.wait:
    pause
    cmp   [BLOCKS + rdi + STORM * 4], ebx
    jb    .wait
    equal [BLOCKS + rdi + STORM * 4], ebx
    loop  .next
    ret

; The first shows WINDOW another page each time and tells the others, which read it all the time: nobody who has
; acknowledged sees the page before.
shoot_and_read:
    cmp   dword [gs:OWN_ID], 0
    je    .shoot
.read:
    mov   ecx, 100
.again:
    mov   eax, [gs:ACKED]
    mov   edx, [WINDOW]
    cmp   edx, eax
    check ae
    loop  .again
    pause
    cmp   dword [over], 0
    je    .read
    ret
.shoot:
    mov   esi, 1
    mov   edi, PAGES + 0x1000
.round:
    mov   [rdi], esi
    lea   eax, [rdi + 3]
    mov   [PAGE_TABLE], rax
    invlpg [WINDOW]
    equal [WINDOW], esi
    mov   [epoch], esi
    mov   dword [acknowledged], 1
    mov   eax, 0x4000 | SHOOT | TO_OTHERS
    call  send
.wait:
    pause
    mov   eax, [count]
    cmp   [acknowledged], eax
    jne   .wait
    xor   edi, 0x1000
    mov   dword [rdi], 0
    inc   esi
    cmp   esi, 40
    jbe   .round
    mov   dword [over], 1
    ret

on_shoot:
    push  rax
    mov   eax, [epoch]
    test  al, 1
    jz    .all
    invlpg [WINDOW]
    jmp   .acknowledge
.all:
    mov   rax, cr3
    mov   cr3, rax
    mov   eax, [epoch]
.acknowledge:
    mov   [gs:ACKED], eax
    lock inc dword [acknowledged]
    mov   eax, SHOOT
    jmp   counted

; No processor reads less than another has read before it.
read_tsc:
    mov   ecx, 200
.next:
    call  acquire
    rdtsc
    shl   rdx, 32
    or    rax, rdx
    cmp   rax, [tsc]
    check ae
    mov   [tsc], rax
    mov   byte [lock_word], 0
    pause
    loop  .next
    ret

; The last variable MTRR and CR0.CD: each writes what no other does, and finds it.
own_caches:
    mov   ecx, 0xfe
    rdmsr
    movzx ecx, al
    lea   ecx, [rcx * 2 + 0x200 - 2]
    rdmsr
    push  rax
    push  rdx
    mov   esi, [gs:OWN_ID]
    mov   r10, cr0
    mov   r9, r10
    bt    esi, 0
    jnc   .even
    bts   r9, 30
.even:
    mov   cr0, r9
    inc   esi
    shl   esi, 24
    mov   eax, esi
    xor   edx, edx
    wrmsr
    call  barrier
    rdmsr
    equal eax, esi
    mov   rdx, cr0
    equal rdx, r9
    mov   cr0, r10
    pop   rdx
    pop   rax
    wrmsr
    ret

; The same with the last two entries of the PAT.
own_pat:
    mov   ecx, 0x277
    rdmsr
    push  rdx
    mov   esi, [gs:OWN_ID]
    mov   ebx, esi
    and   esi, 3
    shr   ebx, 2
    and   ebx, 3
    mov   dl, [types + rsi]
    mov   dh, [types + rbx]
    rol   edx, 16
    mov   esi, edx
    wrmsr
    call  barrier
    rdmsr
    equal edx, esi
    pop   rdx
    wrmsr
    ret

[section .data]
align 8
tsc:          dq 0
everyone:     dd 0xff                   ; the physical destination that means all
chosen:       dd 0
atomic:       dd 0
locked:       dd 0
lock_word:    dd 0
epoch:        dd 0
acknowledged: dd 0
over:         dd 0

%macro table 1+
    dd    (%%end - %%first) / 4
%%first:
    dd    %1
%%end:
%endmacro
physical:        table 0, 1, 2, 3, 7, 8, 14, 15, 0x3f
broadcast:       table -1
flat:            table 1, 2, 4, 8, 0x40, 0x80, 0x05, 0x8a, 0x7f, 0xff
cluster:         table 1, 2, 8, 0x0f, 0x13, 0x1f, 0x2a, 0x35, 0x80, 0xff
x2apic_clusters: table 1, 2, 0x80, 0x8000, 0x5555, 0xfffe, 0xffff, 0x10001, -1
types:           db 0, 4, 5, 6          ; of memory
__SECT__
