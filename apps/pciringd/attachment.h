/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * attachment.h - the service's half of one attached VMM or proxy connection
 *
 * A channel, the link of the machine that it feeds, and the guest memory lent
 * through it.  What a client asks over the attach socket is carried out here
 * and done when the call returns.
 *
 * Threads   the control thread; the link is touched on the machine's loop
 * Memory    created and destroyed here; descriptors stay the caller's unless
 *           the call says otherwise
 * Broken    a client that was found lying has no service any more; the loop
 *           says so once on an eventfd, and whoever watches that ends the
 *           attachment.  What it was is counted at its end, however it came
 * Field     written by  read by   edge
 * told      loop        control   relaxed: the eventfd's signal is the order
 * Trust     every value is the client's.  Limits: apps/pciringd/limits.h
 */
#ifndef APPS_PCIRINGD_ATTACHMENT_H
#define APPS_PCIRINGD_ATTACHMENT_H

#include <stdatomic.h>

#include "apps/pciringd/line_watch.h"
#include "apps/pciringd/notify_pages.h"
#include "apps/pciringd/service.h"

struct attachment {
	struct service_machine *machine; /* borrowed */
	char name[PCIRING_NAME_MAX];	 /* who, in his own words */
	int pid;
	struct channel channel;
	struct link link;
	_Atomic bool told; /* that the link is broken */
	int broken_fd;	   /* borrowed: what the loop signals then */
	uint16_t irqchip;  /* PCIRING_IRQCHIP_* */
	struct line_watches watches;
	struct notify_pages pages;
	uint64_t bytes; /* of lent memory that is mapped here */
	struct attachment *next;
};

struct attachment_options {
	struct control *control;
	int broken_fd; /* eventfd, nonblocking: signalled when the link breaks */
	int pid;
};

/* As the hello asks: -EINVAL, -ENOENT no such function, -EBUSY, -ENOSPC a limit
 * of the machine's, -ENOMEM, -ENFILE the service's. */
int attachment_create(struct service_machine *m, const struct msg_hello *hello,
		      const struct attachment_options *opt,
		      struct attachment **out);

/* Whether the loop has said that the link is broken. */
bool attachment_broken(const struct attachment *a);

/* Why a link is broken, in words. */
const char *attachment_fault(enum channel_fault why);

/* Functions are reset, everything lent is unmapped, everything closed. */
void attachment_destroy(struct attachment *a);

/* Distinct files that the machine has mapped, whoever lent them. */
unsigned int attachment_files(const struct service_machine *m);

/* @fd -1: a hole.  -EINVAL, -EEXIST, -ENOSPC, -EACCES, -ENOMEM. */
int attachment_dma_map(struct attachment *a, const struct msg_dma *dma, int fd);
/* With MSG_DMA_ALL: everything.  -ENOENT. */
int attachment_dma_unmap(struct attachment *a, const struct msg_dma *dma);

int attachment_info(struct attachment *a, uint16_t bdf,
		    struct pciring_function_info *info);
int attachment_reset(struct attachment *a, uint16_t bdf);
/* *@fd is the caller's, to close.  As notify_page_open(). */
int attachment_notify_page(struct attachment *a, uint16_t bdf,
			   struct msg_notify_page *reply, int *fd);

/* @fd -1 unbinds, or it is taken over on success; *@reply says where it is.
 * -EINVAL, -ENFILE, and as link_kick_bind(). */
int attachment_kick_bind(struct attachment *a, const struct msg_kick *bind,
			 int fd, struct msg_kick *reply);

/* Takes over all @nr_fds descriptors on success.  -EINVAL, -ENOENT, -ERANGE,
 * -ENOSPC, -ENFILE. */
int attachment_irq_bind(struct attachment *a, const struct msg_irq_bind *bind,
			const int *fds, unsigned int nr_fds);
int attachment_irq_control(struct attachment *a,
			   const struct msg_irq_bind *control);

/* Takes over all @nr_fds descriptors on success, of which a resample eventfd
 * is watched.  -EINVAL, -ENOENT, -ENOSPC, -ENFILE. */
int attachment_line_bind(struct attachment *a, const struct msg_line *bind,
			 const int *fds, unsigned int nr_fds);
int attachment_line_control(struct attachment *a,
			    const struct msg_line *control);

/* Function @bdf has gone, and with it what the client bound to its line. */
void attachment_function_gone(struct attachment *a, uint16_t bdf);

#endif
