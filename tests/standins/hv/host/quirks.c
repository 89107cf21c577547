/* This machine has none. */
#include "hv/host/quirks.h"

bool host_compacts(void)
{
    return true;
}
