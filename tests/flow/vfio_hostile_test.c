/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a client may get wrong: it is told so, or loses its link, and no
 * descriptor that it sent is left open.
 */
#include "tests/flow/vfio_server.h"

#define MAX_FDS 253

static unsigned int open_fds(int *fds, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		fds[i] = eventfd(0, EFD_CLOEXEC);
	return n;
}

static void shut_fds(const int *fds, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		close(fds[i]);
}

struct refused {
	const char *name;
	uint16_t command;
	uint8_t fds;
	uint8_t length;
	int error;
	uint32_t payload[12];
};

static const struct refused refused[] = {
	{ "map: short", VU_DMA_MAP, 1, 31, EINVAL, { 32, 3 } },
	{ "map: empty", VU_DMA_MAP, 1, 32, EINVAL, { 32, 3 } },
	{ "map: wraps",
	  VU_DMA_MAP,
	  1,
	  32,
	  EINVAL,
	  { 32, 3, 0, 0, ~0xfffu, ~0u, 0x1001, 0 } },
	{ "map: neither read nor write",
	  VU_DMA_MAP,
	  1,
	  32,
	  EINVAL,
	  { 32, 0, 0, 0, 0, 0, 0x1000, 0 } },
	{ "map: flags of the future",
	  VU_DMA_MAP,
	  1,
	  32,
	  EINVAL,
	  { 32, 0x103, 0, 0, 0, 0, 0x1000, 0 } },
	{ "map: two descriptors",
	  VU_DMA_MAP,
	  2,
	  32,
	  EINVAL,
	  { 32, 3, 0, 0, 0, 0, 0x1000, 0 } },
	{ "unmap: short", VU_DMA_UNMAP, 1, 23, EINVAL, { 24 } },
	{ "unmap: no room", VU_DMA_UNMAP, 1, 24, EINVAL, { 23 } },
	{ "unmap: what is not there",
	  VU_DMA_UNMAP,
	  1,
	  24,
	  ENOENT,
	  { 24, 0, 0, 0, 0x1000, 0 } },
	{ "unmap: all, but with a range",
	  VU_DMA_UNMAP,
	  1,
	  24,
	  EINVAL,
	  { 24, 2, 0, 0, 0x1000, 0 } },
	{ "unmap: dirty pages", VU_DMA_UNMAP, 1, 24, EINVAL, { 24, 1 } },
	{ "info: short", VU_DEVICE_GET_INFO, 1, 12, EINVAL, { 16 } },
	{ "info: no room", VU_DEVICE_GET_INFO, 1, 16, EINVAL, { 15 } },
	{ "region info: short", VU_GET_REGION_INFO, 1, 31, EINVAL, { 32 } },
	{ "region info: no room", VU_GET_REGION_INFO, 1, 32, EINVAL, { 31 } },
	{ "region info: index",
	  VU_GET_REGION_INFO,
	  1,
	  32,
	  EINVAL,
	  { 32, 0, 9 } },
	{ "io fds: index", VU_GET_REGION_IO_FDS, 1, 16, EINVAL, { 16, 0, 9 } },
	{ "io fds: flags", VU_GET_REGION_IO_FDS, 1, 16, EINVAL, { 16, 1, 4 } },
	{ "irq info: short", VU_GET_IRQ_INFO, 1, 15, EINVAL, { 16 } },
	{ "irq info: no room", VU_GET_IRQ_INFO, 1, 16, EINVAL, { 0 } },
	{ "irq info: index", VU_GET_IRQ_INFO, 1, 16, EINVAL, { 16, 0, 5 } },
	{ "set irqs: short", VU_SET_IRQS, 3, 19, EINVAL, { 20, 0x24, 2 } },
	{ "read: short", VU_REGION_READ, 1, 15, EINVAL, { 0 } },
	{ "read: nothing", VU_REGION_READ, 1, 16, EINVAL, { 0, 0, 7, 0 } },
	{ "read: past the end",
	  VU_REGION_READ,
	  1,
	  16,
	  EINVAL,
	  { 253, 0, 7, 4 } },
	{ "read: offset wraps",
	  VU_REGION_READ,
	  1,
	  16,
	  EINVAL,
	  { ~0u, ~0u, 7, 4 } },
	{ "read: a region that is not there",
	  VU_REGION_READ,
	  1,
	  16,
	  EINVAL,
	  { 0, 0, 6, 4 } },
	{ "read: no such region",
	  VU_REGION_READ,
	  1,
	  16,
	  EINVAL,
	  { 0, 0, ~0u, 4 } },
	{ "read: more than anything holds",
	  VU_REGION_READ,
	  1,
	  16,
	  EINVAL,
	  { 0, 0, 4, ~0u } },
	{ "write: data missing",
	  VU_REGION_WRITE,
	  1,
	  19,
	  EINVAL,
	  { 0, 0, 0, 4, 1 } },
	{ "write: outside",
	  VU_REGION_WRITE,
	  1,
	  20,
	  EINVAL,
	  { 0x1000, 0, 0, 4, 1 } },
	{ "write: no such region",
	  VU_REGION_WRITE,
	  1,
	  20,
	  EINVAL,
	  { 0, 0, 9, 4, 1 } },
	{ "multi: short", VU_REGION_WRITE_MULTI, 1, 7, EINVAL, { 0 } },
	{ "multi: more than came",
	  VU_REGION_WRITE_MULTI,
	  1,
	  32,
	  EINVAL,
	  { 2, 0 } },
	{ "multi: a number that overflows",
	  VU_REGION_WRITE_MULTI,
	  1,
	  32,
	  EINVAL,
	  { 0, 0x80000000u } },
	{ "version: again", VU_VERSION, 1, 4, EINVAL, { 0 } },
	{ "feature", VU_DEVICE_FEATURE, 1, 8, EOPNOTSUPP, { 8, 0x10001 } },
	{ "command 0", 0, 1, 0, EOPNOTSUPP, { 0 } },
	{ "command 12", 12, 1, 16, EOPNOTSUPP, { 0 } },
	{ "command 14", 14, 1, 0, EOPNOTSUPP, { 0 } },
	{ "command 18", 18, 16, 0, EOPNOTSUPP, { 0 } },
	{ "command 65535", 65535, 64, 0, EOPNOTSUPP, { 0 } },
};

static void what_is_refused_leaves_the_link_and_no_descriptor(void **state)
{
	struct server *s = *state;
	unsigned int before;
	int fds[MAX_FDS];

	open_fds(fds, VU_MAX_FDS);
	before = vfio_count_fds(0);
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		const struct refused *r = &refused[i];
		int err = vfio_raw_call(&s->v, r->command, r->payload,
					r->length, fds, r->fds);

		if (err != -r->error)
			fail_msg("%s: %d", r->name, err);
		if (vfio_count_fds(0) != before)
			fail_msg("%s: a descriptor stayed", r->name);
	}
	shut_fds(fds, VU_MAX_FDS);
	assert_int_equal(s->p->accesses, 0);
	assert_int_equal(s->p->maps, 0);
	assert_int_equal(server_stop(s), 0);
}

/* Descriptors where none are needed: the SPDK initiator's DMA_UNMAP has one. */
static void descriptors_that_nobody_needs_are_closed(void **state)
{
	struct server *s = *state;
	const struct vu_dma_unmap all = { 24, VU_UNMAP_ALL, 0, 0 };
	unsigned int before;
	int fds[16];

	open_fds(fds, 16);
	before = vfio_count_fds(0);
	assert_int_equal(
		vfio_raw_call(&s->v, VU_DMA_UNMAP, &all, sizeof(all), fds, 1),
		0);
	assert_int_equal(
		vfio_raw_call(&s->v, VU_DEVICE_RESET, NULL, 0, fds, 16), 0);
	assert_int_equal(vfio_raw_map(&s->v, 0, 0x1000, fds[0], 0), 0);
	assert_int_equal(vfio_count_fds(0), before);
	shut_fds(fds, 16);
}

static void payloads_may_be_longer_than_they_have_to_be(void **state)
{
	struct server *s = *state;
	uint8_t payload[4064] = { 0 };

	/* As the SPDK initiator asks. */
	store_le(payload, 4, sizeof(payload));
	store_le(payload + 8, 4, 4);
	assert_int_equal(vfio_raw_call(&s->v, VU_GET_REGION_INFO, payload,
				       sizeof(payload), NULL, 0),
			 0);
	assert_int_equal(s->v.length, 32);
	assert_int_equal(load_le(s->v.data, 4), 32);
}

/* Start a link, send @n bytes and descriptors, and see it closed. */
static int closed_by(const void *bytes, size_t n, unsigned int nr_fds)
{
	struct server *s = server_start();
	int fds[MAX_FDS];

	if (vfio_raw_version(&s->v, 0, QEMU_JSON))
		fail_msg("no handshake");
	open_fds(fds, nr_fds);
	vfio_raw_send(&s->v, bytes, n, fds, nr_fds);
	shut_fds(fds, nr_fds);
	assert_int_not_equal(vfio_raw_reply(&s->v), 1);
	return server_stop(s);
}

static void broken_framing_ends_the_link(void **state)
{
	struct vu_header h = { 1, VU_DEVICE_RESET, 16, 0, 0 };

	(void)state;
	h.size = 15;
	assert_int_equal(closed_by(&h, 16, 1), -EPROTO);
	h.size = 0;
	assert_int_equal(closed_by(&h, 16, 16), -EPROTO);
	h.size = sizeof(h) + VU_MAX_PAYLOAD + 1;
	assert_int_equal(closed_by(&h, 16, 1), -EPROTO);
	h.size = ~0u;
	assert_int_equal(closed_by(&h, 16, 64), -EPROTO);
	h.size = 16;
	h.flags = VU_TYPE_REPLY;
	assert_int_equal(closed_by(&h, 16, 1), -EPROTO);
	h.flags = 2;
	assert_int_equal(closed_by(&h, 16, 1), -EPROTO);
}

static void more_than_64_descriptors_end_the_link(void **state)
{
	const struct vu_header h = { 1, VU_DEVICE_RESET, 16, 0, 0 };

	(void)state;
	assert_int_equal(closed_by(&h, 16, 65), -EPROTO);
	assert_int_equal(closed_by(&h, 16, MAX_FDS), -EPROTO);
}

static void descriptors_belong_to_the_first_byte(void **state)
{
	const struct vu_header h = { 1, VU_SET_IRQS, 36, 0, 0 };
	const struct vu_set_irqs set = { 20, 0x24, 2, 0, 1 };
	struct server *s = *state;
	int fd = eventfd(0, EFD_CLOEXEC);

	assert_int_equal(vfio_raw_send(&s->v, &h, sizeof(h), NULL, 0), 0);
	assert_int_equal(vfio_raw_send(&s->v, &set, sizeof(set), &fd, 1), 0);
	close(fd);
	assert_int_not_equal(vfio_raw_reply(&s->v), 1);
	assert_int_equal(server_stop(s), -EPROTO);
	assert_int_equal(s->p->bound[0], -1);

	s = server_start();
	assert_int_equal(vfio_raw_version(&s->v, 0, NULL), 0);
	fd = eventfd(0, EFD_CLOEXEC);
	/* The kernel may hand over both halves at once; then the descriptor
	 * counts as the message's, which never gets its payload. */
	assert_int_equal(vfio_raw_send(&s->v, &h, 8, NULL, 0), 0);
	assert_int_equal(vfio_raw_send(&s->v, (const char *)&h + 8, 8, &fd, 1),
			 0);
	close(fd);
	assert_int_equal(server_stop(s), -EPROTO);
}

static void a_client_may_go_at_any_byte(void **state)
{
	static const uint8_t map[48] = { 1, 0, VU_DMA_MAP, 0, 48, [16] = 32 };

	(void)state;
	for (size_t n = 0; n < sizeof(map); n++) {
		struct server *s = server_start();
		int result, fd = eventfd(0, EFD_CLOEXEC);

		assert_int_equal(vfio_raw_version(&s->v, 1, QEMU_JSON), 0);
		if (n)
			vfio_raw_send(&s->v, map, n, &fd, 1);
		close(fd);
		/* server_stop() counts the descriptors. */
		result = server_stop(s);
		if (result != (n ? -EPROTO : 0))
			fail_msg("after %zu bytes: %d", n, result);
	}
}

struct handshake {
	const char *json;
	int error;
};

static const struct handshake handshakes[] = {
	{ NULL, 0 },
	{ "{}", 0 },
	{ "{\"capabilities\":{}}", 0 },
	{ "{\"capabilities\":{\"max_msg_fds\":0}}", 0 },
	{ "{\"capabilities\":{\"twin_socket\":{\"supported\":true}}}", 0 },
	{ "{\"capabilities\":{\"unheard_of\":[[[[null]]]]},\"x\":1}", 0 },
	{ "{\"max_msg_fds\":1,\"max_data_xfer_size\":1048576,"
	  "\"migration\":{\"pgsize\":4096}}",
	  0 },
	{ "", EINVAL },
	{ "{", EINVAL },
	{ "null", EINVAL },
	{ "[]", EINVAL },
	{ "{} {}", EINVAL },
	{ "{\"capabilities\":[]}", EINVAL },
	{ "{\"capabilities\":null}", EINVAL },
	{ "{\"capabilities\":{\"max_msg_fds\":\"16\"}}", EINVAL },
	{ "{\"capabilities\":{\"max_msg_fds\":-1}}", EINVAL },
	{ "{\"capabilities\":{\"max_msg_fds\":1.5}}", EINVAL },
	{ "{\"capabilities\":{\"max_data_xfer_size\":{}}}", EINVAL },
	{ "{\"capabilities\":{\"max_dma_maps\":true}}", EINVAL },
	{ "{\"capabilities\":{\"max_msg_fds\":99999999999999999999}}", EINVAL },
	{ "{\"capabilities\":{\"\xff\xfe\":1}}", EINVAL },
};

static void odd_json_is_refused_and_unknown_json_is_not(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(handshakes); i++) {
		const struct handshake *h = &handshakes[i];
		struct server *s = server_start();
		int err = vfio_raw_version(&s->v, 0, h->json);

		if (err != -h->error)
			fail_msg("%s: %d", h->json, err);
		/* Never longer than what the client sent. */
		if (!err &&
		    s->v.length > 4 + (h->json ? strlen(h->json) + 1 : 0))
			fail_msg("%s: %zu bytes", h->json, s->v.length);
		assert_int_equal(server_stop(s), err ? -EPROTO : 0);
	}
}

static int version_with(uint8_t *payload, size_t n)
{
	struct server *s = server_start();
	int err = vfio_raw_call(&s->v, VU_VERSION, payload, n, NULL, 0);

	server_stop(s);
	return err;
}

static void json_of_64_kib_is_read(void **state)
{
	static uint8_t payload[4 + 65536];
	char *json = (char *)payload + 4;

	(void)state;
	/* One long string, then as deep as it goes, without a NUL. */
	memset(payload, 0, 4);
	memset(json, 'x', 65536);
	memcpy(json, "{\"a\":\"", 6);
	memcpy(json + 65536 - 3, "\"}", 3);
	assert_int_equal(version_with(payload, sizeof(payload)), 0);
	memset(json, '[', 65536);
	assert_int_equal(version_with(payload, sizeof(payload)), -EINVAL);
}

static void versions_are_negotiated_down(void **state)
{
	uint8_t payload[4] = { 0 };
	struct server *s;

	(void)state;
	s = server_start();
	assert_int_equal(vfio_raw_version(&s->v, 0xffff, NULL), 0);
	assert_int_equal(load_le(s->v.data, 4), VU_MINOR << 16);
	server_stop(s);
	payload[0] = 1;
	assert_int_equal(version_with(payload, 4), -EPROTONOSUPPORT);
	assert_int_equal(version_with(payload, 3), -EINVAL);
}

static void nothing_is_served_before_the_handshake(void **state)
{
	struct server *s = server_start();
	int fd = eventfd(0, EFD_CLOEXEC);

	(void)state;
	assert_int_equal(vfio_raw_map(&s->v, 0, 0x1000, fd, 0), -EINVAL);
	close(fd);
	assert_int_equal(vfio_raw_reply(&s->v), 0);
	assert_int_equal(server_stop(s), -EPROTO);
	assert_int_equal(s->p->maps, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		server_test(what_is_refused_leaves_the_link_and_no_descriptor),
		server_test(descriptors_that_nobody_needs_are_closed),
		server_test(payloads_may_be_longer_than_they_have_to_be),
		server_test(descriptors_belong_to_the_first_byte),
		cmocka_unit_test_teardown(broken_framing_ends_the_link,
					  server_teardown),
		cmocka_unit_test_teardown(more_than_64_descriptors_end_the_link,
					  server_teardown),
		cmocka_unit_test_teardown(a_client_may_go_at_any_byte,
					  server_teardown),
		cmocka_unit_test_teardown(
			odd_json_is_refused_and_unknown_json_is_not,
			server_teardown),
		cmocka_unit_test_teardown(json_of_64_kib_is_read,
					  server_teardown),
		cmocka_unit_test_teardown(versions_are_negotiated_down,
					  server_teardown),
		cmocka_unit_test_teardown(
			nothing_is_served_before_the_handshake,
			server_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
