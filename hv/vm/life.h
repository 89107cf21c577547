/* The life of a VM: made from a configuration, started, started again, ended, and everything given back. */
#pragma once

#include "hv/vm/board.h"
#include "hv/vm/config.h"
#include "hv/vm/vm.h"

/*
 * Makes the VM, loads its kernel, and hands its vCPUs to the cores that it may run on. false, said in a log
 * line that names what was missing, if that fails; nothing of it is left then.
 */
bool vm_launch(const struct config_vm *config, const struct board_ops *board, unsigned id);

/* For sched_loop: a vCPU of a VM that has ended. The last one of a VM ends or restarts it. */
void vm_vcpu_stopped(struct vcpu *vcpu);

/* While it is held, the machine is not "all off", though no VM runs: for whoever is about to launch some. */
void vm_hold(void);
void vm_release(void);

/* Called when no VM runs any more, on the core that ended or released last. */
extern void (*vm_all_off)(void);
