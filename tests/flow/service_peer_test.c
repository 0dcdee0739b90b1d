/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who may come in, and what one who did cannot do to others by what he holds:
 * connections, and descriptors that are slow to go.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apps/pciringd/attach_server.h"
#include "ring/test_tmp.h"
#include "tests/flow/service_rig.h"

/* ---- Other users ------------------------------------------------------------------------------- */

#define NOBODY 65534

static unsigned int mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 0777;
}

static void sockets_are_their_owners(void **state)
{
	char path[PROCS_PATH];

	(void)state;
	assert_int_equal(mode_of(procs_path(&p, "rpc.sock", path)), 0600);
	assert_int_equal(mode_of(procs_path(&p, "attach.sock", path)), 0600);
}

/* What the service answers to user @uid of group @gid and of @more others, by
 * the library, in a process of his own: he needs the rights that the files give
 * him, too. */
static int attach_in(uid_t uid, gid_t gid, size_t more, const gid_t *others)
{
	struct pciring *link;
	int status;
	pid_t pid = fork();

	if (!pid) {
		if (setgroups(more, others) || setgid(gid) || setuid(uid))
			_exit(1);
		status = attach(PCIRING_SCOPE_MACHINE, PCIRING_IRQ_NATIVE,
				&link);
		if (!status)
			status = vendor(link) == 0x1af4 ? 0 : -EPROTO;
		_exit(-status);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return -WEXITSTATUS(status);
}

static int attach_as(uid_t uid, gid_t gid)
{
	return attach_in(uid, gid, 0, NULL);
}

static void need_root(void)
{
	if (!geteuid())
		return;
	puts("needs root: to be another user");
	skip();
}

/* Another service meanwhile, with @args; what it says goes to @log. */
static struct procs begin_other(const char *const *args, int *log)
{
	struct procs mine = p;
	int err2 = dup(STDERR_FILENO);

	*log = memfd_create("log", MFD_CLOEXEC);
	/* All the tests' directory, but /tmp, is ours alone. */
	if (strcmp(test_tmp(), "/tmp"))
		assert_int_equal(chmod(test_tmp(), 0711), 0);
	dup2(*log, STDERR_FILENO);
	fcntl(STDERR_FILENO, F_SETFL, O_APPEND);
	assert_int_equal(procs_init(&p), 0);
	p.service = procs_start(&p, "pciringd", args);
	dup2(err2, STDERR_FILENO);
	close(err2);
	assert_true(p.service > 0);
	assert_int_equal(procs_rpc(&p, "machine.create", MACHINE, NULL), 0);
	assert_int_equal(procs_rpc(&p, "function.create",
				   "{\"machine\":\"demo\",\"address\":"
				   "\"00:01.0\",\"device\":\"rng\"}",
				   NULL),
			 0);
	return mine;
}

static void end_other(struct procs mine, int log)
{
	assert_int_equal(procs_fini(&p), 0);
	close(log);
	p = mine;
}

static bool said(int log, const char *words)
{
	char text[16384];
	ssize_t n = pread(log, text, sizeof(text) - 1, 0);

	assert_true(n >= 0);
	text[n] = '\0';
	return strstr(text, words);
}

static const char *const quiet[] = { "--log-level", "warn", "--idle", "50",
				     NULL };

static void other_user_is_told_that_he_may_not(void **state)
{
	char path[PROCS_PATH], words[64];
	struct procs mine;
	struct held before;
	int log;

	(void)state;
	need_root();
	mine = begin_other(quiet, &log);
	/* The files keep him out ... */
	assert_int_equal(attach_as(NOBODY, NOBODY), -EACCES);
	assert_int_equal(attach_counter("refused"), 0);
	/* ... and if they do not, the service does, and says so. */
	assert_int_equal(chmod(p.dir, 0755), 0);
	assert_int_equal(chmod(procs_path(&p, "attach.sock", path), 0666), 0);
	before = held_at_rest();
	for (int i = 1; i < 40; i++) {
		assert_int_equal(attach_as(NOBODY, NOBODY), -EACCES);
		assert_int_equal(attach_counter("refused"), i);
	}
	holds_again(before);
	snprintf(words, sizeof(words), "attach: user %d (pid ", NOBODY);
	assert_true(said(log, words));
	assert_true(said(log, "--allow-uid or --allow-gid lets him in"));
	assert_int_equal(attach_as(0, 0), 0);
	end_other(mine, log);
}

static void user_who_is_allowed_gets_in(void **state)
{
	static const char *const args[] = { "--log-level", "warn",
					    "--idle",	   "50",
					    "--allow-uid", "65534",
					    NULL };
	char path[PROCS_PATH];
	struct procs mine;
	int log;

	(void)state;
	need_root();
	mine = begin_other(args, &log);
	assert_int_equal(mode_of(procs_path(&p, "attach.sock", path)), 0666);
	assert_int_equal(mode_of(procs_path(&p, "rpc.sock", path)), 0600);
	/* It was there before the service: its mode is its owner's choice. */
	assert_int_equal(mode_of(p.dir), 0700);
	assert_int_equal(chmod(p.dir, 0711), 0);
	assert_int_equal(attach_as(NOBODY, NOBODY), 0);
	assert_int_equal(attach_as(NOBODY - 1, NOBODY), -EACCES);
	end_other(mine, log);
}

static void group_that_is_allowed_gets_in(void **state)
{
	static const char *const args[] = { "--log-level", "warn",
					    "--idle",	   "50",
					    "--allow-gid", "65533",
					    NULL };
	const gid_t others[] = { 65532, 65533 };
	char path[PROCS_PATH];
	struct procs mine;
	int log;

	(void)state;
	need_root();
	mine = begin_other(args, &log);
	assert_int_equal(mode_of(procs_path(&p, "attach.sock", path)), 0660);
	assert_int_equal(chmod(p.dir, 0711), 0);
	assert_int_equal(attach_as(NOBODY, 65533), 0);
	/* Among his other groups will do. */
	assert_int_equal(attach_in(NOBODY, NOBODY, 2, others), 0);
	assert_int_equal(attach_in(NOBODY, NOBODY, 1, others), -EACCES);
	/* By the file already. */
	assert_int_equal(attach_as(NOBODY, NOBODY), -EACCES);
	assert_int_equal(attach_counter("refused"), 0);
	assert_int_equal(chmod(procs_path(&p, "attach.sock", path), 0666), 0);
	assert_int_equal(attach_as(NOBODY, NOBODY), -EACCES);
	assert_int_equal(attach_counter("refused"), 1);
	end_other(mine, log);
}

static void directory_that_others_may_write_to_is_refused(void **state)
{
	char out[2048], args[PROCS_PATH + 80], path[PROCS_PATH];

	(void)state;
	snprintf(path, sizeof(path), "%s/pciring-shared-XXXXXX", test_tmp());
	assert_non_null(mkdtemp(path));
	for (unsigned int mode = 0770; mode <= 0777; mode += 7) {
		assert_int_equal(chmod(path, mode), 0);
		snprintf(args, sizeof(args), "--dir %s", path);
		assert_int_equal(
			service_program(out, sizeof(out), "pciringd", args), 1);
		assert_non_null(strstr(out, "others may write there; "
					    "chmod go-w it, or use "
					    "--shared-dir"));
	}
	/* Asked for, it goes further: to what else is wrong. */
	snprintf(args, sizeof(args), "--shared-dir --dir %s --lcores 0@0",
		 path);
	assert_int_equal(service_program(out, sizeof(out), "pciringd", args),
			 1);
	assert_null(strstr(out, "others may write"));
	assert_non_null(strstr(out, "two lcores at least"));
	assert_int_equal(rmdir(path), 0);
}

static void rpc_is_the_operators_alone(void **state)
{
	static const char request[] =
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":"
		"\"machine.list\"}\n";
	char byte;
	int rpc;

	(void)state;
	need_root();
	/* The files would keep another user out; we are he to the socket only. */
	assert_int_equal(seteuid(NOBODY), 0);
	setfsuid(0);
	rpc = rpc_connect();
	assert_int_equal(seteuid(0), 0);
	send(rpc, request, sizeof(request) - 1, MSG_NOSIGNAL);
	assert_true(recv(rpc, &byte, 1, 0) <= 0);
	close(rpc);
}

/* They are told one by one; those who say nothing have no place to wait. */
static void crowd_of_strangers_keeps_nobody_out(void **state)
{
	json_int_t before = attach_counter("refused");
	int fd[3 * ATTACH_STRANGERS];

	(void)state;
	need_root();
	assert_int_equal(seteuid(NOBODY), 0);
	setfsuid(0);
	for (unsigned int i = 0; i < ARRAY_SIZE(fd); i++)
		fd[i] = raw_connect();
	assert_int_equal(seteuid(0), 0);
	pciring_detach(attach_ok(PCIRING_SCOPE_MACHINE, PCIRING_IRQ_NATIVE));
	assert_int_equal(attach_counter("refused"),
			 before + (int)ARRAY_SIZE(fd));
	/* The first of them wait for their turn to speak, the others ended. */
	for (unsigned int i = ATTACH_STRANGERS; i < ARRAY_SIZE(fd); i++)
		expect_end(fd[i]);
	for (unsigned int i = 0; i < ATTACH_STRANGERS; i++)
		close(fd[i]);
}

static void silent_connections_keep_nobody_out(void **state)
{
	static int silent[ATTACH_MAX_CONNS];
	const struct rlimit many = { 2 * ATTACH_MAX_CONNS,
				     2 * ATTACH_MAX_CONNS };
	json_int_t before = attach_counter("silent");

	(void)state;
	if (setrlimit(RLIMIT_NOFILE, &many))
		skip();
	for (unsigned int i = 0; i < ARRAY_SIZE(silent); i++)
		silent[i] = raw_connect();
	pciring_detach(attach_ok(PCIRING_SCOPE_MACHINE, PCIRING_IRQ_NATIVE));
	assert_int_equal(attach_counter("silent"), before + 1);
	for (unsigned int i = 0; i < ARRAY_SIZE(silent); i++)
		close(silent[i]);
}

/* ---- Descriptors whose closing waits ---------------------------------------------------------- */

/* One whose last close() takes a minute: unsent bytes, and nobody reads. */
static int lingering_socket(int *reader)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr = { htonl(INADDR_LOOPBACK) } };
	const struct linger minute = { .l_onoff = 1, .l_linger = 60 };
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	static const char bytes[65536];
	socklen_t length = sizeof(at);

	assert_int_equal(bind(listener, (struct sockaddr *)&at, length), 0);
	assert_int_equal(listen(listener, 1), 0);
	getsockname(listener, (struct sockaddr *)&at, &length);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, length), 0);
	*reader = accept(listener, NULL, NULL);
	assert_true(*reader >= 0);
	close(listener);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &minute, sizeof(minute));
	while (send(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	return fd;
}

/* @bytes with @n descriptors, all but the last harmless, which is ours no
 * longer then. */
static void send_last(int sock, const void *bytes, size_t length,
		      unsigned int n, int last)
{
	union {
		struct cmsghdr h;
		char bytes[CMSG_SPACE(32 * sizeof(int))];
	} control = { .h = { .cmsg_len = CMSG_LEN(n * sizeof(int)),
			     .cmsg_level = SOL_SOCKET,
			     .cmsg_type = SCM_RIGHTS } };
	struct iovec iov = { (void *)(uintptr_t)bytes, length };
	struct msghdr mh = { .msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.bytes,
			     .msg_controllen = CMSG_SPACE(n * sizeof(int)) };
	int *fds = (int *)(void *)CMSG_DATA(&control.h);

	for (unsigned int i = 0; i < n; i++)
		fds[i] = i < n - 1 ? STDIN_FILENO : last;
	/* Stopped, or it may be we who close it last, and wait. */
	kill(p.service, SIGSTOP);
	assert_int_equal(sendmsg(sock, &mh, MSG_NOSIGNAL), length);
	close(last);
	kill(p.service, SIGCONT);
}

/* The thread sanitizer sleeps for a second at the exit of a process that still
 * has threads, and here four of them wait in close(). */
#ifdef __SANITIZE_THREAD__
#define END_MS 5000
#else
#define END_MS 1000
#endif

static void descriptor_that_lingers_holds_up_nobody(void **state)
{
	const struct msg_dma dma = {
		.h = { .magic = MSG_MAGIC, .type = MSG_DMA_MAP },
		.size = 4096,
		.flags = PCIRING_DMA_READ,
	};
	struct msg_hello h = hello(PCIRING_SCOPE_MACHINE);
	struct attach_packet pkt;
	int reader[4], fd[4];

	(void)state;
	/* In a request, which is refused. */
	fd[0] = raw_connect();
	send_bytes(fd[0], &h, sizeof(h));
	assert_int_equal(attach_recv(fd[0], &pkt), 1);
	attach_packet_fini(&pkt);
	send_last(fd[0], &dma, sizeof(dma), 1, lingering_socket(&reader[0]));
	assert_int_equal(attach_recv(fd[0], &pkt), 1);
	assert_int_equal(pkt.m.h.error, -EINVAL);
	/* One of too many. */
	fd[1] = raw_connect();
	send_last(fd[1], &dma, sizeof(dma), 32, lingering_socket(&reader[1]));
	/* Behind the packet that ends the connection, unread. */
	fd[2] = raw_connect();
	kill(p.service, SIGSTOP);
	send_bytes(fd[2], "x", 1);
	send_last(fd[2], &dma, sizeof(dma), 1, lingering_socket(&reader[2]));
	expect_end(fd[2]);
	/* Where nobody expects any. */
	fd[3] = rpc_connect();
	send_last(fd[3], " ", 1, 1, lingering_socket(&reader[3]));

	assert_int_equal(procs_rpc(&p, "service.info", "{}", NULL), 0);
	close(fd[0]);
	close(fd[1]);
	close(fd[3]);
	assert_int_equal(procs_stop(&p.service, SIGTERM, END_MS), 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(reader); i++)
		close(reader[i]);
	assert_int_equal(procs_start_service(&p), 0);
	assert_int_equal(procs_rpc(&p, "machine.create", MACHINE, NULL), 0);
	assert_int_equal(procs_rpc(&p, "function.create",
				   "{\"machine\":\"demo\",\"address\":"
				   "\"00:01.0\",\"device\":\"rng\"}",
				   NULL),
			 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sockets_are_their_owners),
		cmocka_unit_test(other_user_is_told_that_he_may_not),
		cmocka_unit_test(user_who_is_allowed_gets_in),
		cmocka_unit_test(group_that_is_allowed_gets_in),
		cmocka_unit_test(directory_that_others_may_write_to_is_refused),
		cmocka_unit_test(rpc_is_the_operators_alone),
		cmocka_unit_test(crowd_of_strangers_keeps_nobody_out),
		cmocka_unit_test(silent_connections_keep_nobody_out),
		cmocka_unit_test(descriptor_that_lingers_holds_up_nobody),
	};

	return cmocka_run_group_tests(tests, service_start, service_stop);
}
