/* The call of code that was made to run one instruction, with other general registers and flags. */
#include "hv/host/stub.h"

_Static_assert(offsetof(struct stub_registers, flags) == 128, "as below");

/* System V: RDI has the registers, RSI the entry. RSP is never the guest's: an exception needs a stack. */
__asm__(".pushsection .text\n"
        ".globl stub_call\n"
        ".type stub_call, @function\n"
        "stub_call:\n"
        "   pushq %rbx\n   pushq %rbp\n   pushq %r12\n   pushq %r13\n   pushq %r14\n   pushq %r15\n"
        "   pushq %rdi\n"
        "   pushq %rsi\n"
        "   pushq 128(%rdi)\n"
        "   popfq\n"
        "   movq 0(%rdi), %rax\n   movq 8(%rdi), %rcx\n   movq 16(%rdi), %rdx\n   movq 24(%rdi), %rbx\n"
        "   movq 40(%rdi), %rbp\n   movq 48(%rdi), %rsi\n   movq 64(%rdi), %r8\n   movq 72(%rdi), %r9\n"
        "   movq 80(%rdi), %r10\n   movq 88(%rdi), %r11\n   movq 96(%rdi), %r12\n   movq 104(%rdi), %r13\n"
        "   movq 112(%rdi), %r14\n   movq 120(%rdi), %r15\n   movq 56(%rdi), %rdi\n"
        "   call *(%rsp)\n"
        "   pushfq\n"
        "   pushq %rdi\n"
        "   movq 24(%rsp), %rdi\n"
        "   movq %rax, 0(%rdi)\n   movq %rcx, 8(%rdi)\n   movq %rdx, 16(%rdi)\n   movq %rbx, 24(%rdi)\n"
        "   movq %rbp, 40(%rdi)\n   movq %rsi, 48(%rdi)\n   movq %r8, 64(%rdi)\n   movq %r9, 72(%rdi)\n"
        "   movq %r10, 80(%rdi)\n   movq %r11, 88(%rdi)\n   movq %r12, 96(%rdi)\n   movq %r13, 104(%rdi)\n"
        "   movq %r14, 112(%rdi)\n   movq %r15, 120(%rdi)\n"
        "   popq 56(%rdi)\n"
        "   popq 128(%rdi)\n"
        "   addq $16, %rsp\n"
        "   popq %r15\n   popq %r14\n   popq %r13\n   popq %r12\n   popq %rbp\n   popq %rbx\n"
        "   ret\n"
        ".size stub_call, . - stub_call\n"
        ".popsection");
