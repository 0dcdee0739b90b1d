/* SPDX-License-Identifier: BSD-3-Clause */
/* How: the credentials that the kernel noted at connect(). */
#include "apps/pciringd/peer.h"

#include <sys/socket.h>
#include <unistd.h>

static bool peer_credentials(int fd, struct ucred *cred)
{
	socklen_t length = sizeof(*cred);

	return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, cred, &length);
}

bool peer_may_enter(int fd)
{
	struct ucred cred;

	return peer_credentials(fd, &cred) &&
	       (cred.uid == 0 || cred.uid == geteuid());
}

int peer_pid(int fd)
{
	struct ucred cred;

	return peer_credentials(fd, &cred) ? cred.pid : 0;
}
