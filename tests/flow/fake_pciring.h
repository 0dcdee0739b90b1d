/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fake_pciring.h - libpciring without a service, for what calls it
 *
 * Defines pciring_*() for the program that includes it, which must be exactly
 * one file of it: as part of an archive it would get in the real one's way.
 * One function with a BAR0 of 4 KiB, a BAR4 of 16 KiB, 256 bytes of
 * configuration space, FAKE_VECTORS vectors and a line that fake_line() raises
 * and lowers; all of its bytes are memory.
 *
 * Threads   the caller's; the fake itself has none and locks nothing
 */
#ifndef TESTS_FAKE_PCIRING_H
#define TESTS_FAKE_PCIRING_H

#include <unistd.h>

#include "ring/base.h"
#include "ring/discard.h"
#include "ring/pciring.h"

#define FAKE_FUNCTION 8 /* 00:01.0 */
#ifndef FAKE_MAPS
#define FAKE_MAPS 64
#endif
#define FAKE_CHECKED  64 /* so many maps are looked at for an overlap */
#define FAKE_VECTORS  32
#define FAKE_BAR_SIZE 0x4000
#define FAKE_DOORBELL 0x3000 /* in BAR4: 8 doorbells of 2 bytes */

struct pciring {
	int fail;  /* -errno for whatever is called next, while it is set */
	bool full; /* nothing can be posted */
	uint8_t config[256];
	uint8_t bar0[4096];
	uint8_t bar4[FAKE_BAR_SIZE];
	unsigned int accesses, posts, resets, unmap_alls;
	struct pciring_access last;
	struct {
		uint64_t gpa, size, offset;
		uint32_t flags;
		bool has_fd;
	} map[FAKE_MAPS];
	unsigned int maps;
	int bound[FAKE_VECTORS]; /* owned; -1: none */
	bool masked[FAKE_VECTORS];
	bool latched[FAKE_VECTORS];
	struct {
		int fd, resample; /* owned; -1: none */
		bool high, busy, masked;
		unsigned int binds;
	} line;
};

static struct pciring fake;
static unsigned int fake_pin = 1; /* 0: the function has no line */

static inline struct pciring *fake_init(void)
{
	fake = (struct pciring){ 0 };
	for (unsigned int i = 0; i < FAKE_VECTORS; i++)
		fake.bound[i] = -1;
	fake.line.fd = fake.line.resample = -1;
	for (unsigned int i = 0; i < sizeof(fake.config); i++)
		fake.config[i] = (uint8_t)i;
	return &fake;
}

static inline void fake_fini(void)
{
	for (unsigned int i = 0; i < FAKE_VECTORS; i++)
		if (fake.bound[i] >= 0)
			close(fake.bound[i]);
	if (fake.line.fd >= 0)
		close(fake.line.fd);
	if (fake.line.resample >= 0)
		close(fake.line.resample);
}

static inline void fake_fire(struct pciring *p, unsigned int vector)
{
	const uint64_t one = 1;

	p->latched[vector] = p->masked[vector] || p->bound[vector] < 0;
	if (!p->latched[vector] &&
	    write(p->bound[vector], &one, sizeof(one)) != sizeof(one))
		p->latched[vector] = true;
}

static inline void fake_line_signal(struct pciring *p)
{
	const uint64_t one = 1;

	if (!p->line.high || p->line.busy || p->line.masked || p->line.fd < 0)
		return;
	p->line.busy = write(p->line.fd, &one, sizeof(one)) == sizeof(one);
}

static inline void fake_line(struct pciring *p, bool high)
{
	if (p->line.high == high)
		return;
	p->line.high = high;
	fake_line_signal(p);
}

int pciring_function_info(struct pciring *p, uint16_t function,
			  struct pciring_function_info *info)
{
	if (p->fail)
		return p->fail;
	*info = (struct pciring_function_info){
		.function = function,
		.msix_vectors = FAKE_VECTORS,
		.intx_pin = (uint16_t)fake_pin,
		.config_size = sizeof(p->config),
		.bar_size = { [0] = sizeof(p->bar0), [4] = sizeof(p->bar4) },
	};
	return function == FAKE_FUNCTION ? 0 : -ENOENT;
}

int pciring_function_reset(struct pciring *p, uint16_t function)
{
	p->resets++;
	return p->fail ? p->fail : function == FAKE_FUNCTION ? 0 : -ENOENT;
}

int pciring_dma_map(struct pciring *p, uint64_t gpa, uint64_t size, int fd,
		    uint64_t offset, uint32_t flags)
{
	if (p->fail)
		return p->fail;
	if (p->maps == FAKE_MAPS)
		return -ENOSPC;
	for (unsigned int i = 0; i < p->maps && i < FAKE_CHECKED; i++)
		assert(gpa > p->map[i].gpa + (p->map[i].size - 1) ||
		       p->map[i].gpa > gpa + (size - 1));
	p->map[p->maps].gpa = gpa;
	p->map[p->maps].size = size;
	p->map[p->maps].offset = offset;
	p->map[p->maps].flags = flags;
	p->map[p->maps++].has_fd = fd >= 0;
	return 0;
}

int pciring_dma_unmap(struct pciring *p, uint64_t gpa, uint64_t size)
{
	if (p->fail)
		return p->fail;
	/* From the end: clients tend to undo what they did last. */
	for (unsigned int i = p->maps; i-- > 0;) {
		if (p->map[i].gpa != gpa || p->map[i].size != size)
			continue;
		p->map[i] = p->map[--p->maps];
		return 0;
	}
	return -ENOENT;
}

int pciring_dma_unmap_all(struct pciring *p)
{
	p->unmap_alls++;
	if (!p->fail)
		p->maps = 0;
	return p->fail;
}

/* The bytes that @a means; NULL if there are none. */
static inline uint8_t *fake_bytes(struct pciring *p,
				  const struct pciring_access *a)
{
	uint8_t *bytes = NULL;
	size_t size = 0;

	if (a->space == PCIRING_SPACE_CONFIG) {
		bytes = p->config;
		size = sizeof(p->config);
		/* As on the bus: no access leaves its dword. */
		assert(a->size <= 4 && a->address % a->size == 0);
	} else if (a->space == PCIRING_SPACE_BAR0) {
		bytes = p->bar0;
		size = sizeof(p->bar0);
	} else if (a->space == PCIRING_SPACE_BAR0 + 4) {
		bytes = p->bar4;
		size = sizeof(p->bar4);
	}
	return range_inside(a->address, a->size, size) ? bytes + a->address
						       : NULL;
}

int pciring_access(struct pciring *p, unsigned int lane,
		   struct pciring_access *a)
{
	uint8_t *bytes = fake_bytes(p, a);

	assert(lane == 0 && a->function == FAKE_FUNCTION);
	assert(a->size <= 8 && is_power_of_2(a->size) && bytes);
	p->accesses++;
	p->last = *a;
	if (p->fail)
		return p->fail;
	if (a->write)
		store_le(bytes, a->size, a->value);
	else
		a->value = load_le(bytes, a->size);
	return 0;
}

int pciring_may_post(const struct pciring *p, const struct pciring_access *a)
{
	(void)p;
	return a->write && a->space == PCIRING_SPACE_BAR0 + 4 && a->size == 2 &&
	       a->address >= FAKE_DOORBELL && a->address < FAKE_DOORBELL + 16 &&
	       a->address % 2 == 0;
}

int pciring_post(struct pciring *p, unsigned int lane,
		 const struct pciring_access *a)
{
	uint8_t *bytes = fake_bytes(p, a);

	assert(lane == 0 && pciring_may_post(p, a) && bytes);
	if (p->fail || p->full)
		return p->fail ? p->fail : -EAGAIN;
	p->posts++;
	store_le(bytes, a->size, a->value);
	return 0;
}

int pciring_irq_bind(struct pciring *p, uint16_t function, unsigned int start,
		     unsigned int count, const int *fds)
{
	assert(function == FAKE_FUNCTION && count);
	assert(range_inside(start, count, FAKE_VECTORS));
	if (p->fail)
		return p->fail;
	for (unsigned int i = 0; i < count; i++) {
		int *bound = &p->bound[start + i];

		if (*bound >= 0)
			close(*bound);
		*bound = fds && fds[i] >= 0 ? dup(fds[i]) : -1;
		if (*bound >= 0 && p->latched[start + i])
			fake_fire(p, start + i);
	}
	return 0;
}

/* As a service that is older: which queues a device has is not faked. */
int pciring_kick_bind(struct pciring *p, uint16_t function, unsigned int queue,
		      int fd, struct pciring_doorbell *out)
{
	assert(function == FAKE_FUNCTION && !queue && fd >= 0 && out);
	return p->fail ? p->fail : -EOPNOTSUPP;
}

int pciring_irq_control(struct pciring *p, uint16_t function,
			unsigned int start, unsigned int count,
			unsigned int action)
{
	assert(function == FAKE_FUNCTION && count);
	assert(range_inside(start, count, FAKE_VECTORS));
	for (unsigned int i = start; !p->fail && i < start + count; i++) {
		if (action == PCIRING_IRQ_TRIGGER)
			fake_fire(p, i);
		else
			p->masked[i] = action == PCIRING_IRQ_MASK;
		if (action == PCIRING_IRQ_UNMASK && p->latched[i])
			fake_fire(p, i);
	}
	return p->fail;
}

static inline int fake_eventfd(int fd)
{
	return fd < 0 || fd_is_eventfd(fd) == 1 ? 0 : -EINVAL;
}

int pciring_line_bind(struct pciring *p, unsigned int kind, uint32_t number,
		      int fd, int resample_fd)
{
	assert(kind == PCIRING_LINE_INTX && number == FAKE_FUNCTION &&
	       fake_pin);
	assert(fd >= 0 || resample_fd < 0);
	if (p->fail)
		return p->fail;
	if (fake_eventfd(fd) || fake_eventfd(resample_fd))
		return -EINVAL;
	if (p->line.fd >= 0)
		close(p->line.fd);
	if (p->line.resample >= 0)
		close(p->line.resample);
	p->line.fd = fd >= 0 ? dup(fd) : -1;
	p->line.resample = resample_fd >= 0 ? dup(resample_fd) : -1;
	p->line.busy = false;
	p->line.binds++;
	fake_line_signal(p);
	return 0;
}

int pciring_line_control(struct pciring *p, unsigned int kind, uint32_t number,
			 unsigned int action)
{
	const uint64_t one = 1;

	assert(kind == PCIRING_LINE_INTX && number == FAKE_FUNCTION &&
	       fake_pin);
	if (p->fail)
		return p->fail;
	if (action == PCIRING_IRQ_TRIGGER) {
		if (p->line.fd >= 0 &&
		    write(p->line.fd, &one, sizeof(one)) != sizeof(one))
			return -EIO;
		return 0;
	}
	p->line.masked = action == PCIRING_IRQ_MASK;
	if (action == PCIRING_IRQ_UNMASK) {
		p->line.busy = false;
		fake_line_signal(p);
	}
	return 0;
}

#endif
