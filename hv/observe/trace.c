#include "hv/observe/trace.h"

#include "hv/host/clock.h"
#include "hv/host/cpu.h"
#include "hv/host/log.h"
#include "hv/host/paging.h"
#include "hv/life/life.h"
#include "hv/vm/observe.h"

unsigned trace_size = 4096;
bool trace_frozen;
struct trace_ring trace_rings[CPUS_MOST];
static bool is_on;

_Static_assert(sizeof(struct trace_record) == 64, "a ring's size is its records' times a power of two");

/* The next record of this core, or NULL. No reader takes it for whole before publish. */
static struct trace_record *take(const struct vcpu *vcpu, unsigned kind, uint64_t now)
{
    struct trace_ring *ring = &trace_rings[this_cpu()->index];
    struct trace_record *record = &ring->records[ring->next & (trace_size - 1)];

    if (!ring->records)
        return NULL;
    if (__atomic_load_n(&trace_frozen, __ATOMIC_RELAXED)) {
        ring->lost++;
        return NULL;
    }
    __atomic_store_n(&record->number, 0, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    *record = (struct trace_record){
        .when = now, .kind = (uint8_t)kind, .vm = (uint8_t)vcpu->vm->id, .vcpu = (uint8_t)vcpu->id};
    return record;
}

static void publish(struct trace_record *record, uint64_t number)
{
    __atomic_store_n(&record->number, number, __ATOMIC_RELEASE);
}

static void begins(struct vcpu *vcpu)
{
    uint64_t now = clock_now();
    struct trace_ring *ring = &trace_rings[this_cpu()->index];
    struct exit_details *exit = &ring->exit;
    struct trace_record *record;

    ring->open = NULL;
    exit_take_apart(vcpu, exit);
    if (!trace_wants_exit(exit->reason, exit->rip) || !(record = take(vcpu, TRACE_EXIT, now)))
        return;
    record->rip = exit->rip;
    record->qualification = exit->qualification;
    record->operand = exit->operand;
    record->reason = exit->reason;
    record->about = exit->about;
    record->size = exit->size;
    record->reads = exit->reads;
    record->string = exit->string;
    record->value = exit->value;
    ring->open = record;
    publish(record, ring->next++);
    ring->since = clock_now();
}

static void ends(struct vcpu *vcpu, bool goes_on)
{
    struct trace_ring *ring = &trace_rings[this_cpu()->index];
    struct trace_record *record = ring->open;
    uint64_t number, cost = clock_now() - ring->since;

    if (!record)
        return;
    ring->open = NULL;
    number = record->number;
    publish(record, 0);
    exit_note_result(vcpu, &ring->exit);
    record->value = ring->exit.value;
    record->then = goes_on ? TRACE_GOES_ON : vcpu->vm->ending ? TRACE_ENDS : TRACE_LEAVES;
    record->cost = (uint32_t)MIN(cost, (uint64_t)UINT32_MAX);
    publish(record, number);
}

static void note_injection(struct trace_record *record, uint64_t value)
{
    record->injects = 1;
    record->type = value >> 8 & 7;
    record->vector = (uint8_t)value;
}

static void happens(struct vcpu *vcpu, enum observed what, uint64_t value)
{
    struct trace_ring *ring = &trace_rings[this_cpu()->index];
    struct trace_record *record = ring->open;

    if (what == OBSERVED_INJECTION && record) {
        uint64_t number = record->number;

        publish(record, 0);
        note_injection(record, value);
        publish(record, number);
        return;
    }
    if (!trace_wants_events || !(record = take(vcpu, what, clock_now())))
        return;
    record->value = value;
    if (what == OBSERVED_INJECTION)
        note_injection(record, value);
    publish(record, ring->next++);
}

static const struct observer tracer = {begins, ends, happens};

/* They stay: what the VMs' end leaves is less by them. */
static bool allocate(struct writer *out)
{
    size_t size = trace_size * sizeof(struct trace_record);

    for (unsigned i = 0; i < cpu_count; i++) {
        struct trace_ring *ring = &trace_rings[i];

        if (ring->records)
            continue;
        ring->next = ring->first = 1;
        ring->records = host_allocate(size);
        if (!ring->records) {
            print_to(out, "trace: no memory: %u rings of %lu KiB are needed; see trace_size\n", cpu_count,
                     size / KIB(1));
            return false;
        }
        life_keep(size);
    }
    return true;
}

void trace_vm(struct vm *vm)
{
    for (unsigned i = 0; i < vm->vcpu_count; i++)
        if (is_on && trace_wants_vcpu(vm->id, i))
            observe_begin(vm->vcpus[i], OBSERVE_TRACE);
        else
            observe_end(vm->vcpus[i], OBSERVE_TRACE);
}

bool trace_on(const char *filters, struct writer *out)
{
    trace_off();
    if (!trace_filter_parse(filters, out) || !allocate(out))
        return false;
    observers[OBSERVER_TRACE] = &tracer;
    is_on = true;
    life_each(trace_vm);
    return true;
}

void trace_off(void)
{
    is_on = false;
    life_each(trace_vm);
}

void trace_clear(void)
{
    for (unsigned i = 0; i < cpu_count; i++) {
        trace_rings[i].first = trace_rings[i].next;
        trace_rings[i].lost = 0;
    }
}

void trace_describe(struct writer *out)
{
    print_to(out, "trace: %s", is_on ? "on" : "off");
    for (unsigned i = 0; i < cpu_count && trace_rings[i].records; i++) {
        const struct trace_ring *ring = &trace_rings[i];

        print_to(out, "; core %u: %lu of %u, %lu lost", i,
                 MIN(ring->next - ring->first, (uint64_t)trace_size), trace_size, ring->lost);
    }
    print_to(out, "\n");
}
