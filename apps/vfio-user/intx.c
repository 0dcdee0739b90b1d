/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: what shall be bound is told to the service first; only when it agrees
 * is the descriptor taken out of the message and the one before it let go.
 *
 * To bind a line again ends its interrupt: a line that is high is signalled
 * once more.  That is one needless interrupt at most, for a client that adds
 * its resample eventfd while it handles one; known clients mask before that.
 */
#include "apps/vfio-user/intx.h"

#include "apps/vfio-user/conn.h"
#include "ring/discard.h"

void vu_intx_init(struct vu_intx *x)
{
	x->trigger = x->resample = -1;
}

static void let_go(int *fd)
{
	if (*fd >= 0)
		fd_discard(*fd);
	*fd = -1;
}

void vu_intx_fini(struct vu_intx *x)
{
	let_go(&x->trigger);
	let_go(&x->resample);
}

static int bind(struct vu_conn *c, const struct vu_intx *x)
{
	/* Without the one the other has nothing to end. */
	return pciring_line_bind(c->p, PCIRING_LINE_INTX, c->info.function,
				 x->trigger, x->trigger < 0 ? -1 : x->resample);
}

int vu_intx_eventfd(struct vu_conn *c, uint32_t action)
{
	struct vu_intx next = c->intx;
	int err = 0, *fd;

	if (action == VU_SET_MASK)
		return -EOPNOTSUPP;
	if (c->m.nr_fds > 1)
		return -EINVAL;
	fd = action == VU_SET_TRIGGER ? &next.trigger : &next.resample;
	*fd = c->m.nr_fds ? c->m.fds[0] : -1;
	if (next.trigger >= 0 || c->intx.trigger >= 0)
		err = bind(c, &next);
	else if (*fd >= 0 && fd_is_eventfd(*fd) <= 0)
		err = -EINVAL;
	if (err)
		return err;
	c->m.nr_fds = 0; /* it is ours now */
	let_go(action == VU_SET_TRIGGER ? &c->intx.trigger : &c->intx.resample);
	c->intx = next;
	return 0;
}

int vu_intx_disable(struct vu_conn *c)
{
	const struct vu_intx none = { -1, -1 };
	int err = bind(c, &none);

	if (err)
		return err;
	vu_intx_fini(&c->intx);
	/* A mask is of the binding, too: who binds next starts without. */
	return pciring_line_control(c->p, PCIRING_LINE_INTX, c->info.function,
				    PCIRING_IRQ_UNMASK);
}
