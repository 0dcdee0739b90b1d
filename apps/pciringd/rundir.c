/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: the lock file is removed at the end, so who gets the lock may hold it
 * on a file that is no longer there; then he tries again with the new one.
 */
#include "apps/pciringd/rundir.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ring/log.h"

#define LOCK_ATTEMPTS 16

static bool is_stranger(uid_t uid)
{
	return uid != geteuid() && uid;
}

/* Whoever may write there can put his own sockets in place of ours. */
static int check_dir(const struct rundir *d, bool shared)
{
	struct stat link, st;

	if (lstat(d->path, &link) || stat(d->path, &st)) {
		log_error("cannot look at %s: %s", d->path, strerror(errno));
		return -errno;
	}
	if (!S_ISDIR(st.st_mode)) {
		log_error("%s is not a directory", d->path);
		return -ENOTDIR;
	}
	if (is_stranger(st.st_uid) || is_stranger(link.st_uid)) {
		log_error("%s belongs to another user", d->path);
		return -EPERM;
	}
	if (st.st_mode & (S_IWGRP | S_IWOTH) && !shared) {
		log_error("%s has mode %03o: others may write there; "
			  "chmod go-w it, or use --shared-dir",
			  d->path, st.st_mode & 07777u);
		return -EPERM;
	}
	return 0;
}

static int make_dir(struct rundir *d, bool shared)
{
	if (!mkdir(d->path, 0700)) {
		d->made = true;
		return 0;
	}
	if (errno != EEXIST) {
		log_error("cannot make %s: %s", d->path, strerror(errno));
		return -errno;
	}
	return check_dir(d, shared);
}

static bool same_file(int fd, const char *path)
{
	struct stat a, b;

	return !fstat(fd, &a) && !stat(path, &b) && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

/* The lock's descriptor, -EAGAIN it has just been removed, other -errno. */
static int try_lock(const char *path)
{
	int err, fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
			   0600);

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB))
		err = errno == EWOULDBLOCK ? -EBUSY : -errno;
	else if (!same_file(fd, path))
		err = -EAGAIN;
	else
		return fd;
	close(fd);
	return err;
}

/* For those who wonder who holds it. */
static void write_pid(int fd)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%d\n", getpid());

	if (ftruncate(fd, 0) || pwrite(fd, text, (size_t)n, 0) != n)
		log_warn("cannot write the lock file: %s", strerror(errno));
}

int rundir_open(struct rundir *d, const char *path, bool shared)
{
	int err;

	memset(d, 0, sizeof(*d));
	snprintf(d->path, sizeof(d->path), "%s", path);
	snprintf(d->rpc, sizeof(d->rpc), "%s/rpc.sock", d->path);
	snprintf(d->attach, sizeof(d->attach), "%s/attach.sock", d->path);
	snprintf(d->lock, sizeof(d->lock), "%s/lock", d->path);
	err = make_dir(d, shared);
	if (err)
		return err;
	d->lock_fd = -EAGAIN;
	for (int i = 0; d->lock_fd == -EAGAIN && i < LOCK_ATTEMPTS; i++)
		d->lock_fd = try_lock(d->lock);
	if (d->lock_fd >= 0) {
		write_pid(d->lock_fd);
		return 0;
	}
	if (d->lock_fd == -EBUSY)
		log_error("another pciringd serves %s; end it, or use another "
			  "--dir",
			  d->path);
	else
		log_error("cannot lock %s: %s", d->lock, strerror(-d->lock_fd));
	return d->lock_fd;
}

int rundir_admit(const struct rundir *d, gid_t gid)
{
	bool all = gid == (gid_t)-1;

	/* The group first: it must not be another that gets the right. */
	if ((d->made && (chown(d->path, (uid_t)-1, gid) ||
			 chmod(d->path, all ? 0711 : 0710))) ||
	    chown(d->attach, (uid_t)-1, gid) ||
	    chmod(d->attach, all ? 0666 : 0660)) {
		log_error("cannot let others reach %s: %s", d->attach,
			  strerror(errno));
		return -errno;
	}
	return 0;
}

void rundir_close(struct rundir *d)
{
	unlink(d->rpc);
	unlink(d->attach);
	unlink(d->lock);
	close(d->lock_fd);
	if (d->made)
		rmdir(d->path);
}
