/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * irq.h - interrupts as a client sees them: GET_IRQ_INFO and SET_IRQS
 *
 * The client holds the MSI-X table; we hand its eventfds to the service, which
 * writes them itself.  So it is with the line (apps/vfio-user/intx.h).  A kind
 * of interrupt that the function does not have has a count of 0; MSI is none
 * of a client's kinds, which gets MSI-X.
 */
#ifndef VFIO_USER_IRQ_H
#define VFIO_USER_IRQ_H

struct vu_conn;

/* Handlers: 0 and the answer in the connection, or -errno to answer. */
int vu_irq_info(struct vu_conn *c);
int vu_irq_set(struct vu_conn *c);

#endif
