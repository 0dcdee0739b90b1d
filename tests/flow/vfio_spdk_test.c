/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SPDK's virtio-blk initiator (bdev_virtio over vfio-user), message by message,
 * against a real proxy and a disk with poll=always: a version without JSON,
 * each message with id 0 and a reply, region queries padded to 4080 bytes, a
 * layout that it knows by heart, virtual addresses for DMA.  It switches bus
 * mastering on and memory decoding not, enables queues before it clears their
 * rings, and then rings no doorbell and asks for no interrupt.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/flow/procs.h"
#include "tests/flow/vfio_raw.h"
#include "tests/guest/driver.h"

#define DISK_BYTES (4u << 20)
#define QUEUES	   2

/* Two huge pages of the initiator's, at the address where DPDK puts them. */
#define PAGE  0x200000ull
#define PAGES 2
#define IOVA  0x200000200000ull
#define RINGS (PAGE / QUEUES) /* for a queue's, in the first page */
#define DATA  PAGE	      /* the second page is for requests */

/* BAR4, as SPDK's target lays it out. */
#define BAR    4
#define COMMON 0x0000u
#define CONFIG 0x2000u

/* What bdev_virtio asks for: BLK_SIZE, TOPOLOGY, MQ, RO, DISCARD, EVENT_IDX,
 * and the vhost protocol bit that it never clears. */
#define F_BLK_SIZE (1ull << 6)
#define F_MQ	   (1ull << 12)
#define WANTED                                                                 \
	(1ull << 5 | F_BLK_SIZE | 1ull << 10 | F_MQ | 1ull << 13 |             \
	 GUEST_F_EVENT_IDX | 1ull << 30 | GUEST_F_VERSION_1)

#define DEPTH 32

#define READ  0u
#define WRITE 1u

struct ring {
	uint16_t size;
	struct guest_desc *desc;
	uint16_t *avail, *used;
	uint16_t avail_idx, last_used, next;
};

struct initiator {
	struct vfio_raw v;
	int mem; /* owned */
	uint8_t *at;
	uint64_t features;
	struct ring ring[QUEUES];
};

static struct procs procs;
static char path[PROCS_PATH];

static int setup(void **state)
{
	static const char *const none[] = { NULL };
	char params[PROCS_PATH + 64];

	(void)state;
	if (procs_init(&procs) || procs_start_service(&procs))
		return -1;
	procs_path(&procs, "disk.sock", path);
	snprintf(params, sizeof(params),
		 "{\"machine\":\"vm\",\"address\":\"00:01.0\",\"path\":\"%s\"}",
		 path);
	if (procs_rpc(&procs, "machine.create", "{\"name\":\"vm\"}", NULL) ||
	    procs_rpc(&procs, "function.create",
		      "{\"machine\":\"vm\",\"address\":\"00:01.0\","
		      "\"device\":\"blk\",\"options\":{\"backend\":\"ram\","
		      "\"size\":\"4M\",\"queues\":2,\"poll\":\"always\"}}",
		      NULL) ||
	    procs_rpc(&procs, "socket.create", params, NULL))
		return -1;
	return procs_start_proxy(&procs, "vm", none);
}

static int teardown(void **state)
{
	(void)state;
	return procs_fini(&procs);
}

/* ---- Messages ------------------------------------------------------------- */

/* Its header's id is never anything but 0. */
static void call(struct initiator *s, uint16_t command, const void *payload,
		 size_t n, const int *fd)
{
	s->v.id = UINT16_MAX;
	assert_int_equal(
		vfio_raw_call(&s->v, command, payload, n, fd, fd != NULL), 0);
	assert_int_equal(s->v.reply.id, 0);
	/* Its buffer for the payload of a reply. */
	assert_true(s->v.length <= 4096);
}

static uint64_t get(struct initiator *s, uint32_t region, uint64_t off,
		    uint32_t size)
{
	struct vu_region_access ra = { off, region, size };
	uint64_t value = 0;

	call(s, VU_REGION_READ, &ra, sizeof(ra), NULL);
	assert_int_equal(s->v.length, sizeof(ra) + size);
	memcpy(&value, s->v.data + sizeof(ra), size);
	return value;
}

static void set(struct initiator *s, uint32_t region, uint64_t off,
		uint32_t size, uint64_t value)
{
	struct {
		struct vu_region_access ra;
		uint64_t value;
	} w = { { off, region, size }, value };

	call(s, VU_REGION_WRITE, &w, sizeof(w.ra) + size, NULL);
}

static uint64_t common(struct initiator *s, uint32_t off, uint32_t size)
{
	return get(s, BAR, COMMON + off, size);
}

static void set_common(struct initiator *s, uint32_t off, uint32_t size,
		       uint64_t value)
{
	set(s, BAR, COMMON + off, size, value);
}

/* ---- As it sets itself up --------------------------------------------------- */

static void query(struct initiator *s)
{
	struct vu_device_info info = { .argsz = sizeof(info) };
	uint8_t request[4064] = { 0 };
	struct vu_region_info ri = { .argsz = sizeof(request) };

	call(s, VU_DEVICE_GET_INFO, &info, sizeof(info), NULL);
	memcpy(&info, s->v.data, sizeof(info));
	for (ri.index = 0; ri.index < info.num_regions; ri.index++) {
		struct vu_region_info got;

		memcpy(request, &ri, sizeof(ri));
		call(s, VU_GET_REGION_INFO, request, sizeof(request), NULL);
		memcpy(&got, s->v.data, sizeof(got));
		if (ri.index == BAR)
			assert_true(got.size >= 0x4000);
		if (ri.index == VU_REGION_CONFIG)
			assert_true(got.size >= 256);
	}
}

static void lend(struct initiator *s)
{
	for (unsigned int i = 0; i < PAGES; i++) {
		struct vu_dma_map map = {
			.argsz = sizeof(map),
			.flags = VU_DMA_READ | VU_DMA_WRITE,
			.offset = i * PAGE,
			.address = IOVA + i * PAGE,
			.size = PAGE,
		};

		call(s, VU_DMA_MAP, &map, sizeof(map), &s->mem);
	}
}

static void connect_to(struct initiator *s)
{
	static const uint8_t version[4] = { 0, 0, 1, 0 };

	*s = (struct initiator){ .mem = memfd_create("hugepages",
						     MFD_CLOEXEC) };
	assert_int_equal(ftruncate(s->mem, PAGES * PAGE), 0);
	s->at = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
		     s->mem, 0);
	assert_ptr_not_equal(s->at, MAP_FAILED);
	assert_int_equal(vfio_raw_connect(&s->v, path), 0);
	call(s, VU_VERSION, version, sizeof(version), NULL);
	query(s);
	lend(s);
	set(s, VU_REGION_CONFIG, 4, 2, get(s, VU_REGION_CONFIG, 4, 2) | 0x404);
}

static void add_status(struct initiator *s, uint8_t bit)
{
	set_common(s, GUEST_STATUS, 1, common(s, GUEST_STATUS, 1) | bit);
	assert_true(common(s, GUEST_STATUS, 1) & bit);
}

static void negotiate(struct initiator *s)
{
	set_common(s, GUEST_STATUS, 1, 0);
	add_status(s, GUEST_ACKNOWLEDGE);
	add_status(s, GUEST_DRIVER);
	for (unsigned int i = 0; i < 2; i++) {
		set_common(s, GUEST_DEVICE_FEATURE_SELECT, 4, i);
		s->features |= common(s, GUEST_DEVICE_FEATURE, 4) << 32 * i;
	}
	s->features &= WANTED;
	assert_true(s->features & GUEST_F_VERSION_1);
	for (unsigned int i = 0; i < 2; i++) {
		set_common(s, GUEST_DRIVER_FEATURE_SELECT, 4, i);
		set_common(s, GUEST_DRIVER_FEATURE, 4,
			   (uint32_t)(s->features >> 32 * i));
	}
	add_status(s, GUEST_FEATURES_OK);
}

static void read_config(struct initiator *s)
{
	assert_int_equal(get(s, BAR, CONFIG, 8), DISK_BYTES / 512);
	assert_true(s->features & F_MQ);
	assert_int_equal(get(s, BAR, CONFIG + 0x22, 2), QUEUES);
	assert_int_equal(get(s, BAR, CONFIG + 0x22, 2), QUEUES);
}

static void set_address(struct initiator *s, uint32_t off, uint64_t iova)
{
	set_common(s, off, 4, (uint32_t)iova);
	set_common(s, off + 4, 4, iova >> 32);
}

/* Driver area right behind the descriptors, device area on the next page. */
static void enable(struct initiator *s, uint16_t q)
{
	struct ring *r = &s->ring[q];
	const uint64_t at = q * RINGS;
	uint64_t avail, used;

	set_common(s, GUEST_QUEUE_SELECT, 2, q);
	r->size = (uint16_t)common(s, GUEST_QUEUE_SIZE_REG, 2);
	assert_true(r->size && !(r->size & (r->size - 1)));
	avail = at + 16ull * r->size;
	used = (avail + 4 + 2ull * r->size + 4095) & ~4095ull;
	assert_true(used + 6 + 8ull * r->size <= at + RINGS);
	r->desc = (struct guest_desc *)(s->at + at);
	r->avail = (uint16_t *)(s->at + avail);
	r->used = (uint16_t *)(s->at + used);
	set_common(s, GUEST_QUEUE_SELECT, 2, q);
	set_address(s, GUEST_QUEUE_DESC, IOVA + at);
	set_address(s, GUEST_QUEUE_DRIVER, IOVA + avail);
	set_address(s, GUEST_QUEUE_DEVICE, IOVA + used);
	common(s, GUEST_QUEUE_NOTIFY_OFF, 2);
	set_common(s, GUEST_QUEUE_ENABLE, 2, 1);
	/* Only now. */
	memset(r->desc, 0, RINGS);
	if (s->features & GUEST_F_EVENT_IDX)
		r->avail[2 + r->size] = UINT16_MAX;
	else
		r->avail[0] = 1;
}

static void start(struct initiator *s)
{
	negotiate(s);
	read_config(s);
	for (uint16_t q = 0; q < QUEUES; q++)
		enable(s, q);
	add_status(s, GUEST_DRIVER_OK);
}

static void stop(struct initiator *s)
{
	set_common(s, GUEST_STATUS, 1, 0);
	for (uint16_t q = 0; q < QUEUES; q++) {
		set_common(s, GUEST_QUEUE_SELECT, 2, q);
		set_common(s, GUEST_QUEUE_ENABLE, 2, 0);
	}
}

static void disconnect(struct initiator *s)
{
	for (unsigned int i = 0; i < PAGES; i++) {
		struct vu_dma_unmap un = { sizeof(un), 0, IOVA + i * PAGE,
					   PAGE };

		/* With a descriptor, which is nobody's business. */
		call(s, VU_DMA_UNMAP, &un, sizeof(un), &s->mem);
	}
	vfio_raw_close(&s->v);
	munmap(s->at, PAGES * PAGE);
	close(s->mem);
}

/* ---- Requests ----------------------------------------------------------------- */

/* A request's header and status; its data are behind them. */
static uint64_t request(unsigned int q, unsigned int slot)
{
	return DATA + (q * DEPTH + slot) * 0x2000ull;
}

/* Header, data, status: three descriptors, without indirection. */
static void submit(struct initiator *s, unsigned int q, unsigned int slot,
		   uint32_t type, uint64_t sector)
{
	struct ring *r = &s->ring[q];
	const uint64_t at = request(q, slot);
	const uint16_t d = (uint16_t)(3 * slot);

	memset(s->at + at, 0, 16);
	memcpy(s->at + at, &type, 4);
	memcpy(s->at + at + 8, &sector, 8);
	s->at[at + 16] = 0xee;
	r->desc[d] = (struct guest_desc){ .addr = IOVA + at,
					  .len = 16,
					  .flags = 1,
					  .next = (uint16_t)(d + 1) };
	r->desc[d + 1] = (struct guest_desc){ .addr = IOVA + at + 0x1000,
					      .len = 512,
					      .flags = type == READ ? 3 : 1,
					      .next = (uint16_t)(d + 2) };
	r->desc[d + 2] = (struct guest_desc){ .addr = IOVA + at + 16,
					      .len = 1,
					      .flags = 2 };
	r->avail[2 + (r->avail_idx & (r->size - 1))] = d;
	__atomic_store_n(&r->avail[1], ++r->avail_idx, __ATOMIC_RELEASE);
}

/* Look until @n requests came back; nothing is sent meanwhile. */
static void poll_for(struct initiator *s, unsigned int q, unsigned int n)
{
	static const struct timespec nap = { .tv_nsec = 20000 };
	struct ring *r = &s->ring[q];
	const uint16_t want = (uint16_t)(r->last_used + n);

	for (unsigned int i = 0; i < 100000; i++) {
		if (__atomic_load_n(&r->used[1], __ATOMIC_ACQUIRE) == want)
			break;
		nanosleep(&nap, NULL);
	}
	assert_int_equal(r->used[1], want);
	r->last_used = want;
}

static uint8_t *data_of(struct initiator *s, unsigned int q, unsigned int slot)
{
	return s->at + request(q, slot) + 0x1000;
}

static uint8_t status_of(struct initiator *s, unsigned int q, unsigned int slot)
{
	return s->at[request(q, slot) + 16];
}

/* @rounds of a full depth on each queue: write, read back, compare. */
static void exercise(struct initiator *s, unsigned int rounds)
{
	for (unsigned int i = 0; i < rounds; i++) {
		const unsigned int q = i % QUEUES;

		for (unsigned int k = 0; k < DEPTH; k++) {
			memset(data_of(s, q, k), (int)(i + k), 512);
			submit(s, q, k, WRITE, 1 + (i * 37 + k) % 8000);
		}
		poll_for(s, q, DEPTH);
		for (unsigned int k = 0; k < DEPTH; k++) {
			assert_int_equal(status_of(s, q, k), 0);
			memset(data_of(s, q, k), 0xff, 512);
			submit(s, q, k, READ, 1 + (i * 37 + k) % 8000);
		}
		poll_for(s, q, DEPTH);
		for (unsigned int k = 0; k < DEPTH; k++) {
			const uint8_t *bytes = data_of(s, q, k);

			assert_int_equal(status_of(s, q, k), 0);
			assert_int_equal(bytes[0], (uint8_t)(i + k));
			assert_memory_equal(bytes, bytes + 1, 511);
		}
	}
}

static json_int_t stat_of(const char *key)
{
	json_int_t n;
	json_t *s;

	assert_int_equal(
		procs_rpc(&procs, "stats.get", "{\"machine\":\"vm\"}", &s), 0);
	n = json_integer_value(json_object_get(
		json_array_get(json_object_get(s, "functions"), 0), key));
	json_decref(s);
	return n;
}

static void spdk_s_initiator_reads_and_writes_without_a_doorbell(void **state)
{
	struct initiator s;

	(void)state;
	connect_to(&s);
	start(&s);
	exercise(&s, 40);
	/* A request each, after a pause in which any other queue would sleep. */
	for (unsigned int q = 0; q < QUEUES; q++) {
		usleep(20000);
		submit(&s, q, 0, READ, 0);
		poll_for(&s, q, 1);
		assert_int_equal(status_of(&s, q, 0), 0);
	}
	assert_int_equal(common(&s, GUEST_STATUS, 1) & GUEST_NEEDS_RESET, 0);
	assert_int_equal(stat_of("notify"), 0);
	stop(&s);
	disconnect(&s);
}

static void spdk_s_initiator_comes_and_goes(void **state)
{
	struct initiator s;

	(void)state;
	for (unsigned int i = 0; i < 5; i++) {
		connect_to(&s);
		start(&s);
		exercise(&s, 2);
		stop(&s);
		/* bdev_virtio resets and starts again without reconnecting. */
		memset(s.ring, 0, sizeof(s.ring));
		start(&s);
		exercise(&s, 2);
		/* The last time it just goes. */
		if (i < 4)
			stop(&s);
		disconnect(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			spdk_s_initiator_reads_and_writes_without_a_doorbell),
		cmocka_unit_test(spdk_s_initiator_comes_and_goes),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
