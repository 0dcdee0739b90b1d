/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/mem/gpa.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
/* cmocka wants setjmp.h and stdarg.h first */
#include <cmocka.h>

#include <linux/memfd.h>

#define PAGE 4096u

static struct gpa_files files;

static int none(void **state)
{
	(void)state;
	memset(&files, 0, sizeof(files));
	return 0;
}

static int file_of(uint64_t size, unsigned int flags)
{
	int fd = memfd_create("test", MFD_CLOEXEC | flags);

	if (fd >= 0 && ftruncate(fd, (off_t)size)) {
		close(fd);
		return -1;
	}
	return fd;
}

static int memory_file(uint64_t size)
{
	int fd = file_of(size, MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	return fd;
}

/* The same file as @fd, opened anew with @flags. */
static int reopened(int fd, int flags)
{
	char path[64];
	int again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, flags | O_CLOEXEC);
	assert_true(again >= 0);
	return again;
}

static unsigned int mappings_of_tests(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];
	unsigned int n = 0;

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps))
		n += strstr(line, "memfd:test") != NULL;
	fclose(maps);
	return n;
}

static void file_is_mapped_once_for_all_its_regions(void **state)
{
	int fd = memory_file(4 * PAGE), again = reopened(fd, O_RDWR);
	struct gpa_file *a, *b;

	(void)state;
	assert_int_equal(gpa_files_get(&files, fd, 0, PAGE, true, &a), 0);
	assert_int_equal(gpa_files_get(&files, again, 3 * PAGE, PAGE, true, &b),
			 0);
	assert_ptr_equal(a, b);
	assert_int_equal(a->users, 2);
	assert_int_equal(a->size, 4 * PAGE);
	assert_int_equal(mappings_of_tests(), 1);
	gpa_files_put(&files, a);
	assert_int_equal(mappings_of_tests(), 1);
	gpa_files_put(&files, b);
	assert_int_equal(mappings_of_tests(), 0);
	close(fd);
	close(again);
}

static void mapping_shares_memory_and_outlives_the_descriptor(void **state)
{
	int fd = memory_file(2 * PAGE);
	struct gpa_file *f;
	char byte = 0;

	(void)state;
	assert_int_equal(gpa_files_get(&files, fd, 0, PAGE, true, &f), 0);
	((char *)f->base)[PAGE + 5] = 'x';
	assert_int_equal(pread(fd, &byte, 1, PAGE + 5), 1);
	assert_int_equal(byte, 'x');
	close(fd);
	assert_int_equal(((char *)f->base)[PAGE + 5], 'x');
	gpa_files_put(&files, f);
}

static void two_files_are_two_mappings(void **state)
{
	int x = memory_file(PAGE), y = memory_file(PAGE);
	struct gpa_file *a, *b;

	(void)state;
	assert_int_equal(gpa_files_get(&files, x, 0, PAGE, true, &a), 0);
	assert_int_equal(gpa_files_get(&files, y, 0, PAGE, true, &b), 0);
	assert_ptr_not_equal(a, b);
	assert_ptr_not_equal(a->base, b->base);
	gpa_files_put(&files, a);
	gpa_files_put(&files, b);
	close(x);
	close(y);
}

/* rule 116 */
static void range_outside_the_file_is_refused(void **state)
{
	int fd = memory_file(2 * PAGE);
	struct gpa_file *f = NULL;

	(void)state;
	assert_int_equal(gpa_files_get(&files, fd, PAGE, PAGE + 1, true, &f),
			 -EINVAL);
	assert_int_equal(gpa_files_get(&files, fd, 0, 0, true, &f), -EINVAL);
	assert_int_equal(gpa_files_get(&files, fd, UINT64_MAX - PAGE + 1,
				       2 * PAGE, true, &f),
			 -EINVAL);
	assert_int_equal(gpa_files_get(&files, fd, PAGE, UINT64_MAX, true, &f),
			 -EINVAL);
	assert_null(f);
	assert_int_equal(mappings_of_tests(), 0);
	close(fd);
}

static void file_that_shrank_is_refused_though_it_is_mapped(void **state)
{
	int fd = memory_file(4 * PAGE);
	struct gpa_file *f, *g = NULL;

	(void)state;
	assert_int_equal(gpa_files_get(&files, fd, 0, 4 * PAGE, true, &f), 0);
	assert_int_equal(ftruncate(fd, PAGE), 0);
	assert_int_equal(gpa_files_get(&files, fd, PAGE, PAGE, true, &g),
			 -EINVAL);
	assert_null(g);
	gpa_files_put(&files, f);
	close(fd);
}

static void file_that_grew_is_mapped_a_second_time(void **state)
{
	int fd = memory_file(PAGE);
	struct gpa_file *a, *b;

	(void)state;
	assert_int_equal(gpa_files_get(&files, fd, 0, PAGE, true, &a), 0);
	assert_int_equal(ftruncate(fd, 2 * PAGE), 0);
	assert_int_equal(gpa_files_get(&files, fd, PAGE, PAGE, true, &b), 0);
	assert_ptr_not_equal(a, b);
	((char *)b->base)[0] = 'y';
	assert_int_equal(((char *)a->base)[0], 'y');
	gpa_files_put(&files, a);
	gpa_files_put(&files, b);
	close(fd);
}

static void files_are_limited_by_their_sizes_together(void **state)
{
	int a = memory_file(3 * PAGE), b = memory_file(2 * PAGE);
	struct gpa_file *f, *g = NULL;

	(void)state;
	files.most = 4 * PAGE;
	assert_int_equal(gpa_files_get(&files, a, 0, PAGE, true, &f), 0);
	assert_int_equal(gpa_files_get(&files, b, 0, PAGE, true, &g), -ENOSPC);
	assert_null(g);
	gpa_files_put(&files, f);
	assert_int_equal(gpa_files_get(&files, b, 0, PAGE, true, &g), 0);
	gpa_files_put(&files, g);
	files.most = 0;
	close(a);
	close(b);
}

static void read_only_descriptor_gives_no_writable_memory(void **state)
{
	int fd = memory_file(PAGE), ro = reopened(fd, O_RDONLY);
	struct gpa_file *a = NULL, *b;

	(void)state;
	assert_int_equal(gpa_files_get(&files, ro, 0, PAGE, true, &a), -EACCES);
	assert_null(a);
	assert_int_equal(gpa_files_get(&files, ro, 0, PAGE, false, &a), 0);
	assert_false(a->writable);
	/* Nor does it profit from, or spoil, what the other one gives. */
	assert_int_equal(gpa_files_get(&files, fd, 0, PAGE, true, &b), 0);
	assert_true(b->writable);
	assert_int_equal(gpa_files_get(&files, ro, 0, PAGE, true, &a), -EACCES);
	gpa_files_put(&files, a);
	gpa_files_put(&files, b);
	close(fd);
	close(ro);
}

static void sealed_file_is_read_only_memory(void **state)
{
	int fd = memory_file(PAGE);
	struct gpa_file *f;

	(void)state;
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	assert_int_equal(gpa_files_get(&files, fd, 0, PAGE, true, &f), -EACCES);
	assert_int_equal(mappings_of_tests(), 0);
	assert_int_equal(gpa_files_get(&files, fd, 0, PAGE, false, &f), 0);
	assert_false(f->writable);
	gpa_files_put(&files, f);
	close(fd);
}

static void descriptor_without_the_right_to_read_gets_nothing(void **state)
{
	int fd = memory_file(PAGE), wo = reopened(fd, O_WRONLY);
	int path = reopened(fd, O_PATH);
	struct gpa_file *f, *g;

	(void)state;
	assert_int_equal(gpa_files_get(&files, fd, 0, PAGE, true, &f), 0);
	assert_int_equal(gpa_files_get(&files, wo, 0, PAGE, false, &g),
			 -EACCES);
	assert_int_equal(gpa_files_get(&files, path, 0, PAGE, false, &g),
			 -EACCES);
	gpa_files_put(&files, f);
	close(fd);
	close(wo);
	close(path);
}

static void what_is_no_file_is_refused(void **state)
{
	int pipefd[2], null = open("/dev/zero", O_RDWR | O_CLOEXEC);
	struct gpa_file *f;

	(void)state;
	assert_int_equal(pipe(pipefd), 0);
	assert_int_equal(gpa_files_get(&files, pipefd[0], 0, 1, false, &f),
			 -EINVAL);
	assert_int_equal(gpa_files_get(&files, null, 0, PAGE, true, &f),
			 -EINVAL);
	assert_int_equal(gpa_files_get(&files, -1, 0, PAGE, true, &f), -EBADF);
	close(pipefd[0]);
	close(pipefd[1]);
	close(null);
}

static void files_end_at_their_limit_and_start_again(void **state)
{
	struct gpa_file *f[GPA_MAX_FILES], *more;
	int fd;

	(void)state;
	for (unsigned int i = 0; i < GPA_MAX_FILES; i++) {
		fd = memory_file(PAGE);
		assert_int_equal(
			gpa_files_get(&files, fd, 0, PAGE, true, &f[i]), 0);
		close(fd);
	}
	fd = memory_file(PAGE);
	assert_int_equal(gpa_files_get(&files, fd, 0, PAGE, true, &more),
			 -ENOSPC);
	gpa_files_put(&files, f[7]);
	assert_int_equal(gpa_files_get(&files, fd, 0, PAGE, true, &more), 0);
	f[7] = more;
	for (unsigned int i = 0; i < GPA_MAX_FILES; i++)
		gpa_files_put(&files, f[i]);
	assert_int_equal(mappings_of_tests(), 0);
	close(fd);
}

/* ---- Truncation: in a child, which a mistake kills ----------------------- */

enum outcome {
	FINE = 0,
	WRONG = 1
};

#define WANT(x)                                                                \
	do {                                                                   \
		if (!(x)) {                                                    \
			fprintf(stderr, "line %d: %s\n", __LINE__, #x);        \
			_exit(WRONG);                                          \
		}                                                              \
	} while (0)

/* The exit code of a child that runs @body, or minus the signal it died of. */
static int outcome_of(void (*body)(void))
{
	const struct rlimit no_core = { 0 };
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		/* A sanitizer's own handler would turn it into an exit. */
		signal(SIGBUS, SIG_DFL);
		setrlimit(RLIMIT_CORE, &no_core);
		alarm(20);
		body();
		_exit(FINE);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static volatile char *truncated(uint64_t pages, uint64_t left, int *fd)
{
	struct gpa_file *f;

	*fd = file_of(pages * PAGE, 0);
	WANT(*fd >= 0);
	WANT(gpa_files_get(&files, *fd, 0, pages * PAGE, true, &f) == 0);
	memset(f->base, 'a', f->size);
	WANT(ftruncate(*fd, (off_t)(left * PAGE)) == 0);
	return f->base;
}

static void read_and_write_what_has_gone(void)
{
	volatile char *p;
	int fd;

	WANT(gpa_survive_truncation() == 0);
	p = truncated(8, 2, &fd);
	WANT(gpa_truncations() == 0);
	WANT(p[2 * PAGE + 5] == 0);
	WANT(gpa_truncations() == 1);
	p[7 * PAGE] = 'b';
	WANT(gpa_truncations() == 2);
	WANT(p[7 * PAGE] == 'b');
	WANT(p[2 * PAGE - 1] == 'a');
	p[0] = 'c';
	WANT(pread(fd, (char *)p + 7 * PAGE + 1, 1, 0) == 1);
	WANT(p[7 * PAGE + 1] == 'c');
}

static void truncated_memory_reads_zero_and_the_rest_stays(void **state)
{
	(void)state;
	assert_int_equal(outcome_of(read_and_write_what_has_gone), FINE);
}

static void touch_every_other_page(void)
{
	unsigned int before, after;
	volatile char *p;
	int fd;

	WANT(gpa_survive_truncation() == 0);
	p = truncated(4096, 0, &fd);
	before = mappings_of_tests();
	for (unsigned int i = 4096; i > 0; i -= 2)
		p[(i - 1) * PAGE] = 'd';
	after = mappings_of_tests();
	WANT(before == 1);
	WANT(after < 16);
	WANT(gpa_truncations() > 1000);
}

static void truncation_cannot_use_up_the_mappings_of_the_process(void **state)
{
	(void)state;
	assert_int_equal(outcome_of(touch_every_other_page), FINE);
}

static void remap_what_was_truncated(void)
{
	struct gpa_file *f = NULL;
	volatile char *p;
	int fd;

	WANT(gpa_survive_truncation() == 0);
	p = truncated(4, 0, &fd);
	p[PAGE] = 'e';
	for (unsigned int i = 0; i < GPA_MAX_FILES; i++)
		if (files.file[i].base == p)
			f = &files.file[i];
	WANT(f);
	gpa_files_put(&files, f);
	WANT(mappings_of_tests() == 0);
	/* A new file where the old one was does not inherit its faults. */
	p = truncated(4, 1, &fd);
	WANT(p[0] == 'a' && p[PAGE] == 0);
	WANT(gpa_truncations() == 2);
}

static void unmapping_takes_the_replaced_pages_along(void **state)
{
	(void)state;
	assert_int_equal(outcome_of(remap_what_was_truncated), FINE);
}

static void fault_in_a_strange_file(void)
{
	int fd = file_of(PAGE, 0);
	volatile char *p =
		mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	int other;

	WANT(gpa_survive_truncation() == 0);
	WANT(p != MAP_FAILED);
	WANT(truncated(2, 1, &other)[PAGE] == 0);
	WANT(ftruncate(fd, 0) == 0);
	p[0] = 1;
}

static void fault_after_unmap(void)
{
	struct gpa_file *f;
	int fd = file_of(PAGE, 0), strange = file_of(PAGE, 0);
	volatile char *p;

	WANT(gpa_survive_truncation() == 0);
	WANT(gpa_files_get(&files, fd, 0, PAGE, true, &f) == 0);
	p = f->base;
	gpa_files_put(&files, f);
	WANT(mmap((void *)p, PAGE, PROT_READ | PROT_WRITE,
		  MAP_SHARED | MAP_FIXED, strange, 0) == p);
	WANT(ftruncate(strange, 0) == 0);
	p[0] = 1;
}

static void signal_that_is_no_fault(void)
{
	WANT(gpa_survive_truncation() == 0);
	raise(SIGBUS);
}

static void fault_elsewhere_stays_fatal(void **state)
{
	(void)state;
	assert_int_equal(outcome_of(fault_in_a_strange_file), -SIGBUS);
	assert_int_equal(outcome_of(fault_after_unmap), -SIGBUS);
	assert_int_equal(outcome_of(signal_that_is_no_fault), -SIGBUS);
}

static _Atomic bool stop;

/* Another machine's control thread, with files of its own. */
static void *map_and_unmap(void *arg)
{
	static struct gpa_files others;
	int fd[2] = { file_of(PAGE, 0), file_of(64 * PAGE, 0) };
	struct gpa_file *f[2];

	(void)arg;
	while (!atomic_load(&stop)) {
		WANT(gpa_files_get(&others, fd[0], 0, PAGE, true, &f[0]) == 0);
		WANT(gpa_files_get(&others, fd[1], 0, PAGE, true, &f[1]) == 0);
		gpa_files_put(&others, f[0]);
		gpa_files_put(&others, f[1]);
	}
	return NULL;
}

#define ROUNDS 300u

static void fault_while_the_table_changes(void)
{
	struct gpa_file *f = NULL;
	pthread_t other;
	int fd;

	WANT(gpa_survive_truncation() == 0);
	WANT(pthread_create(&other, NULL, map_and_unmap, NULL) == 0);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		volatile char *p = truncated(8, 1, &fd);

		WANT(p[0] == 'a');
		for (unsigned int n = 1; n < 8; n++)
			WANT(p[n * PAGE] == 0);
		for (unsigned int n = 0; n < GPA_MAX_FILES; n++)
			f = files.file[n].base == p ? &files.file[n] : f;
		gpa_files_put(&files, f);
		close(fd);
	}
	atomic_store(&stop, true);
	pthread_join(other, NULL);
	/* Four pages one by one, then all the rest. */
	WANT(gpa_truncations() == 5 * ROUNDS);
}

static void r8_a8_handler_sees_the_fields_of_one_file(void **state)
{
	(void)state;
	assert_int_equal(outcome_of(fault_while_the_table_changes), FINE);
}

#define HUGE (2u << 20)

static void truncate_huge_pages(void)
{
	int fd = file_of(2 * HUGE, MFD_HUGETLB | MFD_HUGE_2MB);
	struct gpa_file *f;
	volatile char *p;

	WANT(gpa_survive_truncation() == 0);
	WANT(gpa_files_get(&files, fd, 0, 2 * HUGE, true, &f) == 0);
	p = f->base;
	p[0] = 'a';
	WANT(ftruncate(fd, HUGE) == 0);
	p[HUGE + 3 * PAGE] = 'b';
	WANT(p[HUGE] == 0 && p[HUGE + 3 * PAGE] == 'b');
	WANT(p[0] == 'a');
	WANT(gpa_truncations() == 1);
	gpa_files_put(&files, f);
	WANT(mappings_of_tests() == 0);
}

static void huge_page_is_replaced_as_a_whole(void **state)
{
	int fd = file_of(2 * HUGE, MFD_HUGETLB | MFD_HUGE_2MB);
	void *p = MAP_FAILED;

	(void)state;
	/* This mapping reserves, so it fails where the pool is too small. */
	if (fd >= 0)
		p = mmap(NULL, 2 * HUGE, PROT_READ, MAP_SHARED, fd, 0);
	if (p != MAP_FAILED)
		munmap(p, 2 * HUGE);
	close(fd);
	if (p == MAP_FAILED) {
		print_message("no huge pages here\n");
		skip();
	}
	assert_int_equal(outcome_of(truncate_huge_pages), FINE);
}

#define T(name) cmocka_unit_test_setup(name, none)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(file_is_mapped_once_for_all_its_regions),
		T(mapping_shares_memory_and_outlives_the_descriptor),
		T(two_files_are_two_mappings),
		T(range_outside_the_file_is_refused),
		T(file_that_shrank_is_refused_though_it_is_mapped),
		T(file_that_grew_is_mapped_a_second_time),
		T(files_are_limited_by_their_sizes_together),
		T(read_only_descriptor_gives_no_writable_memory),
		T(sealed_file_is_read_only_memory),
		T(descriptor_without_the_right_to_read_gets_nothing),
		T(what_is_no_file_is_refused),
		T(files_end_at_their_limit_and_start_again),
		T(truncated_memory_reads_zero_and_the_rest_stays),
		T(truncation_cannot_use_up_the_mappings_of_the_process),
		T(unmapping_takes_the_replaced_pages_along),
		T(fault_elsewhere_stays_fatal),
		T(r8_a8_handler_sees_the_fields_of_one_file),
		T(huge_page_is_replaced_as_a_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
