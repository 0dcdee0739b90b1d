/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: a function gets seats, one a queue, when its first queue goes away.  To
 * move one the whole function is paused as for a change of its memory: then
 * nothing is under way on any thread.  When virtio takes its queues back to
 * look at them again, they are all held, and change their places.
 */
#include "transport/machine/seat.h"

#include <stdlib.h>

#include "transport/machine/function.h"

static struct virtio *virtio_of(const struct seat *s)
{
	return &s->function->vp.virtio;
}

/* ---- Whoever runs it -------------------------------------------------------- */

static void tell_home(struct seat *s, unsigned int what)
{
	what &= VIRTIO_RAISE | VIRTIO_BROKE;
	if (!what)
		return;
	/* Relaxed: the letter is the order. */
	atomic_fetch_or_explicit(&s->news, what, memory_order_relaxed);
	letter_post(&s->function->machine->letters, &s->letter);
}

static unsigned int seat_run(struct job *j, uint64_t now)
{
	struct seat *s = container_of(j, struct seat, job);
	const struct vq *vq = &virtio_of(s)->queue[s->q];
	const uint16_t seq = vq->seq;
	unsigned int what =
		virtio_queue_run(virtio_of(s), s->q, MACHINE_TURN_CHAINS, now);
	uint16_t took = (uint16_t)(vq->seq - seq);

	j->at->stats.chains += RTE_MAX(took, 1);
	tell_home(s, what);
	return (what & VIRTIO_DID ? JOB_DID : 0) |
	       (what & VIRTIO_MORE ? JOB_MORE : 0);
}

static void seat_hold(struct job *j)
{
	struct seat *s = container_of(j, struct seat, job);
	struct virtio *v = virtio_of(s);
	const struct virtio_device_ops *ops = v->device->ops;

	if (v->started && ops->queue_quiesce)
		ops->queue_quiesce(v->device, s->q);
}

static uint64_t seat_sleep(struct job *j)
{
	struct seat *s = container_of(j, struct seat, job);
	unsigned int news;
	uint64_t ns = virtio_queue_sleep(virtio_of(s), s->q, &news);

	tell_home(s, news);
	return ns;
}

static const struct job_ops seat_ops = {
	.run = seat_run,
	.hold = seat_hold,
	.sleep = seat_sleep,
};

/* ---- Home ------------------------------------------------------------------- */

static void read_news(struct letter *l)
{
	struct seat *s = container_of(l, struct seat, letter);
	/* Relaxed: the letter is the order. */
	unsigned int news =
		atomic_exchange_explicit(&s->news, 0, memory_order_relaxed);

	virtio_queue_news(virtio_of(s), s->q, news);
}

struct seat *seats_create(struct function *f)
{
	const unsigned int n = f->vp.virtio.nr_queues;
	struct seat *seats = calloc(n + 1u, sizeof(*seats));

	for (unsigned int q = 0; seats && q < n; q++) {
		job_init(&seats[q].job, &seat_ops);
		seats[q].letter.read = read_news;
		seats[q].function = f;
		seats[q].q = (uint16_t)q;
	}
	return seats;
}

static struct seat *seats_end(const struct function *f)
{
	return f->seats + f->vp.virtio.nr_queues;
}

static void sit_down(struct function *f)
{
	f->placing = false;
	for (struct seat *s = f->seats; s < seats_end(f); s++) {
		if (s->at == s->wanted)
			continue;
		s->at = s->wanted;
		virtio_queue_set_away(&f->vp.virtio, s->q, s->at);
	}
}

void function_recall(struct function *f)
{
	struct worker *self;

	if (!f->seats)
		return;
	/* Relaxed: this thread's own. */
	self = atomic_load_explicit(&f->machine->letters.owner,
				    memory_order_relaxed);
	for (struct seat *s = f->seats; s < seats_end(f); s++)
		if (s->at)
			job_recall(&s->job);
	for (struct seat *s = f->seats; s < seats_end(f); s++) {
		job_await(&s->job, self);
		/* Now: behind a reset it would be about another driver. */
		read_news(&s->letter);
	}
	if (f->placing)
		sit_down(f);
}

void function_release(struct function *f)
{
	if (!f->seats)
		return;
	for (struct seat *s = f->seats; s < seats_end(f); s++)
		if (s->at)
			job_release(&s->job, s->at);
}

void function_queue_work(struct function *f, unsigned int q)
{
	job_post(&f->seats[q].job);
}

/* To recall is not enough: what home itself runs must let go as well. */
static void reseat(struct function *f)
{
	struct virtio *v = &f->vp.virtio;
	struct gpa_map *mem = v->mem;

	virtio_quiesce(v);
	f->placing = true;
	virtio_set_memory(v, mem);
}

bool function_queue_stays(const struct function *f, unsigned int q)
{
	const struct virtio_device *d = f->device;

	return d->ops->queue_stays && d->ops->queue_stays(d, q);
}

int function_place(struct function *f, struct seat **fresh, uint32_t q,
		   struct worker *at)
{
	const unsigned int n = f->vp.virtio.nr_queues;

	if (q != SEAT_ALL_QUEUES && q >= n)
		return -ERANGE;
	if (q != SEAT_ALL_QUEUES && at && function_queue_stays(f, q))
		return -EPERM;
	if (!f->seats) {
		f->seats = *fresh;
		*fresh = NULL;
	}
	for (struct seat *s = f->seats; s < seats_end(f); s++)
		if (s->q == q || (q == SEAT_ALL_QUEUES &&
				  !(at && function_queue_stays(f, s->q))))
			s->wanted = at;
	reseat(f);
	return 0;
}

void function_come_home(struct function *f)
{
	bool away = false;

	if (!f->seats)
		return;
	for (struct seat *s = f->seats; s < seats_end(f); s++) {
		away |= s->at != NULL;
		s->wanted = NULL;
	}
	if (away)
		reseat(f);
	letterbox_read(&f->machine->letters);
}

struct worker *function_worker(const struct function *f, unsigned int q)
{
	return f->seats ? f->seats[q].at : NULL;
}
