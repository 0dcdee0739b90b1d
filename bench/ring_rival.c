/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/ring_rival.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_pause.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>

#define BATCH 16

/* Each end is a descriptor that both processes have. */
struct ring_rival {
	struct rte_ring *request, *shared, *completion; /* by all vCPUs */
	struct rte_ring *posted, *irq;
	int sock[2];
	int asked, answered; /* eventfds */
	uint32_t seq;
};

/* ---- One line -------------------------------------------------------------- */

static void serve_line(struct ring_rig *r)
{
	struct seg_lane *line = &r->shared->line;
	uint32_t last =
		atomic_load_explicit(&line->answer, memory_order_relaxed);
	uint32_t ask;

	while (ring_rig_goes_on(r)) {
		ask = atomic_load_explicit(&line->ask, memory_order_acquire);
		if (ask == last)
			continue;
		last = ask;
		line->result = all_ones(line->size);
		line->status = 0;
		atomic_store_explicit(&line->answer, ask, memory_order_release);
	}
}

static void ask_line(struct ring_rig *r, unsigned int lane)
{
	struct seg_lane *line = &r->shared->line;
	uint32_t seq = ++r->rival->seq;

	(void)lane;
	line->address = seq;
	line->size = 4;
	line->op = MSG_READ;
	atomic_store_explicit(&line->ask, seq, memory_order_release);
	while (atomic_load_explicit(&line->answer, memory_order_acquire) != seq)
		;
	if (line->result != UINT32_MAX)
		ring_rig_broken("a line");
}

const struct ring_way ring_line = {
	.serve = serve_line,
	.ask = ask_line,
};

/* ---- Two rings, of one vCPU or shared by all ------------------------------- */

static void answer_two(struct ring_rig *r, struct rte_ring *request)
{
	struct ring_rival *v = r->rival;
	struct msg_completion c = { 0 };
	struct msg_access req;

	while (ring_rig_goes_on(r)) {
		if (!rte_ring_sc_dequeue_burst_elem(request, &req, sizeof(req),
						    1, NULL))
			continue;
		c.value = all_ones(req.size);
		c.seq = req.seq;
		rte_ring_sp_enqueue_burst_elem(v->completion, &c, sizeof(c), 1,
					       NULL);
	}
}

static void await_answer(struct ring_rival *v)
{
	struct msg_completion c;

	while (!rte_ring_sc_dequeue_burst_elem(v->completion, &c, sizeof(c), 1,
					       NULL))
		;
	if (c.seq != v->seq)
		ring_rig_broken("a plain ring");
}

static void serve_two(struct ring_rig *r)
{
	answer_two(r, r->rival->request);
}

static void ask_two(struct ring_rig *r, unsigned int lane)
{
	struct ring_rival *v = r->rival;
	struct msg_access req = { .size = 4, .seq = ++v->seq };

	(void)lane;
	rte_ring_sp_enqueue_burst_elem(v->request, &req, sizeof(req), 1, NULL);
	await_answer(v);
}

const struct ring_way ring_two = {
	.serve = serve_two,
	.ask = ask_two,
};

static void serve_mp(struct ring_rig *r)
{
	answer_two(r, r->rival->shared);
}

static void ask_mp(struct ring_rig *r, unsigned int lane)
{
	struct ring_rival *v = r->rival;
	struct msg_access req = { .size = 4, .seq = ++v->seq };

	(void)lane;
	rte_ring_mp_enqueue_burst_elem(v->shared, &req, sizeof(req), 1, NULL);
	await_answer(v);
}

const struct ring_way ring_mp = {
	.serve = serve_mp,
	.ask = ask_mp,
};

/* ---- A socket -------------------------------------------------------------- */

static void serve_socket(struct ring_rig *r)
{
	int sock = r->rival->sock[1];
	struct msg_completion c = { 0 };
	struct msg_access req;

	/* What rouses is always taken, or the next task would answer it. */
	for (;;) {
		if (recv(sock, &req, sizeof(req), MSG_WAITALL) != sizeof(req))
			ring_rig_broken("a question by socket");
		if (!ring_rig_goes_on(r))
			break;
		c.seq = req.seq;
		if (send(sock, &c, sizeof(c), MSG_NOSIGNAL) != sizeof(c))
			ring_rig_broken("an answer by socket");
	}
}

static void rouse_socket(struct ring_rig *r)
{
	const struct msg_access req = { 0 };

	if (send(r->rival->sock[0], &req, sizeof(req), MSG_NOSIGNAL) !=
	    sizeof(req))
		ring_rig_broken("a question by socket");
}

static void ask_socket(struct ring_rig *r, unsigned int lane)
{
	struct ring_rival *v = r->rival;
	const struct msg_access req = { .size = 4, .seq = ++v->seq };
	struct msg_completion c;

	(void)lane;
	if (send(v->sock[0], &req, sizeof(req), MSG_NOSIGNAL) != sizeof(req) ||
	    recv(v->sock[0], &c, sizeof(c), MSG_WAITALL) != sizeof(c) ||
	    c.seq != req.seq)
		ring_rig_broken("an answer by socket");
}

const struct ring_way ring_socket = {
	.serve = serve_socket,
	.ask = ask_socket,
	.rouse = rouse_socket,
};

/* ---- A line, and an eventfd each way ---------------------------------------- */

static void signal_eventfd(int fd)
{
	const uint64_t one = 1;

	if (write(fd, &one, sizeof(one)) < 0)
		ring_rig_broken("an eventfd");
}

static void wait_eventfd(int fd)
{
	uint64_t count;

	if (read(fd, &count, sizeof(count)) < 0)
		ring_rig_broken("an eventfd");
}

static void serve_eventfd(struct ring_rig *r)
{
	struct seg_lane *line = &r->shared->line;

	for (;;) {
		wait_eventfd(r->rival->asked);
		if (!ring_rig_goes_on(r))
			break;
		line->result = all_ones(line->size);
		atomic_store_explicit(&line->answer, line->ask,
				      memory_order_release);
		signal_eventfd(r->rival->answered);
	}
}

static void ask_eventfd(struct ring_rig *r, unsigned int lane)
{
	struct seg_lane *line = &r->shared->line;
	uint32_t seq = ++r->rival->seq;

	(void)lane;
	line->size = 4;
	atomic_store_explicit(&line->ask, seq, memory_order_release);
	signal_eventfd(r->rival->asked);
	wait_eventfd(r->rival->answered);
	if (atomic_load_explicit(&line->answer, memory_order_acquire) != seq)
		ring_rig_broken("an answer by eventfd");
}

static void rouse_eventfd(struct ring_rig *r)
{
	signal_eventfd(r->rival->asked);
}

const struct ring_way ring_eventfd = {
	.serve = serve_eventfd,
	.ask = ask_eventfd,
	.rouse = rouse_eventfd,
};

/* ---- Plain rings, one way ----------------------------------------------------- */

static void take_plain(struct ring_rig *r)
{
	struct msg_access req[BATCH];

	while (ring_rig_goes_on(r)) {
		if (r->task.pace_ns)
			ring_rig_pause(r, r->task.pace_ns);
		if (!rte_ring_sc_dequeue_burst_elem(r->rival->posted, req,
						    sizeof(*req), BATCH, NULL))
			rte_pause();
	}
}

static void put_plain(struct ring_rig *r, unsigned int n)
{
	struct msg_access req = { .size = 2, .op = MSG_POSTED };

	for (unsigned int i = 0; i < n; i++)
		while (rte_ring_sp_enqueue_elem(r->rival->posted, &req,
						sizeof(req)))
			;
}

const struct ring_way ring_posted_plain = {
	.serve = take_plain,
	.pass = put_plain,
};

static void send_plain(struct ring_rig *r)
{
	struct msg_irq irq = { .address = 0xfee00000, .data = 0x41 };

	while (ring_rig_goes_on(r))
		rte_ring_sp_enqueue_elem(r->rival->irq, &irq, sizeof(irq));
}

static void get_plain(struct ring_rig *r, unsigned int n)
{
	struct msg_irq irq[2 * BATCH];
	unsigned int got = 0, k;

	while (got < n) {
		if (r->task.pace_ns)
			ring_rig_pause(r, r->task.pace_ns);
		k = rte_ring_sc_dequeue_burst_elem(
			r->rival->irq, irq, sizeof(*irq), 2 * BATCH, NULL);
		if (!k)
			rte_pause();
		got += k;
	}
}

const struct ring_way ring_irq_plain = {
	.serve = send_plain,
	.pass = get_plain,
};

/* ---- Opening ------------------------------------------------------------------ */

/* Shared with the child. */
static struct rte_ring *open_ring(unsigned int esize, unsigned int count,
				  unsigned int flags)
{
	ssize_t size = rte_ring_get_memsize_elem(esize, count);
	struct rte_ring *ring;

	if (size < 0)
		return NULL;
	ring = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (ring == MAP_FAILED)
		return NULL;
	return rte_ring_init(ring, "rival", count, flags) ? NULL : ring;
}

int ring_rival_open(struct ring_rival **out)
{
	const unsigned int single = RING_F_SP_ENQ | RING_F_SC_DEQ;
	struct ring_rival *v = calloc(1, sizeof(*v));

	if (!v)
		return -ENOMEM;
	*out = v;
	v->request =
		open_ring(sizeof(struct msg_access), CHANNEL_REQUESTS, single);
	v->shared = open_ring(sizeof(struct msg_access), CHANNEL_REQUESTS,
			      RING_F_SC_DEQ);
	v->completion = open_ring(sizeof(struct msg_completion),
				  CHANNEL_COMPLETIONS, single);
	v->posted =
		open_ring(sizeof(struct msg_access), CHANNEL_REQUESTS, single);
	v->irq = open_ring(sizeof(struct msg_irq), CHANNEL_IRQS, single);
	if (!v->request || !v->shared || !v->completion || !v->posted ||
	    !v->irq)
		return -ENOMEM;
	v->asked = eventfd(0, EFD_CLOEXEC);
	v->answered = eventfd(0, EFD_CLOEXEC);
	if (v->asked < 0 || v->answered < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, v->sock))
		return -errno;
	return 0;
}

static void close_ring(struct rte_ring *ring, unsigned int esize)
{
	munmap(ring, (size_t)rte_ring_get_memsize_elem(esize, ring->size));
}

void ring_rival_close(struct ring_rival *v)
{
	close_ring(v->request, sizeof(struct msg_access));
	close_ring(v->shared, sizeof(struct msg_access));
	close_ring(v->completion, sizeof(struct msg_completion));
	close_ring(v->posted, sizeof(struct msg_access));
	close_ring(v->irq, sizeof(struct msg_irq));
	close(v->asked);
	close(v->answered);
	close(v->sock[0]);
	close(v->sock[1]);
	free(v);
}
