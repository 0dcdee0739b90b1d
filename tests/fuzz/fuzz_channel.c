/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The peer that lies: arbitrary bytes anywhere in the segment between any two
 * calls of the service's half, and of the client's half as well, since a
 * client may not be harmed by a service either.  By mailboxes or by two rings,
 * answered in the same turn or in a later one, as the input's first byte says.
 *
 * After each call: no more messages than asked for; those that channel_take()
 * hands out have a legal op, size and space, and interrupts that a VMM gets are
 * of a type that there is.  A half that found the other one lying is silent from
 * then on; it is forgiven, as if a new peer attached, so that the rest of the
 * input has a live half to meet.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "ring/client.h"
#include "ring/shm.h"
#include "tests/fuzz/must.h"

#define LANES 2

static struct channel service;
static struct pciring vmm; /* no more of it than its channel */
static uint8_t *segment;

/* Taken and not yet answered. */
static struct msg_access owed[CHANNEL_COMPLETIONS];
static unsigned int owed_lane[CHANNEL_COMPLETIONS];
static unsigned int nr_owed;
static bool late; /* answers come a turn later */

static void set_up(uint8_t how)
{
	int fds[MSG_NR_FDS];

	must(channel_create(&service, LANES, 1) == 0);
	fds[MSG_FD_SEGMENT] = dup(service.fd);
	fds[MSG_FD_KICK] = dup(service.kick_fd);
	must(channel_open(&vmm.ch, &service.geo, fds) == 0);
	segment = shm_map(service.fd, 0, service.geo.segment_size);
	must(segment != NULL);
	service.mailbox = vmm.ch.mailbox = how & 1;
	late = how & 2;
	nr_owed = 0;
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

static void answer_all(void)
{
	for (unsigned int i = 0; i < nr_owed; i++)
		channel_complete(&service, owed_lane[i], &owed[i], i, 0);
	nr_owed = 0;
}

static void judge(const struct msg_access *req)
{
	must(req->op <= MSG_POSTED);
	must(req->space <= PCIRING_SPACE_EOI);
	must(is_power_of_2(req->size) && req->size <= 8);
	if (req->space == PCIRING_SPACE_EOI)
		must(req->op == MSG_WRITE && req->size == 4);
}

static void serve(unsigned int lane)
{
	struct msg_access req[8];
	unsigned int n = channel_take(&service, lane, req, ARRAY_SIZE(req));

	must(n <= ARRAY_SIZE(req));
	must(!n || !channel_broken(&service));
	for (unsigned int i = 0; i < n; i++) {
		judge(&req[i]);
		if (req[i].op == MSG_POSTED)
			continue;
		must(nr_owed < ARRAY_SIZE(owed));
		owed_lane[nr_owed] = lane;
		owed[nr_owed++] = req[i];
	}
	if (!late)
		answer_all();
}

/* A lane looks for its answer, which may not be there, and asks or posts. */
static void play_lane(unsigned int lane, uint32_t seq)
{
	static uint32_t asked[LANES];
	struct msg_access req = { .size = 4,
				  .space = PCIRING_SPACE_CONFIG,
				  .seq = seq,
				  .op = seq & 4 ? MSG_POSTED : MSG_READ };
	struct msg_completion c;

	for (unsigned int i = 0; i < CHANNEL_COMPLETIONS; i++) {
		if (!channel_get(&vmm.ch, lane, &c))
			break;
		/* Whatever the service says, a mailbox answers what was asked,
		 * and once. */
		must(!vmm.ch.mailbox || (c.seq == asked[lane] && !i));
	}
	if (channel_can_put(&vmm.ch, lane, 2) &&
	    channel_put(&vmm.ch, lane, &req) && req.op == MSG_READ)
		asked[lane] = seq;
}

static void take_interrupts(void)
{
	struct pciring_irq irqs[4];
	int n = pciring_irq_poll(&vmm, irqs, ARRAY_SIZE(irqs));

	if (n < 0) {
		must(channel_broken(&vmm.ch));
		return;
	}
	must(n <= (int)ARRAY_SIZE(irqs));
	for (int i = 0; i < n; i++)
		must(irqs[i].type <= PCIRING_IRQ_TYPE_ROUTE);
}

static void use(uint32_t seq)
{
	const struct msg_irq irq = { .what = 1 };
	struct seg_window w = { .length = 8, .sizes = 2 };
	uint64_t found;

	for (unsigned int lane = 0; lane < LANES; lane++)
		play_lane(lane, seq);
	answer_all();
	found = channel_look(&service);
	must(found < 1u << LANES);
	for (unsigned int lane = 0; lane < LANES; lane++)
		serve(lane);
	if (channel_irq(&service, &irq))
		must(!channel_broken(&service));
	channel_irq_wake(&service);
	take_interrupts();
	channel_set_windows(&service, &w, 1);
	channel_may_post(&vmm.ch, 0, 0, 0, 2);
	channel_sleep(&service);
	if (channel_has_work(&service))
		must(!channel_broken(&service));
	channel_awake(&service);
}

static void forget(struct ring *ring)
{
	ring->put = ring->get = (struct ring_side){ 0 };
}

static void forgive(struct channel *ch)
{
	struct msg_access req[4];

	if (!channel_broken(ch))
		return;
	/* It takes nothing more, whatever there is. */
	for (unsigned int i = 0; i < LANES; i++)
		must(!channel_take(ch, i, req, ARRAY_SIZE(req)));
	must(!channel_look(ch) && !channel_has_work(ch));
	ch->fault = CHANNEL_WHOLE;
	forget(&ch->irq);
	for (unsigned int i = 0; i < LANES; i++) {
		forget(&ch->lane[i].request);
		forget(&ch->lane[i].completion);
		ch->lane[i].asked = ch->taken[i] = 0;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t seq = 1;

	if (!size)
		return 0;
	set_up(*data++);
	for (size--; size; seq++) {
		size_t n = 4 + data[0] % 64u;

		scribble(data + 1, size - 1);
		use(seq);
		forgive(&vmm.ch);
		forgive(&service);
		if (n + 1 > size)
			break;
		data += n + 1;
		size -= n + 1;
	}
	answer_all();
	tear_down();
	return 0;
}
