/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: bind() first, so that two proxies started at once cannot both find the
 * name free.  If it is taken, a connection attempt tells a dead socket
 * (refused) from a living one.
 */
#include "apps/vfio-user/listener.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "ring/base.h"
#include "ring/discard.h"

/* One client is served at a time; the next VMM may wait here meanwhile. */
#define BACKLOG 4

static_assert(sizeof(((struct sockaddr_un *)0)->sun_path) ==
		      sizeof(((struct vu_listener *)0)->path),
	      "a path fits in an address");

static int bind_private(int fd, const struct sockaddr_un *addr)
{
	mode_t mask = umask(0177);
	int err = bind(fd, (const struct sockaddr *)addr, sizeof(*addr))
			  ? -errno
			  : 0;

	umask(mask);
	return err;
}

/* True if @addr is the socket of a process that is no more. */
static bool is_stale(const struct sockaddr_un *addr)
{
	struct stat st;
	bool refused;
	int fd;

	if (lstat(addr->sun_path, &st) || !S_ISSOCK(st.st_mode))
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	refused = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) &&
		  errno == ECONNREFUSED;
	close(fd);
	return refused;
}

int vu_listener_open(struct vu_listener *l, const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct stat st;
	int err, fd;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	err = bind_private(fd, &addr);
	if (err == -EADDRINUSE && is_stale(&addr)) {
		unlink(path);
		err = bind_private(fd, &addr);
	}
	if (err)
		goto close_fd;
	if (lstat(path, &st) || listen(fd, BACKLOG)) {
		err = -errno;
		unlink(path);
		goto close_fd;
	}
	*l = (struct vu_listener){
		.fd = fd,
		.device = st.st_dev,
		.inode = st.st_ino,
	};
	memcpy(l->path, addr.sun_path, sizeof(l->path));
	return 0;
close_fd:
	close(fd);
	return err;
}

void vu_listener_close(struct vu_listener *l)
{
	struct stat st;

	if (l->fd < 0)
		return;
	if (!lstat(l->path, &st) && st.st_dev == l->device &&
	    st.st_ino == l->inode)
		unlink(l->path);
	/* Clients may wait in it, with descriptors. */
	fd_discard(l->fd);
	l->fd = -1;
}
