/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * shm.c - memfd_create and its seals
 *
 * The seals are what makes a mapping safe to touch: a file that cannot shrink
 * cannot take a page away again.  Huge pages are refused, because a hole that
 * is punched into those is a SIGBUS and in ordinary ones it is a zero page.
 */
#include "ring/shm.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "ring/msg.h"

#define SHM_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

int shm_create(const char *name, uint64_t size)
{
	int err;
	int fd;

	if (!size || size % SEG_PAGE || size > INT64_MAX)
		return -EINVAL;

	fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)size) || fcntl(fd, F_ADD_SEALS, SHM_SEALS)) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

int shm_check(int fd, uint64_t size)
{
	struct statfs fs;
	struct stat st;
	int seals;

	seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0)
		return -errno;
	if ((seals & SHM_SEALS) != SHM_SEALS)
		return -EINVAL;
	if (fstat(fd, &st) || fstatfs(fd, &fs))
		return -errno;
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != size)
		return -EINVAL;
	if ((uint32_t)fs.f_type == (uint32_t)HUGETLBFS_MAGIC)
		return -EINVAL;
	return 0;
}

void *shm_map(int fd, uint64_t offset, size_t length)
{
	void *p = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		       (off_t)offset);

	return p == MAP_FAILED ? NULL : p;
}

void shm_unmap(void *p, size_t length)
{
	if (p)
		munmap(p, length);
}
