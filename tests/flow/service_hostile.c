/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: runs in a process of its own, so nothing here asserts; what should not
 * have been possible is counted.
 */
#include "tests/flow/service_hostile.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "tests/flow/service_rig.h"

#define PATIENCE_MS 60000
#define TRICK_MS    60
#define STEP	    64 /* bytes of a walk between two looks at the socket */

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static uint64_t draw(struct hostile *h)
{
	h->random ^= h->random << 13;
	h->random ^= h->random >> 7;
	h->random ^= h->random << 17;
	return h->random;
}

/* ---- Coming and going --------------------------------------------------------- */

static int open_channel(struct hostile *h, struct attach_packet *pkt)
{
	int err, fds[MSG_NR_FDS];

	for (unsigned int i = 0; i < MSG_NR_FDS; i++)
		fds[i] = pkt->fds[i];
	err = channel_open(&h->ch, &pkt->m.hello_reply.geo, fds);
	if (err)
		return err;
	for (unsigned int i = 0; i < MSG_NR_FDS; i++)
		attach_packet_take(pkt, i);
	if (pkt->m.hello_reply.features & MSG_FEATURE_MAILBOX)
		channel_use_mailbox(&h->ch);
	h->size = h->ch.geo.segment_size;
	h->segment = mmap(NULL, h->size, PROT_READ | PROT_WRITE, MAP_SHARED,
			  h->ch.fd, 0);
	return 0;
}

int hostile_attach(struct hostile *h, const char *machine, unsigned int lanes,
		   bool mailbox)
{
	struct msg_hello m = hello(PCIRING_SCOPE_MACHINE);
	struct attach_packet pkt;
	char path[PROCS_PATH];
	int err;

	m.lanes = (uint16_t)lanes;
	m.features = mailbox ? MSG_FEATURE_MAILBOX : 0;
	memset(m.machine, 0, sizeof(m.machine));
	memcpy(m.machine, machine, strlen(machine));
	h->sock = attach_connect(procs_path(&p, "attach.sock", path));
	if (h->sock < 0)
		return h->sock;
	err = attach_send(h->sock, &m, sizeof(m), NULL, 0);
	if (!err)
		err = attach_recv(h->sock, &pkt) == 1 ? 0 : -EPIPE;
	if (!err) {
		err = pkt.m.h.error;
		if (!err)
			err = open_channel(h, &pkt);
		attach_packet_fini(&pkt);
	}
	if (err)
		close(h->sock);
	return err;
}

void hostile_detach(struct hostile *h)
{
	munmap(h->segment, h->size);
	channel_fini(&h->ch);
	close(h->sock);
}

bool hostile_ended(struct hostile *h, int ms)
{
	struct pollfd pfd = { .fd = h->sock, .events = POLLRDHUP };

	return poll(&pfd, 1, ms) > 0;
}

/* The one before may not have gone yet. */
static void again(struct hostile *h, const char *machine, unsigned int lanes,
		  struct hostile_report *report)
{
	while (hostile_attach(h, machine, lanes, draw(h) & 1))
		usleep(500);
	report->attached++;
}

/* ---- Tricks: each until @end, or until the service has ended it ---------------- */

static void kick(struct hostile *h)
{
	eventfd_write(h->ch.kick_fd, 1);
}

/* The loop has looked at the segment since the last time but one. */
static bool round_trip(struct hostile *h)
{
	struct msg_function m = { .h = { .magic = MSG_MAGIC,
					 .type = MSG_FUNCTION_INFO },
				  .function = BDF };
	struct attach_packet pkt;

	kick(h);
	if (attach_send(h->sock, &m, sizeof(m), NULL, 0) ||
	    attach_recv(h->sock, &pkt) != 1)
		return false;
	attach_packet_fini(&pkt);
	return true;
}

static bool round_trips(struct hostile *h, int n)
{
	while (n && round_trip(h))
		n--;
	return !n;
}

static void write_step(struct hostile *h, size_t at)
{
	volatile uint8_t *byte = h->segment + at;

	for (size_t i = 0; i < STEP; i++)
		byte[i] = (uint8_t)(byte[i] + 1 + draw(h) % 255);
}

/* A step that ends the link is done again on a new one: whatever of it was
 * written too late, to what nobody served any more, is written in time then. */
static void walk_step(struct hostile *h, const char *machine, size_t at,
		      struct hostile_report *report)
{
	for (int tries = 0; tries < 2; tries++) {
		write_step(h, at);
		if (round_trips(h, 2) && !hostile_ended(h, 0))
			return;
		report->ended[HOSTILE_WALK]++;
		hostile_detach(h);
		/* As many as before: the segment is as long as it was. */
		again(h, machine, 2, report);
	}
}

static void walk(struct hostile *h, const char *machine,
		 struct hostile_report *report)
{
	for (size_t at = 0; at + STEP <= h->size; at += STEP)
		walk_step(h, machine, at, report);
	report->walks++;
}

static void scribble(struct hostile *h)
{
	uint64_t *word = (uint64_t *)(void *)h->segment;
	size_t n = h->size / sizeof(*word), first = draw(h) % n;

	for (size_t i = 0; i < n; i++)
		((volatile uint64_t *)word)[(first + i) % n] = draw(h);
	kick(h);
}

static void forge_ring(struct hostile *h, struct ring *ring)
{
	static const uint32_t liked[] = {
		0, 1, 63, 64, 65, 0x7fffffff, 0x80000000, 0xffffffff
	};
	uint32_t value = draw(h) & 1 ? (uint32_t)draw(h)
				     : liked[draw(h) % ARRAY_SIZE(liked)];
	struct rte_ring *r = ring->r;

	switch (draw(h) % 6) {
	case 0:
		__atomic_store_n(&r->prod.head, value, __ATOMIC_RELAXED);
		break;
	case 1:
		__atomic_store_n(&r->prod.tail, value, __ATOMIC_RELAXED);
		break;
	case 2:
		__atomic_store_n(&r->cons.head, value, __ATOMIC_RELAXED);
		break;
	case 3:
		__atomic_store_n(&r->cons.tail, value, __ATOMIC_RELAXED);
		break;
	case 4:
		__atomic_fetch_add(&r->prod.tail, 1, __ATOMIC_RELAXED);
		break;
	default:
		/* The sync type lies behind the tail. */
		*((volatile uint32_t *)&r->prod.tail + 1) = value;
	}
}

static void indices(struct hostile *h)
{
	unsigned int lane = draw(h) % h->ch.geo.lanes;

	if (draw(h) % 8 == 0)
		forge_ring(h, &h->ch.irq);
	else if (draw(h) & 1)
		forge_ring(h, &h->ch.lane[lane].request);
	else
		forge_ring(h, &h->ch.lane[lane].completion);
	if (draw(h) % 64 == 0)
		kick(h);
}

struct msg_access hostile_request(struct hostile *h, bool possible)
{
	struct msg_access a = {
		.address = draw(h) >> draw(h) % 64,
		.value = draw(h),
		.seq = (uint32_t)draw(h),
		.function = draw(h) & 3 ? BDF : (uint16_t)draw(h),
		.space = (uint8_t)draw(h),
		.size = (uint8_t)draw(h),
		.op = (uint8_t)draw(h),
	};

	if (!possible)
		return a;
	a.space %= PCIRING_SPACE_BAR5 + 1;
	a.size = (uint8_t)(1u << a.size % 3);
	a.op &= 1;
	a.seq += !a.seq;
	return a;
}

static void requests(struct hostile *h)
{
	/* Most of them possible, or the first one would be the last. */
	struct msg_access a = hostile_request(h, draw(h) % 512 != 0);

	if (draw(h) & 1)
		a.op = MSG_POSTED;
	channel_put(&h->ch, draw(h) % h->ch.geo.lanes, &a);
}

static void answers(struct hostile *h)
{
	unsigned int lane = draw(h) % h->ch.geo.lanes;
	struct seg_lane *s = &h->ch.lanes_shared[lane];
	struct msg_access a = hostile_request(h, true);
	struct msg_completion c;

	channel_put(&h->ch, lane, &a);
	if (draw(h) & 1)
		channel_get(&h->ch, lane, &c);
	atomic_store_explicit(&s->answer, (uint32_t)draw(h),
			      memory_order_relaxed);
	s->result = draw(h);
	s->status = (uint32_t)draw(h);
	if (draw(h) % 16 == 0)
		atomic_store_explicit(&s->ask, (uint32_t)draw(h),
				      memory_order_relaxed);
}

static void holes(struct hostile *h, struct hostile_report *report)
{
	off_t at = (off_t)(draw(h) % (h->size / SEG_PAGE) * SEG_PAGE);

	requests(h);
	fallocate(h->ch.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at,
		  SEG_PAGE);
	report->surprises += !ftruncate(h->ch.fd, 0);
	report->surprises += !ftruncate(h->ch.fd, (off_t)h->size * 2);
	report->surprises += !fcntl(h->ch.fd, F_ADD_SEALS, F_SEAL_WRITE);
	report->surprises += !fallocate(h->ch.fd, 0, (off_t)h->size, SEG_PAGE);
}

static void waits(struct hostile *h)
{
	struct seg_wait *w = draw(h) & 1   ? &h->ch.head->service
			     : draw(h) & 1 ? &h->ch.client->irq
					   : &h->ch.lanes_shared[0].wait;
	struct msg_access a = hostile_request(h, true);

	atomic_store_explicit(&w->mode, (uint32_t)draw(h) % 4,
			      memory_order_relaxed);
	atomic_store_explicit(&w->seq, (uint32_t)draw(h), memory_order_relaxed);
	channel_put(&h->ch, 0, &a);
	/* It blocks when full, for who clears the flag; the service must not. */
	fcntl(h->ch.kick_fd, F_SETFL, draw(h) & 1 ? O_NONBLOCK : 0);
	fcntl(h->ch.kick_fd, F_SETFL, O_NONBLOCK);
	eventfd_write(h->ch.kick_fd, draw(h) & 1 ? 1 : UINT64_MAX - 1);
}

/* As fast as it goes, and never a word that a client of ours would not say. */
static void flood(struct hostile *h)
{
	struct msg_access read = { .function = BDF,
				   .space = PCIRING_SPACE_CONFIG,
				   .size = 4,
				   .op = MSG_READ };
	struct msg_access bell = { .address = 0x3000,
				   .function = BDF,
				   .space = PCIRING_SPACE_BAR0 + 4,
				   .size = 2,
				   .op = MSG_POSTED };
	struct msg_completion c;
	struct seg_lane *lane;

	for (unsigned int i = 0; i < h->ch.geo.lanes; i++) {
		lane = &h->ch.lanes_shared[i];
		channel_get(&h->ch, i, &c);
		/* One question at a time where there is room for one. */
		read.seq = atomic_load(&lane->answer) + 1;
		if (!h->ch.mailbox || atomic_load(&lane->ask) + 1 == read.seq)
			channel_put(&h->ch, i, &read);
		while (channel_put(&h->ch, i, &bell))
			;
	}
	kick(h);
}

/* Lent, and taken away from under whoever uses it. */
static void memory(struct hostile *h)
{
	struct msg_dma dma = { .h = { .magic = MSG_MAGIC, .type = MSG_DMA_MAP },
			       .gpa = RAM_GPA,
			       .size = RAM_SIZE,
			       .flags = 3 };
	int fd = memfd_create("hostile", MFD_CLOEXEC);
	struct attach_packet pkt;

	if (!ftruncate(fd, RAM_SIZE) &&
	    !attach_send(h->sock, &dma, sizeof(dma), &fd, 1) &&
	    attach_recv(h->sock, &pkt) == 1) {
		attach_packet_fini(&pkt);
		if (!ftruncate(fd, (off_t)(draw(h) % RAM_SIZE)))
			requests(h);
		dma.h.type = MSG_DMA_UNMAP;
		if (draw(h) & 1 &&
		    !attach_send(h->sock, &dma, sizeof(dma), NULL, 0) &&
		    attach_recv(h->sock, &pkt) == 1)
			attach_packet_fini(&pkt);
	}
	close(fd);
}

static void one(struct hostile *h, enum hostile_trick trick,
		struct hostile_report *report)
{
	switch (trick) {
	case HOSTILE_SCRIBBLE:
		scribble(h);
		break;
	case HOSTILE_INDICES:
		indices(h);
		break;
	case HOSTILE_REQUESTS:
		requests(h);
		break;
	case HOSTILE_ANSWERS:
		answers(h);
		break;
	case HOSTILE_HOLES:
		holes(h, report);
		break;
	case HOSTILE_WAITS:
		waits(h);
		break;
	case HOSTILE_FLOOD:
		flood(h);
		break;
	default:
		memory(h);
	}
}

static void play(struct hostile *h, enum hostile_trick trick,
		 const char *machine, struct hostile_report *report)
{
	uint64_t end = now_ms() + TRICK_MS;

	if (trick == HOSTILE_WALK) {
		walk(h, machine, report);
		return;
	}
	for (int i = 0; trick == HOSTILE_COMES && i < 20; i++) {
		hostile_detach(h);
		again(h, machine, 1 + (unsigned int)draw(h) % 64, report);
	}
	if (trick == HOSTILE_COMES)
		return;
	do {
		for (int i = 0; i < 16; i++)
			one(h, trick, report);
		if (hostile_ended(h, 0)) {
			report->ended[trick]++;
			return;
		}
	} while (now_ms() < end);
}

/* On a busy machine a trick may be over before the service has looked. */
static bool go_on(const struct hostile_report *r, uint64_t end)
{
	uint64_t now = now_ms();

	return now < end ||
	       (now < end + PATIENCE_MS &&
		!(r->ended[HOSTILE_WALK] && r->ended[HOSTILE_SCRIBBLE] &&
		  r->ended[HOSTILE_INDICES]));
}

void hostile_run(const char *machine, unsigned int seconds, uint64_t seed,
		 struct hostile_report *report)
{
	uint64_t end = now_ms() + seconds * 1000ull;
	struct hostile h = { .random = seed | 1 };
	unsigned int lanes;

	for (unsigned int i = 0; i < HOSTILE_NR || go_on(report, end); i++) {
		enum hostile_trick trick = i % HOSTILE_NR;

		/* Two lanes make a walk that is long enough. */
		lanes = trick == HOSTILE_WALK ? 2 : 1 + draw(&h) % 64;
		again(&h, machine, lanes, report);
		play(&h, trick, machine, report);
		report->runs[trick]++;
		hostile_detach(&h);
	}
}
