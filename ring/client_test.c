/* SPDX-License-Identifier: BSD-3-Clause */
#include "ring/client.h"

#include <sys/eventfd.h>

#include "ring/test_service.h"

static struct test_service service;

/* A service of its own for each test; none may leave a descriptor behind. */
static int start(void **state)
{
	static unsigned int fds;

	fds = test_count_fds();
	service_start(&service);
	*state = &fds;
	return 0;
}

static int end(void **state)
{
	const unsigned int *fds = *state;

	service_end(&service);
	assert_int_equal(test_count_fds(), *fds);
	return 0;
}

/* ---- Attach ------------------------------------------------------------ */

static void attach_says_who_and_what_and_agrees_on_features(void **state)
{
	struct pciring_options opt = service_options(3);
	struct pciring *p;

	(void)state;
	opt.scope = PCIRING_SCOPE_FUNCTION;
	opt.function = 0x0123;
	opt.interrupts = PCIRING_IRQ_REMOTE;
	assert_int_equal(pciring_attach(service.path, &opt, &p), 0);
	assert_int_equal(service.hello.major, PCIRING_VERSION_MAJOR);
	assert_int_equal(service.hello.minor, PCIRING_VERSION_MINOR);
	assert_int_equal(service.hello.scope, PCIRING_SCOPE_FUNCTION);
	assert_int_equal(service.hello.function, 0x0123);
	assert_int_equal(service.hello.interrupts, PCIRING_IRQ_REMOTE);
	assert_int_equal(service.hello.lanes, 3);
	assert_int_equal(service.hello.features,
			 MSG_FEATURE_MAILBOX | MSG_FEATURE_POLLS);
	assert_string_equal(service.hello.machine, "vm0");
	assert_string_equal(service.hello.name, "test");
	assert_int_equal(pciring_features(p), PCIRING_FEATURE_MAILBOX);
	assert_int_equal(pciring_status(p), 0);
	pciring_detach(p);
	pciring_detach(NULL);
}

static void impossible_options_do_not_reach_the_service(void **state)
{
	const struct pciring_options good = service_options(1);
	char name[2 * PCIRING_NAME_MAX];
	struct pciring_options bad[11];
	struct pciring *p = NULL;
	unsigned int i;

	(void)state;
	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = 0;
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		bad[i] = good;
	bad[0].size = 0;
	bad[1].machine = NULL;
	bad[2].machine = "";
	bad[3].machine = name;
	bad[4].name = name;
	bad[5].lanes = 0;
	bad[6].lanes = PCIRING_MAX_LANES + 1;
	bad[7].scope = 2;
	bad[8].path = PCIRING_PATH_RINGS + 1;
	bad[9].features =
		PCIRING_FEATURE_MAILBOX; /* that is what path is for */
	bad[10].features = 1ull << 63;
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(pciring_attach(service.path, &bad[i], &p),
				 -EINVAL);
	assert_null(p);
	assert_int_equal(service.hello.lanes, 0);
}

static void the_path_is_as_asked_or_what_the_service_knows(void **state)
{
	struct pciring_options opt = service_options(1);
	struct pciring *p;

	(void)state;
	opt.path = PCIRING_PATH_RINGS;
	assert_int_equal(pciring_attach(service.path, &opt, &p), 0);
	assert_int_equal(service.hello.features, MSG_FEATURE_POLLS);
	assert_int_equal(pciring_features(p), 0);
	pciring_detach(p);
	opt.path = PCIRING_PATH_MAILBOX;
	service.rings_only = true;
	service.minor = 2;
	assert_int_equal(pciring_attach(service.path, &opt, &p), 0);
	assert_int_equal(service.hello.features,
			 MSG_FEATURE_MAILBOX | MSG_FEATURE_POLLS);
	assert_int_equal(pciring_features(p), 0);
	pciring_detach(p);
}

static void an_irqchip_is_for_a_native_machine_only(void **state)
{
	struct pciring_options opt = service_options(1);
	struct pciring *p = NULL;

	(void)state;
	for (opt.irqchip = 0; opt.irqchip <= PCIRING_IRQCHIP_SPLIT;
	     opt.irqchip++) {
		assert_int_equal(pciring_attach(service.path, &opt, &p), 0);
		assert_int_equal(service.hello.irqchip, opt.irqchip);
		pciring_detach(p);
	}
	service.hello.lanes = 0;
	p = NULL;
	assert_int_equal(pciring_attach(service.path, &opt, &p), -EINVAL);
	opt.irqchip = 0x10001;
	assert_int_equal(pciring_attach(service.path, &opt, &p), -EINVAL);
	opt.irqchip = PCIRING_IRQCHIP_LINES;
	opt.scope = PCIRING_SCOPE_FUNCTION;
	assert_int_equal(pciring_attach(service.path, &opt, &p), -EINVAL);
	opt.scope = PCIRING_SCOPE_MACHINE;
	opt.interrupts = PCIRING_IRQ_REMOTE;
	assert_int_equal(pciring_attach(service.path, &opt, &p), -EINVAL);
	assert_null(p);
	assert_int_equal(service.hello.lanes, 0);
}

static void an_irqchip_needs_a_service_that_knows_of_it(void **state)
{
	struct pciring_options opt = service_options(1);
	struct pciring *p = NULL;

	(void)state;
	service.minor = 1;
	opt.irqchip = PCIRING_IRQCHIP_LINES;
	assert_int_equal(pciring_attach(service.path, &opt, &p),
			 -EPROTONOSUPPORT);
	opt.irqchip = PCIRING_IRQCHIP_SPLIT;
	assert_int_equal(pciring_attach(service.path, &opt, &p),
			 -EPROTONOSUPPORT);
	assert_null(p);
	opt.irqchip = PCIRING_IRQCHIP_NONE;
	assert_int_equal(pciring_attach(service.path, &opt, &p), 0);
	pciring_detach(p);
}

static void what_an_older_caller_does_not_know_is_not_read(void **state)
{
	const size_t size = offsetof(struct pciring_options, irqchip);
	struct pciring_options opt = service_options(1), *old;
	struct pciring *p = NULL;

	(void)state;
	/* A byte too far is seen by the address sanitizer, and by nobody that
	 * finds nonsense there. */
	old = malloc(size);
	opt.size = size;
	memcpy(old, &opt, size);
	assert_int_equal(pciring_attach(service.path, old, &p), 0);
	assert_int_equal(service.hello.irqchip, PCIRING_IRQCHIP_NONE);
	pciring_detach(p);
	free(old);

	opt.irqchip = 77;
	assert_int_equal(pciring_attach(service.path, &opt, &p), 0);
	assert_int_equal(service.hello.irqchip, PCIRING_IRQCHIP_NONE);
	pciring_detach(p);
	opt.size = size - 1;
	assert_int_equal(pciring_attach(service.path, &opt, &p), -EINVAL);
	/* 0.2 called path reserved; what it knew not of was 0. */
	opt = service_options(1);
	opt.irqchip = PCIRING_IRQCHIP_SPLIT;
	opt.size = offsetof(struct pciring_options, path);
	opt.path = 77;
	assert_int_equal(pciring_attach(service.path, &opt, &p), 0);
	assert_int_equal(service.hello.irqchip, PCIRING_IRQCHIP_SPLIT);
	assert_int_equal(pciring_features(p), PCIRING_FEATURE_MAILBOX);
	pciring_detach(p);
	/* One that knows more than we do. */
	opt = service_options(1);
	opt.size = sizeof(opt) + 64;
	assert_int_equal(pciring_attach(service.path, &opt, &p), 0);
	pciring_detach(p);
}

static void a_refusal_is_the_services_word(void **state)
{
	static const int errors[] = { -ENOENT, -EBUSY, -EACCES };
	struct pciring_options opt = service_options(1);
	struct pciring *p = NULL;
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		service.hello_error = errors[i];
		assert_int_equal(pciring_attach(service.path, &opt, &p),
				 errors[i]);
	}
	/* What is no errno value is no answer either. */
	service.hello_error = 5;
	assert_int_equal(pciring_attach(service.path, &opt, &p), -EPROTO);
	service.hello_error = INT32_MIN;
	assert_int_equal(pciring_attach(service.path, &opt, &p), -EPROTO);
	assert_null(p);
}

static void another_version_is_refused(void **state)
{
	struct pciring_options opt = service_options(1);
	struct pciring *p = NULL;

	(void)state;
	service.major++;
	assert_int_equal(pciring_attach(service.path, &opt, &p),
			 -EPROTONOSUPPORT);
	service.major--;
	service.minor++;
	assert_int_equal(pciring_attach(service.path, &opt, &p),
			 -EPROTONOSUPPORT);
	service.minor = 0;
	assert_int_equal(pciring_attach(service.path, &opt, &p), 0);
	pciring_detach(p);
}

static void a_hello_that_lies_is_refused(void **state)
{
	struct pciring_options opt = service_options(2);
	struct pciring *p = NULL;

	(void)state;
	service.drop_fds = 1;
	assert_int_equal(pciring_attach(service.path, &opt, &p), -EPROTO);
	service.drop_fds = 0;
	service.extra_lanes = 1;
	assert_int_equal(pciring_attach(service.path, &opt, &p), -EPROTO);
	service.extra_lanes = 0;
	service.extra_features = 8;
	assert_int_equal(pciring_attach(service.path, &opt, &p), -EPROTO);
	service.extra_features = 0;
	service.irq_count = 1u << 31;
	assert_int_equal(pciring_attach(service.path, &opt, &p), -EPROTO);
	assert_null(p);
}

static void attaching_to_nothing_is_an_error(void **state)
{
	struct pciring_options opt = service_options(1);
	struct pciring *p = NULL;

	(void)state;
	assert_int_equal(pciring_attach("/nonexistent/sock", &opt, &p),
			 -ENOENT);
	assert_int_equal(pciring_attach(NULL, &opt, &p), -EINVAL);
	assert_null(p);
}

/* ---- Control calls ----------------------------------------------------- */

static void memory_is_lent_with_its_descriptor(void **state)
{
	struct pciring *p = service_attach(&service, 1);
	const struct msg_dma *m = &service.kept[0].dma;

	(void)state;
	assert_int_equal(pciring_dma_map(p, 0x100000, 0x4000, service.listen,
					 0x2000, PCIRING_DMA_READ),
			 0);
	assert_int_equal(m->h.type, MSG_DMA_MAP);
	assert_int_equal(m->gpa, 0x100000);
	assert_int_equal(m->size, 0x4000);
	assert_int_equal(m->offset, 0x2000);
	assert_int_equal(m->flags, PCIRING_DMA_READ);
	assert_int_equal(service.kept_fds[0], 1);
	assert_int_equal(pciring_dma_map(p, 0, 0x1000, -1, 0, 0), 0);
	assert_int_equal(service.kept_fds[1], 0);
	assert_int_equal(pciring_dma_unmap(p, 0x100000, 0x4000), 0);
	assert_int_equal(service.kept[2].dma.h.type, MSG_DMA_UNMAP);
	assert_int_equal(service.kept[2].dma.flags, 0);
	assert_int_equal(pciring_dma_unmap_all(p), 0);
	assert_int_equal(service.kept[3].dma.flags, MSG_DMA_ALL);
	service.error = -EEXIST;
	assert_int_equal(pciring_dma_map(p, 0, 0x1000, -1, 0, 0), -EEXIST);
	pciring_detach(p);
}

static void memory_that_wraps_is_refused(void **state)
{
	struct pciring *p = service_attach(&service, 1);

	(void)state;
	assert_int_equal(pciring_dma_map(p, 0, 0, -1, 0, 0), -EINVAL);
	assert_int_equal(pciring_dma_map(p, UINT64_MAX, 2, -1, 0, 0), -EINVAL);
	assert_int_equal(pciring_dma_map(p, 0, 2, -1, UINT64_MAX, 0), -EINVAL);
	assert_int_equal(pciring_dma_map(p, 0, 2, -1, 0, 4), -EINVAL);
	assert_int_equal(service.nr_kept, 0);
	assert_int_equal(
		pciring_dma_map(p, UINT64_MAX - 0xfff, 0x1000, -1, 0, 0), 0);
	pciring_detach(p);
}

static void functions_are_described_and_reset(void **state)
{
	struct pciring *p = service_attach(&service, 1);
	struct pciring_function_info info = { .function = 99 };

	(void)state;
	assert_int_equal(pciring_function_info(p, 8, &info), 0);
	assert_int_equal(info.function, 8);
	assert_int_equal(info.msix_vectors, 3);
	assert_int_equal(info.config_size, 4096);
	assert_int_equal(pciring_function_reset(p, 8), 0);
	assert_int_equal(service.kept[1].h.type, MSG_FUNCTION_RESET);
	service.error = -ENOENT;
	info.function = 99;
	assert_int_equal(pciring_function_info(p, 8, &info), -ENOENT);
	assert_int_equal(info.function, 99);
	pciring_detach(p);
}

static void vectors_are_bound_sixteen_at_a_time(void **state)
{
	struct pciring *p = service_attach(&service, 1);
	int fds[40], fd = eventfd(0, EFD_CLOEXEC);
	unsigned int i;

	(void)state;
	for (i = 0; i < 40; i++)
		fds[i] = i == 3 || i >= 32 ? -1 : fd;
	assert_int_equal(pciring_irq_bind(p, 8, 100, 40, fds), 0);
	assert_int_equal(service.nr_kept, 3);
	for (i = 0; i < 3; i++) {
		assert_int_equal(service.kept[i].h.type, MSG_IRQ_BIND);
		assert_int_equal(service.kept[i].irq.function, 8);
		assert_int_equal(service.kept[i].irq.start, 100 + 16 * i);
		assert_int_equal(service.kept[i].irq.count, i < 2 ? 16 : 8);
	}
	assert_int_equal(service.kept[0].irq.bound, 0xffff & ~BIT(3));
	assert_int_equal(service.kept_fds[0], 15);
	assert_int_equal(service.kept[1].irq.bound, 0xffff);
	assert_int_equal(service.kept_fds[1], 16);
	assert_int_equal(service.kept[2].irq.bound, 0);
	assert_int_equal(service.kept_fds[2], 0);

	assert_int_equal(pciring_irq_bind(p, 8, 0, 2048, NULL), 0);
	assert_int_equal(service.nr_kept, 4);
	assert_int_equal(service.kept[3].irq.count, 2048);
	assert_int_equal(service.kept[3].irq.bound, 0);
	assert_int_equal(pciring_irq_bind(p, 8, UINT32_MAX, 2, NULL), -ERANGE);
	close(fd);
	pciring_detach(p);
}

static void vectors_are_masked_unmasked_and_triggered(void **state)
{
	struct pciring *p = service_attach(&service, 1);

	(void)state;
	assert_int_equal(pciring_irq_control(p, 8, 1, 2, PCIRING_IRQ_TRIGGER),
			 0);
	assert_int_equal(service.kept[0].h.type, MSG_IRQ_CONTROL);
	assert_int_equal(service.kept[0].irq.action, PCIRING_IRQ_TRIGGER);
	assert_int_equal(service.kept[0].irq.start, 1);
	assert_int_equal(service.kept[0].irq.count, 2);
	assert_int_equal(pciring_irq_control(p, 8, 1, 2, 3), -EINVAL);
	pciring_detach(p);
}

static void lines_are_bound_with_the_descriptors_they_have(void **state)
{
	struct pciring *p = service_attach(&service, 1);
	int fd = eventfd(0, EFD_CLOEXEC), resample = eventfd(0, EFD_CLOEXEC);
	const struct {
		int fd, resample;
		uint32_t bound;
		unsigned int fds;
	} given[] = {
		{ fd, resample, MSG_LINE_TRIGGER | MSG_LINE_RESAMPLE, 2 },
		{ fd, -1, MSG_LINE_TRIGGER, 1 },
		{ -1, -1, 0, 0 },
	};
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(given); i++) {
		const struct msg_line *m = &service.kept[i].line;

		assert_int_equal(pciring_line_bind(p, PCIRING_LINE_GSI, 17 + i,
						   given[i].fd,
						   given[i].resample),
				 0);
		assert_int_equal(m->h.type, MSG_LINE_BIND);
		assert_int_equal(m->kind, PCIRING_LINE_GSI);
		assert_int_equal(m->number, 17 + i);
		assert_int_equal(m->bound, given[i].bound);
		assert_int_equal(service.kept_fds[i], given[i].fds);
	}
	assert_int_equal(pciring_line_bind(p, PCIRING_LINE_INTX, 0x108, fd, -1),
			 0);
	assert_int_equal(service.kept[3].line.kind, PCIRING_LINE_INTX);
	assert_int_equal(service.kept[3].line.number, 0x108);

	/* Not told: no such kind, and nothing that could be resampled. */
	assert_int_equal(pciring_line_bind(p, 2, 8, fd, -1), -EINVAL);
	assert_int_equal(pciring_line_bind(p, 0x10000, 8, fd, -1), -EINVAL);
	assert_int_equal(
		pciring_line_bind(p, PCIRING_LINE_INTX, 8, -1, resample),
		-EINVAL);
	assert_int_equal(service.nr_kept, 4);
	service.error = -ENOENT;
	assert_int_equal(pciring_line_bind(p, PCIRING_LINE_INTX, 8, fd, -1),
			 -ENOENT);
	close(resample);
	close(fd);
	pciring_detach(p);
}

static void lines_are_masked_unmasked_and_triggered(void **state)
{
	struct pciring *p = service_attach(&service, 1);
	unsigned int action;

	(void)state;
	for (action = 0; action <= PCIRING_IRQ_TRIGGER; action++) {
		assert_int_equal(pciring_line_control(p, PCIRING_LINE_INTX,
						      0x108, action),
				 0);
		assert_int_equal(service.kept[action].h.type, MSG_LINE_CONTROL);
		assert_int_equal(service.kept[action].line.kind,
				 PCIRING_LINE_INTX);
		assert_int_equal(service.kept[action].line.number, 0x108);
		assert_int_equal(service.kept[action].line.action, action);
		assert_int_equal(service.kept_fds[action], 0);
	}
	assert_int_equal(pciring_line_control(p, PCIRING_LINE_GSI, 16, action),
			 -EINVAL);
	assert_int_equal(pciring_line_control(p, PCIRING_LINE_GSI, 16, 0x10000),
			 -EINVAL);
	assert_int_equal(pciring_line_control(p, 2, 16, PCIRING_IRQ_MASK),
			 -EINVAL);
	assert_int_equal(service.nr_kept, 3);
	pciring_detach(p);
}

static void packets_that_nobody_asked_for_are_dropped(void **state)
{
	struct pciring *p;
	unsigned int i, fds;

	(void)state;
	service.noise = true;
	p = service_attach(&service, 1);
	fds = test_count_fds();
	for (i = 0; i < 20; i++)
		assert_int_equal(pciring_function_reset(p, 8), 0);
	assert_int_equal(test_count_fds(), fds);
	pciring_detach(p);
}

static void a_reply_that_does_not_come_breaks_the_attachment(void **state)
{
	struct pciring *p = service_attach(&service, 1);
	struct pciring_access a = { .space = PCIRING_SPACE_CONFIG, .size = 4 };

	(void)state;
	p->call_limit_ms = 50;
	service.mute = true;
	assert_int_equal(pciring_function_reset(p, 8), -ETIMEDOUT);
	service.mute = false;
	assert_int_equal(pciring_function_reset(p, 8), -EPIPE);
	assert_int_equal(pciring_access(p, 0, &a), -EPIPE);
	assert_int_equal(pciring_status(p), -EPIPE);
	pciring_detach(p);
}

static void noise_does_not_extend_the_time_limit(void **state)
{
	struct pciring *p = service_attach(&service, 1);
	int64_t begin = test_now_ms();

	(void)state;
	p->call_limit_ms = 50;
	service.mute = service.noise = true;
	assert_int_equal(pciring_function_reset(p, 8), -ETIMEDOUT);
	assert_true(test_now_ms() - begin < 5000);
	pciring_detach(p);
}

static void a_dead_service_is_epipe_for_good(void **state)
{
	struct pciring *p = service_attach(&service, 1);

	(void)state;
	service_die(&service);
	assert_int_equal(pciring_function_reset(p, 8), -EPIPE);
	assert_int_equal(pciring_status(p), -EPIPE);
	assert_int_equal(pciring_dma_unmap_all(p), -EPIPE);
	pciring_detach(p);
}

static void attaching_again_and_again_leaves_nothing(void **state)
{
	unsigned int i, fds = test_count_fds();
	struct pciring *p;

	(void)state;
	for (i = 0; i < 20; i++) {
		p = service_attach(&service, 1 + i % 4);
		pciring_detach(p);
	}
	/* The service closes its half when it sees the end of file. */
	for (i = 0; i < 2000 && test_count_fds() != fds; i++)
		poll(NULL, 0, 1);
	assert_int_equal(test_count_fds(), fds);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(attach_says_who_and_what_and_agrees_on_features),
		TEST(impossible_options_do_not_reach_the_service),
		TEST(the_path_is_as_asked_or_what_the_service_knows),
		TEST(an_irqchip_is_for_a_native_machine_only),
		TEST(an_irqchip_needs_a_service_that_knows_of_it),
		TEST(what_an_older_caller_does_not_know_is_not_read),
		TEST(a_refusal_is_the_services_word),
		TEST(another_version_is_refused),
		TEST(a_hello_that_lies_is_refused),
		TEST(attaching_to_nothing_is_an_error),
		TEST(memory_is_lent_with_its_descriptor),
		TEST(memory_that_wraps_is_refused),
		TEST(functions_are_described_and_reset),
		TEST(vectors_are_bound_sixteen_at_a_time),
		TEST(vectors_are_masked_unmasked_and_triggered),
		TEST(lines_are_bound_with_the_descriptors_they_have),
		TEST(lines_are_masked_unmasked_and_triggered),
		TEST(packets_that_nobody_asked_for_are_dropped),
		TEST(a_reply_that_does_not_come_breaks_the_attachment),
		TEST(noise_does_not_extend_the_time_limit),
		TEST(a_dead_service_is_epipe_for_good),
		TEST(attaching_again_and_again_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
