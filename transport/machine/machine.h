/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * machine.h - one VM as the service sees it: its buses, its tree, its links
 *
 * A machine belongs to one poll loop.  The control thread builds and changes
 * it only while that loop runs nothing of it (apps/pciringd/loop: a call that
 * the loop executes between two turns).
 *
 * A *link* is one attachment: a channel, the memory lent through it, and the
 * functions it speaks for - all of the machine, or one.  A function belongs
 * to at most one link; without one it has no memory and nobody to interrupt.
 * When a link ends, its functions are reset and everything it lent is gone.
 *
 * A link whose client wrote what none of ours could have written is broken: its
 * owner is told once and detaches it, and until then nothing of it is served.
 *
 * Turn      machine_turn() takes requests from every lane (bounded), serves
 *           queues with work (bounded each and together), retries interrupts that found no room.
 *           Its cost grows with links and with active functions only, of which
 *           one whose notify page is mapped always is one
 * Threads   "control": the control thread while no loop runs the machine;
 *           "loop": the poll loop that owns it
 */
#ifndef TRANSPORT_MACHINE_MACHINE_H
#define TRANSPORT_MACHINE_MACHINE_H

#include "irq/graph.h"
#include "irq/sink.h"
#include "ring/channel.h"
#include "transport/devices/devices.h"
#include "transport/machine/interrupts.h"
#include "transport/machine/kick_fd.h"
#include "transport/machine/seat.h"
#include "transport/pci/root.h"
#include "transport/virtio_pci/virtio_pci.h"

#define MACHINE_NAME_MAX  PCIRING_NAME_MAX
#define MACHINE_ECAM_BASE 0xe0000000ull /* bus 0, for clients by address */

/* Requests of one lane, and of one link, in one turn; the link's last lane may
 * go beyond by its own share. */
#define MACHINE_TURN_REQUESTS 16
#define MACHINE_TURN_LINK     128
/* Chains of one queue, of one function and of all of them, in one turn; a look
 * at a queue that has none counts as one.  Whoever had no time in this turn
 * comes first in the next. */
#define MACHINE_TURN_CHAINS   64
#define MACHINE_TURN_FUNCTION 256
#define MACHINE_TURN_ALL      512

struct machine;
struct link;

/* ---- Functions ------------------------------------------------------------ */

struct function {
	struct virtio_pci vp;
	struct virtio_device *device;	/* owned */
	const struct device_type *type; /* what it was created as */
	struct machine *machine;	/* borrowed */
	struct link *link;		/* borrowed; NULL: nobody attached */
	struct sink_eventfd eventfds;	/* vectors bound by the link */
	struct irq_line line;		/* INTx of its own, not the root's: */
	struct sink_line intx;		/* for a link of it alone, or remote */
	uint16_t nr_bound;		/* of eventfds: vectors with one */
	char line_name[16];
	struct function *next, **from; /* in the machine's list */
	struct function *next_active;  /* in the machine's work list */
	struct function *next_mapped;  /* in its list of notify pages */
	/* In its link's list of those with messages kept. */
	struct function *next_kept, **from_kept;
	bool active;
	uint64_t posted;       /* doorbells posted to it by BAR */
	struct kick_fd *kicks; /* owned: its doorbells that are eventfds */
	uint64_t eventfd_kicks;
	/* Queues that other loops run (seat.h); NULL: none ever was. */
	struct seat *seats; /* owned */
	bool placing;
	/* What the device has to say at home, of which it is told then only
	 * while it is plugged. */
	struct letter event;
	bool plugged, event_missed;
};

/* ---- Links ----------------------------------------------------------------- */

/* Counters of accesses by space, of one link; words of the owning loop. */
struct link_stats {
	uint64_t reads[PCIRING_SPACE_EOI + 1];
	uint64_t writes[PCIRING_SPACE_EOI + 1];
	uint64_t posted;
	uint64_t nowhere; /* met nothing: all-ones or dropped */
	uint64_t refused; /* outside the link's scope */
};

/* News of a link, told on the loop; each may be NULL. */
struct link_ops {
	/* Its client was found lying: it is not served any more.  Once. */
	void (*broken)(struct link *l);
};

struct link {
	struct machine *machine; /* borrowed */
	struct channel *channel; /* owned by who attached it */
	uint16_t scope;		 /* PCIRING_SCOPE_* */
	uint16_t bdf;		 /* if scoped to a function */
	bool remote;		 /* PCIRING_IRQ_REMOTE */
	bool broken;		 /* by its client; waits to be detached */
	const struct link_ops *ops;
	uint32_t next_lane; /* fairness: where the next turn begins */
	uint64_t left;	    /* lanes that had no time in this one */
	struct gpa_map map;
	struct sink_ring ring;
	/* Whose messages found no room in it, in that order. */
	struct function *kept, **kept_tail;
	struct link_stats stats;
	struct link *next;
};

/* ---- The machine ------------------------------------------------------------ */

struct machine {
	char name[MACHINE_NAME_MAX];
	uint8_t uuid[16];
	uint32_t epoch;
	/* To try a configuration on: devices are stand-ins, nothing of the host
	 * is touched.  Set before there are functions. */
	bool trial;
	struct bus mmio, pio;
	struct pci_root root;
	struct interrupts interrupts;
	struct function *functions;
	unsigned int nr_functions;
	struct link *links;
	struct function *active_head, **active_tail;
	unsigned int turn_chains;   /* and looks, of the last turn */
	struct function *mapped;    /* those with a notify page */
	struct kick_fd *late_kicks; /* whose next read is to be begun */
	unsigned int nr_kick_fds;   /* bound */
	struct letterbox letters;   /* from other threads; its owner: home */
	/* What may be posted (windows.c). */
	uint64_t windows_epoch;	   /* of the MMIO bus, when last looked at */
	uint64_t windows_made;	   /* how often the tables were made */
	unsigned int windows_wait; /* accesses until they may be made again */
	bool windows_gone;	   /* withdrawn: empty until then */
};

/* Control.  -EINVAL bad name (1 to 63 of A-Z a-z 0-9 _ . -), -ENOMEM. */
int machine_create(const char *name, struct machine **out);
/* Control.  No link may be left. */
void machine_destroy(struct machine *m);

/*
 * A function comes and goes in two steps, of which the slow one, that opens
 * files and allocates, is none of the loop's.
 *
 * Any thread.  Build a function of @type for @m.  -EINVAL with a sentence in
 * @error, -ENOMEM, what the device's host says.
 */
int machine_build(struct machine *m, const struct device_type *type,
		  const struct device_option *opt, unsigned int nr_opt,
		  struct function **out, char *error, size_t room);
/* Control.  Plug it at @bdf.  -EBUSY taken, -EINVAL, -ENOMEM.  It belongs at
 * once to a machine-wide link. */
int machine_insert(struct machine *m, struct function *f, uint16_t bdf);
/* Control.  Unplug it: nobody else knows of it any more.  -EBUSY while a link
 * of its own is attached, -ENOENT. */
int machine_take(struct machine *m, uint16_t bdf, struct function **out);
/*
 * Of a function that is not plugged.  Any thread: its device goes.  Loop: what
 * the device sent before that is read.  Any thread: the rest goes.
 */
void machine_retire(struct function *f);
void machine_forget(struct function *f);
void machine_scrap(struct function *f);

/* Control.  Both steps at once. */
int machine_plug(struct machine *m, uint16_t bdf,
		 const struct device_type *type,
		 const struct device_option *opt, unsigned int nr_opt,
		 struct function **out, char *error, size_t room);
int machine_unplug(struct machine *m, uint16_t bdf);

struct function *machine_find(const struct machine *m, uint16_t bdf);

/*
 * Loop.  Bus @number behind a bridge that is device @device of bus @parent;
 * functions can be plugged there.  Errors as pci_root_add_bus(), -ENOMEM.  It
 * stays as long as the machine.
 */
int machine_add_bus(struct machine *m, uint8_t number, uint8_t parent,
		    uint8_t device);

/* Loop.  All stages of the machine's interrupts.  As irq_graph_add(). */
int machine_graph(struct machine *m, struct irq_graph *g);

/* ---- Links: loop, through a call from the control thread --------------------- */

struct link_options {
	uint16_t scope;	  /* PCIRING_SCOPE_* */
	uint16_t bdf;	  /* if scoped to a function */
	bool remote;	  /* PCIRING_IRQ_REMOTE */
	uint16_t irqchip; /* PCIRING_IRQCHIP_*; scope machine, not remote */
	const struct link_ops *ops; /* or NULL */
};

/*
 * Attach @channel.  -ENOENT no such function, -EBUSY a link covers it already,
 * -EINVAL options that do not go together.  The link struct is the caller's,
 * zeroed; publishes the posted windows.
 */
int link_attach(struct machine *m, struct link *l, struct channel *channel,
		const struct link_options *opt);
/*
 * Detach: functions quiesced and reset, bindings gone, and with a machine-wide
 * link its interrupt controller.  Regions are handed out
 * one by one by link_take_region() for the control thread to put the files.
 */
void link_detach(struct link *l);
bool link_take_region(struct link *l, struct gpa_region *out);

/* Does the link speak for @bdf? */
bool link_covers(const struct link *l, uint16_t bdf);

/* Change the memory map: devices are quiesced around it.  When an unmap
 * returns nothing touches that memory any more.  As gpa_map_insert/remove. */
int link_map(struct link *l, const struct gpa_region *r);
int link_unmap(struct link *l, uint64_t gpa, uint64_t size,
	       struct gpa_region *removed);

/* Bind @fd (-1 unbinds; taken over on success) to a vector; *@old is the
 * descriptor replaced (-1 none), for the caller to close.  -ENOENT, -ERANGE. */
int link_bind(struct link *l, uint16_t bdf, unsigned int vector, int fd,
	      int *old);
/* How many of vectors @start to @start + @count - 1 have a descriptor. */
unsigned int link_bound(const struct link *l, uint16_t bdf, unsigned int start,
			unsigned int count);
/* Vectors, and lines, of all functions that have a descriptor. */
unsigned int machine_vectors_bound(const struct machine *m);
unsigned int machine_lines_bound(const struct machine *m);
/* Whether that line of @l has one. */
bool link_line_bound(const struct link *l, unsigned int kind, uint32_t number);
/* PCIRING_IRQ_*; -ENOENT, -ERANGE, -EINVAL. */
int link_irq_control(struct link *l, uint16_t bdf, unsigned int start,
		     unsigned int count, unsigned int action);
/*
 * Lines, @kind PCIRING_LINE_*.  Bind @fd as link_bind() does; the resample
 * eventfd is watched by the caller, who then says PCIRING_IRQ_UNMASK.  -ENOENT
 * no such line in this link, -EINVAL.
 */
int link_line_bind(struct link *l, unsigned int kind, uint32_t number, int fd,
		   int *old);
int link_line_control(struct link *l, unsigned int kind, uint32_t number,
		      unsigned int action);
/*
 * The doorbells of a function are also memory from now on: @page
 * (virtio_pci/notify.h), borrowed until the function is reset or unplugged or
 * the link detached.  A store to it wakes nobody: for loops that never sleep.
 * -ENOENT, -EEXIST it has one.
 */
int link_notify_page(struct link *l, uint16_t bdf, _Atomic uint32_t *page);
/*
 * Signals of the eventfd of @k are kicks of queue @queue from now on; NULL:
 * none is.  *@old is what was bound there, for the caller to destroy, or NULL.
 * Stays over resets, ends with the link.  -ENOENT, -ERANGE no such queue,
 * -ENOSPC too many in this loop (kick_fd.h), or as uring_open().
 */
int link_kick_bind(struct link *l, uint16_t bdf, unsigned int queue,
		   struct kick_fd *k, struct kick_fd **old);
int link_reset(struct link *l, uint16_t bdf);
int link_info(const struct link *l, uint16_t bdf,
	      struct pciring_function_info *info);

/* ---- Loops: loop -------------------------------------------------------------- */

/* @home owns @m from now on. */
void machine_enter(struct machine *m, struct worker *home);
/* And does so no more: all queues are at home, and no thread but control's
 * knows of @m. */
void machine_leave(struct machine *m);

/* ---- The turn: loop ------------------------------------------------------------ */

/* One access of @l, whose op, size and space were checked (channel_take());
 * *@value is the answer of a read.  Never fails: all-ones, dropped, counted. */
void link_access(struct link *l, const struct msg_access *a, uint64_t *value);

/* Serve all links and active functions once; true if anything was done or is
 * left to do. */
bool machine_turn(struct machine *m);

/* Before a loop sleeps: declare it on every link.  For how many nanoseconds it
 * may, UINT64_MAX: until it is woken, 0: work came meanwhile (then call
 * machine_awake() and go on). */
uint64_t machine_sleep(struct machine *m);
void machine_awake(struct machine *m);
/* After the loop has declared it to other threads, too: is there a letter? */
static inline bool machine_has_letters(struct machine *m)
{
	return letterbox_has(&m->letters);
}

#endif
