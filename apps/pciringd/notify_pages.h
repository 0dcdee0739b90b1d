/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * notify_pages.h - the notify pages that an attachment's client has asked for
 *
 * A page is a sealed memfd, made and mapped here and handed to the client by
 * descriptor; the machine's loop looks at it every turn for as long as the
 * function is the link's (transport/virtio_pci/notify.h).  A client that keeps
 * its mapping for longer stores into memory of which nobody knows.
 *
 * Limits    one a function, each of which is a mapping (limits.h)
 * Threads   the control thread; the function is touched on the machine's loop
 * Memory    a page is unmapped here after the loop has forgotten it
 * Trust     the client and its guest may store anything, and punch a hole:
 *           that is a page of zeroes, so a kick for each queue
 */
#ifndef APPS_PCIRINGD_NOTIFY_PAGES_H
#define APPS_PCIRINGD_NOTIFY_PAGES_H

#include "apps/pciringd/service.h"

struct notify_page;

struct notify_pages {
	struct service_machine *machine; /* borrowed */
	struct link *link;		 /* borrowed */
	struct notify_page *first;
};

/*
 * A page for @bdf; *@fd is the caller's.  -EOPNOTSUPP the machine's loop may
 * sleep, and no store would wake it; -ENOENT, -EEXIST, -ENOMEM, -ENFILE.
 */
int notify_page_open(struct notify_pages *pages, uint16_t bdf, int *fd);

/* The loop does not know the page of @bdf any more, if it has one; nor any. */
void notify_page_close(struct notify_pages *pages, uint16_t bdf);
void notify_page_close_all(struct notify_pages *pages);

#endif
