/* SPDX-License-Identifier: BSD-3-Clause */
/* How: held things are counted in /proc. */
#include "tests/flow/service_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

struct procs p;

int service_start(void **state)
{
	static const char function[] =
		"{\"machine\":\"demo\",\"address\":\"00:01.0\",\"device\":"
		"\"rng\"}";

	(void)state;
	return procs_init(&p) || procs_start_service(&p) ||
	       procs_rpc(&p, "machine.create", MACHINE, NULL) ||
	       procs_rpc(&p, "function.create", function, NULL);
}

int service_stop(void **state)
{
	(void)state;
	return procs_fini(&p);
}

static int attach_with(uint32_t scope, uint32_t interrupts, uint32_t irqchip,
		       struct pciring **out)
{
	struct pciring_options opt = {
		.size = sizeof(opt),
		.machine = "demo",
		.name = "test",
		.scope = scope,
		.function = BDF,
		.lanes = 2,
		.interrupts = interrupts,
		.spin_ns = 20000,
		.irqchip = irqchip,
	};
	char path[PROCS_PATH];

	return pciring_attach(procs_path(&p, "attach.sock", path), &opt, out);
}

int attach(uint32_t scope, uint32_t interrupts, struct pciring **out)
{
	return attach_with(scope, interrupts, PCIRING_IRQCHIP_NONE, out);
}

int attach_irqchip(uint32_t irqchip, struct pciring **out)
{
	return attach_with(PCIRING_SCOPE_MACHINE, PCIRING_IRQ_NATIVE, irqchip,
			   out);
}

struct pciring *attach_ok(uint32_t scope, uint32_t interrupts)
{
	struct pciring *link = NULL;

	assert_int_equal(attach(scope, interrupts, &link), 0);
	return link;
}

int make_ram(uint8_t **mem)
{
	int fd = memfd_create("guest-ram", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, (off_t)RAM_SIZE), 0);
	*mem = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(*mem, MAP_FAILED);
	return fd;
}

uint32_t vendor(struct pciring *link)
{
	struct pciring_access a = { .space = PCIRING_SPACE_CONFIG,
				    .function = BDF,
				    .size = 2 };

	assert_int_equal(pciring_access(link, 0, &a), 0);
	return (uint32_t)a.value;
}

/* ---- What it holds --------------------------------------------------------- */

struct held held(void)
{
	struct held h = { 0 };
	struct dirent *e;
	char path[64], line[512];
	FILE *f;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/fd", p.service);
	d = opendir(path);
	while (d && (e = readdir(d)))
		h.fds += e->d_name[0] != '.';
	if (d)
		closedir(d);
	snprintf(path, sizeof(path), "/proc/%d/maps", p.service);
	f = fopen(path, "re");
	/* Not the heap's: malloc() keeps what it has. */
	while (f && fgets(line, sizeof(line), f))
		h.maps += strstr(line, "memfd:") != NULL;
	if (f)
		fclose(f);
	return h;
}

struct held held_at_rest(void)
{
	struct held h = held(), now;

	for (int same = 0; same < 10; same++) {
		usleep(2000);
		now = held();
		if (now.fds != h.fds || now.maps != h.maps)
			same = -1;
		h = now;
	}
	return h;
}

void holds_again(struct held before)
{
	struct held now = held();

	for (int i = 0; i < 1000; i++) {
		if (now.fds <= before.fds && now.maps <= before.maps)
			break;
		usleep(2000);
		now = held();
	}
	assert_int_equal(now.fds, before.fds);
	assert_int_equal(now.maps, before.maps);
}

json_int_t counter(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

/* ---- Programs ----------------------------------------------------------------- */

int service_program(char *out, size_t room, const char *program,
		    const char *args)
{
	const char *bin = getenv("PCIRING_BIN");
	char self[PATH_MAX] = "", command[PATH_MAX + 600];
	size_t n;
	FILE *f;

	if (!bin) {
		assert_true(readlink("/proc/self/exe", self, PATH_MAX - 1) > 0);
		*strrchr(self, '/') = '\0';
	}
	snprintf(command, sizeof(command), "%s%s/%s %.500s 2>&1",
		 bin ? bin : self, bin ? "" : "/../bin", program, args);
	f = popen(command, "re");
	assert_non_null(f);
	n = fread(out, 1, room - 1, f);
	out[n] = '\0';
	return WEXITSTATUS(pclose(f));
}

int service_ctl(char *out, size_t room, const char *args)
{
	char all[400];

	snprintf(all, sizeof(all), "--dir %s %s", p.dir, args);
	return service_program(out, room, "pciringctl", all);
}

/* ---- Raw connections --------------------------------------------------------- */

int raw_connect(void)
{
	struct timeval limit = { .tv_sec = 5 };
	char path[PROCS_PATH];
	int fd = attach_connect(procs_path(&p, "attach.sock", path));

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return fd;
}

int rpc_connect(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = 10 };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	procs_path(&p, "rpc.sock", at.sun_path);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return fd;
}

struct msg_hello hello(uint16_t scope)
{
	struct msg_hello h = {
		.h = { .magic = MSG_MAGIC, .type = MSG_HELLO, .id = 5 },
		.major = PCIRING_VERSION_MAJOR,
		.minor = PCIRING_VERSION_MINOR,
		.scope = scope,
		.lanes = 1,
		.function = BDF,
		.machine = "demo",
		.name = "raw",
	};
	return h;
}

void expect_end(int fd)
{
	struct attach_packet pkt;
	int n;

	while ((n = attach_recv(fd, &pkt)) == 1)
		attach_packet_fini(&pkt);
	assert_int_equal(n, 0);
	close(fd);
}

/* Sent raw, where attach_send() would be too decent. */
void send_bytes(int fd, const void *bytes, size_t n)
{
	assert_int_equal(send(fd, bytes, n, MSG_NOSIGNAL), n);
}

static json_int_t info_counter(const char *object, const char *key)
{
	json_t *info;
	json_int_t n;

	assert_int_equal(procs_rpc(&p, "service.info", "{}", &info), 0);
	n = counter(json_object_get(info, object), key);
	json_decref(info);
	return n;
}

json_int_t attach_counter(const char *key)
{
	return info_counter("attach", key);
}

json_int_t limit_counter(const char *key)
{
	return info_counter("limits", key);
}
