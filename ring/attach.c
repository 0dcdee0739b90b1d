/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * attach.c - sendmsg, recvmsg and SCM_RIGHTS
 *
 * A packet is judged by its length before anybody looks at it: each type has
 * a size that it must at least have.  A longer one comes from a later minor
 * version and its tail is ignored; what is missing beyond the end is zero.
 */
#include "ring/attach.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "ring/discard.h"

#define ATTACH_BACKLOG	    64
/* How long connecting or sending may block on a peer that does not listen. */
#define ATTACH_SEND_SECONDS 10

static int fill_address(struct sockaddr_un *sa, const char *path)
{
	memset(sa, 0, sizeof(*sa));
	sa->sun_family = AF_UNIX;
	if (strlen(path) >= sizeof(sa->sun_path))
		return -ENAMETOOLONG;
	if (!path[0])
		return -EINVAL;
	snprintf(sa->sun_path, sizeof(sa->sun_path), "%s", path);
	return 0;
}

static int unix_socket(int flags)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0);

	return fd < 0 ? -errno : fd;
}

/* Remove what a predecessor left at @path, unless somebody listens there. */
static int remove_dead_socket(const char *path, const struct sockaddr_un *sa)
{
	struct stat st;
	int fd, err = 0;

	if (lstat(path, &st))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EADDRINUSE;
	/* A full backlog (EAGAIN) is somebody who listens, too. */
	fd = unix_socket(SOCK_NONBLOCK);
	if (fd < 0)
		return fd;
	if (!connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) ||
	    errno != ECONNREFUSED)
		err = -EADDRINUSE;
	close(fd);
	if (!err && unlink(path) && errno != ENOENT)
		err = -errno;
	return err;
}

int attach_listen(const char *path, unsigned int mode)
{
	struct sockaddr_un sa;
	int fd, err;

	err = fill_address(&sa, path);
	if (err)
		return err;
	err = remove_dead_socket(path, &sa);
	if (err)
		return err;
	fd = unix_socket(0);
	if (fd < 0)
		return fd;

	/* Before bind, so that the file never has more rights than that; and
	 * after, because bind takes the umask away from it. */
	if (fchmod(fd, mode) ||
	    bind(fd, (const struct sockaddr *)&sa, sizeof(sa))) {
		err = -errno;
		goto close;
	}
	if (chmod(path, mode) || listen(fd, ATTACH_BACKLOG)) {
		err = -errno;
		goto unlink;
	}
	return fd;

unlink:
	unlink(path);
close:
	close(fd);
	return err;
}

int attach_connect(const char *path)
{
	const struct timeval limit = { .tv_sec = ATTACH_SEND_SECONDS };
	struct sockaddr_un sa;
	int fd, err;

	err = fill_address(&sa, path);
	if (err)
		return err;
	fd = unix_socket(0);
	if (fd < 0)
		return fd;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	while (connect(fd, (const struct sockaddr *)&sa, sizeof(sa))) {
		if (errno == EINTR)
			continue;
		err = errno == EAGAIN ? -ETIMEDOUT : -errno;
		close(fd);
		return err;
	}
	return fd;
}

int attach_send(int sock, const void *msg, size_t length, const int *fds,
		unsigned int n)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(MSG_MAX_FDS * sizeof(int))];
	} control;
	/* sendmsg() does not write through it. */
	struct iovec iov = { .iov_base = (void *)(uintptr_t)msg,
			     .iov_len = length };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;

	assert(n <= MSG_MAX_FDS);
	if (n) {
		memset(&control, 0, sizeof(control));
		mh.msg_control = control.bytes;
		mh.msg_controllen = CMSG_SPACE(n * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&mh);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, n * sizeof(int));
	}
	while (sendmsg(sock, &mh, MSG_NOSIGNAL) < 0) {
		if (errno == EINTR)
			continue;
		return errno == ECONNRESET ? -EPIPE : -errno;
	}
	return 0;
}

/* Own every descriptor that came, first of all; closing comes later.  False:
 * there were too many. */
static bool collect_fds(struct msghdr *mh, struct attach_packet *pkt)
{
	bool fit = true;

	struct cmsghdr *cmsg;
	size_t i, n;
	int fd;

	for (cmsg = CMSG_FIRSTHDR(mh); cmsg; cmsg = CMSG_NXTHDR(mh, cmsg)) {
		if (cmsg->cmsg_level != SOL_SOCKET ||
		    cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < n; i++) {
			memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(int),
			       sizeof(fd));
			if (pkt->nr_fds < MSG_MAX_FDS) {
				pkt->fds[pkt->nr_fds++] = fd;
				continue;
			}
			fd_discard(fd);
			fit = false;
		}
	}
	return fit;
}

static size_t least_length(const struct msg_header *h)
{
	static const size_t request[] = {
		[MSG_HELLO] = sizeof(struct msg_hello),
		[MSG_DMA_MAP] = sizeof(struct msg_dma),
		[MSG_DMA_UNMAP] = sizeof(struct msg_dma),
		[MSG_FUNCTION_INFO] = sizeof(struct msg_function),
		[MSG_FUNCTION_RESET] = sizeof(struct msg_function),
		[MSG_IRQ_BIND] = sizeof(struct msg_irq_bind),
		[MSG_IRQ_CONTROL] = sizeof(struct msg_irq_bind),
		[MSG_SOCKET_ADD] = sizeof(struct msg_socket),
		[MSG_SOCKET_DEL] = sizeof(struct msg_socket),
		[MSG_SOCKET_STATE] = sizeof(struct msg_socket),
		[MSG_LINE_BIND] = sizeof(struct msg_line),
		[MSG_LINE_CONTROL] = sizeof(struct msg_line),
		[MSG_NOTIFY_PAGE] = sizeof(struct msg_function),
		[MSG_KICK_BIND] = sizeof(struct msg_kick),
	};

	if (h->reply && !h->error && h->type == MSG_FUNCTION_INFO)
		return sizeof(struct msg_function_info);
	if (h->reply && !h->error && h->type == MSG_NOTIFY_PAGE)
		return sizeof(struct msg_notify_page);
	if (h->reply && !h->error && h->type == MSG_KICK_BIND)
		return sizeof(struct msg_kick);
	if (!h->reply && h->type < ARRAY_SIZE(request) && request[h->type])
		return request[h->type];
	/* A hello reply to a watcher has no geometry, an error no body. */
	return sizeof(struct msg_header);
}

static bool packet_ok(const struct attach_packet *pkt, int flags)
{
	return !(flags & (MSG_TRUNC | MSG_CTRUNC)) &&
	       pkt->length >= sizeof(struct msg_header) &&
	       pkt->m.h.magic == MSG_MAGIC &&
	       pkt->length >= least_length(&pkt->m.h);
}

int attach_recv(int sock, struct attach_packet *pkt)
{
	/* Room for all there can be: what the kernel has to close because it
	 * did not fit, it closes here and now. */
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(DISCARD_RIGHTS * sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = &pkt->m, .iov_len = sizeof(pkt->m) };
	struct msghdr mh = { .msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.bytes,
			     .msg_controllen = sizeof(control) };
	ssize_t n;
	bool fit;

	memset(pkt, 0, sizeof(*pkt));
	do
		n = recvmsg(sock, &mh, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? 0 : -errno;

	fit = collect_fds(&mh, pkt);
	pkt->length = (size_t)n;
	/* An empty packet looks like the end of the stream, and is treated so. */
	if (n > 0 && fit && packet_ok(pkt, mh.msg_flags))
		return 1;
	attach_packet_fini(pkt);
	return n > 0 ? -EPROTO : 0;
}

void attach_packet_fini(struct attach_packet *pkt)
{
	unsigned int i;

	for (i = 0; i < pkt->nr_fds; i++)
		if (pkt->fds[i] >= 0)
			fd_discard(pkt->fds[i]);
	pkt->nr_fds = 0;
}

int attach_packet_take(struct attach_packet *pkt, unsigned int i)
{
	int fd;

	if (i >= pkt->nr_fds)
		return -1;
	fd = pkt->fds[i];
	pkt->fds[i] = -1;
	return fd;
}
