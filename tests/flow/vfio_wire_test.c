/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every command of the protocol as bytes, the bytes of its answer, and what of
 * it arrives at libpciring.
 */
#include "tests/flow/vfio_server.h"

#define LE16(x) (uint8_t)(x), (uint8_t)((x) >> 8)
#define LE32(x) LE16(x), LE16((x) >> 16)
#define LE64(x) LE32((uint64_t)(x)), LE32((uint64_t)(x) >> 32)
#define HEADER(id, command, size, flags, error)                                \
	LE16(id), LE16(command), LE32(size), LE32(flags), LE32(error)
#define COMMAND(id, command, size)  HEADER(id, command, size, 0, 0)
#define REPLY(id, command, size)    HEADER(id, command, size, 1, 0)
#define REFUSAL(id, command, error) HEADER(id, command, 16, 0x21, error)

/* @bytes as one message are answered by exactly @answer. */
static void exchange(struct server *s, const uint8_t *bytes, size_t n,
		     const uint8_t *answer, size_t m, const char *name)
{
	uint8_t got[256];
	size_t done = 0;

	assert_int_equal(vfio_raw_send(&s->v, bytes, n, NULL, 0), 0);
	while (done < m) {
		ssize_t some = recv(s->v.sock, got + done, m - done, 0);

		if (some <= 0)
			fail_msg("%s: %zu of %zu bytes came", name, done, m);
		done += (size_t)some;
	}
	for (size_t i = 0; i < m; i++)
		if (got[i] != answer[i])
			fail_msg("%s: byte %zu is %#x, not %#x", name, i,
				 got[i], answer[i]);
}

struct golden {
	const char *name;
	uint8_t request[128];
	uint8_t answer[128];
};

/* clang-format off */
static const struct golden golden[] = {
	{ "dma_map without a descriptor",
	  { COMMAND(0x1234, 2, 48), LE32(32), LE32(1), LE64(0),
	    LE64(0xfffc0000ull), LE64(0x40000ull) },
	  { REPLY(0x1234, 2, 16) } },
	{ "the same again",
	  { COMMAND(0x1234, 2, 48), LE32(32), LE32(1), LE64(0),
	    LE64(0xfffc0000ull), LE64(0x40000ull) },
	  { REPLY(0x1234, 2, 16) } },
	{ "dma_map over it",
	  { COMMAND(1, 2, 48), LE32(32), LE32(3), LE64(0),
	    LE64(0xfffff000ull), LE64(0x1000ull) },
	  { REFUSAL(1, 2, EEXIST) } },
	{ "dma_unmap of half of it",
	  { COMMAND(2, 3, 40), LE32(24), LE32(0), LE64(0xfffc0000ull),
	    LE64(0x20000ull) },
	  { REFUSAL(2, 3, ENOENT) } },
	{ "dma_unmap of it",
	  { COMMAND(3, 3, 40), LE32(24), LE32(0), LE64(0xfffc0000ull),
	    LE64(0x40000ull) },
	  { REPLY(3, 3, 40), LE32(24), LE32(0), LE64(0xfffc0000ull),
	    LE64(0x40000ull) } },
	{ "dma_unmap of all",
	  { COMMAND(4, 3, 40), LE32(24), LE32(2), LE64(0ull), LE64(0ull) },
	  { REPLY(4, 3, 40), LE32(24), LE32(2), LE64(0ull), LE64(0ull) } },
	{ "device_get_info",
	  { COMMAND(5, 4, 32), LE32(16), LE32(0), LE32(0), LE32(0) },
	  { REPLY(5, 4, 32), LE32(16), LE32(3), LE32(9), LE32(5) } },
	{ "get_region_info, BAR 4",
	  { COMMAND(6, 5, 48), LE32(32), LE32(0), LE32(4), LE32(0),
	    LE64(0ull), LE64(0ull) },
	  { REPLY(6, 5, 48), LE32(32), LE32(3), LE32(4), LE32(0),
	    LE64(0x4000ull), LE64(0ull) } },
	{ "get_region_info, the upper half of BAR 4",
	  { COMMAND(7, 5, 48), LE32(32), LE32(0), LE32(5), LE32(0),
	    LE64(0ull), LE64(0ull) },
	  { REPLY(7, 5, 48), LE32(32), LE32(0), LE32(5), LE32(0),
	    LE64(0ull), LE64(0ull) } },
	{ "get_region_info, configuration space",
	  { COMMAND(8, 5, 48), LE32(32), LE32(0), LE32(7), LE32(0),
	    LE64(0ull), LE64(0ull) },
	  { REPLY(8, 5, 48), LE32(32), LE32(3), LE32(7), LE32(0),
	    LE64(256ull), LE64(0ull) } },
	{ "get_region_io_fds",
	  { COMMAND(9, 6, 32), LE32(16), LE32(0), LE32(4), LE32(0) },
	  { REPLY(9, 6, 32), LE32(16), LE32(0), LE32(4), LE32(0) } },
	{ "get_irq_info, MSI-X",
	  { COMMAND(10, 7, 32), LE32(16), LE32(0), LE32(2), LE32(0) },
	  { REPLY(10, 7, 32), LE32(16), LE32(3), LE32(2), LE32(32) } },
	{ "get_irq_info, INTx",
	  { COMMAND(11, 7, 32), LE32(16), LE32(0), LE32(0), LE32(0) },
	  { REPLY(11, 7, 32), LE32(16), LE32(7), LE32(0), LE32(1) } },
	{ "get_irq_info, MSI",
	  { COMMAND(11, 7, 32), LE32(16), LE32(0), LE32(1), LE32(0) },
	  { REPLY(11, 7, 32), LE32(16), LE32(0), LE32(1), LE32(0) } },
	{ "get_irq_info, error",
	  { COMMAND(11, 7, 32), LE32(16), LE32(0), LE32(3), LE32(0) },
	  { REPLY(11, 7, 32), LE32(16), LE32(1), LE32(3), LE32(1) } },
	{ "set_irqs, disable what there is none of",
	  { COMMAND(12, 8, 36), LE32(20), LE32(0x21), LE32(1), LE32(0),
	    LE32(0) },
	  { REPLY(12, 8, 16) } },
	{ "set_irqs, disable INTx",
	  { COMMAND(12, 8, 36), LE32(20), LE32(0x21), LE32(0), LE32(0),
	    LE32(0) },
	  { REPLY(12, 8, 16) } },
	{ "set_irqs, unmask INTx",
	  { COMMAND(12, 8, 36), LE32(20), LE32(0x11), LE32(0), LE32(0),
	    LE32(1) },
	  { REPLY(12, 8, 16) } },
	{ "set_irqs, vector 3 to no eventfd",
	  { COMMAND(13, 8, 36), LE32(20), LE32(0x24), LE32(2), LE32(3),
	    LE32(1) },
	  { REPLY(13, 8, 16) } },
	{ "region_read, a dword of configuration space",
	  { COMMAND(14, 9, 32), LE64(0x10ull), LE32(7), LE32(4) },
	  { REPLY(14, 9, 36), LE64(0x10ull), LE32(7), LE32(4),
	    0x10, 0x11, 0x12, 0x13 } },
	{ "region_write, 8 bytes of BAR 0",
	  { COMMAND(15, 10, 40), LE64(0x18ull), LE32(0), LE32(8),
	    1, 2, 3, 4, 5, 6, 7, 8 },
	  { REPLY(15, 10, 32), LE64(0x18ull), LE32(0), LE32(8) } },
	{ "region_read, the upper 4 of them",
	  { COMMAND(16, 9, 32), LE64(0x1cull), LE32(0), LE32(4) },
	  { REPLY(16, 9, 36), LE64(0x1cull), LE32(0), LE32(4), 5, 6, 7, 8 } },
	{ "device_reset",
	  { COMMAND(17, 13, 16) },
	  { REPLY(17, 13, 16) } },
	{ "region_write_multi, two",
	  { COMMAND(18, 15, 72), LE64(2ull),
	    LE64(0x40ull), LE32(0), LE32(2), LE64(0xbeefull),
	    LE64(0x42ull), LE32(0), LE32(1), LE64(0x77ull) },
	  { REPLY(18, 15, 24), LE64(2ull) } },
	{ "region_write_multi, the second outside",
	  { COMMAND(19, 15, 72), LE64(2ull),
	    LE64(0x40ull), LE32(0), LE32(2), LE64(0xbeefull),
	    LE64(0x1000ull), LE32(0), LE32(1), LE64(0x77ull) },
	  { REPLY(19, 15, 24), LE64(1ull) } },
	{ "device_feature",
	  { COMMAND(20, 16, 24), LE32(8), LE32(0x10001) },
	  { REFUSAL(20, 16, EOPNOTSUPP) } },
	{ "dma_read, which is ours to send",
	  { COMMAND(21, 11, 32), LE64(0ull), LE64(4ull) },
	  { REFUSAL(21, 11, EOPNOTSUPP) } },
	{ "a command that nobody has",
	  { COMMAND(22, 0xffff, 16) },
	  { REFUSAL(22, 0xffff, EOPNOTSUPP) } },
};
/* clang-format on */

static void every_message_is_answered_byte_for_byte(void **state)
{
	struct server *s = *state;

	for (size_t i = 0; i < ARRAY_SIZE(golden); i++) {
		const struct golden *g = &golden[i];

		exchange(s, g->request, load_le(g->request + 4, 4), g->answer,
			 load_le(g->answer + 4, 4), g->name);
	}
	assert_int_equal(server_stop(s), 0);
	assert_int_equal(s->p->maps, 0);
	assert_int_equal(s->p->unmap_alls, 1);
	assert_int_equal(s->p->resets, 1);
	assert_int_equal(load_le(s->p->bar0 + 0x40, 4), 0x77beef);
}

/* As answered to QEMU, whose buffer for the reply is that of its request. */
static void handshake_with_qemu_byte_for_byte(void **state)
{
	static const char json[] = "{\"capabilities\":{\"max_msg_fds\":16,"
				   "\"max_data_xfer_size\":65536}}";
	struct server *s = server_start();

	(void)state;
	assert_int_equal(vfio_raw_version(&s->v, 0, QEMU_JSON), 0);
	assert_int_equal(s->v.length, 4 + sizeof(json));
	assert_memory_equal(s->v.data, "\0\0\0\0", 4);
	assert_memory_equal(s->v.data + 4, json, sizeof(json));
	assert_true(sizeof(json) < sizeof(QEMU_JSON));
}

static void a_burst_is_answered_in_its_order(void **state)
{
	struct server *s = *state;
	int mem = eventfd(0, 0);

	/* Descriptors come with every other MAP; each has to find its own. */
	for (unsigned int i = 0; i < 40; i++) {
		struct vu_dma_map map = { 32, 3, 0, i * 0x1000ull, 0x1000 };

		assert_int_equal(vfio_raw_command(&s->v, VU_DMA_MAP, 0, &map,
						  sizeof(map), &mem, i & 1),
				 0);
	}
	for (unsigned int i = 0; i < 40; i++) {
		assert_int_equal(vfio_raw_reply(&s->v), 1);
		assert_int_equal(s->v.reply.flags, VU_TYPE_REPLY);
		assert_int_equal(s->v.reply.id, s->v.id - 39 + i);
	}
	close(mem);
	for (unsigned int i = 0; i < 40; i++) {
		assert_int_equal(s->p->map[i].gpa, i * 0x1000);
		assert_int_equal(s->p->map[i].has_fd, i & 1);
	}
}

static void no_reply_is_honoured_and_later_reads_see_the_write(void **state)
{
	struct server *s = *state;

	for (uint32_t i = 0; i < 100; i++) {
		struct vu_region_access ra = { 0x20, 0, 4 };
		uint8_t write[20];
		uint32_t got;

		memcpy(write, &ra, sizeof(ra));
		memcpy(write + 16, &i, 4);
		assert_int_equal(vfio_raw_command(&s->v, VU_REGION_WRITE,
						  VU_NO_REPLY, write, 20, NULL,
						  0),
				 0);
		assert_int_equal(vfio_raw_read(&s->v, 0, 0x20, 4, &got), 0);
		assert_int_equal(got, i);
	}
	/* Nor is an error answered that nobody wants to hear. */
	assert_int_equal(vfio_raw_command(&s->v, VU_DEVICE_FEATURE, VU_NO_REPLY,
					  "12345678", 8, NULL, 0),
			 0);
	assert_int_equal(
		vfio_raw_call(&s->v, VU_DEVICE_RESET, NULL, 0, NULL, 0), 0);
}

static void
doorbells_are_posted_and_fall_back_when_the_ring_is_full(void **state)
{
	struct server *s = *state;

	assert_int_equal(vfio_raw_write(&s->v, 4, FAKE_DOORBELL, 2, 5), 0);
	assert_int_equal(s->p->posts, 1);
	assert_int_equal(s->p->accesses, 0);
	s->p->full = true;
	assert_int_equal(vfio_raw_write(&s->v, 4, FAKE_DOORBELL + 2, 2, 6), 0);
	assert_int_equal(s->p->posts, 1);
	assert_int_equal(s->p->accesses, 1);
	/* Next to the window, and of another size: waits. */
	s->p->full = false;
	assert_int_equal(vfio_raw_write(&s->v, 4, FAKE_DOORBELL - 2, 2, 7), 0);
	assert_int_equal(vfio_raw_write(&s->v, 4, FAKE_DOORBELL, 4, 8), 0);
	assert_int_equal(s->p->posts, 1);
	assert_int_equal(s->p->accesses, 3);
}

/* rule 5 */
static void config_space_is_read_whole_in_dwords(void **state)
{
	struct server *s = *state;
	uint8_t got[256];

	assert_int_equal(vfio_raw_read(&s->v, 7, 0, 256, got), 0);
	assert_memory_equal(got, s->p->config, 256);
	assert_int_equal(s->p->accesses, 64);
}

static void odd_lengths_are_cut_into_aligned_pieces(void **state)
{
	struct server *s = *state;
	uint8_t got[8];

	/* 1 at 5, 2 at 6, 4 at 8, 1 at 12 */
	assert_int_equal(vfio_raw_read(&s->v, 7, 5, 8, got), 0);
	assert_memory_equal(got, s->p->config + 5, 8);
	assert_int_equal(s->p->accesses, 4);
	/* 6 bytes of a BAR, as a MAC is read */
	memcpy(s->p->bar0 + 0x100, "abcdef", 6);
	assert_int_equal(vfio_raw_read(&s->v, 0, 0x100, 6, got), 0);
	assert_memory_equal(got, "abcdef", 6);
	assert_int_equal(s->p->accesses, 6);
	/* 8 bytes of a BAR are one access */
	assert_int_equal(vfio_raw_read(&s->v, 0, 0x100, 8, got), 0);
	assert_int_equal(s->p->accesses, 7);
	assert_int_equal(s->p->last.size, 8);
}

static void a_message_may_come_in_single_bytes(void **state)
{
	static const uint8_t read[] = { COMMAND(9, 9, 32), LE64(0x10ull),
					LE32(7), LE32(4) };
	struct server *s = *state;

	for (size_t i = 0; i < sizeof(read); i++)
		assert_int_equal(vfio_raw_send(&s->v, read + i, 1, NULL, 0), 0);
	assert_int_equal(vfio_raw_reply(&s->v), 1);
	assert_int_equal(s->v.reply.id, 9);
	assert_memory_equal(s->v.data + 16, s->p->config + 0x10, 4);
}

static void as_many_maps_as_the_table_holds(void **state)
{
	struct server *s = *state;

	/* From the top down: the dearest order for a sorted array. */
	for (unsigned int i = FAKE_MAPS; i-- > 0;)
		assert_int_equal(
			vfio_raw_map(&s->v, i * 0x2000ull, 0x1000, -1, 0), 0);
	assert_int_equal(vfio_raw_map(&s->v, 0x1000, 0x1000, -1, 0), -ENOSPC);
	assert_int_equal(vfio_raw_map(&s->v, 0x0800, 0x1000, -1, 0), -EEXIST);
	assert_int_equal(vfio_raw_map(&s->v, 0x1fff, 2, -1, 0), -EEXIST);
	for (unsigned int i = 0; i < FAKE_MAPS; i++)
		assert_int_equal(vfio_raw_unmap(&s->v, i * 0x2000ull, 0x1000),
				 0);
	assert_int_equal(s->p->maps, 0);
	assert_int_equal(vfio_raw_unmap(&s->v, 0, 0x1000), -ENOENT);
}

static void an_overlap_is_told_from_saying_it_again_by_the_file(void **state)
{
	struct server *s = *state;
	int a = memfd_create("a", 0), b = memfd_create("b", 0);

	assert_int_equal(vfio_raw_map(&s->v, 0x1000, 0x1000, a, 0x2000), 0);
	assert_int_equal(vfio_raw_map(&s->v, 0x1000, 0x1000, a, 0x2000), 0);
	assert_int_equal(vfio_raw_map(&s->v, 0x1000, 0x1000, a, 0), -EEXIST);
	assert_int_equal(vfio_raw_map(&s->v, 0x1000, 0x1000, b, 0x2000),
			 -EEXIST);
	assert_int_equal(vfio_raw_map(&s->v, 0x1000, 0x1000, -1, 0x2000),
			 -EEXIST);
	assert_int_equal(s->p->maps, 1);
	assert_int_equal(s->p->map[0].offset, 0x2000);
	assert_int_equal(s->p->map[0].flags,
			 PCIRING_DMA_READ | PCIRING_DMA_WRITE);
	close(a);
	close(b);
}

static void a_service_that_goes_ends_the_link(void **state)
{
	struct server *s = *state;
	uint32_t got;

	s->p->fail = -EPIPE;
	assert_int_equal(vfio_raw_read(&s->v, 0, 0, 4, &got), -EPIPE);
	assert_int_equal(server_stop(s), -EPIPE);
}

static void a_service_that_fails_is_said_as_an_error(void **state)
{
	struct server *s = *state;

	s->p->fail = -ENOMEM;
	assert_int_equal(vfio_raw_map(&s->v, 0, 0x1000, -1, 0), -ENOMEM);
	s->p->fail = 0;
	/* What failed has not been entered. */
	assert_int_equal(vfio_raw_map(&s->v, 0, 0x1000, -1, 0), 0);
	assert_int_equal(s->p->maps, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(handshake_with_qemu_byte_for_byte,
					  server_teardown),
		server_test(every_message_is_answered_byte_for_byte),
		server_test(a_burst_is_answered_in_its_order),
		server_test(no_reply_is_honoured_and_later_reads_see_the_write),
		server_test(
			doorbells_are_posted_and_fall_back_when_the_ring_is_full),
		server_test(config_space_is_read_whole_in_dwords),
		server_test(odd_lengths_are_cut_into_aligned_pieces),
		server_test(a_message_may_come_in_single_bytes),
		server_test(as_many_maps_as_the_table_holds),
		server_test(
			an_overlap_is_told_from_saying_it_again_by_the_file),
		server_test(a_service_that_goes_ends_the_link),
		server_test(a_service_that_fails_is_said_as_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
