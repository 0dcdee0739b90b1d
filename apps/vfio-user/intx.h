/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * intx.h - a function's one line, as a client drives it by SET_IRQS
 *
 * The service signals the trigger eventfd once when the line rises and then no
 * more, as if the client had masked it, until the client says UNMASK or signals
 * the resample eventfd; a line that is high then is signalled again.
 *
 *             NONE, BOOL          EVENTFD
 * MASK        keep                -EOPNOTSUPP
 * UNMASK      end and deliver     from now on a signal means UNMASK; none
 *                                 given: no longer
 * TRIGGER     signal once;        bind; none given: unbind, but remember the
 *             count 0: as new     resample eventfd
 *
 * Clients give the two eventfds in any order and one by one, the service takes
 * them together: hence what is remembered here.
 *
 * Memory    the two descriptors are kept until they are replaced or the
 *           connection ends
 */
#ifndef VFIO_USER_INTX_H
#define VFIO_USER_INTX_H

#include "apps/vfio-user/wire.h"

struct vu_conn;

struct vu_intx {
	int trigger;  /* owned; -1: none */
	int resample; /* owned; -1: none */
};

void vu_intx_init(struct vu_intx *x);
void vu_intx_fini(struct vu_intx *x);

/* EVENTFD data with @action, one of VU_SET_ACTION: 0 or -errno, which has
 * changed nothing. */
int vu_intx_eventfd(struct vu_conn *c, uint32_t action);

/* Unbound, unmasked, nothing remembered. */
int vu_intx_disable(struct vu_conn *c);

#endif
