/* Guest memory by segment and offset, or by linear address, with every check that silicon makes. */
#pragma once

#include "hv/cpu/registers.h"
#include "hv/walk/walk.h"

/* How the instruction at RIP sees addresses. */
enum code_mode { CODE_REAL, CODE_V86, CODE_PROTECTED, CODE_64 };

enum code_mode vcpu_code_mode(struct vcpu *vcpu);

/* A run of up to a page of guest-linear bytes, translated: it lies in one page or in two. */
struct span {
    gpa_t gpa[2];
    uint16_t size, first; /* bytes in all, and in the first page */
};

/*
 * The linear address of `size` bytes at segment:offset; `offset` is already cut to the address size. false
 * with #GP(0), or #SS(0) for SS: limit, type, null segment, canonical address.
 */
bool linear_address(struct vcpu *vcpu, enum code_mode mode, enum vcpu_segment segment, uint64_t offset,
                    unsigned size, bool write, gva_t *gva, struct fault *fault);

/* SDM, "Limit Checking": whether `size` bytes at `offset` are within a segment. */
bool linear_within(const struct segment *segment, uint64_t offset, unsigned size);

/* #AC(0) if the access is not aligned to `size` (a power of two) where that is asked for; otherwise true. */
bool linear_aligned(struct vcpu *vcpu, gva_t gva, unsigned size, struct fault *fault);

/* Translates `size` bytes (1 to a page) with every page's permissions checked; false with #PF. */
bool span_find(struct vcpu *vcpu, gva_t gva, unsigned size, unsigned access, struct span *span,
               struct fault *fault);

/* Moves the bytes of a span, in the widest aligned parts: MMIO sees naturally sized cycles. */
void span_read(struct vcpu *vcpu, const struct span *span, void *to);
void span_write(struct vcpu *vcpu, const struct span *span, const void *from);

/* The host address of a span that lies in RAM alone, in one piece and aligned to its size; otherwise NULL. */
void *span_ram(struct vcpu *vcpu, const struct span *span);

/* span_find and then the move: all or nothing. */
bool linear_read(struct vcpu *vcpu, gva_t gva, void *to, unsigned size, unsigned access, struct fault *fault);
bool linear_write(struct vcpu *vcpu, gva_t gva, const void *from, unsigned size, unsigned access,
                  struct fault *fault);
