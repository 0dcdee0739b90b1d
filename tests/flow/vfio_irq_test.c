/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SET_IRQS: each kind of data with each action, ranges, and descriptors.
 */
#include "tests/flow/vfio_server.h"

#define NONE	0x01u
#define BOOL	0x02u
#define EVENTFD 0x04u
#define MASK	0x08u
#define UNMASK	0x10u
#define TRIGGER 0x20u
#define INTX	0
#define MSI	1
#define MSIX	2
#define ERR	3

/* How often @fd was written since the last look. */
static uint64_t fired(int fd)
{
	uint64_t n = 0;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

static int set(struct server *s, uint32_t flags, uint32_t start, uint32_t count,
	       const int *fds, unsigned int nr_fds)
{
	return vfio_raw_set_irqs(&s->v, MSIX, flags, start, count, fds, nr_fds);
}

struct judged {
	uint32_t index, flags, start, count, fds;
	int error;
};

static const struct judged judged[] = {
	/* Disable a whole index: the only count of 0. */
	{ 0, NONE | TRIGGER, 0, 0, 0, 0 },
	{ 1, NONE | TRIGGER, 0, 0, 0, 0 },
	{ 2, NONE | TRIGGER, 0, 0, 0, 0 },
	{ 3, NONE | TRIGGER, 0, 0, 0, 0 },
	{ 4, NONE | TRIGGER, 0, 0, 0, 0 },
	{ 5, NONE | TRIGGER, 0, 0, 0, EINVAL },
	{ 2, NONE | TRIGGER, 1, 0, 0, EINVAL },
	{ 2, NONE | MASK, 0, 0, 0, EINVAL },
	{ 2, NONE | UNMASK, 0, 0, 0, EINVAL },
	{ 2, BOOL | TRIGGER, 0, 0, 0, EINVAL },
	{ 2, EVENTFD | TRIGGER, 0, 0, 0, EINVAL },
	/* The one line: a descriptor or none. */
	{ INTX, EVENTFD | TRIGGER, 0, 1, 1, 0 },
	{ INTX, EVENTFD | TRIGGER, 0, 1, 0, 0 },
	{ INTX, EVENTFD | TRIGGER, 0, 1, 2, EINVAL },
	{ INTX, EVENTFD | UNMASK, 0, 1, 1, 0 },
	{ INTX, EVENTFD | UNMASK, 0, 1, 0, 0 },
	{ INTX, EVENTFD | UNMASK, 0, 1, 2, EINVAL },
	{ INTX, EVENTFD | MASK, 0, 1, 1, EOPNOTSUPP },
	{ INTX, EVENTFD | MASK, 0, 1, 0, EOPNOTSUPP },
	{ INTX, EVENTFD | TRIGGER, 0, 0, 0, EINVAL },
	{ INTX, EVENTFD | TRIGGER, 0, 2, 2, EINVAL },
	{ INTX, EVENTFD | TRIGGER, 1, 1, 1, EINVAL },
	{ INTX, NONE | TRIGGER, 0, 1, 0, 0 },
	{ INTX, NONE | MASK, 0, 1, 0, 0 },
	{ INTX, NONE | UNMASK, 0, 1, 0, 0 },
	{ INTX, NONE | UNMASK, 0, 2, 0, EINVAL },
	{ INTX, NONE | UNMASK, 0, 0, 0, EINVAL },
	{ INTX, BOOL | UNMASK, 0, 1, 0, EINVAL },
	/* What the function does not have. */
	{ MSI, EVENTFD | TRIGGER, 0, 1, 1, EINVAL },
	{ MSI, NONE | MASK, 0, 1, 0, EINVAL },
	{ 4, EVENTFD | TRIGGER, 0, 1, 1, EINVAL },
	/* An error interrupt, which never comes, may be bound. */
	{ 3, EVENTFD | TRIGGER, 0, 1, 1, 0 },
	{ 3, EVENTFD | TRIGGER, 0, 1, 0, 0 },
	{ 3, EVENTFD | TRIGGER, 0, 1, 2, EINVAL },
	{ 3, EVENTFD | TRIGGER, 0, 2, 2, EINVAL },
	{ 3, EVENTFD | MASK, 0, 1, 1, EOPNOTSUPP },
	/* One kind of data, one action, nothing else. */
	{ 2, NONE, 0, 1, 0, EINVAL },
	{ 2, TRIGGER, 0, 1, 0, EINVAL },
	{ 2, 0, 0, 1, 0, EINVAL },
	{ 2, NONE | BOOL | TRIGGER, 0, 1, 0, EINVAL },
	{ 2, NONE | EVENTFD | TRIGGER, 0, 1, 1, EINVAL },
	{ 2, NONE | MASK | UNMASK, 0, 1, 0, EINVAL },
	{ 2, EVENTFD | MASK | TRIGGER, 0, 1, 1, EINVAL },
	{ 2, NONE | TRIGGER | 0x40, 0, 1, 0, EINVAL },
	/* Ranges. */
	{ 2, NONE | MASK, 0, 32, 0, 0 },
	{ 2, NONE | UNMASK, 0, 32, 0, 0 },
	{ 2, NONE | TRIGGER, 31, 1, 0, 0 },
	{ 2, NONE | TRIGGER, 32, 1, 0, EINVAL },
	{ 2, NONE | TRIGGER, 31, 2, 0, EINVAL },
	{ 2, NONE | TRIGGER, 0, 33, 0, EINVAL },
	{ 2, NONE | TRIGGER, ~0u, 2, 0, EINVAL },
	{ 2, EVENTFD | TRIGGER, 1, ~0u, 0, EINVAL },
	/* As many descriptors as vectors, or none. */
	{ 2, EVENTFD | TRIGGER, 0, 2, 2, 0 },
	{ 2, EVENTFD | TRIGGER, 0, 2, 1, EINVAL },
	{ 2, EVENTFD | TRIGGER, 0, 2, 3, EINVAL },
	{ 2, EVENTFD | TRIGGER, 0, 2, 0, 0 },
	{ 2, EVENTFD | TRIGGER, 16, 16, 16, 0 },
	{ 2, EVENTFD | TRIGGER, 0, 32, 32, 0 },
	{ 2, EVENTFD | TRIGGER, 0, 32, 0, 0 },
	/* Masking by eventfd is for INTx. */
	{ 2, EVENTFD | MASK, 0, 1, 1, EOPNOTSUPP },
	{ 2, EVENTFD | UNMASK, 0, 1, 1, EOPNOTSUPP },
	/* A byte for each vector has to come along. */
	{ 2, BOOL | TRIGGER, 0, 1, 0, EINVAL },
};

static void the_whole_matrix(void **state)
{
	struct server *s = *state;
	unsigned int before;
	int fds[32];

	for (unsigned int i = 0; i < 32; i++)
		fds[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	before = vfio_count_fds(0);
	for (size_t i = 0; i < ARRAY_SIZE(judged); i++) {
		const struct judged *j = &judged[i];
		int err = vfio_raw_set_irqs(&s->v, j->index, j->flags, j->start,
					    j->count, fds, j->fds);

		if (err != -j->error)
			fail_msg("line %zu: %d", i, err);
		/* What stays open is what is bound, or remembered. */
		assert_int_equal(set(s, NONE | TRIGGER, 0, 0, NULL, 0), 0);
		assert_int_equal(vfio_raw_set_irqs(&s->v, INTX, NONE | TRIGGER,
						   0, 0, NULL, 0),
				 0);
		if (vfio_count_fds(0) != before)
			fail_msg("line %zu: a descriptor stayed", i);
	}
	for (unsigned int i = 0; i < 32; i++)
		close(fds[i]);
}

static void a_bound_vector_fires_and_an_unbound_one_latches(void **state)
{
	struct server *s = *state;
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	assert_int_equal(set(s, EVENTFD | TRIGGER, 7, 1, &fd, 1), 0);
	assert_int_equal(set(s, NONE | TRIGGER, 7, 1, NULL, 0), 0);
	assert_int_equal(fired(fd), 1);
	/* Unbound, as QEMU does before it binds: latched, and fired then. */
	assert_int_equal(set(s, EVENTFD | TRIGGER, 7, 1, NULL, 0), 0);
	assert_int_equal(set(s, NONE | TRIGGER, 7, 1, NULL, 0), 0);
	assert_int_equal(fired(fd), 0);
	assert_int_equal(set(s, EVENTFD | TRIGGER, 7, 1, &fd, 1), 0);
	assert_int_equal(fired(fd), 1);
	close(fd);
}

static void masking_latches_and_unmasking_delivers(void **state)
{
	struct server *s = *state;
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	assert_int_equal(set(s, EVENTFD | TRIGGER, 0, 1, &fd, 1), 0);
	assert_int_equal(set(s, NONE | MASK, 0, 1, NULL, 0), 0);
	assert_int_equal(set(s, NONE | TRIGGER, 0, 1, NULL, 0), 0);
	assert_int_equal(fired(fd), 0);
	assert_int_equal(set(s, NONE | UNMASK, 0, 1, NULL, 0), 0);
	assert_int_equal(fired(fd), 1);
	close(fd);
}

/* Whoever binds next has a machine of which nothing is known. */
static void disabling_the_index_takes_its_masks_away(void **state)
{
	struct server *s = *state;
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	assert_int_equal(set(s, EVENTFD | TRIGGER, 5, 1, &fd, 1), 0);
	assert_int_equal(set(s, NONE | MASK, 0, 32, NULL, 0), 0);
	assert_int_equal(set(s, NONE | TRIGGER, 5, 1, NULL, 0), 0);
	assert_int_equal(set(s, NONE | TRIGGER, 0, 0, NULL, 0), 0);
	assert_int_equal(fired(fd), 0);
	assert_int_equal(set(s, EVENTFD | TRIGGER, 5, 1, &fd, 1), 0);
	assert_int_equal(fired(fd), 1);
	assert_int_equal(set(s, NONE | TRIGGER, 5, 1, NULL, 0), 0);
	assert_int_equal(fired(fd), 1);
	for (unsigned int i = 0; i < 32; i++)
		assert_false(s->p->masked[i]);
	close(fd);
}

/* Its number is none of the vectors'. */
static void error_interrupt_is_no_vector(void **state)
{
	struct server *s = *state;
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	int error = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	unsigned int fds;

	assert_int_equal(set(s, EVENTFD | TRIGGER, 0, 1, &fd, 1), 0);
	fds = vfio_count_fds(0);
	assert_int_equal(vfio_raw_set_irqs(&s->v, ERR, EVENTFD | TRIGGER, 0, 1,
					   &error, 1),
			 0);
	assert_int_equal(vfio_count_fds(0), fds);
	assert_int_equal(
		vfio_raw_set_irqs(&s->v, ERR, NONE | TRIGGER, 0, 1, NULL, 0),
		0);
	assert_int_equal(fired(fd), 0);
	assert_int_equal(
		vfio_raw_set_irqs(&s->v, ERR, NONE | TRIGGER, 0, 0, NULL, 0),
		0);
	assert_int_equal(set(s, NONE | TRIGGER, 0, 1, NULL, 0), 0);
	assert_int_equal(fired(fd), 1);
	assert_int_equal(fired(error), 0);
	close(fd);
	close(error);
}

static void bools_choose_among_a_range(void **state)
{
	struct server *s = *state;
	struct {
		struct vu_set_irqs set;
		uint8_t meant[6];
	} m = { { 26, BOOL | TRIGGER, MSIX, 2, 6 }, { 1, 2, 0, 0, 255, 0 } };
	int fds[6];

	for (unsigned int i = 0; i < 6; i++)
		fds[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	assert_int_equal(set(s, EVENTFD | TRIGGER, 2, 6, fds, 6), 0);
	assert_int_equal(vfio_raw_call(&s->v, VU_SET_IRQS, &m, 26, NULL, 0), 0);
	for (unsigned int i = 0; i < 6; i++)
		assert_int_equal(fired(fds[i]), m.meant[i] != 0);
	assert_int_equal(vfio_raw_call(&s->v, VU_SET_IRQS, &m, 25, NULL, 0),
			 -EINVAL);
	m.set.flags = BOOL | MASK;
	assert_int_equal(vfio_raw_call(&s->v, VU_SET_IRQS, &m, 26, NULL, 0), 0);
	for (unsigned int i = 0; i < 6; i++)
		assert_int_equal(s->p->masked[2 + i], m.meant[i] != 0);
	for (unsigned int i = 0; i < 6; i++)
		close(fds[i]);
}

static void vectors_bound_in_chunks_find_their_own_eventfds(void **state)
{
	struct server *s = *state;
	int fds[32];

	for (unsigned int i = 0; i < 32; i++)
		fds[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	assert_int_equal(set(s, EVENTFD | TRIGGER, 0, 16, fds, 16), 0);
	assert_int_equal(set(s, EVENTFD | TRIGGER, 16, 16, fds + 16, 16), 0);
	for (uint32_t i = 0; i < 32; i++) {
		assert_int_equal(set(s, NONE | TRIGGER, i, 1, NULL, 0), 0);
		for (uint32_t k = 0; k < 32; k++)
			assert_int_equal(fired(fds[k]), i == k);
	}
	for (unsigned int i = 0; i < 32; i++)
		close(fds[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		server_test(the_whole_matrix),
		server_test(a_bound_vector_fires_and_an_unbound_one_latches),
		server_test(masking_latches_and_unmasking_delivers),
		server_test(disabling_the_index_takes_its_masks_away),
		server_test(error_interrupt_is_no_vector),
		server_test(bools_choose_among_a_range),
		server_test(vectors_bound_in_chunks_find_their_own_eventfds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
