/* The exit table: every basic exit reason of the SDM, and who serves it. */
#pragma once

struct vcpu;

/* Handles the exit that has just happened. Called from entry.asm. */
void vmx_handle_exit(struct vcpu *vcpu);

/* VMLAUNCH or VMRESUME itself failed: ends the VM with the reason in words. Called from entry.asm. */
void vmx_entry_failed(struct vcpu *vcpu);

/* Tells hv/vm/exit_stat.h of the reasons, once. */
void vmx_name_exits(void);
