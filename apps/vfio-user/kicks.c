/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: which queues there are is the service's to say: the first that it does
 * not have is the end.  A service that has no such eventfds, or no more of
 * them, leaves the client with those that there are: the other doorbells are
 * written by messages as ever.
 */
#include "apps/vfio-user/kicks.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "apps/vfio-user/conn.h"

void vu_kicks_fini(struct vu_kicks *k)
{
	for (unsigned int i = 0; i < k->nr; i++)
		close(k->fd[i]);
	k->nr = 0;
}

static int add(struct vu_conn *c, unsigned int q)
{
	struct vu_kicks *k = &c->kicks;
	struct pciring_doorbell bell;
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int err;

	if (fd < 0)
		return -errno;
	err = pciring_kick_bind(c->p, c->info.function, q, fd, &bell);
	if (err) {
		close(fd);
		return err;
	}
	k->fd[q] = fd;
	k->offset[q] = bell.offset;
	k->length[q] = bell.length;
	k->bar = bell.bar;
	k->nr++;
	return 0;
}

static int ask(struct vu_conn *c)
{
	int err = 0;

	for (unsigned int q = 0; q < c->most_fds && !err; q++)
		err = add(c, q);
	c->kicks.asked = true;
	return err == -EPIPE ? err : 0;
}

/* To be signalled by a write of any size and value. */
static void put(const struct vu_kicks *k, unsigned int i, uint8_t *at)
{
	const struct vu_io_fd e = {
		.offset = k->offset[i],
		.size = k->length[i],
		.fd_index = i,
		.type = VU_IO_FD_IOEVENTFD,
	};

	memcpy(at, &e, sizeof(e));
}

int vu_region_io_fds(struct vu_conn *c)
{
	const struct vu_kicks *k = &c->kicks;
	struct vu_io_fds io;
	uint32_t room, nr;
	int err = 0;

	memcpy(&io, c->in, sizeof(io));
	if (io.argsz < sizeof(io) || io.flags || io.index >= VU_NR_REGIONS)
		return -EINVAL;
	if (io.index <= VU_REGION_BAR5 && !k->asked)
		err = ask(c);
	if (err)
		return err;
	nr = io.index == k->bar ? k->nr : 0;
	room = io.argsz;
	io.argsz = (uint32_t)(sizeof(io) + nr * sizeof(struct vu_io_fd));
	/* What does not fit the client learns the size of, and asks again. */
	if (room < io.argsz)
		nr = 0;
	io.count = nr;
	memcpy(c->out.payload, &io, sizeof(io));
	for (uint32_t i = 0; i < nr; i++)
		put(k, i,
		    c->out.payload + sizeof(io) + i * sizeof(struct vu_io_fd));
	c->m.answer = sizeof(io) + nr * sizeof(struct vu_io_fd);
	c->m.answer_fds = k->fd;
	c->m.nr_answer_fds = nr;
	return 0;
}
