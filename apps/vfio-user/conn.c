/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: the 16-byte header is read alone.  Descriptors arrive with the first
 * byte of what they were sent with, so those that come with the header belong
 * to this message even if the client sent a whole burst; a read that took more
 * would bind them to a message before theirs.  Then the payload, then one
 * entry of the table of commands, then one send: two reads and a write for an
 * access, and no allocation.
 *
 * Header and payload of the reply lie side by side, because some clients take
 * a reply with a single read.
 */
#include "apps/vfio-user/conn.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "apps/vfio-user/irq.h"
#include "apps/vfio-user/region.h"
#include "apps/vfio-user/version.h"
#include "ring/discard.h"
#include "ring/log.h"

static_assert(offsetof(struct vu_conn, out.payload) -
			      offsetof(struct vu_conn, out.h) ==
		      sizeof(struct vu_header),
	      "a reply is sent in one piece");

static void close_fds(struct vu_message *m)
{
	for (unsigned int i = 0; i < m->nr_fds; i++)
		fd_discard(m->fds[i]);
	m->nr_fds = 0;
}

/* Move the descriptors of @msg to @m; there is room for all that fit in the
 * control buffer. */
static void take_fds(struct vu_message *m, struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c;
	     c = CMSG_NXTHDR(msg, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		assert(m->nr_fds + n <= VU_MAX_FDS);
		memcpy(m->fds + m->nr_fds, CMSG_DATA(c), n * sizeof(int));
		m->nr_fds += (unsigned int)n;
	}
}

/*
 * Read some of [@buf, @buf + @length): how many bytes, 0 end, -errno.  Only
 * the first byte of a message may bring descriptors (@m not NULL); elsewhere
 * the kernel closes them and says MSG_CTRUNC.
 */
static ssize_t recv_some(int sock, void *buf, size_t length,
			 struct vu_message *m)
{
	_Alignas(struct cmsghdr) char
		control[CMSG_SPACE(VU_MAX_FDS * sizeof(int))];
	struct iovec iov = { .iov_base = buf, .iov_len = length };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = m ? control : NULL,
		.msg_controllen = m ? sizeof(control) : 0,
	};
	ssize_t n;

	do
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (m)
		take_fds(m, &msg);
	if (msg.msg_flags & MSG_CTRUNC) {
		log_limited(LOG_WARN, "vfio-user client: too many descriptors,"
				      " or not with a message's first byte");
		return -EPROTO;
	}
	return n;
}

/* 1 all of it, 0 the client left before the first byte, -errno. */
static int recv_all(int sock, void *buf, size_t length, struct vu_message *m)
{
	size_t done = 0;

	while (done < length) {
		ssize_t n = recv_some(sock, (char *)buf + done, length - done,
				      done ? NULL : m);

		if (n < 0)
			return (int)n;
		if (n == 0)
			return done ? -EPROTO : 0;
		done += (size_t)n;
	}
	return 1;
}

static int recv_message(struct vu_conn *c)
{
	struct vu_message *m = &c->m;
	int err = recv_all(c->sock, &m->h, sizeof(m->h), m);

	if (err <= 0)
		return err;
	if (m->h.size < sizeof(m->h) ||
	    m->h.size > sizeof(m->h) + sizeof(c->in) ||
	    (m->h.flags & VU_TYPE) != VU_TYPE_COMMAND) {
		log_limited(
			LOG_WARN,
			"vfio-user client: a header with size %u, flags %#x",
			m->h.size, m->h.flags);
		return -EPROTO;
	}
	m->length = m->h.size - sizeof(m->h);
	if (m->length == 0)
		return 1;
	err = recv_all(c->sock, c->in, m->length, NULL);
	return err ? err : -EPROTO;
}

/* Some of [@buf, @buf + @length), with the descriptors of the answer. */
static ssize_t send_some(struct vu_conn *c, const void *buf, size_t length,
			 bool first)
{
	_Alignas(struct cmsghdr) char
		control[CMSG_SPACE(VU_SAID_FDS * sizeof(int))] = { 0 };
	const size_t fds = c->m.nr_answer_fds * sizeof(int);
	/* sendmsg() does not write through it. */
	struct iovec iov = { .iov_base = (void *)(uintptr_t)buf,
			     .iov_len = length };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;

	if (first && fds) {
		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(fds);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(fds);
		memcpy(CMSG_DATA(cmsg), c->m.answer_fds, fds);
	}
	return sendmsg(c->sock, &msg, MSG_NOSIGNAL);
}

static int send_reply(struct vu_conn *c, int error)
{
	size_t done = 0, size = sizeof(c->out.h) + (error ? 0 : c->m.answer);

	c->out.h = (struct vu_header){
		.id = c->m.h.id,
		.command = c->m.h.command,
		.size = (uint32_t)size,
		.flags = VU_TYPE_REPLY | (error ? VU_ERROR : 0),
		.error = (uint32_t)-error,
	};
	while (done < size) {
		ssize_t n = send_some(c, (char *)&c->out + done, size - done,
				      !done && !error);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			/* -EPIPE is said of the service, not of a client. */
			return errno == EPIPE ? -ECONNRESET : -errno;
		done += (size_t)n;
	}
	return 0;
}

static int device_info(struct vu_conn *c)
{
	struct vu_device_info info;

	memcpy(&info, c->in, sizeof(info));
	if (info.argsz < sizeof(info))
		return -EINVAL;
	info = (struct vu_device_info){
		.argsz = sizeof(info),
		.flags = VU_DEVICE_RESETS | VU_DEVICE_PCI,
		.num_regions = VU_NR_REGIONS,
		.num_irqs = VU_NR_IRQS,
	};
	memcpy(c->out.payload, &info, sizeof(info));
	c->m.answer = sizeof(info);
	return 0;
}

static int device_reset(struct vu_conn *c)
{
	return pciring_function_reset(c->p, c->info.function);
}

static const struct {
	int (*handle)(struct vu_conn *c);
	size_t least; /* bytes of payload */
} commands[] = {
	[VU_VERSION] = { vu_version, sizeof(struct vu_version) },
	[VU_DMA_MAP] = { vu_dma_map, sizeof(struct vu_dma_map) },
	[VU_DMA_UNMAP] = { vu_dma_unmap, sizeof(struct vu_dma_unmap) },
	[VU_DEVICE_GET_INFO] = { device_info, sizeof(struct vu_device_info) },
	[VU_GET_REGION_INFO] = { vu_region_info,
				 sizeof(struct vu_region_info) },
	[VU_GET_REGION_IO_FDS] = { vu_region_io_fds, sizeof(struct vu_io_fds) },
	[VU_GET_IRQ_INFO] = { vu_irq_info, sizeof(struct vu_irq_info) },
	[VU_SET_IRQS] = { vu_irq_set, sizeof(struct vu_set_irqs) },
	[VU_REGION_READ] = { vu_region_read, sizeof(struct vu_region_access) },
	[VU_REGION_WRITE] = { vu_region_write,
			      sizeof(struct vu_region_access) },
	[VU_DEVICE_RESET] = { device_reset, 0 },
	[VU_REGION_WRITE_MULTI] = { vu_region_write_multi, sizeof(uint64_t) },
};

static int dispatch(struct vu_conn *c)
{
	unsigned int command = c->m.h.command;

	if (!c->negotiated && command != VU_VERSION)
		return -EINVAL;
	if (command >= ARRAY_SIZE(commands) || !commands[command].handle)
		return -EOPNOTSUPP;
	if (c->m.length < commands[command].least)
		return -EINVAL;
	return commands[command].handle(c);
}

/* 1 go on, 0 the client left, -errno the link is over. */
static int serve_one(struct vu_conn *c)
{
	int err, sent = 0;

	c->m.nr_fds = 0;
	c->m.answer = 0;
	c->m.nr_answer_fds = 0;
	err = recv_message(c);
	if (err <= 0) {
		close_fds(&c->m);
		return err;
	}
	c->messages++;
	err = dispatch(c);
	close_fds(&c->m);
	if (err == -EPIPE)
		return err;
	if (err) {
		c->refused++;
		log_limited(LOG_INFO, "vfio-user client: command %u: %s",
			    c->m.h.command, strerror(-err));
	}
	if (!(c->m.h.flags & VU_NO_REPLY))
		sent = send_reply(c, err);
	if (sent)
		return sent;
	return c->negotiated ? 1 : -EPROTO;
}

int vu_conn_run(int sock, struct pciring *p, uint16_t function)
{
	struct vu_conn *c = malloc(sizeof(*c));
	int err;

	if (!c)
		return -ENOMEM;
	/* The buffers are left as they are: their pages cost nothing before a
	 * message is that long. */
	memset(c, 0, offsetof(struct vu_conn, out));
	c->sock = sock;
	c->p = p;
	vu_intx_init(&c->intx);
	err = pciring_function_info(p, function, &c->info);
	if (!err)
		do
			err = serve_one(c);
		while (err > 0);
	log_debug("vfio-user client of " BDF_FMT ": %llu messages, %llu posted,"
		  " %llu refused",
		  BDF_ARG(function), (unsigned long long)c->messages,
		  (unsigned long long)c->posted,
		  (unsigned long long)c->refused);
	vu_intx_fini(&c->intx);
	vu_kicks_fini(&c->kicks);
	vu_dma_fini(&c->dma);
	free(c);
	return err;
}
