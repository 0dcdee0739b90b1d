/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: SET_IRQS is one kind of data and one action; what a client may say of
 * a range is decided first, then it is one call of libpciring.
 *
 *   MSI-X     NONE                BOOL              EVENTFD
 * MASK        latch               latch those set   -EOPNOTSUPP
 * UNMASK      deliver             deliver those set -EOPNOTSUPP
 * TRIGGER     fire; count 0: all  fire those set    bind; none given: unbind
 *             unbound, unmasked
 *
 * The error interrupt is there because QEMU warns its user where it is not.
 * None of our functions ever has an error to tell, so an eventfd bound to it
 * is accepted and not kept.
 */
#include "apps/vfio-user/irq.h"

#include "apps/vfio-user/conn.h"

static uint32_t irq_count(const struct vu_conn *c, uint32_t index)
{
	switch (index) {
	case VU_IRQ_INTX:
		return c->info.intx_pin != 0;
	case VU_IRQ_MSIX:
		return c->info.msix_vectors;
	case VU_IRQ_ERR:
		return 1;
	default:
		return 0;
	}
}

static uint32_t irq_flags(uint32_t index)
{
	switch (index) {
	case VU_IRQ_INTX:
		return VU_IRQ_EVENTFD | VU_IRQ_MASKABLE | VU_IRQ_AUTOMASKED;
	case VU_IRQ_MSIX:
		return VU_IRQ_EVENTFD | VU_IRQ_MASKABLE;
	default:
		return VU_IRQ_EVENTFD;
	}
}

int vu_irq_info(struct vu_conn *c)
{
	struct vu_irq_info info;

	memcpy(&info, c->in, sizeof(info));
	if (info.argsz < sizeof(info) || info.index >= VU_NR_IRQS)
		return -EINVAL;
	info.argsz = sizeof(info);
	info.count = irq_count(c, info.index);
	info.flags = info.count ? irq_flags(info.index) : 0;
	memcpy(c->out.payload, &info, sizeof(info));
	c->m.answer = sizeof(info);
	return 0;
}

static int unbind(struct vu_conn *c, uint32_t start, uint32_t count)
{
	return pciring_irq_bind(c->p, c->info.function, start, count, NULL);
}

static int disable(struct vu_conn *c, uint32_t index, uint32_t count)
{
	int err;

	if (!count)
		return 0;
	if (index == VU_IRQ_INTX)
		return vu_intx_disable(c);
	err = unbind(c, 0, count);
	if (err)
		return err;
	/* A mask is of the binding, too.  In this order: what is latched waits
	 * for who binds next. */
	return pciring_irq_control(c->p, c->info.function, 0, count,
				   PCIRING_IRQ_UNMASK);
}

static int set_eventfds(struct vu_conn *c, const struct vu_set_irqs *set)
{
	if (set->index == VU_IRQ_INTX)
		return vu_intx_eventfd(c, set->flags & VU_SET_ACTION);
	if (!(set->flags & VU_SET_TRIGGER))
		return -EOPNOTSUPP;
	if (!c->m.nr_fds)
		return unbind(c, set->start, set->count);
	if (c->m.nr_fds != set->count)
		return -EINVAL;
	return pciring_irq_bind(c->p, c->info.function, set->start, set->count,
				c->m.fds);
}

static unsigned int action_of(uint32_t flags)
{
	if (flags & VU_SET_MASK)
		return PCIRING_IRQ_MASK;
	return flags & VU_SET_UNMASK ? PCIRING_IRQ_UNMASK : PCIRING_IRQ_TRIGGER;
}

static int control(struct vu_conn *c, const struct vu_set_irqs *set,
		   uint32_t start, uint32_t count)
{
	unsigned int action = action_of(set->flags);

	if (set->index == VU_IRQ_INTX)
		return pciring_line_control(c->p, PCIRING_LINE_INTX,
					    c->info.function, action);
	return pciring_irq_control(c->p, c->info.function, start, count,
				   action);
}

/* A byte for each vector says whether it is meant; neighbours go together. */
static int set_bools(struct vu_conn *c, const struct vu_set_irqs *set)
{
	const uint8_t *meant = c->in + sizeof(*set);
	uint32_t from, to;
	int err;

	if (c->m.length - sizeof(*set) < set->count)
		return -EINVAL;
	for (from = 0; from < set->count; from = to) {
		for (to = from; to < set->count && meant[to]; to++)
			;
		if (to == from) {
			to++;
			continue;
		}
		err = control(c, set, set->start + from, to - from);
		if (err)
			return err;
	}
	return 0;
}

/* -EINVAL unless @set is well formed for an index of @count interrupts. */
static int check_set(const struct vu_set_irqs *set, uint32_t count)
{
	if ((set->flags & ~(VU_SET_DATA | VU_SET_ACTION)) ||
	    !is_power_of_2(set->flags & VU_SET_DATA) ||
	    !is_power_of_2(set->flags & VU_SET_ACTION))
		return -EINVAL;
	/* The only legal count of zero is "disable the whole index". */
	if (!set->count)
		return set->start == 0 && set->flags ==
						  (VU_SET_NONE | VU_SET_TRIGGER)
			       ? 0
			       : -EINVAL;
	return range_inside(set->start, set->count, count) ? 0 : -EINVAL;
}

static int set_error(const struct vu_conn *c, const struct vu_set_irqs *set)
{
	if (!(set->flags & VU_SET_TRIGGER))
		return -EOPNOTSUPP;
	return c->m.nr_fds > 1 ? -EINVAL : 0;
}

int vu_irq_set(struct vu_conn *c)
{
	struct vu_set_irqs set;
	uint32_t count;
	int err;

	memcpy(&set, c->in, sizeof(set));
	if (set.index >= VU_NR_IRQS)
		return -EINVAL;
	count = irq_count(c, set.index);
	err = check_set(&set, count);
	if (err)
		return err;
	if (set.index == VU_IRQ_ERR)
		return set_error(c, &set);
	if (!set.count)
		return disable(c, set.index, count);
	if (set.flags & VU_SET_EVENTFD)
		return set_eventfds(c, &set);
	if (set.flags & VU_SET_BOOL)
		return set_bools(c, &set);
	return control(c, &set, set.start, set.count);
}
