/* Nothing is traced. */
#include "hv/observe/trace.h"

void trace_vm(struct vm *vm)
{
    (void)vm;
}
