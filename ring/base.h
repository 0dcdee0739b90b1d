/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * base.h - the few words that every layer uses
 *
 * Nothing here has state; nothing here may grow into a module.
 */
#ifndef RING_BASE_H
#define RING_BASE_H

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define BIT(n)	      (1u << (n))
#define BIT_ULL(n)    (1ull << (n))

/* DPDK's headers define the same three; whoever comes first wins. */
#ifndef container_of
#define container_of(ptr, type, member)                                        \
	((type *)((char *)(ptr)-offsetof(type, member)))
#endif
#ifndef likely
#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#endif

static inline bool is_power_of_2(uint64_t x)
{
	return x && !(x & (x - 1));
}

/* True if [@off, @off + @len) lies inside [0, @size); never overflows. */
static inline bool range_inside(uint64_t off, uint64_t len, uint64_t size)
{
	return len <= size && off <= size - len;
}

/* All-ones of @size bytes (1 to 8): what an access to nothing reads. */
static inline uint64_t all_ones(unsigned int size)
{
	return size >= 8 ? UINT64_MAX : (1ull << (8 * size)) - 1;
}

/* PCI and virtio are little-endian and so is every host we build for. */
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "little-endian");

/* Load @size bytes (1 to 8) at @p as a little-endian number. */
static inline uint64_t load_le(const void *p, unsigned int size)
{
	uint64_t v = 0;

	memcpy(&v, p, size);
	return v;
}

static inline void store_le(void *p, unsigned int size, uint64_t v)
{
	memcpy(p, &v, size);
}

/* Ask for the line at @p to be this core's alone.  What compilers have for it
 * is a read's prefetch unless they may assume a newer processor; on one that
 * does not know it, it is nothing. */
static inline void prefetch_to_write(const void *p)
{
	__asm__ volatile("prefetchw %0" : : "m"(*(const char *)p));
}

/* A counter with one writer, which others may read at any time. */
static inline void count_add(uint64_t *count, uint64_t n)
{
	__atomic_store_n(count, *count + n, __ATOMIC_RELAXED);
}

static inline uint64_t count_read(const uint64_t *count)
{
	return __atomic_load_n(count, __ATOMIC_RELAXED);
}

/* A function's address on its machine's PCI tree, as in a requester ID. */
static inline uint16_t bdf_make(unsigned int bus, unsigned int dev,
				unsigned int fn)
{
	return (uint16_t)(bus << 8 | (dev & 31) << 3 | (fn & 7));
}

#define BDF_BUS(bdf) ((unsigned int)(bdf) >> 8)
#define BDF_DEV(bdf) (((unsigned int)(bdf) >> 3) & 31)
#define BDF_FN(bdf)  ((unsigned int)(bdf)&7)
#define BDF_FMT	     "%02x:%02x.%x"
#define BDF_ARG(bdf) BDF_BUS(bdf), BDF_DEV(bdf), BDF_FN(bdf)

#endif
