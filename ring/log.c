/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * log.c - format, filter, limit, hand over
 *
 * A line is made on the stack and given to the sink whole.  Control characters
 * become dots: a name that a client chose must not forge a second line.
 */
#include "ring/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define LOG_LINE	  512
#define LOG_SUFFIX	  64
#define LOG_BURST	  10
/* A place that was quiet for so long may burst again. */
#define LOG_QUIET_SECONDS 10

static _Atomic(log_sink_fn *) log_sink;
static _Atomic int log_max;

static const char *const log_words[] = {
	[LOG_ERROR] = "error",
	[LOG_WARN] = "warn",
	[LOG_INFO] = "info",
	[LOG_DEBUG] = "debug",
};

void log_set_sink(log_sink_fn *sink, enum log_level max)
{
	atomic_store(&log_max, (int)max);
	atomic_store(&log_sink, sink);
}

bool log_enabled(enum log_level level)
{
	return atomic_load(&log_sink) && (int)level <= atomic_load(&log_max);
}

void log_to_stderr(enum log_level level, const char *line)
{
	struct timespec now;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &tm);
	/* One call is one write: lines of several threads stay whole. */
	dprintf(STDERR_FILENO, "%02d:%02d:%02d.%03ld %s %s\n", tm.tm_hour,
		tm.tm_min, tm.tm_sec, now.tv_nsec / 1000000, log_words[level],
		line);
}

int log_parse_level(const char *word, enum log_level *level)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(log_words); i++) {
		if (!strcmp(word, log_words[i])) {
			*level = (enum log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

static void log_line(enum log_level level, uint32_t lost, const char *fmt,
		     va_list ap)
{
	log_sink_fn *sink = atomic_load(&log_sink);
	char line[LOG_LINE + LOG_SUFFIX];
	size_t used;
	char *c;

	if (!sink)
		return;
	vsnprintf(line, LOG_LINE, fmt, ap);
	for (c = line; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '.';
	used = (size_t)(c - line);
	if (lost)
		snprintf(line + used, sizeof(line) - used,
			 " (%u lines like this suppressed)", lost);
	sink(level, line);
}

void log_msg(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	if (!log_enabled(level))
		return;
	va_start(ap, fmt);
	log_line(level, 0, fmt, ap);
	va_end(ap);
}

static uint64_t now_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec;
}

/* Relaxed throughout: two threads at once may let one line too many pass. */
static bool limit_passes(struct log_limit *limit, uint64_t now)
{
	uint64_t last =
		atomic_load_explicit(&limit->second, memory_order_relaxed);

	if (now - last >= LOG_QUIET_SECONDS)
		atomic_store_explicit(&limit->seen, 0, memory_order_relaxed);
	if (now == last &&
	    atomic_load_explicit(&limit->seen, memory_order_relaxed) >=
		    LOG_BURST)
		return false;
	atomic_store_explicit(&limit->second, now, memory_order_relaxed);
	/* Stays at the burst, so that it never wraps into a new one. */
	if (atomic_load_explicit(&limit->seen, memory_order_relaxed) <
	    LOG_BURST)
		atomic_fetch_add_explicit(&limit->seen, 1,
					  memory_order_relaxed);
	return true;
}

void log_msg_limited(struct log_limit *limit, enum log_level level,
		     const char *fmt, ...)
{
	uint32_t lost;
	va_list ap;

	if (!log_enabled(level))
		return;
	if (!limit_passes(limit, now_seconds())) {
		atomic_fetch_add_explicit(&limit->lost, 1,
					  memory_order_relaxed);
		return;
	}
	lost = atomic_exchange_explicit(&limit->lost, 0, memory_order_relaxed);
	va_start(ap, fmt);
	log_line(level, lost, fmt, ap);
	va_end(ap);
}
