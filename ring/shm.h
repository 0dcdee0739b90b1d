/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * shm.h - a sealed memfd: shared memory that can neither shrink nor grow
 *
 * Made by the service, mapped by service and client.  Sealed against SHRINK,
 * GROW and SEAL, so that no mapping of it can ever fault on a missing page.
 */
#ifndef RING_SHM_H
#define RING_SHM_H

#include "ring/base.h"

/* A new sealed, zeroed memfd of @size bytes (whole pages); fd or -errno. */
int shm_create(const char *name, uint64_t size);

/* Check that @fd is a memfd of exactly @size bytes with those seals. */
int shm_check(int fd, uint64_t size);

/* Map [@offset, @offset + @length) of @fd, read and write; NULL sets errno. */
void *shm_map(int fd, uint64_t offset, size_t length);
void shm_unmap(void *p, size_t length);

#endif
