/* SPDX-License-Identifier: BSD-3-Clause */
/* What libpciring lets a VMM map into its guest, and what it does not. */
#include "ring/test_service.h"

#include <sys/mman.h>

#include "ring/shm.h"

struct world {
	struct test_service s;
	struct pciring *p;
	int page; /* what a service that does not lie would send */
};

static int set_up(void **state)
{
	struct pciring_options opt = service_options(1);
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	service_start(&w->s);
	opt.features = 0;
	assert_int_equal(pciring_attach(w->s.path, &opt, &w->p), 0);
	w->page = shm_create("page", SEG_PAGE);
	assert_true(w->page >= 0);
	w->s.page = (struct msg_notify_page){
		.offset = 0x3000,
		.length = SEG_PAGE,
		.function = 8,
		.bar = 4,
	};
	w->s.page_fds[0] = w->s.page_fds[1] = w->page;
	w->s.nr_page_fds = 1;
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	pciring_detach(w->p);
	service_end(&w->s);
	close(w->page);
	free(w);
	return 0;
}

static void page_is_passed_on_and_belongs_to_the_caller(void **state)
{
	struct pciring_notify_page page;
	struct world *w = *state;
	unsigned int fds = test_count_fds();

	assert_int_equal(pciring_notify_page(w->p, 8, &page), 0);
	assert_int_equal(w->s.kept[0].function.function, 8);
	assert_int_equal(page.function, 8);
	assert_int_equal(page.bar, 4);
	assert_int_equal(page.offset, 0x3000);
	assert_int_equal(page.length, SEG_PAGE);
	assert_int_equal(page.flags, 0);
	assert_int_equal(shm_check(page.fd, SEG_PAGE), 0);
	assert_int_equal(test_count_fds(), fds + 1);
	close(page.fd);
}

/* -EPROTO, nothing written, nothing kept, and the attachment lives on. */
static void expect_refusal(struct world *w)
{
	struct pciring_notify_page page, before;
	unsigned int fds = test_count_fds();

	memset(&page, 0x77, sizeof(page));
	before = page;
	assert_int_equal(pciring_notify_page(w->p, 8, &page), -EPROTO);
	assert_memory_equal(&page, &before, sizeof(page));
	assert_int_equal(pciring_dma_unmap_all(w->p), 0);
	assert_int_equal(test_count_fds(), fds);
}

static void page_that_could_go_away_under_the_guest_is_refused(void **state)
{
	const int plain = memfd_create("plain", MFD_CLOEXEC);
	struct world *w = *state;

	assert_int_equal(ftruncate(plain, SEG_PAGE), 0);
	w->s.page_fds[0] = plain;
	expect_refusal(w);
	w->s.page_fds[0] = w->s.ch.kick_fd;
	expect_refusal(w);
	close(plain);
}

static void page_of_another_size_than_said_is_refused(void **state)
{
	static const uint64_t length[] = { 0, 1, SEG_PAGE - 1, 2 * SEG_PAGE,
					   UINT64_MAX & ~4095ull };
	struct world *w = *state;

	for (unsigned int i = 0; i < ARRAY_SIZE(length); i++) {
		w->s.page.length = length[i];
		expect_refusal(w);
	}
}

static void page_in_no_place_is_refused(void **state)
{
	struct world *w = *state;

	w->s.page.bar = 6;
	expect_refusal(w);
	w->s.page.bar = 4;
	w->s.page.offset = 0x3004;
	expect_refusal(w);
}

static void page_comes_with_one_descriptor(void **state)
{
	struct world *w = *state;

	w->s.nr_page_fds = 0;
	expect_refusal(w);
	w->s.nr_page_fds = 2;
	expect_refusal(w);
}

static void errors_of_the_service_are_the_callers(void **state)
{
	static const int error[] = { -EOPNOTSUPP, -EEXIST, -ENOENT };
	struct pciring_notify_page page;
	struct world *w = *state;

	for (unsigned int i = 0; i < ARRAY_SIZE(error); i++) {
		w->s.error = error[i];
		assert_int_equal(pciring_notify_page(w->p, 8, &page), error[i]);
	}
	w->s.error = 0;
	service_die(&w->s);
	assert_int_equal(pciring_notify_page(w->p, 8, &page), -EPIPE);
}

int main(void)
{
#define ON(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		ON(page_is_passed_on_and_belongs_to_the_caller),
		ON(page_that_could_go_away_under_the_guest_is_refused),
		ON(page_of_another_size_than_said_is_refused),
		ON(page_in_no_place_is_refused),
		ON(page_comes_with_one_descriptor),
		ON(errors_of_the_service_are_the_callers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
