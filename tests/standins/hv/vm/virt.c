/* The vendor is the fake one, until a test brings its own. */
#include "hv/vm/virt.h"

#include "tests/unit/fake.h"

const struct virt_ops *virt = &fake_virt;
