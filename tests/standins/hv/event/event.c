/* An NMI is one request more. */
#include "hv/event/event.h"

void vcpu_request_nmi(struct vcpu *vcpu)
{
    vcpu_request(vcpu, REQUEST_NMI);
}
