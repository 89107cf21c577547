/* The counters of exits (hv/vm/exit_stat.h), printed. */
#pragma once

#include "hv/lib/base.h"

struct vm;
struct vcpu;
struct writer;

/* Rows that have any exits, as a table or as bars; `vcpu` NULL: the sum of all. From any core. */
void stats_print(const struct vm *vm, const struct vcpu *vcpu, struct writer *out);
void stats_print_bars(const struct vm *vm, const struct vcpu *vcpu, struct writer *out);

/* stats_print at the end of each VM. */
extern bool stats_reported;
