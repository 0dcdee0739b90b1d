/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * example-client.c - the smallest VMM: it has no guest, it reads one device
 *
 *	cc example-client.c $(pkg-config --cflags --libs pciring)
 *	./a.out /run/pciring/attach.sock vm0
 *
 * prints vendor and device ID of the function 00:01.0 of machine vm0.  ^C calls
 * it away while it waits, as a VMM calls a vCPU thread away.
 */
#define _POSIX_C_SOURCE 200809L /* sigaction() */
#include <errno.h>
#include <pciring.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define FUNCTION (0 << 8 | 1 << 3 | 0) /* bus 0, device 1, function 0 */
#define LANE	 0		       /* this thread's */

static struct pciring *p;
static volatile sig_atomic_t leaving;

static void on_interrupt(int sig)
{
	(void)sig;
	leaving = 1;
	pciring_call_away(p, LANE);
}

/* pciring_access() in two steps: a vCPU thread would do other work where this
 * one gives up, and collect the answer later. */
static int forward(struct pciring_access *a)
{
	int err = pciring_access_begin(p, LANE, a);

	while (!err && (err = pciring_access_collect(p, LANE, a)) == -EINTR) {
		if (leaving)
			return err;
		err = 0; /* some other signal */
	}
	return err;
}

static int fail(const char *what, int err)
{
	fprintf(stderr, "%s: %s\n", what, strerror(-err));
	return 1;
}

int main(int argc, char **argv)
{
	struct sigaction act = { .sa_handler = on_interrupt };
	struct pciring_options opt = {
		.size = sizeof(opt),
		.name = "example",
		.scope = PCIRING_SCOPE_MACHINE,
		.lanes = 1, /* one thread forwards accesses: this one */
		.interrupts = PCIRING_IRQ_NATIVE,
		.spin_ns = 20000, /* then sleep */
	};
	struct pciring_access id = {
		.space = PCIRING_SPACE_CONFIG,
		.function = FUNCTION,
		.address = 0, /* vendor ID, and above it device ID */
		.size = 4,
	};
	int err;

	if (argc != 3) {
		fprintf(stderr, "usage: %s ATTACH-SOCKET MACHINE\n", argv[0]);
		return 2;
	}
	opt.machine = argv[2];
	err = pciring_attach(argv[1], &opt, &p);
	if (err)
		return fail(argv[1], err);
	sigaction(SIGINT, &act, NULL);

	err = forward(&id);
	sigaction(SIGINT, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
	pciring_detach(p);
	if (err)
		return fail("reading the vendor ID", err);
	if ((id.value & 0xffff) == 0xffff) {
		fprintf(stderr, "00:01.0: no such function\n");
		return 1;
	}
	printf("00:01.0 vendor %04x device %04x\n",
	       (unsigned int)(id.value & 0xffff),
	       (unsigned int)(id.value >> 16));
	return 0;
}
