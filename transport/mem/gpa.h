/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * gpa.h - guest physical addresses to host memory, checked
 *
 * A map is a table of disjoint regions.  A region is a part of a file that is
 * mapped here, or a hole: memory of the guest that came without a descriptor
 * and that devices cannot reach.
 *
 * Files    each distinct file is mapped once, whole, by gpa_files_get();
 *          regions of it are only table entries.  Mapping and unmapping are
 *          syscalls and happen on the control thread; the table belongs to
 *          the poll thread that runs the machine
 * Epoch    changes whenever the table does; whoever caches a host pointer
 *          derives it again when the epoch moved
 * Trust    addresses and lengths are the guest's: any value is safe.  A
 *          region is refused unless its file is long enough now; a file that
 *          shrinks later is caught by gpa_survive_truncation()
 */
#ifndef TRANSPORT_MEM_GPA_H
#define TRANSPORT_MEM_GPA_H

#include "ring/base.h"

#define GPA_READ  1u /* devices may read */
#define GPA_WRITE 2u /* devices may write */

#define GPA_MAX_REGIONS 65535
#define GPA_MAX_FILES	64

/* ---- Files: control thread ----------------------------------------------- */

struct gpa_file {
	uint64_t dev, ino;
	void *base;
	uint64_t size;
	bool writable;
	uint32_t users; /* regions */
};

/* All zero: no file, and no limit. */
struct gpa_files {
	struct gpa_file file[GPA_MAX_FILES];
	uint64_t most; /* bytes that all together may map; 0: any */
};

/*
 * Find or map the file behind @fd so that [@offset, @offset + @size) is there
 * (writable if @write); one user more.  @fd stays the caller's and may be
 * closed.  -EINVAL too short or no file that can be memory, -EACCES not
 * readable or not writable, -ENOSPC too many files or bytes of them.
 * A file that has grown since is mapped a second time.
 */
int gpa_files_get(struct gpa_files *files, int fd, uint64_t offset,
		  uint64_t size, bool write, struct gpa_file **out);

/* One user less; the last one unmaps. */
void gpa_files_put(struct gpa_files *files, struct gpa_file *file);

/*
 * Once per process: make a read or write of file memory that was truncated
 * away meet zeroed pages instead of SIGBUS; faults elsewhere stay fatal.
 * gpa_truncations() counts them.
 */
int gpa_survive_truncation(void);
uint64_t gpa_truncations(void);

/* ---- The table: poll thread ---------------------------------------------- */

struct gpa_region {
	uint64_t gpa;
	uint64_t size;
	uint8_t *host;	       /* borrowed from @file; NULL: a hole */
	struct gpa_file *file; /* NULL: a hole */
	uint32_t flags;	       /* GPA_* */
};

struct gpa_map {
	struct gpa_region *region; /* owned, sorted by gpa */
	uint32_t nr, room;
	uint64_t epoch;
};

void gpa_map_init(struct gpa_map *map);
void gpa_map_fini(struct gpa_map *map);

/* -EEXIST overlaps, -EINVAL empty or wraps, -ENOSPC, -ENOMEM. */
int gpa_map_insert(struct gpa_map *map, const struct gpa_region *r);

/* Remove the region that is exactly [@gpa, @gpa + @size) and copy it to
 * @removed, whose file the control thread puts; -ENOENT. */
int gpa_map_remove(struct gpa_map *map, uint64_t gpa, uint64_t size,
		   struct gpa_region *removed);

/*
 * How many of the @len bytes at @gpa are reachable in one piece of host
 * memory, which starts at *@host; 0 if the first byte is in a hole, outside
 * everything, or not writable while @write.  Regions that follow each other in
 * guest and in host memory are one piece.
 */
uint64_t gpa_span(const struct gpa_map *map, uint64_t gpa, uint64_t len,
		  bool write, void **host);

/* The region that @gpa is in, a hole perhaps; NULL: none.  Valid until the
 * table changes. */
const struct gpa_region *gpa_find(const struct gpa_map *map, uint64_t gpa);

/* All @len bytes (> 0) in one piece, or NULL. */
static inline void *gpa_ptr(const struct gpa_map *map, uint64_t gpa,
			    uint64_t len, bool write)
{
	void *host;

	return gpa_span(map, gpa, len, write, &host) == len ? host : NULL;
}

#endif
