/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: a file is known by device and inode, which name it as long as its
 * mapping keeps it alive, and is mapped whole, so that a burst of unmap and
 * map of its parts costs no syscall and regions that follow each other in the
 * file follow each other here.
 *
 * Truncation.  Every mapping is also entered in one table of the process,
 * where the SIGBUS handler looks up the faulting address and puts zeroed
 * memory in place of the page that has gone.  Only the mapping changes, the
 * file does not; the peer that truncated its own memory reads what it left.
 * Each such page splits the mapping, and a peer that makes us touch every
 * other page would use up the mappings a process may have.  So the first few
 * faults of a file cost it a page each, for a page may also be missing because
 * the file system is full; a later one costs it everything behind.
 *
 * Field       written by       read by   edge
 * slot.seq    control thread   handler   R8 -> A8 "the fields are of one file"
 *
 * A slot's seq is odd while its fields change.  The handler skips a slot that
 * changes under it: such a slot is of a file that is being mapped or unmapped,
 * which by the contract nobody touches, so the fault is not of that file.
 */
#include "transport/mem/gpa.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

/* Of all machines of the process together. */
#define SLOTS	     4096
#define SINGLE_PAGES 4

struct slot {
	_Atomic uint32_t seq;
	_Atomic uint32_t faults;
	_Atomic bool writable;
	_Atomic uintptr_t base; /* 0: free */
	_Atomic uint64_t size;
	_Atomic uint64_t page; /* 4 KiB, or that of a huge page file system */
};

static struct slot slots[SLOTS];
/* All beyond were never used.  Relaxed is enough: whoever touches a file heard
 * of it after its slot was published. */
static _Atomic uint32_t slots_used;
static pthread_mutex_t slots_lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic uint64_t truncations;

static void slot_store(struct slot *s, uintptr_t base, uint64_t size,
		       uint64_t page, bool writable)
{
	uint32_t seq = atomic_load_explicit(&s->seq, memory_order_relaxed);

	/* Control thread only.  The fence keeps the odd number before the
	 * fields; R8, the release, keeps the even one behind them. */
	atomic_store_explicit(&s->seq, seq + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	atomic_store_explicit(&s->base, base, memory_order_relaxed);
	atomic_store_explicit(&s->size, size, memory_order_relaxed);
	atomic_store_explicit(&s->page, page, memory_order_relaxed);
	atomic_store_explicit(&s->writable, writable, memory_order_relaxed);
	atomic_store_explicit(&s->faults, 0, memory_order_relaxed);
	/* R8: pairs with A8. */
	atomic_store_explicit(&s->seq, seq + 2, memory_order_release);
}

static int slot_publish(const struct gpa_file *file, uint64_t page)
{
	uint32_t used, i;
	int err = 0;

	pthread_mutex_lock(&slots_lock);
	used = atomic_load_explicit(&slots_used, memory_order_relaxed);
	for (i = 0; i < used; i++)
		if (!atomic_load_explicit(&slots[i].base, memory_order_relaxed))
			break;
	if (i == SLOTS) {
		err = -ENOSPC;
		goto out;
	}
	slot_store(&slots[i], (uintptr_t)file->base, file->size, page,
		   file->writable);
	if (i == used)
		atomic_store_explicit(&slots_used, used + 1,
				      memory_order_relaxed);
out:
	pthread_mutex_unlock(&slots_lock);
	return err;
}

static void slot_withdraw(const struct gpa_file *file)
{
	uint32_t used;

	pthread_mutex_lock(&slots_lock);
	used = atomic_load_explicit(&slots_used, memory_order_relaxed);
	for (uint32_t i = 0; i < used; i++) {
		if (atomic_load_explicit(&slots[i].base,
					 memory_order_relaxed) !=
		    (uintptr_t)file->base)
			continue;
		slot_store(&slots[i], 0, 0, 0, false);
		break;
	}
	pthread_mutex_unlock(&slots_lock);
}

/* Signal handler: put zeroed memory where @addr is, if it is in @s. */
static bool slot_heal(struct slot *s, uintptr_t addr)
{
	uint32_t seq;
	uintptr_t base, start;
	uint64_t size, page;
	int prot;

	/* A8: pairs with R8. */
	seq = atomic_load_explicit(&s->seq, memory_order_acquire);
	base = atomic_load_explicit(&s->base, memory_order_relaxed);
	size = atomic_load_explicit(&s->size, memory_order_relaxed);
	page = atomic_load_explicit(&s->page, memory_order_relaxed);
	prot = atomic_load_explicit(&s->writable, memory_order_relaxed)
		       ? PROT_READ | PROT_WRITE
		       : PROT_READ;
	atomic_thread_fence(memory_order_acquire);
	if ((seq & 1) ||
	    seq != atomic_load_explicit(&s->seq, memory_order_relaxed))
		return false;
	if (!base || addr < base || addr - base >= size)
		return false;
	/* Huge pages are mapped at multiples of their size, and a mapping of
	 * them can be cut only there. */
	start = addr & ~(uintptr_t)(page - 1);
	if (atomic_fetch_add_explicit(&s->faults, 1, memory_order_relaxed) >=
	    SINGLE_PAGES)
		page = base + size - start;
	return mmap((void *)start, page, prot,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1,
		    0) == (void *)start;
}

static void on_sigbus(int sig, siginfo_t *info, void *context)
{
	const int saved_errno = errno;
	uint32_t used = atomic_load_explicit(&slots_used, memory_order_relaxed);

	(void)context;
	/* BUS_ADRERR only: zeroes must not hide broken hardware memory, and
	 * somebody's kill(2) has no address. */
	for (uint32_t i = 0; info->si_code == BUS_ADRERR && i < used; i++) {
		if (slot_heal(&slots[i], (uintptr_t)info->si_addr)) {
			atomic_fetch_add_explicit(&truncations, 1,
						  memory_order_relaxed);
			errno = saved_errno;
			return;
		}
	}
	/* Not ours: the same access again, or the same signal, is fatal. */
	signal(sig, SIG_DFL);
	if (info->si_code <= 0)
		raise(sig);
	errno = saved_errno;
}

/* What there is to know about a descriptor before it is mapped. */
struct facts {
	uint64_t dev, ino, size, page;
	bool writable;
};

static int examine(int fd, struct facts *facts)
{
	struct stat st;
	struct statfs fs;
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fstat(fd, &st) || fstatfs(fd, &fs))
		return -errno;
	/* A descriptor that gives no right to read its file must not reach a
	 * mapping that another one made. */
	if ((flags & O_PATH) || (flags & O_ACCMODE) == O_WRONLY)
		return -EACCES;
	/* A page fault there waits for a process of the peer's choice. */
	if (!S_ISREG(st.st_mode) || fs.f_type == FUSE_SUPER_MAGIC)
		return -EINVAL;
	*facts = (struct facts){
		.dev = st.st_dev,
		.ino = st.st_ino,
		.size = (uint64_t)st.st_size,
		.page = (uint64_t)sysconf(_SC_PAGESIZE),
		.writable = (flags & O_ACCMODE) == O_RDWR,
	};
	/* Elsewhere the block size says nothing about pages. */
	if (fs.f_type == HUGETLBFS_MAGIC)
		facts->page = (uint64_t)st.st_blksize;
	return 0;
}

static int map_file(struct gpa_file *file, int fd, const struct facts *facts)
{
	/* The owner of huge pages reserved them; a second reservation of ours
	 * could fail or starve others. */
	const int flags = MAP_SHARED | MAP_NORESERVE;
	bool writable = facts->writable;
	void *base = MAP_FAILED;
	int err;

	/* A seal can forbid what the open mode allows. */
	if (writable)
		base = mmap(NULL, facts->size, PROT_READ | PROT_WRITE, flags,
			    fd, 0);
	if (base == MAP_FAILED) {
		writable = false;
		base = mmap(NULL, facts->size, PROT_READ, flags, fd, 0);
	}
	if (base == MAP_FAILED)
		return -errno;
	*file = (struct gpa_file){
		.dev = facts->dev,
		.ino = facts->ino,
		.base = base,
		.size = facts->size,
		.writable = writable,
	};
	err = slot_publish(file, facts->page);
	if (err) {
		munmap(base, facts->size);
		*file = (struct gpa_file){ 0 };
	}
	return err;
}

static void unmap_file(struct gpa_file *file)
{
	slot_withdraw(file);
	munmap(file->base, file->size);
	*file = (struct gpa_file){ 0 };
}

/* A file is mapped whole, and a sparse one may be as large as it likes: a few
 * of those would leave no addresses for others. */
static bool has_room(const struct gpa_files *files, uint64_t size)
{
	uint64_t mapped = 0;

	for (unsigned int i = 0; i < GPA_MAX_FILES; i++)
		mapped += files->file[i].size;
	return !files->most || range_inside(mapped, size, files->most);
}

int gpa_files_get(struct gpa_files *files, int fd, uint64_t offset,
		  uint64_t size, bool write, struct gpa_file **out)
{
	struct gpa_file *unused = NULL;
	struct facts facts = { 0 };
	int err = examine(fd, &facts);

	if (err)
		return err;
	if (write && !facts.writable)
		return -EACCES;
	if (!size || !range_inside(offset, size, facts.size))
		return -EINVAL;
	for (unsigned int i = 0; i < GPA_MAX_FILES; i++) {
		struct gpa_file *f = &files->file[i];

		if (!f->base) {
			unused = unused ? unused : f;
			continue;
		}
		if (f->dev == facts.dev && f->ino == facts.ino &&
		    range_inside(offset, size, f->size) &&
		    (f->writable || !write)) {
			f->users++;
			*out = f;
			return 0;
		}
	}
	if (!unused || !has_room(files, facts.size))
		return -ENOSPC;
	err = map_file(unused, fd, &facts);
	if (err)
		return err;
	if (write && !unused->writable) {
		unmap_file(unused);
		return -EACCES;
	}
	unused->users = 1;
	*out = unused;
	return 0;
}

void gpa_files_put(struct gpa_files *files, struct gpa_file *file)
{
	assert(file >= files->file && file < files->file + GPA_MAX_FILES);
	assert(file->users > 0);
	if (--file->users == 0)
		unmap_file(file);
}

int gpa_survive_truncation(void)
{
	struct sigaction action = {
		.sa_sigaction = on_sigbus,
		.sa_flags = SA_SIGINFO | SA_RESTART,
	};

	sigemptyset(&action.sa_mask);
	return sigaction(SIGBUS, &action, NULL) ? -errno : 0;
}

uint64_t gpa_truncations(void)
{
	return atomic_load_explicit(&truncations, memory_order_relaxed);
}
