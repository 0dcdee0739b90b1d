/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pciring.h - libpciring: what a VMM links to give its guest pciring's devices
 *
 * An attachment joins one VMM to one machine of a running pciringd, over a
 * sealed shared-memory segment.  The VMM lends guest memory, forwards the PCI
 * accesses that left its guest, and gets interrupts back.
 *
 * Scope     an attachment speaks for a whole machine (a VMM of its own) or
 *           for one function (the vfio-user proxy: one per connection)
 * Lanes     an attachment has one lane per thread that forwards accesses (a
 *           vCPU).  A lane is one ordered stream: what it forwards is seen by
 *           the device in that order.  Lanes are not ordered among each other
 * Threads   said with each group of calls, in these words:
 *           lane     one thread at a time for each lane
 *           irq      one thread at a time for all of these calls
 *           any      any thread; serialised inside, so one may wait for another
 *           handler  any thread and any signal handler; nothing else may be
 *                    called from a signal handler
 *           alone    no other call on that attachment meanwhile
 *           Attachments are independent; a process may have any number
 * Errors    calls return 0 (or a count) or a negative errno value, outputs
 *           untouched on failure.  The library never exits, aborts, prints,
 *           installs a signal handler or changes signal masks; it has no
 *           asserts
 * Memory    structs are the caller's.  Descriptors passed in stay the
 *           caller's (they are duplicated on the way); nothing is kept
 * Trust     the segment's geometry is private to each side; a service that
 *           misbehaves can give wrong answers, not make these calls fault
 *
 * Sizes are bytes, addresses are guest physical, time is as named.
 */
#ifndef PCIRING_H
#define PCIRING_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The attach protocol: equal majors speak; the lower minor is used. */
#define PCIRING_VERSION_MAJOR 0
#define PCIRING_VERSION_MINOR 4

#define PCIRING_MAX_LANES 64
#define PCIRING_NAME_MAX  64

struct pciring; /* one attachment */

/* pciring_options.scope */
#define PCIRING_SCOPE_MACHINE  0
#define PCIRING_SCOPE_FUNCTION 1

/* pciring_options.interrupts: who holds the MSI-X table (design: modes). */
#define PCIRING_IRQ_NATIVE 0 /* the service; messages come by ring or eventfd */
#define PCIRING_IRQ_REMOTE 1 /* the VMM; a vector fires its bound eventfd */

/*
 * pciring_options.irqchip: where INTx of a whole machine ends (scope machine,
 * interrupts native).  Root line n (0 to 3) is GSI 16 + n; a GSI below 24 is
 * the I/O APIC's pin of that number.
 */
/* Nowhere: the guest uses MSI-X only. */
#define PCIRING_IRQCHIP_NONE  0
/* The VMM (or KVM) has an I/O APIC: it gets PCIRING_IRQ_TYPE_LINE, or bound
 * eventfds. */
#define PCIRING_IRQCHIP_LINES 1
/* The service has the I/O APIC, at fec00000: the VMM forwards its MMIO exits
 * and EOIs and gets MSIs and PCIRING_IRQ_TYPE_ROUTE. */
#define PCIRING_IRQCHIP_SPLIT 2

/*
 * pciring_options.path: how an access that waits gets there and back.  With a
 * service older than 0.3 it is rings.
 */
/* Question and answer on one cache line of the lane: half the time of rings. */
#define PCIRING_PATH_MAILBOX 0
/* Through the lane's request and completion rings. */
#define PCIRING_PATH_RINGS   1

/* pciring_features(): accesses go by mailbox; the service never sleeps, so
 * that nothing is spent on waking it. */
#define PCIRING_FEATURE_MAILBOX 1u
#define PCIRING_FEATURE_POLLS	2u

struct pciring_options {
	size_t size;	     /* sizeof(struct pciring_options): what a later
				version adds is 0 for those who do not know */
	const char *machine; /* name of the machine */
	const char *name;    /* who attaches, for the operator; may be NULL */
	uint32_t scope;	     /* PCIRING_SCOPE_* */
	uint16_t function;   /* bus << 8 | device << 3 | function, if scoped */
	uint16_t lanes;	     /* 1 to PCIRING_MAX_LANES */
	uint32_t interrupts; /* PCIRING_IRQ_* */
	uint32_t spin_ns;    /* how long a wait spins before it sleeps */
	uint64_t features;   /* 0: there is none to ask for yet */
	uint32_t irqchip;    /* PCIRING_IRQCHIP_*; since 0.2 */
	uint32_t path;	     /* PCIRING_PATH_*; since 0.3, reserved before */
};

/* Threads: attach any, detach alone, features and status any. */

/*
 * Attach to the service that listens on @path (its attach.sock).
 * -ENOENT no such machine or function, -EBUSY already attached,
 * -EPROTONOSUPPORT other major version, or too old for the irqchip; -EACCES
 * refused, -ECONNREFUSED, -EINVAL options that make no sense; -ENOSPC, -ENFILE
 * and -ENOMEM a limit of the service, here and where things are lent or bound.
 */
int pciring_attach(const char *path, const struct pciring_options *opt,
		   struct pciring **out);

/* End the attachment.  The service frees all it mapped and resets the
 * functions of the scope.  NULL is fine. */
void pciring_detach(struct pciring *p);

/* Feature bits both sides agreed on. */
uint64_t pciring_features(const struct pciring *p);

/* 0 while the service is there, -EPIPE for good once it has gone or was found
 * lying. */
int pciring_status(const struct pciring *p);

/* ---- Guest memory ------------------------------------------------------ */
/* Threads: any. */

#define PCIRING_DMA_READ  1u /* devices may read */
#define PCIRING_DMA_WRITE 2u /* devices may write */

/*
 * Lend [@gpa, @gpa + @size) of guest memory: @fd at @offset, which must be
 * mappable shared.  @fd -1 declares memory that devices cannot reach (a ROM,
 * private memory).  -EEXIST overlaps another region, -EINVAL wraps or the
 * file is too short, -ENOSPC too many regions or files.  On return devices
 * may use it.
 */
int pciring_dma_map(struct pciring *p, uint64_t gpa, uint64_t size, int fd,
		    uint64_t offset, uint32_t flags);

/* Take back exactly one region lent before; -ENOENT if it is none.  On return
 * no device touches it any more. */
int pciring_dma_unmap(struct pciring *p, uint64_t gpa, uint64_t size);

/* Take back all regions. */
int pciring_dma_unmap_all(struct pciring *p);

/* ---- Accesses ---------------------------------------------------------- */
/* Threads: lane; but pciring_may_post any, pciring_call_away handler. */

/* pciring_access.space */
#define PCIRING_SPACE_MMIO   0 /* address: guest physical */
#define PCIRING_SPACE_PIO    1 /* address: port */
#define PCIRING_SPACE_CONFIG 2 /* address: offset in @function's config */
#define PCIRING_SPACE_BAR0   3 /* address: offset in @function's BAR 0 */
#define PCIRING_SPACE_BAR5   8 /* and so on: PCIRING_SPACE_BAR0 + n */
#define PCIRING_SPACE_EOI    9 /* address: PCIRING_EOI_*; see below */

struct pciring_access {
	uint64_t address;
	uint64_t value;	   /* to write, or what was read, zero-extended */
	uint16_t function; /* for CONFIG and BARs; ignored otherwise */
	uint8_t space;	   /* PCIRING_SPACE_* */
	uint8_t size;	   /* 1, 2, 4 or 8; CONFIG: 1, 2 or 4 */
	uint8_t write;	   /* 0 read, 1 write */
	uint8_t reserved[3];
};

/*
 * Forward one access and wait for its completion: at once, spinning, or
 * asleep; signals do not end the wait.  An access that meets nothing reads
 * all-ones and returns 0, as on the bus.  -EINVAL bad size or space, -EPIPE the
 * service has gone, -EBUSY one that was begun was not collected.
 */
int pciring_access(struct pciring *p, unsigned int lane,
		   struct pciring_access *a);

/*
 * The same in two steps, for a thread that may be called away while it waits,
 * as a vCPU thread is.  One access of a lane may be under way.
 *
 * begin: @a is on its way when this returns 0.  -EBUSY one is under way.
 * collect: wait for the answer to it; 0 and @a->value.  -EINTR called away, by
 * a signal that came while it slept or by pciring_call_away(): the access goes
 * on, the answer is kept, and a later collect has it, once.  -ENOENT none is
 * under way, -EPIPE the service has gone.
 * Until it was collected, pciring_access() and pciring_post() are -EBUSY.
 */
int pciring_access_begin(struct pciring *p, unsigned int lane,
			 const struct pciring_access *a);
int pciring_access_collect(struct pciring *p, unsigned int lane,
			   struct pciring_access *a);

/*
 * Call @lane's thread away: the collect that waits now, or else the next one
 * that would wait, returns -EINTR, once however often it was called.  As KVM's
 * immediate_exit; none is lost to a thread that is just falling asleep.
 */
void pciring_call_away(struct pciring *p, unsigned int lane);

/*
 * Forward a write without waiting.  Only doorbells may be posted, that is a
 * write that pciring_may_post() accepts; otherwise -EPERM.  -EAGAIN the ring
 * is full: nothing was sent, use pciring_access().  -EBUSY as there.
 */
int pciring_post(struct pciring *p, unsigned int lane,
		 const struct pciring_access *a);

/* 1 if @a is an exact write inside a window that the service published. */
int pciring_may_post(const struct pciring *p, const struct pciring_access *a);

/* ---- Functions --------------------------------------------------------- */
/* Threads: any. */

#define PCIRING_BAR_IO	     1u
#define PCIRING_BAR_64BIT    2u
#define PCIRING_BAR_PREFETCH 4u

struct pciring_function_info {
	uint16_t function;
	uint16_t msix_vectors; /* 0: no MSI-X */
	uint16_t intx_pin;     /* 0: none, 1 to 4: INTA to INTD */
	uint16_t reserved;
	uint32_t config_size;  /* 256 or 4096 */
	uint32_t bar_flags[6]; /* PCIRING_BAR_* */
	uint64_t bar_size[6];  /* 0: not there (or a 64-bit upper half) */
};

/* -ENOENT if there is no such function in the attachment's scope. */
int pciring_function_info(struct pciring *p, uint16_t function,
			  struct pciring_function_info *info);

/* Function-level reset; done when it returns.  It ends the notify page. */
int pciring_function_reset(struct pciring *p, uint16_t function);

/* Doorbells of a function as plain memory. */
struct pciring_notify_page {
	uint64_t offset;   /* in the BAR, of the page's first byte */
	uint64_t length;   /* bytes, whole 4 KiB pages; all of the file */
	int32_t fd;	   /* a sealed memfd; the caller's, to close */
	uint16_t function; /* bus << 8 | device << 3 | function */
	uint16_t bar;	   /* 0 to 5 */
	uint64_t flags;	   /* 0: there is none yet */
};

/*
 * Ask for the page with @function's doorbells, to be mapped (shared, read and
 * write) into the guest at @out->bar + @out->offset, wherever that BAR is while
 * it decodes memory: a kick is then a store of the guest and no exit, with the
 * addresses and values of a doorbell write.  A write that exits all the same,
 * forwarded as before, is as good.  The service looks at the page every turn.
 *
 * The page is the function's until it is reset or unplugged or the attachment
 * ends; after that, stores to it reach nobody: unmap it, and ask again.
 *
 * -EOPNOTSUPP the service is older, or its loop may sleep (started without
 * --idle off), from which no store would wake it.  -EEXIST the function has a
 * page, -ENOENT there is no such function in the attachment's scope, -ENOMEM
 * and -ENFILE the service is full, -EPROTO it sent what is no such page.  Since
 * 0.3.
 */
int pciring_notify_page(struct pciring *p, uint16_t function,
			struct pciring_notify_page *out);

/* A doorbell of a function: where its writes go. */
struct pciring_doorbell {
	uint64_t offset;   /* in the BAR */
	uint32_t length;   /* bytes that are this queue's alone */
	uint16_t function; /* bus << 8 | device << 3 | function */
	uint16_t bar;	   /* 0 to 5 */
};

/*
 * Bind the doorbell of queue @queue to eventfd @fd: from now on a signal of it
 * is a kick, so that the VMM's kernel can deliver what the guest writes there
 * (KVM_IOEVENTFD at @out->bar + @out->offset, of any length, without datamatch,
 * wherever that BAR is while it decodes memory).  A write that is forwarded is
 * as good.  @fd -1 unbinds; another one takes the place of the first, and when
 * this returns the service does not use that any more.  @out may be NULL.
 *
 * Bindings stay over resets of the function, until it is unplugged or the
 * attachment ends.
 *
 * -ENOENT no such function in the attachment's scope, -ERANGE it has no such
 * queue, -EINVAL no eventfd, -ENOSPC the machine has as many as it may have, or
 * its loop, -ENFILE the service has, -ENOSYS or -EPERM the service may not use
 * io_uring, -EOPNOTSUPP it is older, -EPROTO its answer makes no sense.  Since
 * 0.4.
 */
int pciring_kick_bind(struct pciring *p, uint16_t function, unsigned int queue,
		      int fd, struct pciring_doorbell *out);

/* ---- Interrupts -------------------------------------------------------- */
/* Threads: irq for poll, wait and dispatch; any for bind and control. */

/* pciring_irq.type */
#define PCIRING_IRQ_TYPE_MSI   0 /* inject @address, @data, @requester_id */
/* GSI @number is at level @data (0 or 1) from now on (IRQCHIP_LINES). */
#define PCIRING_IRQ_TYPE_LINE  1
/* I/O APIC pin @number sends @address, @data from now on (IRQCHIP_SPLIT): keep
 * it in the kernel's routing table, by which it knows whose EOI to report;
 * @address 0: the pin sends nothing yet. */
#define PCIRING_IRQ_TYPE_ROUTE 2

struct pciring_irq {
	uint64_t address;      /* MSI address, as the guest programmed it */
	uint32_t data;	       /* MSI data, or a level */
	uint16_t requester_id; /* bus << 8 | device << 3 | function */
	uint16_t number;       /* MSI-X vector, GSI or pin */
	uint16_t type;	       /* PCIRING_IRQ_TYPE_* */
	uint16_t reserved[3];
};

/*
 * The guest ended an interrupt: a write to PCIRING_SPACE_EOI, of 4 bytes, by
 * pciring_access().  @address PCIRING_EOI_VECTOR: a local APIC broadcast the
 * end of vector @value (KVM_EXIT_IOAPIC_EOI).  PCIRING_EOI_GSI: GSI @value,
 * whose rise came by eventfd without a resample eventfd, may be signalled
 * again.  What is no such write is -EINVAL.
 */
#define PCIRING_EOI_VECTOR 0
#define PCIRING_EOI_GSI	   1

/* Take up to @max interrupts off the ring; returns how many.  Never sleeps.
 * Those of a type that is not listed above are dropped. */
int pciring_irq_poll(struct pciring *p, struct pciring_irq *irqs,
		     unsigned int max);

/* Sleep until the ring has something: 1 yes, 0 timeout.  @timeout_ms -1: no
 * limit.  -EINTR a signal came, -EPIPE the service has gone. */
int pciring_irq_wait(struct pciring *p, int timeout_ms);

typedef void pciring_irq_fn(void *arg, const struct pciring_irq *irq);

/* Call @fn for each interrupt that is there; returns how many. */
int pciring_irq_dispatch(struct pciring *p, pciring_irq_fn *fn, void *arg);

/*
 * Bind vectors [@start, @start + @count) of @function to eventfds: from now
 * on each interrupt is written to its eventfd instead of the ring.  A
 * descriptor of -1 unbinds; @fds NULL unbinds all of the range.  An interrupt
 * that was latched fires at bind.  -ERANGE beyond the function's vectors.
 */
int pciring_irq_bind(struct pciring *p, uint16_t function, unsigned int start,
		     unsigned int count, const int *fds);

/* pciring_irq_control() */
#define PCIRING_IRQ_MASK    0 /* latch from now on */
#define PCIRING_IRQ_UNMASK  1 /* deliver what was latched */
#define PCIRING_IRQ_TRIGGER 2 /* raise once, as a loopback test */

int pciring_irq_control(struct pciring *p, uint16_t function,
			unsigned int start, unsigned int count,
			unsigned int action);

/* Lines: pciring_line_bind(), pciring_line_control(). */
/* INTx of function @number (scope function, or interrupts remote). */
#define PCIRING_LINE_INTX 0
/* GSI @number (PCIRING_IRQCHIP_LINES). */
#define PCIRING_LINE_GSI  1

/*
 * Bind a line to eventfds: a rise signals @fd once; then nothing until the
 * interrupt is ended, by a signal of @resample_fd or by PCIRING_IRQ_UNMASK;
 * a line that is high then is signalled again.  So does an irqfd with a
 * resample eventfd, and INTx of vfio.  @fd -1 unbinds both (and @resample_fd
 * is -1 then), @resample_fd -1 is none.  A line that is high fires at bind.
 * -ENOENT no such line here, -EINVAL no eventfd, or lines would resample each
 * other: @fd is what resamples this line or another one, or the reverse.
 */
int pciring_line_bind(struct pciring *p, unsigned int kind, uint32_t number,
		      int fd, int resample_fd);

/* MASK keeps, UNMASK ends the interrupt and delivers, TRIGGER signals once. */
int pciring_line_control(struct pciring *p, unsigned int kind, uint32_t number,
			 unsigned int action);

#ifdef __cplusplus
}
#endif
#endif
