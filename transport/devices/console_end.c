/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: what a predecessor that was killed left behind is told from what is in
 * use: nobody answers at its socket; its link leads to a pty that is gone, or
 * that is younger than the link, for the number was given away again.  Only
 * what is still ours is removed at the end.
 */
#include "transport/devices/console_host.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

/* Of clients that wait while another one is there. */
#define BACKLOG 16

static int refuse(const struct console_host *h, const char *what, int err,
		  char *error, size_t room)
{
	snprintf(error, room, "device console: %s %s: %s", what, h->spec.path,
		 strerror(-err));
	return err;
}

/* ---- pty --------------------------------------------------------------------- */

static bool younger(const struct stat *a, const struct stat *b)
{
	if (a->st_ctim.tv_sec != b->st_ctim.tv_sec)
		return a->st_ctim.tv_sec > b->st_ctim.tv_sec;
	return a->st_ctim.tv_nsec > b->st_ctim.tv_nsec;
}

/* -EADDRINUSE: in use; -EEXIST: not one of ours. */
static int remove_stale_link(const char *path)
{
	char target[64];
	struct stat link, pty;
	ssize_t n;

	if (lstat(path, &link))
		return errno == ENOENT ? 0 : -errno;
	n = S_ISLNK(link.st_mode) ? readlink(path, target, sizeof(target) - 1)
				  : -1;
	if (n < 0)
		return -EEXIST;
	target[n] = '\0';
	if (strncmp(target, "/dev/pts/", 9))
		return -EEXIST;
	if (!stat(target, &pty) && !younger(&pty, &link))
		return -EADDRINUSE;
	return unlink(path) ? -errno : 0;
}

static int link_pty(const struct console_host *h)
{
	const int err = remove_stale_link(h->spec.path);

	if (err)
		return err;
	return symlink(h->slave, h->spec.path) ? -errno : 0;
}

/* No echo, no lines, no signals: bytes.  And the other side has been open once,
 * so that the kernel tells that nobody is there. */
static int settle_pty(const struct console_host *h)
{
	const struct winsize size = { .ws_row = h->spec.rows,
				      .ws_col = h->spec.cols };
	const int fd = open(h->slave, O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct termios t;
	int err = 0;

	if (fd < 0)
		return -errno;
	if (tcgetattr(fd, &t)) {
		err = -errno;
	} else {
		cfmakeraw(&t);
		if (tcsetattr(fd, TCSANOW, &t) || ioctl(fd, TIOCSWINSZ, &size))
			err = -errno;
	}
	close(fd);
	return err;
}

static int open_pty(struct console_host *h, char *error, size_t room)
{
	int err;

	h->fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	h->input = h->fd;
	if (h->fd < 0)
		return refuse(h, "a pty for", -errno, error, room);
	if (unlockpt(h->fd) || ptsname_r(h->fd, h->slave, sizeof(h->slave)))
		err = -errno;
	else
		err = settle_pty(h);
	if (err)
		return refuse(h, "a pty for", err, error, room);
	h->cols = h->spec.cols;
	h->rows = h->spec.rows;
	err = link_pty(h);
	if (!err)
		return 0;
	h->slave[0] = '\0'; /* the link is not ours */
	return refuse(h, "link", err, error, room);
}

static void unlink_pty(const struct console_host *h)
{
	char target[sizeof(h->slave)];
	const ssize_t n = readlink(h->spec.path, target, sizeof(target));

	if (h->slave[0] && n == (ssize_t)strlen(h->slave) &&
	    !memcmp(target, h->slave, (size_t)n))
		unlink(h->spec.path);
}

/* ---- unix -------------------------------------------------------------------- */

static void address_of(const struct console_host *h, struct sockaddr_un *a)
{
	*a = (struct sockaddr_un){ .sun_family = AF_UNIX };
	static_assert(sizeof(h->spec.path) <= sizeof(a->sun_path), "it fits");
	memcpy(a->sun_path, h->spec.path, sizeof(h->spec.path));
}

/* Nobody listens at the socket that is there. */
static int remove_stale_socket(const char *path, const struct sockaddr_un *a)
{
	struct stat st;
	int fd, err = 0;

	if (lstat(path, &st))
		return -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (!connect(fd, (const struct sockaddr *)a, sizeof(*a)) ||
	    errno != ECONNREFUSED)
		err = -EADDRINUSE;
	close(fd);
	if (!err && unlink(path))
		err = -errno;
	return err;
}

static int bind_socket(const struct console_host *h)
{
	struct sockaddr_un a;
	int err;

	address_of(h, &a);
	/* The file's mode is the socket's: never open to others, not even for
	 * a moment. */
	if (fchmod(h->listener, 0600))
		return -errno;
	if (!bind(h->listener, (struct sockaddr *)&a, sizeof(a)))
		return 0;
	if (errno != EADDRINUSE)
		return -errno;
	err = remove_stale_socket(h->spec.path, &a);
	if (err)
		return err;
	return bind(h->listener, (struct sockaddr *)&a, sizeof(a)) ? -errno : 0;
}

static int open_unix(struct console_host *h, char *error, size_t room)
{
	struct stat st;
	int err;

	h->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (h->listener < 0)
		return refuse(h, "a socket for", -errno, error, room);
	err = bind_socket(h);
	if (err)
		return refuse(h, "socket", err, error, room);
	if (!lstat(h->spec.path, &st)) {
		h->dev = st.st_dev;
		h->ino = st.st_ino;
	}
	if (!listen(h->listener, BACKLOG))
		return 0;
	return refuse(h, "socket", -errno, error, room);
}

static void unlink_socket(const struct console_host *h)
{
	struct stat st;

	if (!lstat(h->spec.path, &st) && S_ISSOCK(st.st_mode) &&
	    st.st_dev == h->dev && st.st_ino == h->ino)
		unlink(h->spec.path);
}

/* ---- file -------------------------------------------------------------------- */

/* Who can be there and not there wants another kind of port. */
static int check_file(int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	return S_ISREG(st.st_mode) || S_ISCHR(st.st_mode) ? 0 : -EINVAL;
}

static int open_one(const char *path, int flags)
{
	/* Nonblocking, or opening a pipe could wait. */
	const int fd =
		open(path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
	int err;

	if (fd < 0)
		return -errno;
	err = check_file(fd);
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

static int open_file(struct console_host *h, char *error, size_t room)
{
	const int fd = open_one(h->spec.path, O_WRONLY | O_APPEND | O_CREAT);
	int input;

	if (fd < 0)
		return refuse(h, "file", fd, error, room);
	h->fd = fd;
	if (!h->spec.input[0])
		return 0;
	input = open_one(h->spec.input, O_RDONLY);
	if (input < 0)
		return refuse(h, "the input of file", input, error, room);
	h->input = input;
	return 0;
}

/* ---- Calls ------------------------------------------------------------------- */

int console_end_open(struct console_host *h, char *error, size_t room)
{
	static int (*const open_kind[])(struct console_host * h, char *error,
					size_t room) = {
		[CONSOLE_PTY] = open_pty,
		[CONSOLE_UNIX] = open_unix,
		[CONSOLE_FILE] = open_file,
	};
	const int err = open_kind[h->spec.kind](h, error, room);

	if (err)
		console_end_close(h);
	return err;
}

void console_end_close(struct console_host *h)
{
	if (h->spec.kind == CONSOLE_PTY)
		unlink_pty(h);
	if (h->spec.kind == CONSOLE_UNIX)
		unlink_socket(h);
	if (h->input >= 0 && h->input != h->fd)
		close(h->input);
	if (h->fd >= 0)
		close(h->fd);
	if (h->listener >= 0)
		close(h->listener);
	h->fd = -1;
	h->input = -1;
	h->listener = -1;
}
