/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: the vector table and 16-bit code are written into 64 KiB of memory.  Real
 * mode it is because some nested KVMs run such guests by interpreting them, and
 * cannot interpret an iret of protected mode; but the data segment reaches
 * all 4 GiB, where the local APIC is.  An exit that needs an answer is handed over with a flag under
 * a lock, and an eventfd so that the answering thread can poll; the vCPU
 * thread runs on when the flag has fallen.
 *
 * To stop, immediate_exit keeps the vCPU from entering the guest and a signal
 * takes it out of there; each covers the moment that the other misses.
 */
#include "tests/guest/kvm_guest.h"

#include <fcntl.h>
#include <linux/kvm.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* Where things are in the guest's memory. */
#define MEMORY_SIZE 0x10000u
#define IVT	    0x2000u
#define CODE	    0x3000u
#define HANDLERS    0x4000u /* one every HANDLER_ROOM bytes */
#define COUNT	    0x9000u /* a dword a vector, of each of these */
#define WORK	    0xa000u
#define SEEN	    0xb000u
#define READY	    0xc000u
#define IDLE	    0xc004u /* fences that were counted before the last halt */
#define STACK	    0xf000u

#define HANDLER_ROOM 64u
#define FIRST_VECTOR 32u
#define FENCE	     254u
#define SPURIOUS     255u
#define READS_MAX    2u
#define ENDS_MAX     2u

#define LAPIC_SPURIOUS 0xfee000f0u
#define LAPIC_IRR      0xfee00200u
#define LAPIC_EOI      0xfee000b0u
#define LAPIC_ON       0x100u

/* Intel's page for what real mode once needed; out of the guest's way. */
#define TSS_ADDRESS 0xfffbd000u

#define KICK SIGUSR1

/* ---- Code ---------------------------------------------------------------- */

struct code {
	uint8_t *at;
};

static void byte(struct code *c, uint8_t b)
{
	*c->at++ = b;
}

static void dword(struct code *c, uint32_t d)
{
	store_le(c->at, 4, d);
	c->at += 4;
}

static void bytes(struct code *c, uint8_t a, uint8_t b)
{
	byte(c, a);
	byte(c, b);
}

/* Addresses of memory are 16 bits wide. */
static void word16(struct code *c, uint32_t where, unsigned int vector)
{
	store_le(c->at, 2, where + 4 * vector);
	c->at += 2;
}

/* mov dword [address], value: 32-bit operand, 32-bit address */
static void store_far(struct code *c, uint32_t address, uint32_t value)
{
	bytes(c, 0x66, 0x67);
	bytes(c, 0xc7, 0x05);
	dword(c, address);
	dword(c, value);
}

/* or eax, [address] */
static void or_eax_far(struct code *c, uint32_t address)
{
	bytes(c, 0x66, 0x67);
	bytes(c, 0x0b, 0x05);
	dword(c, address);
}

/* mov eax, [where] */
static void load_eax(struct code *c, uint32_t where, unsigned int vector)
{
	bytes(c, 0x66, 0xa1);
	word16(c, where, vector);
}

/* mov [where], eax */
static void store_eax(struct code *c, uint32_t where, unsigned int vector)
{
	bytes(c, 0x66, 0xa3);
	word16(c, where, vector);
}

/* lock inc dword [where] */
static void count(struct code *c, uint32_t where, unsigned int vector)
{
	bytes(c, 0xf0, 0x66);
	bytes(c, 0xff, 0x06);
	word16(c, where, vector);
}

static void write_main(struct kvm_guest *g)
{
	struct code c = { .at = g->memory + CODE };
	uint8_t *loop;

	store_far(&c, LAPIC_SPURIOUS, LAPIC_ON | SPURIOUS);
	count(&c, READY, 0);
	loop = c.at;
	/* A KVM that interprets may take its time between an iret and the next
	 * interrupt, so the local APIC is asked whether there is one.  What
	 * comes after the cli ends the hlt. */
	byte(&c, 0xfa);	       /* cli */
	bytes(&c, 0x66, 0x31); /* xor eax, eax */
	byte(&c, 0xc0);
	for (unsigned int i = 0; i < 8; i++)
		or_eax_far(&c, LAPIC_IRR + 16 * i);
	bytes(&c, 0x75, 8); /* jnz, over the next two */
	load_eax(&c, COUNT, FENCE);
	store_eax(&c, IDLE, 0);
	byte(&c, 0xfb); /* sti; takes effect after the hlt */
	byte(&c, 0xf4); /* hlt */
	bytes(&c, 0xeb, (uint8_t)(loop - (c.at + 2))); /* jmp */
}

static void write_handler(struct kvm_guest *g,
			  const struct kvm_guest_handler *h)
{
	uint8_t *start = g->memory + HANDLERS + h->vector * HANDLER_ROOM;
	struct code c = { .at = start };

	bytes(&c, 0x66, 0x50); /* push eax */
	for (unsigned int i = 0; i < h->reads; i++)
		bytes(&c, 0xe4, (uint8_t)(h->port + i)); /* in al, port */
	load_eax(&c, WORK, h->vector);
	store_eax(&c, SEEN, h->vector);
	for (unsigned int i = 0; i < h->ends; i++)
		store_far(&c, LAPIC_EOI, 0);
	count(&c, COUNT, h->vector);
	bytes(&c, 0x66, 0x58); /* pop eax */
	byte(&c, 0xcf);	       /* iret */
	assert(c.at <= start + HANDLER_ROOM);
}

static void write_memory(struct kvm_guest *g)
{
	write_main(g);
	for (unsigned int v = FIRST_VECTOR; v < SPURIOUS; v++) {
		write_handler(g, &(struct kvm_guest_handler){
					 .vector = (uint8_t)v,
					 .ends = 1,
				 });
		/* Segment 0. */
		store_le(g->memory + IVT + 4 * v, 4,
			 HANDLERS + v * HANDLER_ROOM);
	}
	/* A spurious interrupt is not ended. */
	g->memory[HANDLERS + SPURIOUS * HANDLER_ROOM] = 0xcf; /* iret */
	store_le(g->memory + IVT + 4 * SPURIOUS, 4,
		 HANDLERS + SPURIOUS * HANDLER_ROOM);
}

static_assert(HANDLERS + 256 * HANDLER_ROOM <= COUNT, "handlers fit");

static _Atomic uint32_t *word(const struct kvm_guest *g, uint32_t where,
			      unsigned int vector)
{
	return (_Atomic uint32_t *)(void *)(g->memory + where + 4 * vector);
}

/* ---- The vCPU's thread --------------------------------------------------- */

static void on_kick(int signal)
{
	(void)signal;
}

static void hand_over(struct kvm_guest *g)
{
	const uint64_t one = 1;

	pthread_mutex_lock(&g->lock);
	g->waiting = true;
	if (write(g->fd, &one, sizeof(one)) != sizeof(one))
		atomic_store(&g->died, UINT32_MAX);
	while (g->waiting && !atomic_load(&g->stop))
		pthread_cond_wait(&g->answered, &g->lock);
	pthread_mutex_unlock(&g->lock);
}

static void *run_vcpu(void *arg)
{
	struct kvm_guest *g = arg;

	while (!atomic_load(&g->stop)) {
		if (ioctl(g->vcpu, KVM_RUN, 0)) {
			if (errno == EINTR || errno == EAGAIN)
				continue;
			atomic_store(&g->died, UINT32_MAX);
			break;
		}
		if (g->run->exit_reason != KVM_EXIT_IO &&
		    g->run->exit_reason != KVM_EXIT_IOAPIC_EOI) {
			atomic_store(&g->died, g->run->exit_reason);
			break;
		}
		hand_over(g);
	}
	return NULL;
}

static void answer(struct kvm_guest *g)
{
	struct kvm_run *run = g->run;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;

	if (run->exit_reason == KVM_EXIT_IOAPIC_EOI) {
		if (g->ops && g->ops->eoi)
			g->ops->eoi(g->ctx, run->eoi.vector);
		return;
	}
	if (run->io.direction != KVM_EXIT_IO_IN || run->io.size != 1)
		return;
	*data = g->ops && g->ops->read
			? g->ops->read(g->ctx, (uint8_t)run->io.port)
			: 0xff;
}

bool kvm_guest_serve(struct kvm_guest *g, unsigned int us)
{
	const struct timespec wait = { .tv_nsec = us * 1000l };
	struct pollfd p = { .fd = g->fd, .events = POLLIN };
	uint64_t n;
	bool waiting;

	if (ppoll(&p, 1, &wait, NULL) != 1 ||
	    read(g->fd, &n, sizeof(n)) != sizeof(n))
		return false;
	pthread_mutex_lock(&g->lock);
	waiting = g->waiting;
	pthread_mutex_unlock(&g->lock);
	if (!waiting)
		return false;
	/* The vCPU thread waits: the exit is ours. */
	answer(g);
	pthread_mutex_lock(&g->lock);
	g->waiting = false;
	pthread_cond_signal(&g->answered);
	pthread_mutex_unlock(&g->lock);
	return true;
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Until a counter of the guest's is @count or more. */
static bool serve_until(struct kvm_guest *g, uint32_t where,
			unsigned int vector, uint32_t count)
{
	uint64_t end = now_ms() + KVM_GUEST_LIMIT;

	while (atomic_load(word(g, where, vector)) < count) {
		if (atomic_load(&g->died) || now_ms() > end)
			return false;
		kvm_guest_serve(g, 20);
	}
	return true;
}

/* ---- Making one ---------------------------------------------------------- */

const char *kvm_guest_missing(void)
{
	static const int needed[] = {
		KVM_CAP_IRQCHIP,      KVM_CAP_SPLIT_IRQCHIP,
		KVM_CAP_IRQFD,	      KVM_CAP_IRQFD_RESAMPLE,
		KVM_CAP_IRQ_ROUTING,  KVM_CAP_SIGNAL_MSI,
		KVM_CAP_USER_MEMORY,  KVM_CAP_IMMEDIATE_EXIT,
		KVM_CAP_SET_TSS_ADDR, KVM_CAP_IRQ_INJECT_STATUS,
	};
	const char *why = NULL;
	int kvm, vm = -1;

	if (access("/dev/kvm", F_OK))
		return "there is no /dev/kvm";
	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm < 0)
		return "/dev/kvm may not be opened by this user";
	if (ioctl(kvm, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
		why = "/dev/kvm speaks another version";
	else if ((vm = ioctl(kvm, KVM_CREATE_VM, 0)) < 0)
		why = "/dev/kvm makes no VM";
	for (unsigned int i = 0; !why && i < ARRAY_SIZE(needed); i++)
		if (ioctl(kvm, KVM_CHECK_EXTENSION, needed[i]) <= 0)
			why = "this KVM lacks a way to inject interrupts";
	if (vm >= 0)
		close(vm);
	close(kvm);
	return why;
}

static int create_chips(int vm, enum kvm_guest_chips chips)
{
	struct kvm_enable_cap split = { .cap = KVM_CAP_SPLIT_IRQCHIP,
					.args = { KVM_IOAPIC_NUM_PINS } };

	if (chips == KVM_GUEST_SPLIT)
		return ioctl(vm, KVM_ENABLE_CAP, &split);
	return ioctl(vm, KVM_CREATE_IRQCHIP, 0);
}

static int set_registers(int vcpu)
{
	struct kvm_regs regs = { .rip = CODE, .rsp = STACK, .rflags = 2 };
	struct kvm_sregs s;

	if (ioctl(vcpu, KVM_GET_SREGS, &s))
		return -1;
	s.cs.base = 0;
	s.cs.selector = 0;
	s.ds.limit = UINT32_MAX;
	s.ds.g = 1;
	s.idt.base = IVT;
	s.idt.limit = 256 * 4 - 1;
	if (ioctl(vcpu, KVM_SET_SREGS, &s))
		return -1;
	return ioctl(vcpu, KVM_SET_REGS, &regs);
}

static int open_vm(struct kvm_guest *g, int kvm, enum kvm_guest_chips chips)
{
	struct kvm_userspace_memory_region region = {
		.memory_size = MEMORY_SIZE,
	};
	int run_size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);

	g->vm = ioctl(kvm, KVM_CREATE_VM, 0);
	if (g->vm < 0 || run_size < 0)
		return -1;
	if (ioctl(g->vm, KVM_SET_TSS_ADDR, TSS_ADDRESS) ||
	    create_chips(g->vm, chips))
		return -1;
	region.userspace_addr = (uintptr_t)g->memory;
	if (ioctl(g->vm, KVM_SET_USER_MEMORY_REGION, &region))
		return -1;
	g->vcpu = ioctl(g->vm, KVM_CREATE_VCPU, 0);
	if (g->vcpu < 0 || set_registers(g->vcpu))
		return -1;
	g->run = mmap(NULL, (size_t)run_size, PROT_READ | PROT_WRITE,
		      MAP_SHARED, g->vcpu, 0);
	if (g->run == MAP_FAILED) {
		g->run = NULL;
		return -1;
	}
	g->run_size = (size_t)run_size;
	return 0;
}

int kvm_guest_open(struct kvm_guest *g, enum kvm_guest_chips chips,
		   const struct kvm_guest_ops *ops, void *ctx)
{
	int kvm, err = 0;

	*g = (struct kvm_guest){
		.vm = -1,
		.fd = -1,
		.vcpu = -1,
		.ops = ops,
		.ctx = ctx,
	};
	pthread_mutex_init(&g->lock, NULL);
	pthread_cond_init(&g->answered, NULL);
	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	g->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	g->memory = mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (g->memory == MAP_FAILED)
		g->memory = NULL;
	if (kvm < 0 || g->fd < 0 || !g->memory || open_vm(g, kvm, chips))
		err = errno ? -errno : -EIO;
	if (kvm >= 0)
		close(kvm);
	if (err) {
		kvm_guest_close(g);
		return err;
	}
	write_memory(g);
	return 0;
}

static void stop_vcpu(struct kvm_guest *g)
{
	struct timespec at;

	if (!g->thread)
		return;
	atomic_store(&g->stop, true);
	pthread_mutex_lock(&g->lock);
	pthread_cond_signal(&g->answered);
	pthread_mutex_unlock(&g->lock);
	__atomic_store_n(&g->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	do {
		pthread_kill(g->thread, KICK);
		clock_gettime(CLOCK_REALTIME, &at);
		at.tv_sec += (at.tv_nsec + 20000000) / 1000000000;
		at.tv_nsec = (at.tv_nsec + 20000000) % 1000000000;
	} while (pthread_timedjoin_np(g->thread, NULL, &at));
	g->thread = 0;
}

void kvm_guest_close(struct kvm_guest *g)
{
	stop_vcpu(g);
	if (g->run)
		munmap(g->run, g->run_size);
	if (g->vcpu >= 0)
		close(g->vcpu);
	if (g->vm >= 0)
		close(g->vm);
	if (g->memory)
		munmap(g->memory, MEMORY_SIZE);
	if (g->fd >= 0)
		close(g->fd);
	pthread_cond_destroy(&g->answered);
	pthread_mutex_destroy(&g->lock);
}

void kvm_guest_handler(struct kvm_guest *g, const struct kvm_guest_handler *h)
{
	assert(h->vector >= FIRST_VECTOR && h->vector < FENCE);
	assert(h->reads <= READS_MAX && h->ends <= ENDS_MAX && !g->thread);
	write_handler(g, h);
}

int kvm_guest_start(struct kvm_guest *g)
{
	const struct sigaction kick = { .sa_handler = on_kick };
	pthread_t thread;
	int err;

	if (sigaction(KICK, &kick, NULL))
		return -errno;
	err = pthread_create(&thread, NULL, run_vcpu, g);
	if (err)
		return -err;
	g->thread = thread;
	return serve_until(g, READY, 0, 1) ? 0 : -ETIMEDOUT;
}

bool kvm_guest_settle(struct kvm_guest *g)
{
	struct kvm_msi fence = { .address_lo = 0xfee00000, .data = FENCE };

	if (ioctl(g->vm, KVM_SIGNAL_MSI, &fence) <= 0)
		return false;
	return serve_until(g, IDLE, 0, ++g->fences);
}

bool kvm_guest_wait(struct kvm_guest *g, uint8_t vector, uint32_t count)
{
	return serve_until(g, COUNT, vector, count);
}

uint32_t kvm_guest_count(const struct kvm_guest *g, uint8_t vector)
{
	return atomic_load(word(g, COUNT, vector));
}

void kvm_guest_work(struct kvm_guest *g, uint8_t vector, uint32_t work)
{
	atomic_store(word(g, WORK, vector), work);
}

uint32_t kvm_guest_seen(const struct kvm_guest *g, uint8_t vector)
{
	return atomic_load(word(g, SEEN, vector));
}

/* ---- The kernel's I/O APIC ------------------------------------------------ */

static struct kvm_irqchip ioapic(const struct kvm_guest *g)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };

	if (ioctl(g->vm, KVM_GET_IRQCHIP, &chip))
		abort();
	return chip;
}

void kvm_guest_ioapic_set(struct kvm_guest *g, unsigned int pin, uint64_t entry)
{
	struct kvm_irqchip chip = ioapic(g);

	assert(pin < KVM_IOAPIC_NUM_PINS);
	chip.chip.ioapic.redirtbl[pin].bits = entry;
	if (ioctl(g->vm, KVM_SET_IRQCHIP, &chip))
		abort();
}

uint64_t kvm_guest_ioapic_get(const struct kvm_guest *g, unsigned int pin,
			      uint32_t *irr)
{
	struct kvm_irqchip chip = ioapic(g);

	assert(pin < KVM_IOAPIC_NUM_PINS);
	if (irr)
		*irr = chip.chip.ioapic.irr;
	return chip.chip.ioapic.redirtbl[pin].bits;
}
