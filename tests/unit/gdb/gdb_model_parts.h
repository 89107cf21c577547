/* What the parts of the model know of each other. */
#pragma once

#include "tests/unit/gdb/gdb_model.h"

/* Who runs from here on. */
void model_on_core(unsigned index);

void model_port_begin(void);
