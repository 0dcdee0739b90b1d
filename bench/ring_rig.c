/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: the child is forked with everything made, so both sides have the same
 * addresses; the halves of a channel are private memory of who uses them.  The
 * child's loop is that of pciringd (apps/pciringd/loop.c) in what it costs: a
 * machine's turn, two counters, one atomic load, and a pause in some of the
 * turns that had nothing to do.
 */
#include "bench/ring_rig.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_pause.h>

#include "bench/bench.h"
#include "bench/child.h"
#include "bench/ring_rival.h"

#define ADDRESS	      0x1000 /* where nothing is */
#define BATCH	      16     /* as a machine's turn takes them */
#define IDLE_NS	      50000
#define SPIN_NS	      1000000
#define TASK_NS	      5000000000
#define POST_OFFSET   0x3000
#define TURNS_A_PAUSE 4 /* idle ones, as in apps/pciringd/loop.c */

const unsigned int ring_rig_lanes[RIG_LANES] = { 1, 8, 64 };

void ring_rig_broken(const char *what)
{
	fprintf(stderr, "ring: %s went wrong\n", what);
	exit(1);
}

/* ---- The probe ------------------------------------------------------------ */

/* The ball is with the caller. */
#define BACK 0x80000000u

static _Atomic uint32_t *ball_of(const struct channel *ch, unsigned int lane)
{
	uint8_t *word = &ch->lanes_shared[lane].reserved[3];

	static_assert(offsetof(struct seg_lane, reserved[3]) % 4 == 0, "line");
	return (_Atomic uint32_t *)(void *)word;
}

static void return_ball(struct ring_rig *r)
{
	_Atomic uint32_t *ball = ball_of(r->vm->service, r->task.lane);
	uint32_t now;

	while (ring_rig_goes_on(r)) {
		now = atomic_load_explicit(ball, memory_order_acquire);
		if (now & BACK)
			continue;
		atomic_store_explicit(ball, now | BACK, memory_order_release);
	}
}

static void throw_ball(struct ring_rig *r, unsigned int lane)
{
	_Atomic uint32_t *ball = ball_of(&r->vm->client->ch, r->task.lane);
	uint32_t now = atomic_load_explicit(ball, memory_order_relaxed);

	(void)lane;
	now = (now + 1) & ~BACK;
	atomic_store_explicit(ball, now, memory_order_release);
	while (atomic_load_explicit(ball, memory_order_acquire) != (now | BACK))
		;
}

const struct ring_way ring_pingpong = {
	.serve = return_ball,
	.ask = throw_ball,
};

/* ---- Accesses -------------------------------------------------------------- */

static bool turn(struct ring_rig *r)
{
	bool did = machine_turn(r->vm->machine);

	r->turns++;
	r->turns_with_work += did;
	return did;
}

static void poll_machine(struct ring_rig *r)
{
	unsigned int idle_turns = 0;

	while (ring_rig_goes_on(r))
		if (!turn(r) && ++idle_turns % TURNS_A_PAUSE == 0)
			rte_pause();
}

static void sleep_once(struct ring_rig *r)
{
	struct pollfd kick = { .fd = r->vm->service->kick_fd,
			       .events = POLLIN };

	if (machine_sleep(r->vm->machine) && ring_rig_goes_on(r))
		poll(&kick, 1, -1);
	machine_awake(r->vm->machine);
}

static void poll_and_sleep(struct ring_rig *r)
{
	uint64_t since = bench_now();

	while (ring_rig_goes_on(r)) {
		if (turn(r)) {
			since = bench_now();
		} else if (bench_now() - since < IDLE_NS) {
			rte_pause();
		} else {
			sleep_once(r);
			since = bench_now();
		}
	}
}

static void wake_machine(struct ring_rig *r)
{
	const uint64_t one = 1;

	if (write(r->vm->client->ch.kick_fd, &one, sizeof(one)) < 0)
		ring_rig_broken("a kick");
}

static void ask_machine(struct ring_rig *r, unsigned int lane)
{
	struct pciring_access a = {
		.space = PCIRING_SPACE_MMIO,
		.address = ADDRESS,
		.size = 4,
	};

	if (pciring_access(r->vm->client, lane, &a) || a.value != UINT32_MAX)
		ring_rig_broken("an access");
}

const struct ring_way ring_access = {
	.serve = poll_machine,
	.ask = ask_machine,
};

const struct ring_way ring_access_idle = {
	.serve = poll_and_sleep,
	.ask = ask_machine,
	.rouse = wake_machine,
};

/* ---- Messages --------------------------------------------------------------- */

static void take_posted(struct ring_rig *r)
{
	struct msg_access req[BATCH];

	while (ring_rig_goes_on(r)) {
		if (r->task.pace_ns)
			ring_rig_pause(r, r->task.pace_ns);
		if (!channel_take(r->vm->service, 0, req, BATCH))
			rte_pause();
	}
}

static void put_posted(struct ring_rig *r, unsigned int n)
{
	const struct msg_access req = {
		.space = PCIRING_SPACE_BAR0,
		.address = POST_OFFSET,
		.size = 2,
		.op = MSG_POSTED,
	};

	for (unsigned int i = 0; i < n; i++)
		while (!channel_put(&r->vm->client->ch, 0, &req))
			;
}

const struct ring_way ring_posted = {
	.serve = take_posted,
	.pass = put_posted,
};

static void poll_machine_paced(struct ring_rig *r)
{
	while (ring_rig_goes_on(r)) {
		if (r->task.pace_ns)
			ring_rig_pause(r, r->task.pace_ns);
		if (!turn(r))
			rte_pause();
	}
}

static void post(struct ring_rig *r, unsigned int n)
{
	const struct pciring_access a = {
		.space = PCIRING_SPACE_BAR0,
		.address = POST_OFFSET,
		.size = 2,
		.write = 1,
	};
	int err;

	for (unsigned int i = 0; i < n; i++) {
		do
			err = pciring_post(r->vm->client, 0, &a);
		while (err == -EAGAIN);
		if (err)
			ring_rig_broken("a posted write");
	}
}

const struct ring_way ring_posted_whole = {
	.serve = poll_machine_paced,
	.pass = post,
};

/* A turn may raise many, one by one; the sleeper is looked for at its end. */
static void send_irqs(struct ring_rig *r)
{
	const struct msg_irq irq = { .address = 0xfee00000, .data = 0x41 };
	unsigned int n = 0;

	while (ring_rig_goes_on(r)) {
		if (!channel_irq(r->vm->service, &irq) || ++n % BATCH == 0)
			channel_irq_wake(r->vm->service);
	}
}

static void get_irqs(struct ring_rig *r, unsigned int n)
{
	struct msg_irq irq[2 * BATCH];
	unsigned int got = 0, k;

	while (got < n) {
		if (r->task.pace_ns)
			ring_rig_pause(r, r->task.pace_ns);
		k = channel_get_irqs(&r->vm->client->ch, irq, ARRAY_SIZE(irq));
		if (!k)
			rte_pause();
		got += k;
	}
}

const struct ring_way ring_irq = {
	.serve = send_irqs,
	.pass = get_irqs,
};

/* ---- The child --------------------------------------------------------------- */

static void serve(void *arg)
{
	struct ring_rig *r = arg;
	struct ring_shared *s = r->shared;

	for (;;) {
		r->number =
			atomic_load_explicit(&s->number, memory_order_acquire);
		r->task = s->task;
		r->vm = &r->vms[r->task.vm];
		atomic_store_explicit(&s->begun, r->number,
				      memory_order_release);
		if (r->task.way)
			r->task.way->serve(r);
		while (!r->task.way && ring_rig_goes_on(r))
			rte_pause();
	}
}

int ring_rig_begin(struct ring_rig *r, const struct ring_task *task)
{
	struct ring_shared *s = r->shared;
	const struct ring_way *last = r->task.way;
	uint64_t begin = bench_now();

	s->task = *task;
	atomic_store(&s->number, ++r->number);
	if (last && last->rouse)
		last->rouse(r);
	while (atomic_load_explicit(&s->begun, memory_order_acquire) !=
	       r->number) {
		if (bench_now() - begin > TASK_NS)
			return -ETIMEDOUT;
		rte_pause();
	}
	r->task = *task;
	r->vm = &r->vms[task->vm];
	return 0;
}

/* ---- Opening ----------------------------------------------------------------- */

static void *zalloc_lines(size_t size)
{
	void *p;

	size = RTE_ALIGN_CEIL(size, (size_t)SEG_PAGE);
	p = aligned_alloc(SEG_PAGE, size);
	if (p)
		memset(p, 0, size);
	return p;
}

/* What pciring_attach() leaves behind, without a service to ask. */
static int open_client(struct ring_vm *vm)
{
	struct pciring *p = vm->client;
	int fds[MSG_NR_FDS], pair[2];

	fds[MSG_FD_SEGMENT] = fcntl(vm->service->fd, F_DUPFD_CLOEXEC, 0);
	fds[MSG_FD_KICK] = fcntl(vm->service->kick_fd, F_DUPFD_CLOEXEC, 0);
	/* Its other end is the child's, by which it is seen to live. */
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	p->sock = pair[0];
	p->spin_ns = SPIN_NS;
	return channel_open(&p->ch, &vm->service->geo, fds);
}

static int open_vm(struct ring_vm *vm)
{
	const struct link_options opt = { .scope = PCIRING_SCOPE_MACHINE };
	const struct seg_window window = {
		.start = POST_OFFSET,
		.length = 4,
		.space = PCIRING_SPACE_BAR0,
		.sizes = BIT(1) | BIT(2),
	};
	int err;

	vm->link = zalloc_lines(sizeof(*vm->link));
	vm->service = zalloc_lines(sizeof(*vm->service));
	vm->client = zalloc_lines(sizeof(*vm->client));
	if (!vm->link || !vm->service || !vm->client)
		return -ENOMEM;
	err = machine_create("bench", &vm->machine);
	if (!err)
		err = channel_create(vm->service, vm->lanes, 1);
	if (!err)
		err = open_client(vm);
	if (err)
		return err;
	if (vm->path == PCIRING_PATH_MAILBOX) {
		channel_use_mailbox(vm->service);
		channel_use_mailbox(&vm->client->ch);
	}
	err = link_attach(vm->machine, vm->link, vm->service, &opt);
	if (err)
		return err;
	for (unsigned int i = 0; i < vm->lanes; i++)
		atomic_init(ball_of(vm->service, i), BACK);
	/* No function is there to have a window: one is made up, and stays as
	 * long as the machine believes that nothing moved. */
	vm->machine->windows_epoch = vm->machine->mmio.epoch;
	channel_set_windows(vm->service, &window, 1);
	return 0;
}

int ring_rig_open(struct ring_rig *r, const struct placement *at)
{
	int err = 0;

	memset(r, 0, sizeof(*r));
	r->ticks_per_ns = 1 / bench_ns_per_tick();
	r->shared = mmap(NULL, sizeof(*r->shared), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (r->shared == MAP_FAILED)
		return -errno;
	for (unsigned int i = 0; i < RIG_VMS && !err; i++) {
		r->vms[i].path = i < RIG_LANES ? PCIRING_PATH_MAILBOX
					       : PCIRING_PATH_RINGS;
		r->vms[i].lanes = ring_rig_lanes[i % RIG_LANES];
		err = open_vm(&r->vms[i]);
	}
	r->vm = &r->vms[0];
	if (!err)
		err = ring_rival_open(&r->rival);
	if (!err)
		err = child_pin(at->cpu[0]);
	if (err)
		return err;
	r->child = child_fork(serve, r, at->cpu[1]);
	return r->child < 0 ? (int)r->child : 0;
}

static void close_vm(struct ring_vm *vm)
{
	link_detach(vm->link);
	machine_destroy(vm->machine);
	channel_fini(&vm->client->ch);
	channel_fini(vm->service);
	close(vm->client->sock);
	free(vm->client);
	free(vm->service);
	free(vm->link);
}

void ring_rig_close(struct ring_rig *r)
{
	child_stop(r->child);
	for (unsigned int i = 0; i < RIG_VMS; i++)
		close_vm(&r->vms[i]);
	ring_rival_close(r->rival);
	munmap(r->shared, sizeof(*r->shared));
}
