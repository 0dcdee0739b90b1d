/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_channel.h - both ends of a channel in one test
 */
#ifndef RING_TEST_CHANNEL_H
#define RING_TEST_CHANNEL_H

#include <fcntl.h>
#include <poll.h>

#include "ring/channel.h"
#include "ring/test_util.h"

/* Each has its own mappings. */
struct pair {
	struct channel service;
	struct channel client;
};

static inline int dup_fd(int fd)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

static inline void pair_init(struct pair *p, unsigned int lanes)
{
	int fds[MSG_NR_FDS];

	assert_int_equal(channel_create(&p->service, lanes, 1), 0);
	fds[MSG_FD_SEGMENT] = dup_fd(p->service.fd);
	fds[MSG_FD_KICK] = dup_fd(p->service.kick_fd);
	assert_int_equal(channel_open(&p->client, &p->service.geo, fds), 0);
}

/* By mailboxes if @mailbox, else by two rings. */
static inline void pair_init_by(struct pair *p, unsigned int lanes,
				bool mailbox)
{
	pair_init(p, lanes);
	if (mailbox) {
		channel_use_mailbox(&p->service);
		channel_use_mailbox(&p->client);
	}
}

static inline void pair_fini(struct pair *p)
{
	channel_fini(&p->client);
	channel_fini(&p->service);
}

/* A test of both paths: its *state says whether by mailbox. */
#define BOTH_PATHS(f)                                                          \
	{ #f ": mailbox", f, NULL, NULL, (void *)&(bool){ true } },            \
	{                                                                      \
#f ": rings", f, NULL, NULL, (void *)&(bool)                   \
		{                                                              \
			false                                                  \
		}                                                              \
	}

static inline bool by_mailbox(void **state)
{
	return **(bool **)state;
}

static inline struct msg_access request(uint32_t seq, enum msg_op op)
{
	return (struct msg_access){
		.seq = seq,
		.op = (uint8_t)op,
		.space = PCIRING_SPACE_BAR0,
		.size = 4,
		.address = seq * 4,
	};
}

static inline void put(struct channel *ch, unsigned int lane, uint32_t seq,
		       enum msg_op op)
{
	struct msg_access req = request(seq, op);

	assert_true(channel_put(ch, lane, &req));
}

static inline bool readable(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, 0) == 1;
}

#endif
