/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/devices/net_port_wake.h"

#include <poll.h>
#include <unistd.h>

static void readable(struct uring_op *op, int32_t res)
{
	struct net_wake *w = container_of(op, struct net_wake, op);
	uint64_t count;

	w->armed = false;
	/* Nothing there is as good as emptied. */
	if (res > 0 && w->counts && read(w->fd, &count, sizeof(count)) < 0)
		return;
}

void net_wake_init(struct net_wake *w, int fd, bool counts)
{
	*w = (struct net_wake){
		.op.done = readable,
		.fd = fd,
		.counts = counts,
	};
}

bool net_wake_arm(struct net_wake *w)
{
	struct io_uring_sqe *sqe;

	if (w->armed || w->fd < 0)
		return w->armed;
	sqe = uring_sqe(&w->op);
	if (!sqe)
		return false;
	io_uring_prep_poll_add(sqe, w->fd, POLLIN);
	w->armed = true;
	return true;
}

void net_wake_disarm(struct net_wake *w)
{
	if (!w->armed)
		return;
	uring_cancel(&w->op);
	while (w->armed)
		uring_wait();
}
