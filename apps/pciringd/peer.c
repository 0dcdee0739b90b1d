/* SPDX-License-Identifier: BSD-3-Clause */
/* How: the credentials that the kernel noted at connect(). */
#include "apps/pciringd/peer.h"

#include <sys/socket.h>
#include <unistd.h>

/* Who is in more groups than this (ERANGE) is let in by none of them. */
#define GROUPS 256

static bool peer_credentials(int fd, struct ucred *cred)
{
	socklen_t length = sizeof(*cred);

	return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, cred, &length);
}

static bool group_allowed(const struct peer_access *access, gid_t gid)
{
	for (unsigned int i = 0; i < access->nr_gids; i++)
		if (access->gid[i] == gid)
			return true;
	return false;
}

static bool allowed(const struct peer_access *access, int fd,
		    const struct ucred *cred)
{
	gid_t group[GROUPS];
	socklen_t length = sizeof(group);

	for (unsigned int i = 0; i < access->nr_uids; i++)
		if (access->uid[i] == cred->uid)
			return true;
	if (!access->nr_gids || group_allowed(access, cred->gid))
		return access->nr_gids;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, group, &length))
		return false;
	for (unsigned int i = 0; i < length / sizeof(gid_t); i++)
		if (group_allowed(access, group[i]))
			return true;
	return false;
}

bool peer_may_enter(int fd, const struct peer_access *access)
{
	struct ucred cred;

	if (!peer_credentials(fd, &cred))
		return false;
	return cred.uid == 0 || cred.uid == geteuid() ||
	       (access && allowed(access, fd, &cred));
}

int peer_pid(int fd)
{
	struct ucred cred;

	return peer_credentials(fd, &cred) ? cred.pid : 0;
}

int peer_uid(int fd)
{
	struct ucred cred;

	return peer_credentials(fd, &cred) ? (int)cred.uid : -1;
}
