/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Notify pages of a real service: kicks that are no requests, whoever scribbles
 * over a page, and when a page is refused or ends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ring/shm.h"
#include "ring/test_util.h"
#include "tests/flow/doorbell.h"
#include "tests/flow/service_guest.h"
#include "tests/flow/service_rig.h"

#define OTHER_BDF 0x0010
#define FUNCTION(address)                                                      \
	"{\"machine\":\"demo\",\"address\":\"" address "\",\"device\":"        \
	"\"rng\"}"

/* A service that polls, with the rig's machine and one function more. */
static int start_polling(void **state)
{
	static const char *const args[] = { "--log-level", "warn", "--idle",
					    "off", NULL };

	(void)state;
	if (procs_init(&p))
		return -1;
	p.service = procs_start(&p, "pciringd", args);
	return p.service < 0 ||
	       procs_rpc(&p, "machine.create", MACHINE, NULL) ||
	       procs_rpc(&p, "function.create", FUNCTION("00:01.0"), NULL) ||
	       procs_rpc(&p, "function.create", FUNCTION("00:02.0"), NULL);
}

/* A page as its client has it. */
struct page {
	struct pciring_notify_page info;
	uint8_t *mem;
};

static struct page page_of(struct pciring *link, uint16_t bdf)
{
	struct page page = { .info = { .fd = -1 } };

	assert_int_equal(pciring_notify_page(link, bdf, &page.info), 0);
	assert_int_equal(page.info.function, bdf);
	assert_int_equal(page.info.length, DOORBELL_PAGE);
	assert_int_equal(page.info.flags, 0);
	page.mem = shm_map(page.info.fd, 0, DOORBELL_PAGE);
	assert_non_null(page.mem);
	return page;
}

static void page_end(struct page *page)
{
	shm_unmap(page->mem, DOORBELL_PAGE);
	close(page->info.fd);
}

static void map_page(struct doorbell *d, struct vm *vm, struct page *page)
{
	*page = page_of(vm->link, BDF);
	doorbell_map(d, &vm->g, page->info.bar, page->info.offset, page->mem);
}

/* Of the only link, and of the first function. */
static json_int_t stat_of(const char *list, const char *object, const char *key)
{
	json_t *stats, *first;
	json_int_t n;

	assert_int_equal(
		procs_rpc(&p, "stats.get", "{\"machine\":\"demo\"}", &stats),
		0);
	first = json_array_get(json_object_get(stats, list), 0);
	n = counter(object ? json_object_get(first, object) : first, key);
	json_decref(stats);
	return n;
}

static void guest_kicks_without_a_request_and_is_interrupted(void **state)
{
	struct vm *vm = vm_of_machine(PCIRING_IRQCHIP_NONE, true);
	struct pciring_irq irq[64];
	json_int_t requests, kicks;
	struct doorbell d;
	struct page page;

	(void)state;
	map_page(&d, vm, &page);
	assert_int_equal(page.info.bar, vm->g.cap[GUEST_CAP_NOTIFY].bar);
	assert_int_equal(page.info.offset, vm->g.cap[GUEST_CAP_NOTIFY].offset);
	requests = stat_of("links", NULL, "requests");
	kicks = stat_of("functions", "accesses", "page_kicks");
	for (int i = 0; i < 20; i++) {
		service_guest_draw(&vm->g, 512);
		assert_int_equal(pciring_irq_wait(vm->link, 5000), 1);
		assert_true(pciring_irq_poll(vm->link, irq, 64) > 0);
		assert_int_equal(irq[0].data, 0x41);
	}
	assert_int_equal(d.stores, 20);
	assert_int_equal(stat_of("links", NULL, "requests"), requests);
	assert_int_equal(stat_of("functions", "accesses", "page_kicks"),
			 kicks + 20);
	/* A write that leaves the guest all the same. */
	doorbell_unmap(&d, &vm->g);
	service_guest_draw(&vm->g, 512);
	assert_int_equal(stat_of("links", NULL, "requests"), requests + 1);
	page_end(&page);
	vm_end(vm);
}

static void link_of_a_function_has_its_page_and_no_other(void **state)
{
	struct vm *vm = vm_of_function();
	struct pciring_notify_page other;
	struct doorbell d;
	struct page page;

	(void)state;
	map_page(&d, vm, &page);
	service_guest_draw(&vm->g, 64);
	assert_true(read_isr(vm) & GUEST_ISR_QUEUE);
	assert_int_equal(pciring_notify_page(vm->link, OTHER_BDF, &other),
			 -ENOENT);
	assert_int_equal(pciring_notify_page(vm->link, BDF, &other), -EEXIST);
	assert_int_equal(d.stores, 1);
	page_end(&page);
	vm_end(vm);
}

/* ---- No kick is lost -------------------------------------------------------- */

#define RACE_ROUNDS TEST_ROUNDS(20000u)
#define RACE_MS	    1500
#define PATIENCE_MS 20000

static bool draw_one(struct guest *g, uint64_t gpa)
{
	const struct guest_buf buf = { .gpa = gpa, .len = 1, .write = true };
	const int64_t begun = test_now_ms();
	struct guest_used used;

	assert_true(guest_add(g, 0, &buf, 1, false) >= 0);
	guest_kick_if_wanted(g, 0);
	while (!guest_poll(g, 0, &used)) {
		if (test_now_ms() - begun > PATIENCE_MS)
			return false;
		sched_yield();
	}
	return true;
}

static void no_kick_is_lost_between_two_processes(void **state)
{
	struct vm *vm = vm_of_machine(PCIRING_IRQCHIP_NONE, true);
	const uint64_t gpa = guest_alloc(&vm->g, 64, 64);
	const int64_t begun = test_now_ms();
	unsigned int round = 0;
	bool drawn = true;
	struct doorbell d;
	struct page page;

	(void)state;
	map_page(&d, vm, &page);
	for (; drawn && round < RACE_ROUNDS; round++) {
		if (round % 64 == 0 &&
		    test_race_is_over(round, begun + RACE_MS))
			break;
		drawn = draw_one(&vm->g, gpa);
	}
	assert_true(drawn);
	assert_true(round >= TEST_RACE_ROUNDS);
	assert_true(d.stores > 0);
	page_end(&page);
	vm_end(vm);
}

/* ---- Somebody else has the page --------------------------------------------- */

/* Garbage all over it, and holes in it, until killed. */
static void scribble(int fd)
{
	uint64_t *mem = shm_map(fd, 0, DOORBELL_PAGE), seed = 0x5eed;

	for (unsigned int n = 0; mem; n++) {
		__atomic_store_n(&mem[test_random(&seed) % 512],
				 test_random(&seed), __ATOMIC_RELAXED);
		if (n % 4096)
			continue;
		fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
			  DOORBELL_PAGE);
		sched_yield();
	}
	_exit(1);
}

static void page_that_another_process_scribbles_over_harms_nobody(void **state)
{
	struct vm *vm = vm_of_machine(PCIRING_IRQCHIP_NONE, true);
	const uint64_t gpa = guest_alloc(&vm->g, 64, 64);
	json_int_t bad = stat_of("functions", NULL, "bad_kicks");
	struct page page, other = page_of(vm->link, OTHER_BDF);
	struct doorbell d;
	pid_t pid;

	(void)state;
	map_page(&d, vm, &page);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		scribble(page.info.fd);
	}
	assert_true(pid > 0);
	for (int i = 0; i < 30; i++)
		assert_true(draw_one(&vm->g, gpa));
	while (stat_of("functions", NULL, "bad_kicks") < bad + 100)
		assert_true(draw_one(&vm->g, gpa));
	assert_int_equal(stat_of("functions", NULL, "needs_reset"), 0);
	assert_int_equal(vendor(vm->link), 0x1af4);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	/* It is as good as before. */
	memset(page.mem, 0xff, DOORBELL_PAGE);
	assert_true(draw_one(&vm->g, gpa));
	page_end(&page);
	page_end(&other);
	vm_end(vm);
}

static void page_can_neither_shrink_nor_grow(void **state)
{
	struct pciring *link =
		attach_ok(PCIRING_SCOPE_MACHINE, PCIRING_IRQ_NATIVE);
	struct page page = page_of(link, BDF);

	(void)state;
	assert_int_equal(ftruncate(page.info.fd, 0), -1);
	assert_int_equal(ftruncate(page.info.fd, 2L * DOORBELL_PAGE), -1);
	pciring_detach(link);
	page_end(&page);
}

/* ---- When it ends ------------------------------------------------------------- */

static void page_ends_with_its_attachment(void **state)
{
	struct held before = held_at_rest();
	struct pciring *link;
	struct page page[2];
	json_int_t counted;

	(void)state;
	for (int i = 0; i < 3; i++) {
		link = attach_ok(PCIRING_SCOPE_MACHINE, PCIRING_IRQ_NATIVE);
		counted = limit_counter("mappings");
		page[0] = page_of(link, BDF);
		page[1] = page_of(link, OTHER_BDF);
		assert_int_equal(limit_counter("mappings"), counted + 2);
		pciring_detach(link);
		holds_again(before);
		assert_int_equal(limit_counter("mappings"), 0);
		/* Ours stays, and a turn later it is as we left it. */
		memset(page[0].mem, 0, DOORBELL_PAGE);
		stat_of("functions", NULL, "resets");
		assert_int_equal(page[0].mem[0], 0);
		page_end(&page[0]);
		page_end(&page[1]);
	}
}

static void page_ends_when_its_function_is_unplugged(void **state)
{
	static const char gone[] =
		"{\"machine\":\"demo\",\"address\":\"00:02.0\"}";
	struct vm *vm = vm_of_machine(PCIRING_IRQCHIP_NONE, true);
	struct page page, other;
	struct held before;
	struct doorbell d;

	(void)state;
	map_page(&d, vm, &page);
	before = held_at_rest();
	other = page_of(vm->link, OTHER_BDF);
	assert_int_equal(held().maps, before.maps + 1);
	assert_int_equal(procs_rpc(&p, "function.destroy", gone, NULL), 0);
	assert_int_equal(held().maps, before.maps);
	memset(other.mem, 0, DOORBELL_PAGE);
	service_guest_draw(&vm->g, 64);
	assert_int_equal(other.mem[0], 0);
	page_end(&other);
	/* What is plugged there next is another function. */
	assert_int_equal(
		procs_rpc(&p, "function.create", FUNCTION("00:02.0"), NULL), 0);
	other = page_of(vm->link, OTHER_BDF);
	page_end(&other);
	page_end(&page);
	vm_end(vm);
}

static void page_ends_with_a_reset_and_can_be_asked_for_again(void **state)
{
	struct vm *vm = vm_of_machine(PCIRING_IRQCHIP_NONE, true);
	struct page page, next;
	struct held before;
	struct doorbell d;

	(void)state;
	before = held_at_rest();
	map_page(&d, vm, &page);
	assert_int_equal(pciring_function_reset(vm->link, BDF), 0);
	assert_int_equal(held().maps, before.maps);
	doorbell_unmap(&d, &vm->g);
	memset(page.mem, 0, DOORBELL_PAGE);
	service_guest_boot(&vm->g, vm->link, vm->mem, true);
	map_page(&d, vm, &next);
	service_guest_draw(&vm->g, 64);
	assert_int_equal(page.mem[0], 0);
	page_end(&page);
	page_end(&next);
	vm_end(vm);
}

/* ---- A loop that sleeps --------------------------------------------------------- */

/* Start the rig's service, whose loop sleeps, with its log in @log. */
static void start_sleeping(int log)
{
	int before = dup(STDERR_FILENO);

	fflush(stderr);
	dup2(log, STDERR_FILENO);
	assert_int_equal(service_start(NULL), 0);
	dup2(before, STDERR_FILENO);
	close(before);
}

static void page_is_refused_by_a_loop_that_may_sleep(void **state)
{
	const int log = memfd_create("log", MFD_CLOEXEC);
	struct pciring_notify_page page = { .fd = -7 };
	struct procs polling = p;
	struct held before;
	struct pciring *link;
	char text[4096] = "";

	(void)state;
	start_sleeping(log);
	link = attach_ok(PCIRING_SCOPE_MACHINE, PCIRING_IRQ_NATIVE);
	before = held_at_rest();
	assert_int_equal(pciring_notify_page(link, BDF, &page), -EOPNOTSUPP);
	assert_int_equal(page.fd, -7);
	assert_int_equal(vendor(link), 0x1af4);
	holds_again(before);
	pciring_detach(link);
	assert_int_equal(service_stop(NULL), 0);
	assert_true(pread(log, text, sizeof(text) - 1, 0) > 0);
	assert_non_null(strstr(text,
			       "demo: no notify page for 00:01.0: a store "
			       "to it would wake nobody; start pciringd "
			       "with --idle off"));
	close(log);
	p = polling;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			guest_kicks_without_a_request_and_is_interrupted),
		cmocka_unit_test(link_of_a_function_has_its_page_and_no_other),
		cmocka_unit_test(no_kick_is_lost_between_two_processes),
		cmocka_unit_test(
			page_that_another_process_scribbles_over_harms_nobody),
		cmocka_unit_test(page_can_neither_shrink_nor_grow),
		cmocka_unit_test(page_ends_with_its_attachment),
		cmocka_unit_test(page_ends_when_its_function_is_unplugged),
		cmocka_unit_test(
			page_ends_with_a_reset_and_can_be_asked_for_again),
		cmocka_unit_test(page_is_refused_by_a_loop_that_may_sleep),
	};

	return cmocka_run_group_tests(tests, start_polling, service_stop);
}
