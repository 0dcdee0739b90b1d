/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * channel.c - laying out, mapping and unmapping one segment
 *
 *	page 0        struct seg_head      written by the service
 *	page 1        struct seg_client    written by the client
 *	page 2        struct seg_lane[]    wait words and mailboxes
 *	then          request rings, completion rings, the irq ring
 *
 * Both halves map by the same code from a geometry: the service from the one
 * it made, the client from its copy of the reply, which it checks first.  The
 * verbs are in channel_service.c and channel_client.c.
 */
#include "ring/channel.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "ring/shm.h"

#define ESIZE_REQUEST	 ((uint32_t)sizeof(struct msg_access))
#define ESIZE_COMPLETION ((uint32_t)sizeof(struct msg_completion))
#define ESIZE_IRQ	 ((uint32_t)sizeof(struct msg_irq))

/* More than any geometry of ours by far; less than any overflow. */
#define CHANNEL_MAX_SEGMENT (1ull << 30)
#define CHANNEL_MAX_COUNT   (1u << 16)

static_assert(PCIRING_MAX_LANES * sizeof(struct seg_lane) <= SEG_PAGE, "page");
static_assert(sizeof(struct seg_client) <= SEG_PAGE, "page");

int channel_geometry(struct msg_geometry *geo, unsigned int lanes)
{
	struct msg_geometry g = { .lanes = lanes };
	uint32_t end = 3 * SEG_PAGE;

	if (!lanes || lanes > PCIRING_MAX_LANES)
		return -EINVAL;

	g.lane_offset = 2 * SEG_PAGE;
	g.request_offset = end;
	g.request_count = CHANNEL_REQUESTS;
	g.request_stride = ring_shared_size(ESIZE_REQUEST, g.request_count);
	end += lanes * g.request_stride;
	g.completion_offset = end;
	g.completion_count = CHANNEL_COMPLETIONS;
	g.completion_stride =
		ring_shared_size(ESIZE_COMPLETION, g.completion_count);
	end += lanes * g.completion_stride;
	g.irq_offset = end;
	g.irq_count = CHANNEL_IRQS;
	end += ring_shared_size(ESIZE_IRQ, g.irq_count);
	g.segment_size = end;
	*geo = g;
	return 0;
}

struct region {
	uint64_t start;
	uint64_t length;
};

static bool regions_fit(const struct region *r, unsigned int n, uint64_t size)
{
	unsigned int i, j;

	for (i = 0; i < n; i++) {
		if (r[i].start % SEG_PAGE ||
		    !range_inside(r[i].start, r[i].length, size))
			return false;
		for (j = 0; j < i; j++)
			if (r[i].start < r[j].start + r[j].length &&
			    r[j].start < r[i].start + r[i].length)
				return false;
	}
	return true;
}

static bool count_sane(uint32_t count)
{
	return count >= 2 && count <= CHANNEL_MAX_COUNT && is_power_of_2(count);
}

static bool rings_sane(uint32_t count, uint32_t stride, uint32_t esize)
{
	return count_sane(count) && stride % SEG_PAGE == 0 &&
	       stride >= ring_shared_size(esize, count);
}

/* Every product and sum is 64 bits wide over 32-bit factors. */
static bool geometry_sane(const struct msg_geometry *g)
{
	const struct region regions[] = {
		{ 0, SEG_PAGE },
		{ SEG_PAGE, SEG_PAGE },
		{ g->lane_offset, SEG_PAGE },
		{ g->request_offset, (uint64_t)g->lanes * g->request_stride },
		{ g->completion_offset,
		  (uint64_t)g->lanes * g->completion_stride },
		{ g->irq_offset, ring_shared_size(ESIZE_IRQ, g->irq_count) },
	};

	return g->lanes && g->lanes <= PCIRING_MAX_LANES &&
	       g->segment_size <= CHANNEL_MAX_SEGMENT &&
	       g->segment_size % SEG_PAGE == 0 &&
	       rings_sane(g->request_count, g->request_stride, ESIZE_REQUEST) &&
	       rings_sane(g->completion_count, g->completion_stride,
			  ESIZE_COMPLETION) &&
	       count_sane(g->irq_count) &&
	       regions_fit(regions, ARRAY_SIZE(regions), g->segment_size);
}

static int lane_map(struct channel *ch, unsigned int i)
{
	const struct msg_geometry *g = &ch->geo;
	struct channel_lane *lane = &ch->lane[i];
	int err;

	lane->shared = &ch->lanes_shared[i];
	err = ring_map(&lane->request, ch->fd,
		       g->request_offset + (uint64_t)i * g->request_stride,
		       ESIZE_REQUEST, g->request_count);
	if (err)
		return err;
	return ring_map(&lane->completion, ch->fd,
			g->completion_offset +
				(uint64_t)i * g->completion_stride,
			ESIZE_COMPLETION, g->completion_count);
}

static void channel_unmap(struct channel *ch)
{
	unsigned int i;

	for (i = 0; i < PCIRING_MAX_LANES; i++) {
		ring_unmap(&ch->lane[i].request);
		ring_unmap(&ch->lane[i].completion);
	}
	ring_unmap(&ch->irq);
	shm_unmap(ch->head, SEG_PAGE);
	shm_unmap(ch->client, SEG_PAGE);
	shm_unmap(ch->lanes_shared, SEG_PAGE);
}

/* Map what ch->geo, already known to be sane, says about ch->fd. */
static int channel_map(struct channel *ch)
{
	unsigned int i;
	int err;

	ch->head = shm_map(ch->fd, 0, SEG_PAGE);
	ch->client = shm_map(ch->fd, SEG_PAGE, SEG_PAGE);
	ch->lanes_shared = shm_map(ch->fd, ch->geo.lane_offset, SEG_PAGE);
	if (!ch->head || !ch->client || !ch->lanes_shared) {
		err = -errno;
		goto unmap;
	}
	for (i = 0; i < ch->geo.lanes; i++) {
		err = lane_map(ch, i);
		if (err)
			goto unmap;
	}
	err = ring_map(&ch->irq, ch->fd, ch->geo.irq_offset, ESIZE_IRQ,
		       ch->geo.irq_count);
	if (err)
		goto unmap;
	return 0;

unmap:
	channel_unmap(ch);
	return err;
}

static void channel_blank(struct channel *ch)
{
	memset(ch, 0, sizeof(*ch));
	ch->fd = ch->kick_fd = -1;
}

static void close_if_open(int fd)
{
	if (fd >= 0)
		close(fd);
}

void channel_break(struct channel *ch, enum channel_fault why)
{
	uint8_t whole = CHANNEL_WHOLE;

	/* By compare and exchange: of a client's threads the first one's reason
	 * stays.  Relaxed: see channel_broken(). */
	(void)atomic_compare_exchange_strong_explicit(
		&ch->fault, &whole, (uint8_t)why, memory_order_relaxed,
		memory_order_relaxed);
}

void channel_fini(struct channel *ch)
{
	channel_unmap(ch);
	close_if_open(ch->fd);
	close_if_open(ch->kick_fd);
	channel_blank(ch);
}

int channel_create(struct channel *ch, unsigned int lanes, uint32_t epoch)
{
	int err;

	channel_blank(ch);
	err = channel_geometry(&ch->geo, lanes);
	if (err)
		return err;

	ch->fd = err = shm_create("pciring", ch->geo.segment_size);
	if (err < 0)
		goto fini;
	ch->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (ch->kick_fd < 0) {
		err = -errno;
		goto fini;
	}
	err = channel_map(ch);
	if (err)
		goto fini;
	ch->head->magic = SEG_MAGIC;
	ch->head->epoch = epoch;
	return 0;

fini:
	close_if_open(ch->fd);
	close_if_open(ch->kick_fd);
	channel_blank(ch);
	return err;
}

int channel_open(struct channel *ch, const struct msg_geometry *geo,
		 const int fds[MSG_NR_FDS])
{
	int err;

	channel_blank(ch);
	if (!geometry_sane(geo) ||
	    shm_check(fds[MSG_FD_SEGMENT], geo->segment_size))
		return -EPROTO;

	ch->geo = *geo;
	ch->fd = fds[MSG_FD_SEGMENT];
	err = channel_map(ch);
	if (err) {
		channel_blank(ch);
		return err;
	}
	if (ch->head->magic != SEG_MAGIC) {
		channel_unmap(ch);
		channel_blank(ch);
		return -EPROTO;
	}
	ch->kick_fd = fds[MSG_FD_KICK];
	return 0;
}
