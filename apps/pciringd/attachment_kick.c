/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * attachment_kick.c - the doorbells that a client binds to eventfds
 *
 * How: as vectors, the limit is judged on the loop, which alone knows what is
 * bound; a bind that replaces another counts as one.
 */
#include <unistd.h>

#include "apps/pciringd/attachment.h"
#include "ring/discard.h"

struct kick_call {
	struct link *link;
	const struct msg_kick *bind;
	struct kick_fd *fresh, *old;
	unsigned int most; /* of the machine */
	int err;
};

static void bind_kick(void *arg)
{
	struct kick_call *c = arg;
	struct machine *m = c->link->machine;

	c->err = link_kick_bind(c->link, c->bind->function, c->bind->queue,
				c->fresh, &c->old);
	if (c->err || m->nr_kick_fds <= c->most)
		return;
	/* One too many, so it replaced none. */
	c->err = link_kick_bind(c->link, c->bind->function, c->bind->queue,
				NULL, &c->old);
	assert(!c->err && c->old == c->fresh);
	c->old = NULL;
	c->err = -ENOSPC;
}

static int make_kick(struct attachment *a, int fd, uint16_t queue,
		     struct kick_fd **out)
{
	struct service_budget *b = &a->machine->service->budget;

	if (fd_is_eventfd(fd) != 1)
		return -EINVAL;
	if (!budget_fd(b, fd))
		return budget_refuse_fd(b, a->machine->machine->name);
	return kick_fd_create(fd, queue, out);
}

int attachment_kick_bind(struct attachment *a, const struct msg_kick *bind,
			 int fd, struct msg_kick *reply)
{
	struct service *s = a->machine->service;
	struct kick_call c = { .link = &a->link,
			       .bind = bind,
			       .most = s->limits.kicks };
	int err = fd < 0 ? 0 : make_kick(a, fd, bind->queue, &c.fresh);

	if (err)
		return err;
	service_run(a->machine, bind_kick, &c);
	if (c.err)
		kick_fd_destroy(c.fresh); /* the descriptor is the caller's */
	fd = kick_fd_destroy(c.old);
	if (fd >= 0)
		close(fd);
	if (c.err == -ENOSPC)
		return limits_refuse(&s->budget, a->machine->machine->name,
				     c.most, "bound doorbells", "--max-kicks");
	if (c.err)
		return c.err;
	reply->offset = VIRTIO_PCI_NOTIFY +
			(uint64_t)bind->queue * VIRTIO_PCI_NOTIFY_MULT;
	reply->function = bind->function;
	reply->queue = bind->queue;
	reply->bar = VIRTIO_PCI_BAR;
	reply->length = VIRTIO_PCI_NOTIFY_MULT;
	return 0;
}
