/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The peer that lies: arbitrary bytes anywhere in the segment between any two
 * calls of the service's half, and of the client's half as well, since a
 * client may not be harmed by a service either.
 *
 * After each call: no more messages than asked for; those that channel_take()
 * hands out have a legal op, size and space, and interrupts that a VMM gets are
 * of a type that there is.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "ring/client.h"
#include "ring/shm.h"
#include "tests/fuzz/must.h"

static struct channel service;
static struct pciring vmm; /* no more of it than its channel */
static uint8_t *segment;

static void set_up(void)
{
	int fds[MSG_NR_FDS];

	must(channel_create(&service, 2, 1) == 0);
	fds[MSG_FD_SEGMENT] = dup(service.fd);
	fds[MSG_FD_KICK] = dup(service.kick_fd);
	must(channel_open(&vmm.ch, &service.geo, fds) == 0);
	segment = shm_map(service.fd, 0, service.geo.segment_size);
	must(segment != NULL);
}

static void tear_down(void)
{
	shm_unmap(segment, service.geo.segment_size);
	channel_fini(&vmm.ch);
	channel_fini(&service);
}

static void scribble(const uint8_t *data, size_t size)
{
	uint32_t off;
	size_t n;

	if (size < 4)
		return;
	memcpy(&off, data, 3);
	off = (off & 0xffffff) % service.geo.segment_size;
	n = data[3] % 64u;
	if (n > size - 4)
		n = size - 4;
	if (n > service.geo.segment_size - off)
		n = service.geo.segment_size - off;
	memcpy(segment + off, data + 4, n);
}

static void serve(unsigned int lane)
{
	struct msg_access req[8];
	unsigned int n = channel_take(&service, lane, req, ARRAY_SIZE(req));

	must(n <= ARRAY_SIZE(req));
	for (unsigned int i = 0; i < n; i++) {
		must(req[i].op <= MSG_POSTED);
		must(req[i].space <= PCIRING_SPACE_EOI);
		must(is_power_of_2(req[i].size) && req[i].size <= 8);
		if (req[i].space == PCIRING_SPACE_EOI)
			must(req[i].op == MSG_WRITE && req[i].size == 4);
		if (req[i].op != MSG_POSTED)
			channel_complete(&service, lane, &req[i], 0, 0);
	}
}

static void use(void)
{
	struct msg_access req = { .size = 4, .space = PCIRING_SPACE_CONFIG };
	const struct msg_irq irq = { .what = 1 };
	struct pciring_irq irqs[4];
	struct seg_window w = { .length = 8, .sizes = 2 };
	struct msg_completion c;
	int n;

	channel_put(&vmm.ch, 0, &req);
	serve(0);
	serve(1);
	channel_get(&vmm.ch, 0, &c);
	channel_irq(&service, &irq);
	channel_irq_wake(&service);
	n = pciring_irq_poll(&vmm, irqs, ARRAY_SIZE(irqs));
	must(n >= 0 && n <= (int)ARRAY_SIZE(irqs));
	while (n--)
		must(irqs[n].type <= PCIRING_IRQ_TYPE_ROUTE);
	channel_set_windows(&service, &w, 1);
	channel_may_post(&vmm.ch, 0, 0, 0, 2);
	channel_sleep(&service);
	channel_has_work(&service);
	channel_awake(&service);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	set_up();
	while (size) {
		size_t n = 4 + data[0] % 64u;

		scribble(data + 1, size - 1);
		use();
		if (n + 1 > size)
			break;
		data += n + 1;
		size -= n + 1;
	}
	tear_down();
	return 0;
}
