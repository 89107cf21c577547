/* The vendor is the fake one, until a test brings its own. */
#include "hv/cpu/virt_state.h"

#include "tests/unit/fake.h"

const struct virt_state *virt_state = &fake_state;
