/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One function's story (device_story.h), lived through by a guest on KVM: by
 * its sink, by the ring and a VMM that injects what it takes from there, by
 * irqfds, and with our I/O APIC before KVM's local one.
 *
 * The guest serves the line as Linux serves a threaded interrupt: it masks the
 * pin, ends the interrupt at the local APIC, and unmasks when it is done; by
 * irqfd the mask is the resample eventfd that nobody reads until then.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "irq/sink_kvm.h"
#include "tests/flow/device_story.h"
#include "tests/guest/kvm_guest.h"

#define GSIS	  32
#define MSI_GSI	  24u /* of vector 0 */
#define LINE_PORT 0xe0
#define PIN_ENTRY (STORY_LINE_VECTOR | (uint32_t)IOAPIC_LEVEL)
#define IO_CHIP	  2

enum way {
	SINK,
	RING,
	IRQFD,
	SPLIT,
};

struct vmm {
	struct story_ear ear;
	struct rig rig;
	struct kvm_guest guest;
	struct kvm_routes routes;
	struct sink_kvm kvm;
	enum way way;
	int resample; /* owned; by irqfd only */
	bool in_service;
	unsigned int taken;
	unsigned int eois;
	uint32_t counted[256];
};

static struct vmm vmm;

/* ---- What the VMM does -------------------------------------------------------- */

static void route(uint32_t gsi, const struct gsi_route *r)
{
	assert_int_equal(kvm_routes_set(&vmm.routes, gsi, r), 0);
	assert_int_equal(kvm_routes_commit(&vmm.routes), 0);
}

static void route_message(uint32_t gsi, const struct msi_message *m)
{
	route(gsi, &(struct gsi_route){
			   .kind = m->address ? GSI_TO_MSI : GSI_NOWHERE,
			   .msi = *m,
		   });
}

static void take_from_the_ring(void)
{
	struct msg_irq irq;

	while (channel_get_irqs(&vmm.rig.client, &irq, 1)) {
		const unsigned int number = MSG_IRQ_NUMBER(irq.what);
		const struct msi_message m = {
			.address = irq.address,
			.data = irq.data,
			.requester_id = irq.requester_id,
		};

		switch (MSG_IRQ_TYPE(irq.what)) {
		case PCIRING_IRQ_TYPE_LINE:
			irq_stage_set(&vmm.kvm.stage, number, irq.data);
			break;
		case PCIRING_IRQ_TYPE_ROUTE:
			route_message(number, &m);
			break;
		default:
			assert_int_equal(irq_stage_send(&vmm.kvm.stage, &m),
					 IRQ_DELIVERED);
		}
	}
}

static void write_mmio(uint64_t address, uint32_t value)
{
	rig_access(&vmm.rig, MSG_WRITE, PCIRING_SPACE_MMIO, address, 4, value);
}

/* Our I/O APIC's or KVM's, as the guest writes it. */
static void set_pin(uint32_t entry)
{
	if (vmm.way != SPLIT) {
		kvm_guest_ioapic_set(&vmm.guest, STORY_GSI, entry);
		return;
	}
	write_mmio(IOAPIC_BASE + IOAPIC_SELECT, 0x10 + 2 * STORY_GSI);
	write_mmio(IOAPIC_BASE + IOAPIC_WINDOW, entry);
}

/* ---- The guest's line handler --------------------------------------------------- */

/* Not taken are those that come while it is in service: by irqfd none; else
 * only where KVM ends an interrupt when it injects it. */
static uint8_t handle(void *ctx, uint8_t port)
{
	(void)ctx;
	assert_int_equal(port, LINE_PORT);
	if (vmm.in_service) {
		assert_int_not_equal(vmm.way, IRQFD);
		return 0;
	}
	vmm.in_service = true;
	vmm.taken++;
	if (vmm.way != IRQFD)
		set_pin(PIN_ENTRY | (uint32_t)IOAPIC_MASKED);
	return 1;
}

static void eoi(void *ctx, uint8_t vector)
{
	(void)ctx;
	vmm.eois++;
	rig_access(&vmm.rig, MSG_WRITE, PCIRING_SPACE_EOI, PCIRING_EOI_VECTOR,
		   4, vector);
}

static const struct kvm_guest_ops guest_ops = { .read = handle, .eoi = eoi };

/* ---- The far end ------------------------------------------------------------------ */

static void end_of_line(struct story_ear *ear)
{
	uint64_t n;

	(void)ear;
	assert_true(vmm.in_service);
	vmm.in_service = false;
	if (vmm.way != IRQFD) {
		set_pin(PIN_ENTRY);
		return;
	}
	assert_int_equal(read(vmm.resample, &n, sizeof(n)), sizeof(n));
	assert_int_equal(link_line_control(&vmm.rig.link, PCIRING_LINE_GSI,
					   STORY_GSI, PCIRING_IRQ_UNMASK),
			 0);
}

static void route_entry(struct story_ear *ear, unsigned int v,
			const struct msi_message *m)
{
	(void)ear;
	route_message(MSI_GSI + v, m);
}

static uint32_t messages_taken(void)
{
	uint32_t n = 0;

	for (unsigned int data = 32; data < 254; data++)
		if (data != STORY_LINE_VECTOR)
			n += kvm_guest_count(&vmm.guest, (uint8_t)data);
	return n;
}

/* An irqfd may tell KVM after the eventfd was signalled. */
static void wait_for_the_irqfds(void)
{
	const struct sink_eventfd *vectors = &vmm.rig.function->eventfds;
	const struct sink_line *line =
		&vmm.rig.machine->interrupts.eventfd[STORY_GSI];

	for (unsigned int i = 0; i < 100000; i++) {
		if (messages_taken() >= vectors->writes &&
		    kvm_guest_count(&vmm.guest, STORY_LINE_VECTOR) >=
			    line->stage.count.fired)
			return;
		kvm_guest_serve(&vmm.guest, 20);
	}
	fail_msg("what was signalled does not arrive");
}

static void count_messages(struct story_heard *heard)
{
	for (unsigned int data = 32; data < 254; data++) {
		const struct msi_message m = { .data = data };
		uint32_t n = kvm_guest_count(&vmm.guest, (uint8_t)data) -
			     vmm.counted[data];

		vmm.counted[data] += n;
		while (n-- && data != STORY_LINE_VECTOR)
			device_story_hear(heard, &m);
	}
}

static void listen(struct story_ear *ear, struct story_heard *heard)
{
	(void)ear;
	take_from_the_ring();
	if (vmm.way == IRQFD)
		wait_for_the_irqfds();
	assert_true(kvm_guest_settle(&vmm.guest));
	count_messages(heard);
	heard->line = vmm.taken;
	vmm.taken = 0;
}

/* ---- Four ways into one guest ------------------------------------------------------- */

/* No link asks for KVM's sink: it is put behind the bank and the machine's pin
 * by the calls that the link itself uses, as a VMM does that has the library in
 * its own process. */
static void lead_to_the_sink(void)
{
	struct irq_line *pin = &vmm.rig.machine->interrupts.pin[STORY_GSI];

	msi_bank_set_next(&vmm.rig.function->vp.func.msix.bank, &vmm.kvm.stage,
			  false);
	assert_true(irq_line_set_next(pin, &vmm.kvm.stage, STORY_GSI));
}

static int new_eventfd(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	assert_true(fd >= 0);
	return fd;
}

static void bind_irqfds(void)
{
	struct link *l = &vmm.rig.link;
	int vm = vmm.guest.vm;
	int fd, old;

	for (unsigned int v = 0; v < STORY_VECTORS; v++) {
		fd = new_eventfd();
		assert_int_equal(link_bind(l, RIG_BDF, v, fd, &old), 0);
		assert_int_equal(kvm_irqfd_assign(vm, MSI_GSI + v, fd, -1), 0);
	}
	fd = new_eventfd();
	assert_int_equal(
		link_line_bind(l, PCIRING_LINE_GSI, STORY_GSI, fd, &old), 0);
	assert_int_equal(kvm_irqfd_assign(vm, STORY_GSI, fd, vmm.resample), 0);
	vmm.ear.entry = route_entry;
}

static void open_guest(void)
{
	struct kvm_guest *g = &vmm.guest;
	const struct gsi_route to_pin = {
		.kind = GSI_TO_PINS,
		.nr_pins = 1,
		.pin = { { .chip = IO_CHIP, .pin = STORY_GSI } },
	};

	assert_int_equal(kvm_guest_open(g,
					vmm.way == SPLIT ? KVM_GUEST_SPLIT
							 : KVM_GUEST_FULL,
					&guest_ops, NULL),
			 0);
	kvm_guest_handler(g, &(struct kvm_guest_handler){
				     .vector = STORY_LINE_VECTOR,
				     .port = LINE_PORT,
				     .reads = 1,
				     .ends = 1,
			     });
	sink_kvm_init(&vmm.kvm, g->vm);
	assert_int_equal(kvm_routes_init(&vmm.routes, g->vm, GSIS), 0);
	if (vmm.way != SPLIT)
		route(STORY_GSI, &to_pin);
}

static void begin(const char *name, enum way way)
{
	static const uint16_t irqchip[] = {
		[SINK] = PCIRING_IRQCHIP_NONE,
		[RING] = PCIRING_IRQCHIP_LINES,
		[IRQFD] = PCIRING_IRQCHIP_LINES,
		[SPLIT] = PCIRING_IRQCHIP_SPLIT,
	};
	const struct link_options opt = { .irqchip = irqchip[way] };
	const char *why = kvm_guest_missing();

	if (why) {
		printf("%s\n", why);
		skip();
	}
	memset(&vmm, 0, sizeof(vmm));
	vmm.way = way;
	vmm.resample = new_eventfd();
	vmm.ear = (struct story_ear){
		.name = name,
		.tells = STORY_TELLS_DATA,
		.listen = listen,
		.end = end_of_line,
	};
	open_guest();
	assert_int_equal(rig_init_link(&vmm.rig, &opt), 0);
	if (way == SINK)
		lead_to_the_sink();
	if (way == IRQFD)
		bind_irqfds();
	set_pin(PIN_ENTRY);
	take_from_the_ring();
	assert_int_equal(kvm_guest_start(&vmm.guest), 0);
}

static void play(void)
{
	device_story_play(&vmm.rig, &vmm.ear,
			  GUEST_ALL_FEATURES & ~GUEST_F_EVENT_IDX);
	assert_int_equal(atomic_load(&vmm.guest.died), 0);
	assert_int_equal(vmm.kvm.failures, 0);
	assert_false(vmm.in_service);
}

/* Also after a test that failed or was skipped. */
static int end(void **state)
{
	(void)state;
	if (!vmm.rig.machine)
		return 0;
	rig_fini(&vmm.rig);
	close(vmm.resample);
	kvm_routes_fini(&vmm.routes);
	kvm_guest_close(&vmm.guest);
	vmm.rig.machine = NULL;
	return 0;
}

static void the_kvm_sink_tells_the_story(void **state)
{
	(void)state;
	begin("kvm", SINK);
	play();
	assert_true(vmm.kvm.stage.count.fired);
	assert_int_equal(vmm.rig.link.ring.stage.count.fired, 0);
}

static void the_ring_into_kvm_tells_the_story(void **state)
{
	(void)state;
	begin("ring into kvm", RING);
	play();
	assert_true(vmm.rig.link.ring.stage.count.fired);
}

static void irqfds_tell_the_story(void **state)
{
	(void)state;
	begin("irqfds", IRQFD);
	play();
	assert_int_equal(vmm.kvm.stage.count.fired, 0);
	assert_int_equal(vmm.rig.link.ring.stage.count.fired, 0);
}

static void our_ioapic_before_kvm_tells_the_story(void **state)
{
	(void)state;
	begin("our I/O APIC into kvm", SPLIT);
	play();
	assert_true(vmm.eois);
	assert_int_equal(vmm.eois, vmm.rig.machine->interrupts.ioapic.eois);
}

#define T(name) cmocka_unit_test_teardown(name, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_kvm_sink_tells_the_story),
		T(the_ring_into_kvm_tells_the_story),
		T(irqfds_tell_the_story),
		T(our_ioapic_before_kvm_tells_the_story),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
