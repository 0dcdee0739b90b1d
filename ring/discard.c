/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: only memory files and eventfds, which are all that decent peers send,
 * are known not to wait.  Both are told without a question to the file system
 * behind the descriptor, for that could wait as well.
 */
#include "ring/discard.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ring/log.h"

#define STACK_SIZE (64 * 1024)

static_assert(STACK_SIZE >= 16384, "at least what POSIX systems ask for");

/* Relaxed throughout: a bound, nothing is ordered by it. */
static atomic_uint waiting;
/* Set before there are threads. */
static bool in_threads;

int fd_is_eventfd(int fd)
{
	static const char eventfd[] = "anon_inode:[eventfd]";
	char link[40], target[64];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, target, sizeof(target));
	if (n < 0)
		return -errno;
	return (size_t)n == sizeof(eventfd) - 1 &&
	       !memcmp(target, eventfd, (size_t)n);
}

static void *close_it(void *arg)
{
	close((int)(intptr_t)arg);
	atomic_fetch_sub_explicit(&waiting, 1, memory_order_relaxed);
	return NULL;
}

static int start_thread(int fd)
{
	pthread_attr_t attr;
	pthread_t thread;
	int err;

	err = pthread_attr_init(&attr);
	if (err)
		return -err;
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	err = pthread_create(&thread, &attr, close_it, (void *)(intptr_t)fd);
	pthread_attr_destroy(&attr);
	return -err;
}

void discard_in_threads(void)
{
	in_threads = true;
}

void fd_discard(int fd)
{
	unsigned int before;

	if (!in_threads || fcntl(fd, F_GET_SEALS) >= 0 ||
	    fd_is_eventfd(fd) > 0) {
		close(fd);
		return;
	}
	before = atomic_fetch_add_explicit(&waiting, 1, memory_order_relaxed);
	if (before < DISCARD_MAX && !start_thread(fd))
		return;
	atomic_fetch_sub_explicit(&waiting, 1, memory_order_relaxed);
	log_limited(LOG_WARN, "a peer's descriptor %d stays open", fd);
}

ssize_t recv_bytes(int sock, void *buf, size_t n)
{
	_Alignas(struct cmsghdr) char
		control[CMSG_SPACE(DISCARD_RIGHTS * sizeof(int))];
	struct iovec iov = { .iov_base = buf, .iov_len = n };
	struct msghdr mh = { .msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control,
			     .msg_controllen = sizeof(control) };
	ssize_t got = recvmsg(sock, &mh, MSG_CMSG_CLOEXEC);
	struct cmsghdr *c;
	int fd;

	for (c = got < 0 ? NULL : CMSG_FIRSTHDR(&mh); c;
	     c = CMSG_NXTHDR(&mh, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = CMSG_LEN(0); i < c->cmsg_len; i += sizeof(fd)) {
			memcpy(&fd, (char *)c + i, sizeof(fd));
			fd_discard(fd);
		}
	}
	return got;
}
