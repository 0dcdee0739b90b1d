/* SPDX-License-Identifier: BSD-3-Clause */
#include "ring/shm.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ring/test_util.h"

#define SIZE 8192

static void a_segment_is_zeroed_and_keeps_its_size(void **state)
{
	int fd = shm_create("test", SIZE);
	uint8_t *p;
	int i;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(shm_check(fd, SIZE), 0);
	assert_int_equal(ftruncate(fd, SIZE / 2), -1);
	assert_int_equal(ftruncate(fd, SIZE * 2), -1);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	p = shm_map(fd, 0, SIZE);
	assert_non_null(p);
	for (i = 0; i < SIZE; i++)
		assert_int_equal(p[i], 0);
	/* Even a hole only brings the zeros back. */
	p[4096] = 1;
	assert_int_equal(fallocate(fd,
				   FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				   0, SIZE),
			 0);
	assert_int_equal(p[4096], 0);
	shm_unmap(p, SIZE);
	close(fd);
}

static void check_refuses_what_could_shrink(void **state)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int seals[] = { F_SEAL_SHRINK, F_SEAL_GROW };
	unsigned int i;

	(void)state;
	assert_int_equal(ftruncate(fd, SIZE), 0);
	for (i = 0; i < ARRAY_SIZE(seals); i++) {
		assert_int_equal(shm_check(fd, SIZE), -EINVAL);
		assert_int_equal(fcntl(fd, F_ADD_SEALS, seals[i]), 0);
	}
	assert_int_equal(shm_check(fd, SIZE), -EINVAL);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL), 0);
	assert_int_equal(shm_check(fd, SIZE), 0);
	close(fd);
}

static void check_refuses_another_size(void **state)
{
	int fd = shm_create("test", SIZE);

	(void)state;
	assert_int_equal(shm_check(fd, SIZE + 4096), -EINVAL);
	assert_int_equal(shm_check(fd, SIZE - 4096), -EINVAL);
	assert_int_equal(shm_check(fd, 0), -EINVAL);
	close(fd);
}

static void check_refuses_what_is_no_memfd(void **state)
{
	int fds[2], file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_true(shm_check(fds[0], SIZE) < 0);
	assert_true(shm_check(file, SIZE) < 0);
	assert_int_equal(shm_check(-1, SIZE), -EBADF);
	close(fds[0]);
	close(fds[1]);
	close(file);
}

static void check_refuses_huge_pages(void **state)
{
	int fd = memfd_create("test",
			      MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB);

	(void)state;
	if (fd < 0)
		skip(); /* a kernel without huge pages */
	assert_int_equal(ftruncate(fd, 2 << 20), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS,
			       F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL),
			 0);
	assert_int_equal(shm_check(fd, 2 << 20), -EINVAL);
	close(fd);
}

static void create_refuses_impossible_sizes(void **state)
{
	unsigned int before = test_count_fds();

	(void)state;
	assert_int_equal(shm_create("test", 0), -EINVAL);
	assert_int_equal(shm_create("test", UINT64_MAX), -EINVAL);
	assert_int_equal(shm_create("test", SIZE + 1), -EINVAL);
	assert_int_equal(test_count_fds(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_segment_is_zeroed_and_keeps_its_size),
		cmocka_unit_test(check_refuses_what_could_shrink),
		cmocka_unit_test(check_refuses_another_size),
		cmocka_unit_test(check_refuses_what_is_no_memfd),
		cmocka_unit_test(check_refuses_huge_pages),
		cmocka_unit_test(create_refuses_impossible_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
