/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: all names are looked up relative to an open directory and symbolic
 * links are not followed, since one parent of such directories is /tmp/dpdk.
 */
#include "apps/pciringd/prefix.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ring/log.h"

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* The PID in "pciring-PID", or 0. */
static int pid_in(const char *name)
{
	size_t n = sizeof(PREFIX_WORD) - 1;
	char *end;
	long pid;

	if (strncmp(name, PREFIX_WORD, n))
		return 0;
	pid = strtol(name + n, &end, 10);
	return *end || pid <= 0 || pid > INT32_MAX ? 0 : (int)pid;
}

bool prefix_is_ours(const char *dir)
{
	return pid_in(base_name(dir)) == getpid();
}

int prefix_lock(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	flock(fd, LOCK_EX | LOCK_NB);
	return fd;
}

static int open_dir(const char *path, char *parent, size_t room)
{
	snprintf(parent, room, "%.*s", (int)(base_name(path) - path), path);
	return open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* The directory @name in @parent with the files in it. */
static void remove_dir(int parent, const char *name, int dir)
{
	int copy = fcntl(dir, F_DUPFD_CLOEXEC, 0);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;

	while (d && (entry = readdir(d)))
		if (entry->d_name[0] != '.')
			unlinkat(dir, entry->d_name, 0);
	if (d)
		closedir(d);
	unlinkat(parent, name, AT_REMOVEDIR);
}

void prefix_remove(const char *path)
{
	char parent_path[512];
	int parent = open_dir(path, parent_path, sizeof(parent_path));
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (parent >= 0 && dir >= 0)
		remove_dir(parent, base_name(path), dir);
	if (dir >= 0)
		close(dir);
	if (parent >= 0)
		close(parent);
}

static bool pciringd_runs(int pid)
{
	char path[40], comm[32] = "";
	FILE *f;

	if (kill(pid, 0) && errno == ESRCH)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	f = fopen(path, "re");
	if (!f)
		return true; /* it may be */
	if (!fgets(comm, sizeof(comm), f))
		comm[0] = '\0';
	fclose(f);
	return !strncmp(comm, "pciringd", 8);
}

static void clean_one(int parent, const char *name)
{
	int pid = pid_in(name);
	struct stat st;
	int dir;

	if (!pid || pid == getpid() || pciringd_runs(pid))
		return;
	dir = openat(parent, name,
		     O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return;
	if (!fstat(dir, &st) && st.st_uid == geteuid() &&
	    !flock(dir, LOCK_EX | LOCK_NB)) {
		log_info("removing %s of a pciringd that was killed", name);
		remove_dir(parent, name, dir);
	}
	close(dir);
}

void prefix_clean(const char *path)
{
	char parent_path[512];
	int parent = open_dir(path, parent_path, sizeof(parent_path));
	struct dirent *entry;
	int copy;
	DIR *d;

	if (parent < 0)
		return;
	copy = fcntl(parent, F_DUPFD_CLOEXEC, 0);
	d = copy < 0 ? NULL : fdopendir(copy);
	while (d && (entry = readdir(d)))
		clean_one(parent, entry->d_name);
	if (d)
		closedir(d);
	close(parent);
}
