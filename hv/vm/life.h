/* The life of a VM: made from a configuration, started, started again, ended, and everything given back. */
#pragma once

#include "hv/vm/board.h"
#include "hv/vm/config.h"
#include "hv/vm/vm.h"

/*
 * Makes the VM, loads its kernel, and hands its vCPUs to the cores that it may run on. false, said in a log line that
 * names what was missing, if that fails; nothing of it is left then.
 */
bool vm_launch(const struct config_vm *config, const struct board_ops *board, unsigned id);

/* For sched_loop: a vCPU of a VM that has ended. The last one of a VM ends or restarts it. */
void vm_vcpu_stopped(struct vcpu *vcpu);

/* How many VMs run. */
unsigned vm_running(void);

/* Called on the core of the last vCPU when no VM runs any more. */
extern void (*vm_all_off)(void);
