/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * notify.h - tell the service manager how we are (systemd's sd_notify)
 *
 * Does nothing unless NOTIFY_SOCKET says whom to tell.
 */
#ifndef APPS_PCIRINGD_NOTIFY_H
#define APPS_PCIRINGD_NOTIFY_H

/* @state: "READY=1", "STOPPING=1" */
void notify_manager(const char *state);

#endif
