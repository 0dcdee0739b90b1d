/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/irq_sink.h"

#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_pause.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>

#define BATCH 32

const char *const irq_sink_name[NR_SINKS] = {
	[SINK_NONE] = "none", [SINK_CALLBACK] = "callback",
	[SINK_RING] = "ring", [SINK_EVENTFD] = "eventfd",
	[SINK_KVM] = "kvm",
};

/* ---- The polling consumer ------------------------------------------------ */

static void *poll_rings(void *arg)
{
	struct irq_sinks *s = arg;
	struct msg_irq irq[BATCH];
	unsigned int n;

	while (!atomic_load_explicit(&s->stop, memory_order_relaxed)) {
		n = channel_get_irqs(&s->client, irq, BATCH);
		n += rte_ring_sc_dequeue_burst_elem(s->bare, irq, sizeof(*irq),
						    BATCH, NULL);
		if (!n)
			rte_pause();
	}
	return NULL;
}

static int start_poller(struct irq_sinks *s, int cpu)
{
	pthread_attr_t attr;
	cpu_set_t set;
	int err;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	err = pthread_attr_init(&attr);
	if (err)
		return -err;
	err = pthread_attr_setaffinity_np(&attr, sizeof(set), &set);
	if (!err)
		err = pthread_create(&s->poller, &attr, poll_rings, s);
	pthread_attr_destroy(&attr);
	return -err;
}

void irq_sinks_drain(struct irq_sinks *s)
{
	while (!rte_ring_empty(s->bare) ||
	       ring_room(&s->service.irq) < CHANNEL_IRQS - 1)
		rte_pause();
	s->ring.backlog = false;
}

/* ---- Opening ------------------------------------------------------------- */

static int open_channel(struct irq_sinks *s)
{
	int err = channel_create(&s->service, 1, 1), fds[MSG_NR_FDS];

	if (err)
		return err;
	fds[MSG_FD_SEGMENT] = fcntl(s->service.fd, F_DUPFD_CLOEXEC, 0);
	fds[MSG_FD_KICK] = fcntl(s->service.kick_fd, F_DUPFD_CLOEXEC, 0);
	err = channel_open(&s->client, &s->service.geo, fds);
	if (err)
		channel_fini(&s->service);
	sink_ring_init(&s->ring, &s->service);
	return err;
}

static int open_bare(struct irq_sinks *s)
{
	ssize_t size =
		rte_ring_get_memsize_elem(sizeof(struct msg_irq), CHANNEL_IRQS);

	if (size < 0)
		return (int)size;
	s->bare = aligned_alloc(
		RTE_CACHE_LINE_SIZE,
		RTE_ALIGN_CEIL((size_t)size, RTE_CACHE_LINE_SIZE));
	if (!s->bare)
		return -ENOMEM;
	return rte_ring_init(s->bare, "bare", CHANNEL_IRQS,
			     RING_F_SP_ENQ | RING_F_SC_DEQ);
}

static int open_eventfds(struct irq_sinks *s)
{
	int err = sink_eventfd_init(&s->messages, 4, NULL), fd;

	if (err)
		return err;
	for (unsigned int v = 0; v < s->messages.nr; v++) {
		fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		if (fd < 0)
			return -errno;
		sink_eventfd_bind(&s->messages, v, fd);
	}
	err = sink_line_init(&s->line, "bench");
	if (err)
		return err;
	sink_line_bind(&s->line, eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
	s->eventfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return s->eventfd < 0 ? -errno : 0;
}

static enum irq_result swallow(void *ctx, const struct msi_message *m)
{
	(void)ctx;
	(void)m;
	return IRQ_QUEUED;
}

static enum irq_result swallow_level(void *ctx, uint32_t pin, bool high)
{
	(void)ctx;
	(void)pin;
	(void)high;
	return IRQ_QUEUED;
}

static enum irq_result count(void *ctx, const struct msi_message *m)
{
	*(uint64_t *)ctx += m->data;
	return IRQ_QUEUED;
}

static enum irq_result count_level(void *ctx, uint32_t pin, bool high)
{
	*(uint64_t *)ctx += pin + high;
	return IRQ_QUEUED;
}

int irq_sinks_open(struct irq_sinks *s, int cpu)
{
	int err;

	memset(s, 0, sizeof(*s));
	s->eventfd = -1;
	sink_callback_init(&s->none, swallow, swallow_level, NULL);
	sink_callback_init(&s->callback, count, count_level, &s->called);
	err = open_channel(s);
	if (!err)
		err = open_bare(s);
	if (!err)
		err = open_eventfds(s);
	if (!err)
		err = start_poller(s, cpu);
	if (!err)
		s->has_kvm = !irq_kvm_open(&s->vm);
	if (s->has_kvm)
		sink_kvm_init(&s->kvm, s->vm.vm);
	return err;
}

void irq_sinks_close(struct irq_sinks *s)
{
	atomic_store(&s->stop, true);
	pthread_join(s->poller, NULL);
	channel_fini(&s->client);
	channel_fini(&s->service);
	sink_eventfd_fini(&s->messages);
	sink_line_fini(&s->line);
	free(s->bare);
	close(s->eventfd);
	if (s->has_kvm)
		irq_kvm_close(&s->vm);
}

struct irq_stage *irq_sinks_send(struct irq_sinks *s, enum irq_sink_kind k)
{
	switch (k) {
	case SINK_CALLBACK:
		return &s->callback.stage;
	case SINK_RING:
		return &s->ring.stage;
	case SINK_EVENTFD:
		return &s->messages.stage;
	case SINK_KVM:
		return s->has_kvm ? &s->kvm.stage : NULL;
	default:
		return &s->none.stage;
	}
}

struct irq_stage *irq_sinks_set(struct irq_sinks *s, enum irq_sink_kind k)
{
	return k == SINK_EVENTFD ? &s->line.stage : irq_sinks_send(s, k);
}
