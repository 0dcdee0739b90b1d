/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * version.h - the handshake: versions, and capabilities as JSON
 *
 * Capabilities say what their sender can receive.  We send a client nothing
 * but replies to what it asked, so that its own are checked, not kept.
 */
#ifndef VFIO_USER_VERSION_H
#define VFIO_USER_VERSION_H

struct vu_conn;

/* -EPROTONOSUPPORT other major version, -EINVAL not what the protocol says. */
int vu_version(struct vu_conn *c);

#endif
