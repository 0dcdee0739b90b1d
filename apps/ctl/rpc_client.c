/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: a connection per request.  The answer is one line of any length, so it
 * is read until jansson has a whole object.
 */
#include "apps/ctl/rpc_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_SECONDS 10

int ctl_default_dir(struct ctl *ctl)
{
	const char *xdg = getenv("XDG_RUNTIME_DIR");
	int n;

	if (!geteuid())
		n = snprintf(ctl->dir, CTL_DIR_MAX, "/run/pciring");
	else if (xdg && xdg[0] == '/')
		n = snprintf(ctl->dir, CTL_DIR_MAX, "%s/pciring", xdg);
	else
		n = snprintf(ctl->dir, CTL_DIR_MAX, "/tmp/pciring-%u",
			     geteuid());
	return n < 0 || n >= CTL_DIR_MAX ? -ENAMETOOLONG : 0;
}

static void say_no_service(const struct ctl *ctl, int err)
{
	if (err == EACCES || err == EPERM)
		fprintf(stderr,
			"pciringctl: the service at %s belongs to another "
			"user; ask him, or root\n",
			ctl->dir);
	else
		fprintf(stderr,
			"pciringctl: no service at %s (%s); start it with: "
			"pciringd%s%s\n",
			ctl->dir, strerror(err),
			ctl->dir_given ? " --dir " : "",
			ctl->dir_given ? ctl->dir : "");
}

static int ctl_connect(const struct ctl *ctl)
{
	const struct timeval limit = { .tv_sec = ANSWER_SECONDS };
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0) {
		perror("pciringctl: socket");
		return -1;
	}
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/rpc.sock", ctl->dir);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (!connect(fd, (struct sockaddr *)&sa, sizeof(sa)))
		return fd;
	say_no_service(ctl, errno);
	close(fd);
	return -1;
}

static bool send_line(int fd, json_t *request)
{
	char *text = json_dumps(request, JSON_COMPACT);
	size_t done = 0, length;
	ssize_t n = 0;

	if (!text)
		return false;
	length = strlen(text);
	text[length++] = '\n'; /* in place of the terminator */
	while (done < length && n >= 0) {
		n = send(fd, text + done, length - done, MSG_NOSIGNAL);
		done += n > 0 ? (size_t)n : 0;
	}
	free(text);
	return n >= 0;
}

static size_t receive(void *buffer, size_t room, void *data)
{
	const int *fd = data;
	ssize_t n = recv(*fd, buffer, room, 0);

	return n < 0 ? (size_t)-1 : (size_t)n;
}

static json_t *take_result(json_t *answer)
{
	json_t *error = json_object_get(answer, "error");
	json_t *result = json_object_get(answer, "result");
	const char *path = json_string_value(
		json_object_get(json_object_get(error, "data"), "path"));
	const char *text = json_string_value(json_object_get(error, "message"));

	if (result)
		return json_incref(result);
	fprintf(stderr, "pciringctl: %s%s%s%s\n",
		text ? text : "an answer that makes no sense", path ? " (" : "",
		path ? path : "", path ? ")" : "");
	return NULL;
}

json_t *ctl_call(const struct ctl *ctl, const char *method, json_t *params)
{
	json_t *request, *answer = NULL, *result = NULL;
	int fd;

	request = json_pack("{ss si ss}", "jsonrpc", "2.0", "id", 1, "method",
			    method);
	if (params)
		json_object_set_new(request, "params", params);
	fd = ctl_connect(ctl);
	if (fd < 0)
		goto out;
	if (send_line(fd, request))
		answer = json_load_callback(receive, &fd,
					    JSON_DISABLE_EOF_CHECK, NULL);
	if (answer)
		result = take_result(answer);
	else
		fprintf(stderr,
			"pciringctl: the service at %s does not answer\n",
			ctl->dir);
	json_decref(answer);
	close(fd);
out:
	json_decref(request);
	return result;
}
