/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: the service says how large each region is, and keeps everything that is
 * in it; here only the range is checked and the access passed on.
 *
 * A write that the service allows to be posted is a doorbell.  Doorbells carry
 * no order, so such a write is answered, if the client wants an answer, as soon
 * as it is on the ring.  All other writes have been seen by the device before
 * the next message is looked at, also those that no reply was asked for: a
 * later read has to find their effect.
 */
#include "apps/vfio-user/region.h"

#include "apps/vfio-user/conn.h"

static uint64_t region_size(const struct vu_conn *c, uint32_t index)
{
	if (index <= VU_REGION_BAR5)
		return c->info.bar_size[index];
	return index == VU_REGION_CONFIG ? c->info.config_size : 0;
}

int vu_region_info(struct vu_conn *c)
{
	struct vu_region_info info;
	uint64_t size;

	memcpy(&info, c->in, sizeof(info));
	if (info.argsz < sizeof(info) || info.index >= VU_NR_REGIONS)
		return -EINVAL;
	size = region_size(c, info.index);
	info = (struct vu_region_info){
		.argsz = sizeof(info),
		.flags = size ? VU_REGION_READABLE | VU_REGION_WRITABLE : 0,
		.index = info.index,
		.size = size,
	};
	memcpy(c->out.payload, &info, sizeof(info));
	c->m.answer = sizeof(info);
	return 0;
}

static struct pciring_access access_at(const struct vu_conn *c, uint32_t region,
				       uint64_t offset, unsigned int size)
{
	return (struct pciring_access){
		.address = offset,
		.function = c->info.function,
		.space = (uint8_t)(region == VU_REGION_CONFIG
					   ? PCIRING_SPACE_CONFIG
					   : PCIRING_SPACE_BAR0 + region),
		.size = (uint8_t)size,
	};
}

/* How many of @left bytes at @offset go in one access. */
static unsigned int piece(uint32_t region, uint64_t offset, uint32_t left,
			  bool first)
{
	unsigned int size = 4;

	if (first && region != VU_REGION_CONFIG && left <= 8 &&
	    is_power_of_2(left))
		return left;
	while (size > left || (offset & (size - 1)))
		size /= 2;
	return size;
}

static int check_range(const struct vu_conn *c, uint32_t region,
		       uint64_t offset, uint32_t count)
{
	if (region >= VU_NR_REGIONS || !count || count > VU_MAX_XFER ||
	    !range_inside(offset, count, region_size(c, region)))
		return -EINVAL;
	return 0;
}

int vu_region_read(struct vu_conn *c)
{
	struct vu_region_access ra;
	uint8_t *data = c->out.payload + sizeof(ra);
	unsigned int size;
	int err;

	memcpy(&ra, c->in, sizeof(ra));
	err = check_range(c, ra.region, ra.offset, ra.count);
	for (uint32_t done = 0; !err && done < ra.count; done += size) {
		struct pciring_access a;

		size = piece(ra.region, ra.offset + done, ra.count - done,
			     done == 0);
		a = access_at(c, ra.region, ra.offset + done, size);
		err = pciring_access(c->p, VU_LANE, &a);
		store_le(data + done, size, a.value);
	}
	if (err)
		return err;
	memcpy(c->out.payload, &ra, sizeof(ra));
	c->m.answer = sizeof(ra) + ra.count;
	return 0;
}

/* One access; a doorbell does not wait unless the ring is full. */
static int write_one(struct vu_conn *c, struct pciring_access *a)
{
	int err;

	a->write = 1;
	if (pciring_may_post(c->p, a)) {
		err = pciring_post(c->p, VU_LANE, a);
		/* -EPERM: the window closed since. */
		if (err != -EAGAIN && err != -EPERM) {
			c->posted += !err;
			return err;
		}
	}
	return pciring_access(c->p, VU_LANE, a);
}

static int write_range(struct vu_conn *c, uint32_t region, uint64_t offset,
		       uint32_t count, const uint8_t *data)
{
	int err = check_range(c, region, offset, count);
	unsigned int size;

	for (uint32_t done = 0; !err && done < count; done += size) {
		struct pciring_access a;

		size = piece(region, offset + done, count - done, done == 0);
		a = access_at(c, region, offset + done, size);
		a.value = load_le(data + done, size);
		err = write_one(c, &a);
	}
	return err;
}

int vu_region_write(struct vu_conn *c)
{
	struct vu_region_access ra;
	int err;

	memcpy(&ra, c->in, sizeof(ra));
	if (c->m.length - sizeof(ra) < ra.count)
		return -EINVAL;
	err = write_range(c, ra.region, ra.offset, ra.count,
			  c->in + sizeof(ra));
	if (err)
		return err;
	memcpy(c->out.payload, &ra, sizeof(ra));
	c->m.answer = sizeof(ra);
	return 0;
}

/* In order, to the first that is refused; the answer says how many were done. */
int vu_region_write_multi(struct vu_conn *c)
{
	uint64_t count, done;
	int err = 0;

	memcpy(&count, c->in, sizeof(count));
	if (count >
	    (c->m.length - sizeof(count)) / sizeof(struct vu_region_write))
		return -EINVAL;
	for (done = 0; done < count; done++) {
		struct vu_region_write w;

		memcpy(&w, c->in + sizeof(count) + done * sizeof(w), sizeof(w));
		err = w.count > sizeof(w.data)
			      ? -EINVAL
			      : write_range(c, w.region, w.offset, w.count,
					    (const uint8_t *)&w.data);
		if (err)
			break;
	}
	if (err == -EPIPE)
		return err;
	c->refused += err != 0;
	memcpy(c->out.payload, &done, sizeof(done));
	c->m.answer = sizeof(done);
	return 0;
}
