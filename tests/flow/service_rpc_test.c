/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the operator does with a running service: over the RPC socket, with
 * pciringctl, with a configuration file, through DPDK's telemetry.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ring/base.h"
#include "tests/flow/service_rig.h"

#define FUNCTION                                                               \
	"{\"machine\":\"demo\",\"address\":\"00:01.0\",\"device\":\"rng\"}"
#define ADDRESS "{\"machine\":\"demo\",\"address\":\"00:01.0\"}"

static int start(void **state)
{
	(void)state;
	return procs_init(&p) || procs_start_service(&p);
}

static int stop(void **state)
{
	(void)state;
	return procs_fini(&p);
}

static int start_in_dir_only(void **state)
{
	(void)state;
	return procs_init(&p);
}

static void make_demo(void)
{
	assert_int_equal(procs_rpc(&p, "machine.create", MACHINE, NULL), 0);
	assert_int_equal(procs_rpc(&p, "function.create", FUNCTION, NULL), 0);
}

/* ---- RPC -------------------------------------------------------------------------- */

static void machine_is_created_shown_and_destroyed(void **state)
{
	json_t *m, *f;

	(void)state;
	make_demo();
	assert_int_equal(procs_rpc(&p, "machine.show", MACHINE, &m), 0);
	f = json_array_get(json_object_get(m, "functions"), 0);
	assert_string_equal(json_string_value(json_object_get(f, "address")),
			    "00:01.0");
	assert_string_equal(json_string_value(json_object_get(f, "vendor_id")),
			    "1af4");
	assert_int_equal(json_array_size(json_object_get(f, "queues")), 1);
	json_decref(m);
	assert_int_equal(procs_rpc(&p, "function.destroy", ADDRESS, NULL), 0);
	assert_int_equal(procs_rpc(&p, "function.destroy", ADDRESS, NULL), 1);
	assert_int_equal(procs_rpc(&p, "machine.destroy", MACHINE, NULL), 0);
	assert_int_equal(procs_rpc(&p, "machine.show", MACHINE, &m), 1);
	assert_string_equal(json_string_value(json_object_get(
				    json_object_get(m, "data"), "path")),
			    "params.name");
	json_decref(m);
}

static void lines_that_come_together_are_all_answered_in_order(void **state)
{
	char request[64 * 64] = "", line[256];
	int fd = rpc_connect();
	FILE *f = fdopen(fd, "r+e");
	size_t n = 0;

	(void)state;
	for (int i = 0; i < 40; i++)
		n += (size_t)snprintf(request + n, sizeof(request) - n,
				      "{\"jsonrpc\":\"2.0\",\"id\":%d,"
				      "\"method\":\"machine.list\"}\n",
				      i);
	assert_int_equal(send(fd, request, n, MSG_NOSIGNAL), n);
	for (int i = 0; i < 40; i++) {
		snprintf(request, sizeof(request), "\"id\":%d,", i);
		assert_non_null(fgets(line, sizeof(line), f));
		assert_non_null(strstr(line, request));
	}
	fclose(f);
}

static void line_without_end_is_refused_and_the_connection_closed(void **state)
{
	static char junk[1 << 16];
	char answer[256];
	int fd = rpc_connect();
	size_t sent = 0;
	ssize_t n;

	(void)state;
	memset(junk, ' ', sizeof(junk));
	while (sent < 2u << 20) {
		n = send(fd, junk, sizeof(junk), MSG_NOSIGNAL);
		if (n <= 0)
			break;
		sent += (size_t)n;
	}
	assert_true(sent >= 1u << 20);
	n = recv(fd, answer, sizeof(answer) - 1, 0);
	/* Closing with bytes unread may throw the answer away. */
	if (n > 0) {
		answer[n] = '\0';
		assert_non_null(strstr(answer, "-32600"));
		n = recv(fd, answer, sizeof(answer) - 1, 0);
	}
	assert_true(n <= 0);
	close(fd);
	assert_int_equal(procs_rpc(&p, "machine.list", "{}", NULL), 0);
}

static void client_that_does_not_read_delays_nobody(void **state)
{
	static const char request[] =
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"rpc.help\"}\n";
	int fd = rpc_connect();
	unsigned int sent = 0;

	(void)state;
	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) > 0)
		sent++;
	assert_true(sent > 100);
	for (int i = 0; i < 20; i++)
		assert_int_equal(procs_rpc(&p, "machine.list", "{}", NULL), 0);
	close(fd);
}

static void destroying_a_machine_drops_its_functions_and_sockets(void **state)
{
	char params[300];
	json_t *config;

	(void)state;
	make_demo();
	snprintf(params, sizeof(params),
		 "{\"machine\":\"demo\",\"address\":\"00:01.0\","
		 "\"path\":\"%s/vm.sock\"}",
		 p.dir);
	assert_int_equal(procs_rpc(&p, "socket.create", params, NULL), 0);
	assert_int_equal(procs_rpc(&p, "machine.destroy", MACHINE, NULL), 0);
	assert_int_equal(procs_rpc(&p, "config.get", "{}", &config), 0);
	assert_int_equal(json_array_size(config), 0);
	json_decref(config);
	make_demo();
	assert_int_equal(procs_rpc(&p, "socket.create", params, NULL), 0);
	assert_int_equal(procs_rpc(&p, "machine.destroy", MACHINE, NULL), 0);
}

/* ---- pciringctl --------------------------------------------------------------------- */

static void operators_verbs_work_from_the_shell(void **state)
{
	char out[8192], words[300];

	(void)state;
	assert_int_equal(service_ctl(out, sizeof(out), "create demo"), 0);
	assert_string_equal(out, "");
	assert_int_equal(service_ctl(out, sizeof(out), "plug demo 00:01.0 rng"),
			 0);
	snprintf(words, sizeof(words), "socket demo 00:01.0 %s/vm.sock", p.dir);
	assert_int_equal(service_ctl(out, sizeof(out), words), 0);
	assert_int_equal(service_ctl(out, sizeof(out), "list"), 0);
	assert_non_null(strstr(out, "vm.sock  no proxy"));
	assert_non_null(strstr(out, "run: pciring-vfio-user --dir"));
	assert_int_equal(service_ctl(out, sizeof(out), "show demo"), 0);
	assert_non_null(strstr(out, "[1af4:1044]"));
	assert_int_equal(service_ctl(out, sizeof(out), "show demo 00:01.0"), 0);
	assert_non_null(strstr(out, "16 KiB"));
	assert_int_equal(service_ctl(out, sizeof(out), "stats demo"), 0);
	assert_non_null(strstr(out, "0 chains"));
	assert_null(strstr(out, "tx_frames"));
	assert_int_equal(service_ctl(out, sizeof(out),
				     "plug demo 00:02.0 net port=null"),
			 0);
	assert_int_equal(service_ctl(out, sizeof(out), "stats demo"), 0);
	assert_non_null(strstr(out, "tx_frames 0"));
	assert_non_null(strstr(out, "ctrl_errors 0"));
	assert_int_equal(service_ctl(out, sizeof(out), "unplug demo 00:02.0"),
			 0);
	assert_int_equal(service_ctl(out, sizeof(out), "info"), 0);
	assert_non_null(strstr(out, "MOST CHAINS"));
	assert_non_null(strstr(out, "rng"));
	assert_int_equal(service_ctl(out, sizeof(out), "unsocket demo 00:01.0"),
			 0);
	assert_int_equal(service_ctl(out, sizeof(out), "unplug demo 00:01.0"),
			 0);
	assert_int_equal(service_ctl(out, sizeof(out), "destroy demo"), 0);
	assert_int_equal(service_ctl(out, sizeof(out), "list"), 0);
	assert_non_null(strstr(out, "no machines"));
}

static void
bus_is_added_shown_written_back_and_gone_with_its_machine(void **state)
{
	char out[8192];
	json_t *config;

	(void)state;
	assert_int_equal(service_ctl(out, sizeof(out), "create demo"), 0);
	assert_int_equal(service_ctl(out, sizeof(out), "plug demo 05:03.1 rng"),
			 1);
	assert_non_null(strstr(out, "no bus 05"));
	assert_int_equal(service_ctl(out, sizeof(out), "bus demo 05 00:1f"), 0);
	assert_string_equal(out, "");
	assert_int_equal(service_ctl(out, sizeof(out), "bus demo 05 00:1e"), 1);
	assert_non_null(strstr(out, "has a bus 5 already (params.bus)"));
	assert_int_equal(
		procs_rpc(&p, "bus.create",
			  "{\"machine\":\"demo\",\"bus\":255,\"parent\":5,"
			  "\"device\":1}",
			  NULL),
		0);
	assert_int_equal(service_ctl(out, sizeof(out), "plug demo 05:03.1 rng"),
			 0);
	assert_int_equal(service_ctl(out, sizeof(out), "plug demo ff:00.0 rng"),
			 0);
	assert_int_equal(service_ctl(out, sizeof(out), "show demo"), 0);
	assert_non_null(strstr(out, "bus       05 behind 00:1f\n"
				    "bus       ff behind 05:01\n"));
	assert_non_null(strstr(out, "\n05:03.1 rng [1af4:1044]"));
	assert_int_equal(procs_rpc(&p, "config.get", "{}", &config), 0);
	assert_int_equal(json_array_size(config), 5);
	json_decref(config);
	assert_int_equal(service_ctl(out, sizeof(out), "unplug demo 05:03.1"),
			 0);
	assert_int_equal(service_ctl(out, sizeof(out), "destroy demo"), 0);
	assert_int_equal(service_ctl(out, sizeof(out), "create demo"), 0);
	assert_int_equal(service_ctl(out, sizeof(out), "plug demo 05:03.1 rng"),
			 1);
	assert_int_equal(service_ctl(out, sizeof(out), "destroy demo"), 0);
}

static void what_goes_wrong_is_said_with_the_parameter(void **state)
{
	char out[1024];

	(void)state;
	assert_int_equal(service_ctl(out, sizeof(out), "plug none 00:01.0 rng"),
			 1);
	assert_string_equal(
		out, "pciringctl: no machine \"none\" (params.machine)\n");
	assert_int_equal(service_ctl(out, sizeof(out), "call none.such"), 1);
	assert_int_equal(service_ctl(out, sizeof(out), "call stats.get {"), 2);
	assert_int_equal(service_ctl(out, sizeof(out), "fly"), 2);
	assert_int_equal(service_ctl(out, sizeof(out), "show"), 2);
	assert_int_equal(service_ctl(out, sizeof(out), ""), 2);
	assert_int_equal(service_ctl(out, sizeof(out), "create demo --loop x"),
			 2);
	assert_int_equal(service_ctl(out, sizeof(out), "connect demo"), 2);
	assert_int_equal(service_ctl(out, sizeof(out), "bus demo 105 00:1f"),
			 2);
	assert_int_equal(service_ctl(out, sizeof(out), "bus demo 05 00:1f.0"),
			 2);
	assert_int_equal(service_program(out, sizeof(out), "pciringctl",
					 "--dir /nonexistent list"),
			 1);
	assert_non_null(strstr(out, "start it with: pciringd --dir"));
}

static void connect_prints_a_command_for_each_vmm(void **state)
{
	char out[4096], words[300], device[300];

	(void)state;
	make_demo();
	assert_int_equal(
		service_ctl(out, sizeof(out), "connect demo --vmm qemu"), 1);
	assert_non_null(strstr(out, "pciringctl socket demo 00:01.0 PATH"));
	snprintf(words, sizeof(words), "socket demo 00:01.0 %s/vm.sock", p.dir);
	assert_int_equal(service_ctl(out, sizeof(out), words), 0);
	assert_int_equal(
		service_ctl(out, sizeof(out), "connect demo --vmm qemu"), 0);
	snprintf(device, sizeof(device),
		 "-device '{\"driver\":\"vfio-user-pci\",\"socket\":{\"type\":"
		 "\"unix\",\"path\":\"%s/vm.sock\"}}'",
		 p.dir);
	assert_non_null(strstr(out, device));
	assert_non_null(strstr(out, "share=on"));
	assert_non_null(strstr(out, "# tested"));
	assert_int_equal(
		service_ctl(out, sizeof(out),
			    "connect demo --vmm cloud-hypervisor --memory 1G"),
		0);
	assert_non_null(strstr(out, "--memory size=1G,shared=on"));
	assert_non_null(strstr(out, "# untested"));
	assert_int_equal(
		service_ctl(out, sizeof(out), "connect demo --vmm libvirt"), 0);
	assert_non_null(strstr(out, "<access mode='shared'/>"));
	assert_non_null(strstr(out, "<!-- untested"));
	assert_int_equal(
		service_ctl(out, sizeof(out), "connect demo --vmm bochs"), 1);
	assert_non_null(strstr(out, "qemu, cloud-hypervisor, libvirt"));
	assert_int_equal(procs_rpc(&p, "machine.destroy", MACHINE, NULL), 0);
}

/* ---- The configuration file ------------------------------------------------------------ */

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void start_with_config(const char *path)
{
	const char *const args[] = { "--log-level", "error", "--config", path,
				     NULL };

	p.service = procs_start(&p, "pciringd", args);
	assert_true(p.service > 0);
}

static void running_configuration_starts_the_next_service(void **state)
{
	char first[PROCS_PATH], second[PROCS_PATH], words[300], out[4096];
	json_t *before, *after;

	(void)state;
	procs_path(&p, "first", first);
	procs_path(&p, "second", second);
	snprintf(out, sizeof(out),
		 "[{\"method\":\"machine.create\",\"params\":" MACHINE "},"
		 "{\"method\":\"function.create\",\"params\":" FUNCTION "},"
		 "{\"method\":\"socket.create\",\"params\":{\"machine\":"
		 "\"demo\",\"address\":\"00:01.0\",\"path\":\"%s/s\"}}]",
		 p.dir);
	write_file(first, out);
	start_with_config(first);
	assert_int_equal(procs_rpc(&p, "config.get", "{}", &before), 0);
	assert_int_equal(json_array_size(before), 3);
	snprintf(words, sizeof(words), "config >%s", second);
	assert_int_equal(service_ctl(out, sizeof(out), words), 0);
	assert_int_equal(procs_stop(&p.service, SIGTERM, 5000), 0);

	start_with_config(second);
	assert_int_equal(procs_rpc(&p, "config.get", "{}", &after), 0);
	assert_true(json_equal(before, after));
	json_decref(before);
	json_decref(after);
	assert_int_equal(procs_stop(&p.service, SIGTERM, 5000), 0);
	unlink(first);
	unlink(second);
}

static void bad_file_is_refused_with_the_place(void **state)
{
	char path[PROCS_PATH], words[300], out[4096];

	(void)state;
	procs_path(&p, "bad", path);
	write_file(path, "[{\"method\":\"machine.create\",\"params\":" MACHINE
			 "},\n{\"method\":\"function.create\",\"params\":"
			 "{\"machine\":\"demo\",\"address\":\"00:01.0\","
			 "\"device\":\"rgn\"}}]");
	snprintf(words, sizeof(words), "--check-config %s", path);
	assert_int_equal(service_program(out, sizeof(out), "pciringd", words),
			 1);
	assert_non_null(
		strstr(out, "[1].params.device: no device type \"rgn\""));
	snprintf(words, sizeof(words), "--dir %s --config %s", p.dir, path);
	assert_int_equal(service_program(out, sizeof(out), "pciringd", words),
			 1);
	assert_non_null(strstr(out, "[1].params.device"));

	write_file(path, "[\n{\n]");
	snprintf(words, sizeof(words), "--check-config %s", path);
	assert_int_equal(service_program(out, sizeof(out), "pciringd", words),
			 1);
	assert_non_null(strstr(out, "bad:3:1: "));
	write_file(path, "[]");
	assert_int_equal(service_program(out, sizeof(out), "pciringd", words),
			 0);
	unlink(path);
}

static void usage_errors_exit_with_two(void **state)
{
	static const char *const bad[] = { "--idle -1",	       "--idle x",
					   "--nonsense",       "word",
					   "--max-memory 12Q", "--dir ''",
					   "--log-level loud" };
	char out[8192];

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(
			service_program(out, sizeof(out), "pciringd", bad[i]),
			2);
	assert_int_equal(
		service_program(out, sizeof(out), "pciringd", "--help"), 0);
	assert_non_null(strstr(out, "Examples:"));
	assert_int_equal(
		service_program(out, sizeof(out), "pciringd", "--version"), 0);
	assert_string_equal(out, "pciringd " PCIRING_VERSION "\n");
	assert_int_equal(
		service_program(out, sizeof(out), "pciringctl", "--version"),
		0);
	assert_string_equal(out, "pciringctl " PCIRING_VERSION "\n");
}

/* ---- Loops -------------------------------------------------------------------------------- */

static const char *idle_of(const char *const *args, char *text, size_t room)
{
	const json_t *idle;
	json_t *info;
	pid_t pid = procs_start(&p, "pciringd", args);

	assert_true(pid > 0);
	assert_int_equal(procs_rpc(&p, "service.info", "{}", &info), 0);
	idle = json_object_get(
		json_array_get(json_object_get(info, "loops"), 0), "idle_us");
	if (json_is_string(idle))
		snprintf(text, room, "%s", json_string_value(idle));
	else
		snprintf(text, room, "%d", (int)json_integer_value(idle));
	json_decref(info);
	assert_int_equal(procs_stop(&pid, SIGTERM, 5000), 0);
	return text;
}

static void loop_polls_only_on_a_cpu_of_its_own(void **state)
{
	static const char *const any[] = { "--log-level", "error", NULL };
	static const char *const shared[] = { "--log-level", "error",
					      "--lcores", "0@0,1@0", NULL };
	static const char *const own[] = { "--log-level", "error", "--lcores",
					   "0@0,1@1", NULL };
	static const char *const told[] = { "--log-level", "error",  "--lcores",
					    "0@0,1@1",	   "--idle", "7",
					    NULL };
	static const char *const raw[] = { "--log-level", "error",   "--",
					   "--lcores",	  "0@0,1@1", NULL };
	char text[32];

	(void)state;
	assert_string_equal(idle_of(any, text, sizeof(text)), "50");
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
		print_message("one CPU only\n");
		skip();
	}
	assert_string_equal(idle_of(shared, text, sizeof(text)), "50");
	assert_string_equal(idle_of(own, text, sizeof(text)), "off");
	assert_string_equal(idle_of(told, text, sizeof(text)), "7");
	assert_string_equal(idle_of(raw, text, sizeof(text)), "off");
}

/* ---- Telemetry ------------------------------------------------------------------------------ */

static int telemetry_connect(char *buf, size_t room)
{
	const char *xdg = getenv("XDG_RUNTIME_DIR");
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = 5 };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(sa.sun_path, sizeof(sa.sun_path),
		 "%.60s/dpdk/pciring-%d/dpdk_telemetry.v2",
		 !geteuid() ? "/var/run"
		 : xdg	    ? xdg
			    : "/tmp",
		 p.service);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	assert_true(recv(fd, buf, room, 0) > 0); /* who it is */
	return fd;
}

static json_t *telemetry(int fd, const char *command)
{
	char buf[16384];
	json_t *answer, *value;
	ssize_t n;

	assert_true(send(fd, command, strlen(command), MSG_NOSIGNAL) > 0);
	n = recv(fd, buf, sizeof(buf) - 1, 0);
	assert_true(n > 0);
	answer = json_loadb(buf, (size_t)n, 0, NULL);
	assert_non_null(answer);
	value = json_incref(json_object_iter_value(json_object_iter(answer)));
	json_decref(answer);
	return value;
}

static void telemetry_knows_machines_functions_queues_and_rings(void **state)
{
	char buf[16384];
	json_t *v;
	int fd;

	(void)state;
	make_demo();
	fd = telemetry_connect(buf, sizeof(buf));
	v = telemetry(fd, "/pciring/machines");
	assert_string_equal(json_string_value(json_array_get(v, 0)), "demo");
	json_decref(v);
	v = telemetry(fd, "/pciring/functions,demo");
	assert_string_equal(json_string_value(json_array_get(
				    json_object_get(v, "address"), 0)),
			    "00:01.0");
	json_decref(v);
	v = telemetry(fd, "/pciring/queues,demo,00:01.0");
	assert_int_equal(json_integer_value(
				 json_array_get(json_object_get(v, "size"), 0)),
			 256);
	json_decref(v);
	v = telemetry(fd, "/pciring/rings,demo");
	assert_true(json_is_object(v));
	assert_int_equal(json_object_size(v), 0);
	json_decref(v);
	v = telemetry(fd, "/pciring/irq,demo");
	assert_true(json_array_size(json_object_get(v, "kind")) > 1);
	assert_int_equal(json_array_size(json_object_get(v, "fired")),
			 json_array_size(json_object_get(v, "kind")));
	json_decref(v);
	v = telemetry(fd, "/pciring/functions,none");
	assert_true(json_is_null(v));
	json_decref(v);
	close(fd);
	assert_int_equal(procs_rpc(&p, "machine.destroy", MACHINE, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest running[] = {
		cmocka_unit_test(machine_is_created_shown_and_destroyed),
		cmocka_unit_test(
			lines_that_come_together_are_all_answered_in_order),
		cmocka_unit_test(
			line_without_end_is_refused_and_the_connection_closed),
		cmocka_unit_test(client_that_does_not_read_delays_nobody),
		cmocka_unit_test(
			destroying_a_machine_drops_its_functions_and_sockets),
		cmocka_unit_test(operators_verbs_work_from_the_shell),
		cmocka_unit_test(
			bus_is_added_shown_written_back_and_gone_with_its_machine),
		cmocka_unit_test(what_goes_wrong_is_said_with_the_parameter),
		cmocka_unit_test(connect_prints_a_command_for_each_vmm),
		cmocka_unit_test(
			telemetry_knows_machines_functions_queues_and_rings),
	};
	const struct CMUnitTest starting[] = {
		cmocka_unit_test(running_configuration_starts_the_next_service),
		cmocka_unit_test(bad_file_is_refused_with_the_place),
		cmocka_unit_test(usage_errors_exit_with_two),
		cmocka_unit_test(loop_polls_only_on_a_cpu_of_its_own),
	};
	int failed = cmocka_run_group_tests(running, start, stop);

	return failed +
	       cmocka_run_group_tests(starting, start_in_dir_only, stop);
}
