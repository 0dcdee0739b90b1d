/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Real clients' habits against the real programs: a service and a proxy, one
 * rng at 00:01.0, and a guest's driver behind vfio-user messages.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/flow/procs.h"
#include "tests/flow/vfio_guest.h"

/* The guest's RAM as QEMU's memory listener cuts it; the driver's part begins
 * where firmware re-lays it. */
#define LOW_SIZE  0xc0000ull
#define PAM	  0xc0000ull
#define PAM_SIZE  0x40000ull
#define HIGH	  0x100000ull
#define HIGH_SIZE (VFIO_GUEST_SIZE - HIGH)

#define CHAINS	    16
#define CHAIN_BYTES 2048u
#define VECTORS	    2

struct stage {
	struct procs procs;
	char path[PROCS_PATH]; /* of the rng's socket */
};

static struct stage stage;
static struct vfio_guest guest;

static const struct timespec millisecond = { .tv_nsec = 1000000 };

static int stage_setup(void **state)
{
	struct procs *p = &stage.procs;
	char params[PROCS_PATH + 64];
	static const char *const no_sockets[] = { NULL };

	(void)state;
	if (procs_init(p) || procs_start_service(p))
		return -1;
	procs_path(p, "rng.sock", stage.path);
	snprintf(params, sizeof(params),
		 "{\"machine\":\"vm\",\"address\":\"00:01.0\",\"path\":\"%s\"}",
		 stage.path);
	if (procs_rpc(p, "machine.create", "{\"name\":\"vm\"}", NULL) ||
	    procs_rpc(p, "function.create",
		      "{\"machine\":\"vm\",\"address\":\"00:01.0\","
		      "\"device\":\"rng\"}",
		      NULL) ||
	    procs_rpc(p, "socket.create", params, NULL))
		return -1;
	return procs_start_proxy(p, "vm", no_sockets);
}

static int stage_teardown(void **state)
{
	(void)state;
	return procs_fini(&stage.procs);
}

static uint64_t fired(int fd)
{
	uint64_t n = 0;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

/* ---- A live queue -------------------------------------------------------- */

struct traffic {
	struct guest_buf buf[CHAINS];
	int event[VECTORS];
	unsigned int done;	  /* chains that came back */
	unsigned int interrupted; /* how often memory went amid work */
};

static void traffic_init(struct traffic *tr)
{
	*tr = (struct traffic){ 0 };
	for (int i = 0; i < VECTORS; i++)
		tr->event[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}

static void traffic_fini(struct traffic *tr)
{
	for (int i = 0; i < VECTORS; i++)
		close(tr->event[i]);
}

/* MSI-X as QEMU turns it on, then the driver to DRIVER_OK.  Rings come to lie
 * in the firmware's area, buffers behind it. */
static void go_live(struct vfio_guest *t, struct traffic *tr)
{
	struct guest *g = &t->g;

	assert_int_equal(guest_find_caps(g), 0);
	assert_int_equal(g->msix.nr, VECTORS);
	guest_msix_control(g, true, true);
	assert_int_equal(vfio_raw_set_irqs(&t->v, 2, 0x24, 0, 1, NULL, 0), 0);
	guest_msix_control(g, true, false);
	for (unsigned int i = 0; i < VECTORS; i++)
		assert_int_equal(vfio_raw_set_irqs(&t->v, 2, 0x24, i, 1,
						   &tr->event[i], 1),
				 0);
	if (guest_start(g, GUEST_ALL_FEATURES, 64))
		fail_msg("driver: %s", g->why);
	assert_true(g->queue[0].used_gpa < HIGH);
	for (int i = 0; i < CHAINS; i++) {
		tr->buf[i].gpa = guest_alloc(g, CHAIN_BYTES, i ? 64 : PAM_SIZE);
		tr->buf[i].len = CHAIN_BYTES;
		tr->buf[i].write = true;
		assert_true(tr->buf[i].gpa >= HIGH);
	}
}

static void ask(struct vfio_guest *t, struct traffic *tr)
{
	for (int i = 0; i < CHAINS; i++) {
		memset(guest_at(&t->g, tr->buf[i].gpa), 0, CHAIN_BYTES);
		if (guest_add(&t->g, 0, &tr->buf[i], 1, false) < 0)
			fail_msg("no descriptor for chain %d", i);
	}
	guest_kick(&t->g, 0);
}

static bool all_zero(const uint8_t *bytes, size_t n)
{
	while (n && !*bytes) {
		bytes++;
		n--;
	}
	return n == 0;
}

/* All that was asked for comes, within seconds, without another kick. */
static void collect(struct vfio_guest *t, struct traffic *tr)
{
	struct guest_used used;
	unsigned int got = 0;

	for (int tries = 0; got < CHAINS && tries < 3000; tries++) {
		int n;

		while ((n = guest_poll(&t->g, 0, &used)) > 0) {
			assert_true(used.len > 0 && used.len <= CHAIN_BYTES);
			got++;
		}
		if (n < 0)
			fail_msg("used ring: %s", t->g.why);
		if (got < CHAINS)
			nanosleep(&millisecond, NULL);
	}
	if (got != CHAINS)
		fail_msg("%u of %d chains came, status %#x", got, CHAINS,
			 guest_status(&t->g));
	for (int i = 0; i < CHAINS; i++)
		assert_false(all_zero(guest_at(&t->g, tr->buf[i].gpa),
				      CHAIN_BYTES / 2));
	tr->done += got;
	assert_int_equal(guest_status(&t->g) & GUEST_NEEDS_RESET, 0);
	assert_int_equal(t->failed, 0);
}

/* ---- Pipelined maps and unmaps ------------------------------------------- */

static unsigned int in_flight;

static void send_map(struct vfio_guest *t, uint64_t gpa, uint64_t size,
		     bool with_fd)
{
	struct vu_dma_map map = {
		.argsz = sizeof(map),
		.flags = with_fd ? VU_DMA_READ | VU_DMA_WRITE : VU_DMA_READ,
		.offset = with_fd ? gpa : 0,
		.address = gpa,
		.size = size,
	};

	assert_int_equal(vfio_raw_command(&t->v, VU_DMA_MAP, 0, &map,
					  sizeof(map), &t->ram, with_fd),
			 0);
	in_flight++;
}

static void send_unmap(struct vfio_guest *t, uint64_t gpa, uint64_t size)
{
	struct vu_dma_unmap un = { sizeof(un), 0, gpa, size };

	assert_int_equal(vfio_raw_command(&t->v, VU_DMA_UNMAP, 0, &un,
					  sizeof(un), NULL, 0),
			 0);
	in_flight++;
}

static void collect_replies(struct vfio_guest *t)
{
	uint16_t id = (uint16_t)(t->v.id - in_flight);

	for (; in_flight; in_flight--) {
		assert_int_equal(vfio_raw_reply(&t->v), 1);
		assert_int_equal(t->v.reply.id, ++id);
		assert_int_equal(t->v.reply.flags, VU_TYPE_REPLY);
	}
}

/* Everything but the driver's part, and ROMs that cannot be reached. */
static void map_all(struct vfio_guest *t)
{
	send_map(t, 0, LOW_SIZE, true);
	send_map(t, PAM, PAM_SIZE, true);
	send_map(t, HIGH, HIGH_SIZE, true);
	send_map(t, 0xfffc0000, 0x40000, false);
	collect_replies(t);
}

/* As QEMU realizes a device. */
static void qemu_start(struct vfio_guest *t)
{
	static const char json[] =
		"{\"capabilities\": {\"migration\": {\"pgsize\": 4096, "
		"\"max_bitmap_size\": 268435456}, \"max_msg_fds\": 16, "
		"\"max_data_xfer_size\": 1048576, \"pgsizes\": 4096, "
		"\"max_dma_maps\": 65535, \"write_multiple\": true}}";
	struct vu_device_info info = { .argsz = sizeof(info) };
	uint8_t config[4096];
	uint32_t config_size = 0;

	assert_int_equal(vfio_raw_connect(&t->v, stage.path), 0);
	assert_int_equal(vfio_raw_version(&t->v, 0, json), 0);
	assert_true(t->v.length <= 4 + sizeof(json));
	map_all(t);
	assert_int_equal(vfio_raw_call(&t->v, VU_DEVICE_GET_INFO, &info,
				       sizeof(info), NULL, 0),
			 0);
	for (uint32_t i = 0; i <= VU_REGION_CONFIG; i++) {
		struct vu_region_info ri = { .argsz = 32, .index = i };

		assert_int_equal(vfio_raw_call(&t->v, VU_GET_REGION_INFO, &ri,
					       sizeof(ri), NULL, 0),
				 0);
		memcpy(&ri, t->v.data, sizeof(ri));
		config_size = (uint32_t)ri.size;
		/* Nothing is mapped, so that BAR writes need no reply. */
		assert_int_equal(ri.flags, ri.size ? 3 : 0);
	}
	assert_int_equal(
		vfio_raw_read(&t->v, VU_REGION_CONFIG, 0, config_size, config),
		0);
	assert_int_equal(load_le(config, 2), 0x1af4);
	assert_int_equal(vfio_raw_set_irqs(&t->v, 0, 0x21, 0, 0, NULL, 0), 0);
	assert_int_equal(
		vfio_raw_call(&t->v, VU_DEVICE_RESET, NULL, 0, NULL, 0), 0);
}

/* What was taken back stays as we wrote it, however live the queue is. */
static void hold(struct vfio_guest *t)
{
	static uint8_t saved[VFIO_GUEST_SIZE - PAM];

	memcpy(saved, t->at + PAM, sizeof(saved));
	memset(t->at + PAM, 0xa5, sizeof(saved));
	nanosleep(&millisecond, NULL);
	for (size_t i = 0; i < sizeof(saved); i++)
		if (t->at[PAM + i] != 0xa5)
			fail_msg("unmapped memory was written at %#zx",
				 (size_t)PAM + i);
	memcpy(t->at + PAM, saved, sizeof(saved));
}

/* The bursts of a SeaBIOS boot, and worse; the rings are in [PAM, HIGH). */
static void relay(struct vfio_guest *t, struct traffic *tr, unsigned int kind)
{
	switch (kind % 5) {
	case 0: /* the rings go and come */
		send_unmap(t, PAM, PAM_SIZE);
		send_map(t, PAM, PAM_SIZE, true);
		break;
	case 1: /* all of it, in one burst */
		send_unmap(t, PAM, PAM_SIZE);
		send_unmap(t, HIGH, HIGH_SIZE);
		send_unmap(t, 0, LOW_SIZE);
		send_map(t, 0, LOW_SIZE, true);
		send_map(t, HIGH, HIGH_SIZE, true);
		send_map(t, PAM, PAM_SIZE, true);
		break;
	case 2: /* the rings' first half is a ROM for a while */
		send_unmap(t, PAM, PAM_SIZE);
		send_map(t, PAM, PAM_SIZE / 2, false);
		send_map(t, PAM + PAM_SIZE / 2, PAM_SIZE / 2, true);
		send_unmap(t, PAM + PAM_SIZE / 2, PAM_SIZE / 2);
		send_unmap(t, PAM, PAM_SIZE / 2);
		send_map(t, PAM, PAM_SIZE, true);
		break;
	case 3: /* gone, and looked at while it is */
		send_unmap(t, PAM, PAM_SIZE);
		send_unmap(t, HIGH, HIGH_SIZE);
		collect_replies(t);
		tr->interrupted +=
			guest_used_idx(&t->g, 0) != t->g.queue[0].avail_idx;
		hold(t);
		send_map(t, HIGH, HIGH_SIZE, true);
		send_map(t, PAM, PAM_SIZE, true);
		break;
	case 4: /* in pieces from now on, then whole again */
		send_unmap(t, PAM, PAM_SIZE);
		for (uint64_t at = 0; at < PAM_SIZE; at += 0x4000)
			send_map(t, PAM + at, 0x4000, true);
		for (uint64_t at = 0; at < PAM_SIZE; at += 0x4000)
			send_unmap(t, PAM + at, 0x4000);
		send_map(t, PAM, PAM_SIZE, true);
		break;
	}
	collect_replies(t);
}

static void qemu_relays_ram_under_a_live_queue(void **state)
{
	struct vfio_guest *t = &guest;
	struct traffic tr;
	uint64_t interrupts = 0;

	(void)state;
	traffic_init(&tr);
	assert_int_equal(vfio_guest_init(t, PAM, VFIO_GUEST_SIZE - PAM), 0);
	qemu_start(t);
	go_live(t, &tr);
	for (unsigned int i = 0; i < 400; i++) {
		ask(t, &tr);
		relay(t, &tr, i);
		collect(t, &tr);
		interrupts += fired(tr.event[1]);
	}
	assert_int_equal(tr.done, 400 * CHAINS);
	assert_true(interrupts > 0);
	/* Otherwise this has shown nothing. */
	assert_true(tr.interrupted > 0);
	vfio_guest_fini(t);
	traffic_fini(&tr);
}

/* Notified, but the ring is not there: it waits, and resumes by itself. */
static void a_queue_without_its_ring_pauses(void **state)
{
	struct vfio_guest *t = &guest;
	struct traffic tr;
	struct guest_used used;

	(void)state;
	traffic_init(&tr);
	assert_int_equal(vfio_guest_init(t, PAM, VFIO_GUEST_SIZE - PAM), 0);
	qemu_start(t);
	go_live(t, &tr);
	send_unmap(t, PAM, PAM_SIZE);
	collect_replies(t);
	ask(t, &tr);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(guest_status(&t->g) & GUEST_NEEDS_RESET, 0);
		assert_int_equal(guest_poll(&t->g, 0, &used), 0);
		nanosleep(&millisecond, NULL);
	}
	send_map(t, PAM, PAM_SIZE, true);
	collect_replies(t);
	collect(t, &tr);
	vfio_guest_fini(t);
	traffic_fini(&tr);
}

/* ---- Cloud Hypervisor ----------------------------------------------------- */

static void cloud_hypervisor_info(struct vfio_guest *t)
{
	struct vu_device_info info = { .argsz = 32 };

	assert_int_equal(vfio_raw_call(&t->v, VU_DEVICE_GET_INFO, &info,
				       sizeof(info), NULL, 0),
			 0);
	memcpy(&info, t->v.data, sizeof(info));
	assert_int_equal(info.flags, VU_DEVICE_PCI | VU_DEVICE_RESETS);
	for (uint32_t i = 0; i < 2 * info.num_regions; i++) {
		struct vu_region_info ri = { .argsz = 32, .index = i / 2 };

		assert_int_equal(vfio_raw_call(&t->v, VU_GET_REGION_INFO, &ri,
					       sizeof(ri), NULL, 0),
				 0);
		assert_int_equal(t->v.length, sizeof(ri));
	}
	for (uint32_t i = 0; i < info.num_irqs; i++) {
		struct vu_irq_info ii = { .argsz = 16, .index = i };

		assert_int_equal(vfio_raw_call(&t->v, VU_GET_IRQ_INFO, &ii,
					       sizeof(ii), NULL, 0),
				 0);
		memcpy(&ii, t->v.data, sizeof(ii));
		assert_int_equal(ii.count, i == 2 ? VECTORS : 0);
	}
}

static void cloud_hypervisor_works(void **state)
{
	struct vfio_guest *t = &guest;
	struct traffic tr;
	uint32_t dword;
	int many[16];

	(void)state;
	traffic_init(&tr);
	assert_int_equal(vfio_guest_init(t, PAM, VFIO_GUEST_SIZE - PAM), 0);
	assert_int_equal(vfio_raw_connect(&t->v, stage.path), 0);
	assert_int_equal(vfio_raw_version(&t->v, 1,
					  "{\"max_msg_fds\":1,"
					  "\"max_data_xfer_size\":1048576,"
					  "\"migration\":{\"pgsize\":4096}}"),
			 0);
	/* It parses the answer without asking whether there is one. */
	assert_true(t->v.length > 4);
	assert_int_equal(load_le(t->v.data, 4), 1 << 16);
	cloud_hypervisor_info(t);
	for (uint32_t off = 0; off < 256; off += 4)
		assert_int_equal(vfio_raw_read(&t->v, 7, off, 4, &dword), 0);
	assert_int_equal(vfio_raw_map(&t->v, 0, VFIO_GUEST_SIZE, t->ram, 0), 0);
	/* 16 descriptors at once, though this function has fewer vectors: an
	 * error and no more. */
	for (int i = 0; i < 16; i++)
		many[i] = tr.event[0];
	assert_int_equal(vfio_raw_set_irqs(&t->v, 2, 0x24, 0, 16, many, 16),
			 -EINVAL);
	go_live(t, &tr);
	assert_int_equal(vfio_raw_set_irqs(&t->v, 2, 0x24, 0, VECTORS, tr.event,
					   VECTORS),
			 0);
	for (int i = 0; i < 10; i++) {
		ask(t, &tr);
		collect(t, &tr);
	}
	assert_true(fired(tr.event[1]) > 0);
	assert_int_equal(vfio_raw_set_irqs(&t->v, 2, 0x21, 0, 0, NULL, 0), 0);
	assert_int_equal(vfio_raw_unmap(&t->v, 0, VFIO_GUEST_SIZE), 0);
	vfio_guest_fini(t);
	traffic_fini(&tr);
}

/* ---- Clients that vanish -------------------------------------------------- */

/* A session step by step; the client goes after step @steps. */
static void session(struct vfio_guest *t, struct traffic *tr, int steps)
{
	struct vu_region_access ra = { 0, VU_REGION_CONFIG, 4 };

	assert_int_equal(vfio_raw_connect(&t->v, stage.path), 0);
	if (steps-- == 0)
		return;
	assert_int_equal(vfio_raw_version(&t->v, 0, "{}"), 0);
	if (steps-- == 0)
		return;
	vfio_raw_command(&t->v, VU_REGION_READ, 0, &ra, sizeof(ra), NULL, 0);
	if (steps-- == 0)
		return; /* its reply is under way */
	assert_int_equal(vfio_raw_reply(&t->v), 1);
	send_map(t, 0, LOW_SIZE, true);
	if (steps-- == 0)
		return;
	send_map(t, PAM, PAM_SIZE, true);
	send_map(t, HIGH, HIGH_SIZE, true);
	if (steps-- == 0)
		return;
	collect_replies(t);
	go_live(t, tr);
	if (steps-- == 0)
		return;
	ask(t, tr);
	if (steps-- == 0)
		return; /* with work in the queue */
	collect(t, tr);
	ask(t, tr);
	send_unmap(t, PAM, PAM_SIZE);
	if (steps-- == 0)
		return;
	collect_replies(t);
	if (steps-- == 0)
		return; /* with a queue that pauses */
	send_map(t, PAM, PAM_SIZE, true);
	collect_replies(t);
	vfio_raw_command(&t->v, VU_DEVICE_RESET, 0, NULL, 0, NULL, 0);
}

#define SESSION_STEPS 9

static void run_session(int steps)
{
	struct traffic tr;

	in_flight = 0;
	traffic_init(&tr);
	assert_int_equal(vfio_guest_init(&guest, PAM, VFIO_GUEST_SIZE - PAM),
			 0);
	session(&guest, &tr, steps);
	vfio_guest_fini(&guest);
	traffic_fini(&tr);
	in_flight = 0;
}

struct holdings {
	unsigned int proxy_fds, service_fds, segments, ram;
};

static struct holdings holdings(void)
{
	const struct procs *p = &stage.procs;

	return (struct holdings){
		.proxy_fds = vfio_count_fds(p->proxy),
		.service_fds = vfio_count_fds(p->service),
		.segments = vfio_count_maps(p->proxy, "memfd:") +
			    vfio_count_maps(p->service, "memfd:"),
		.ram = vfio_count_maps(p->proxy, VFIO_GUEST_RAM) +
		       vfio_count_maps(p->service, VFIO_GUEST_RAM),
	};
}

/* What is left of a client goes within a second. */
static void expect_holdings(const struct holdings *want, int step)
{
	struct holdings now = holdings();

	for (int i = 0; i < 1000 && memcmp(&now, want, sizeof(now)); i++) {
		nanosleep(&millisecond, NULL);
		now = holdings();
	}
	if (memcmp(&now, want, sizeof(now)))
		fail_msg("after step %d: %u/%u fds, %u/%u in the service, %u/%u"
			 " segments, %u pieces of RAM",
			 step, now.proxy_fds, want->proxy_fds, now.service_fds,
			 want->service_fds, now.segments, want->segments,
			 now.ram);
}

static void idle(void)
{
	for (int i = 0; i < 100; i++)
		nanosleep(&millisecond, NULL);
}

static void
a_client_may_go_after_any_message_and_the_next_one_works(void **state)
{
	struct holdings before;

	(void)state;
	run_session(SESSION_STEPS);
	idle();
	before = holdings();
	assert_int_equal(before.ram, 0);
	for (int steps = 0; steps <= SESSION_STEPS; steps++) {
		run_session(steps);
		run_session(SESSION_STEPS);
		expect_holdings(&before, steps);
	}
}

static void a_killed_client_leaves_nothing(void **state)
{
	struct holdings before = holdings();

	(void)state;
	for (int i = 0; i < 5; i++) {
		int ready[2], status;
		pid_t pid;
		char c;

		assert_int_equal(pipe(ready), 0);
		pid = fork();
		if (pid == 0) {
			struct traffic tr;

			traffic_init(&tr);
			if (vfio_guest_init(&guest, PAM, VFIO_GUEST_SIZE - PAM))
				_exit(1);
			qemu_start(&guest);
			go_live(&guest, &tr);
			if (write(ready[1], "x", 1) != 1)
				_exit(1);
			for (unsigned int k = 0;; k++) {
				ask(&guest, &tr);
				relay(&guest, &tr, k);
				collect(&guest, &tr);
			}
		}
		close(ready[1]);
		assert_int_equal(read(ready[0], &c, 1), 1);
		close(ready[0]);
		for (int k = 0; k < 5 * i; k++)
			nanosleep(&millisecond, NULL);
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		assert_true(WIFSIGNALED(status));
		run_session(SESSION_STEPS);
		expect_holdings(&before, i);
	}
}

/* The second VMM started before the first was gone: it waits its turn. */
static void the_next_client_waits_in_the_backlog(void **state)
{
	static struct vfio_raw first, second;

	(void)state;
	assert_int_equal(vfio_raw_connect(&first, stage.path), 0);
	assert_int_equal(vfio_raw_version(&first, 0, NULL), 0);
	assert_int_equal(vfio_raw_connect(&second, stage.path), 0);
	assert_int_equal(vfio_raw_command(&second, VU_VERSION, 0, "\0\0\0\0", 4,
					  NULL, 0),
			 0);
	assert_int_equal(
		vfio_raw_call(&first, VU_DEVICE_RESET, NULL, 0, NULL, 0), 0);
	vfio_raw_close(&first);
	assert_int_equal(vfio_raw_reply(&second), 1);
	assert_int_equal(second.reply.flags, VU_TYPE_REPLY);
	vfio_raw_close(&second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cloud_hypervisor_works),
		cmocka_unit_test(a_queue_without_its_ring_pauses),
		cmocka_unit_test(qemu_relays_ram_under_a_live_queue),
		cmocka_unit_test(
			a_client_may_go_after_any_message_and_the_next_one_works),
		cmocka_unit_test(a_killed_client_leaves_nothing),
		cmocka_unit_test(the_next_client_waits_in_the_backlog),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, stage_setup, stage_teardown);
}
