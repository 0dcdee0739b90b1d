/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * function.h - one function of a machine: device, transport, who listens
 *
 * Ties a device to its virtio-pci function and to the link that speaks for it.
 * Internal to transport/machine; machine.h is what others use.
 */
#ifndef TRANSPORT_MACHINE_FUNCTION_H
#define TRANSPORT_MACHINE_FUNCTION_H

#include "transport/machine/machine.h"

/* Any thread.  Build an unplugged function; errors as machine_build(). */
int function_create(struct machine *m, const struct device_type *type,
		    const struct device_option *opt, unsigned int nr_opt,
		    struct function **out, char *error, size_t room);
/* Any thread.  Unplugged, without a link and on no list of the machine's: the
 * device goes; then, when no letter of it is left, the rest. */
void function_retire(struct function *f);
void function_destroy(struct function *f);

/* Loop.  It has been plugged, or unplugged. */
void function_plugged(struct function *f);
void function_unplugged(struct function *f);

/* Loop.  From now on the link's memory and its client are this function's. */
void function_join(struct function *f, struct link *l);
/* Loop.  Reset to power-on state; nothing of the link is left in it. */
void function_leave(struct function *f);

/* Loop.  It has been plugged: name what is called after its address. */
void function_name(struct function *f);

/* Loop.  A vector was bound, unbound, masked or unmasked; nothing pending is
 * lost by it. */
void function_vectors_changed(struct function *f);

/* Does its pin end at a line of its own, not at the root's? */
static inline bool function_has_line(const struct function *f)
{
	return f->vp.func.intx.line == &f->line;
}

/* Loop.  Its notify page, if it has one, is looked at no more. */
void function_forget_page(struct function *f);

/* Loop.  Its eventfds are no doorbells any more, and closed. */
void function_forget_kicks(struct function *f);

/* Loop.  Begin the reads of eventfds that completed or found no room. */
void machine_begin_kicks(struct machine *m);

/* Loop.  Function @bdf, NULL: there is none in this link. */
struct function *link_find(const struct link *l, uint16_t bdf);

/* Loop.  Kick what the notify pages say. */
void machine_look_at_pages(struct machine *m);

/* Loop.  Its link's interrupt ring had no room for a message of it: it is at
 * the end of those to flush.  The ring has room again: it is one of them only
 * if that was not enough. */
void function_keep(struct function *f);
void function_flush(struct function *f);

/* Loop.  It has queues with work: a turn will run it, or none will. */
void function_activate(struct function *f);
void function_deactivate(struct function *f);

/* Loop.  The link's map is about to change / has changed. */
void function_quiesce(struct function *f);
void function_memory_changed(struct function *f);

/* Loop.  Tell all clients which writes they may post now. */
void machine_publish_windows(struct machine *m);
/* Loop.  That has changed: by then, or after some more accesses, the clients
 * know; until then they post nothing. */
void machine_windows_changed(struct machine *m);
/* Loop.  After an access: it may have changed a BAR. */
void machine_windows_access(struct machine *m);

static inline uint16_t function_bdf(const struct function *f)
{
	return f->vp.func.bdf;
}

static inline struct msi_bank *function_bank(struct function *f)
{
	return &f->vp.func.msix.bank;
}

#endif
