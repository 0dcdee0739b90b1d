#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# What a VMM loads, or links: libpciring.so and libpciring.a as they were built.
set -u
# shellcheck source=tests/library/lib.sh
. "$(dirname "$0")/lib.sh"
shared=$build/lib/libpciring.so
static=$build/lib/libpciring.a

it_needs_libc_and_nothing_else() {
	readelf -d "$shared" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' |
		grep -vE '^(libc\.so\.6|libpthread\.so\.0)$'
	nm -u "$static" "$shared" | grep rte_
	# All that is undefined is libc's: this links against no other library.
	echo 'int main(void) { return 0; }' |
		gcc -x c - -x none -o "$tmp/whole" -Wl,--whole-archive "$static" \
			-Wl,--no-whole-archive -Wl,--no-undefined -lpthread
}

it_shows_what_its_header_declares_and_no_more() {
	diff <(declared) <(nm -D --defined-only "$shared" |
		awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort)
	diff <(declared) <(nm -g --defined-only "$static" |
		awk 'NF == 3 { print $3 }' | sort)
}

its_abi_has_a_name() {
	readelf -d "$shared" | grep -q 'SONAME.*\[libpciring\.so\.0\]' ||
		echo "no soname"
	nm -D --defined-only "$shared" |
		awk '$2 != "A" && $3 !~ /@@PCIRING_0$/ { print $3 }'
}

# No exit, no abort, no output, no signal handler or mask, no other process.
it_never_ends_or_disturbs_its_process() {
	local forbidden='abort|_?_?[eE]xit|quick_exit|at_?quick_exit|atexit|on_exit'
	forbidden+='|__assert(_fail|_perror_fail)?|_?longjmp|pthread_(exit|kill)'
	forbidden+='|v?f?printf|v?dprintf|puts|fputs|fputc|putchar|perror|fwrite'
	forbidden+='|__(v?f?printf|dprintf)_chk|v?syslog|std(out|err|in)|v?warnx?'
	forbidden+='|v?errx?|error|signal|sigaction|sigprocmask|pthread_sigmask'
	forbidden+='|sigaltstack|raise|kill|alarm|setitimer|fork|vfork|exec.*|system'
	forbidden+='|posix_spawn.*|popen|setenv|getenv|chdir|umask|setlocale|dlopen'
	nm -u "$static" "$shared" | awk '{ sub(/@.*/, "", $2); print $2 }' |
		grep -xE "$forbidden"
}

# Names that are ours inside, in a program that has its own of each of them.
it_meets_no_name_of_the_program() {
	local object
	nm -g --defined-only "$build/lib/ring.a" | awk '$2 == "T" { print $3 }' |
		grep -v '^pciring_' | sort -u >"$tmp/names"
	grep -qx channel_put "$tmp/names" && grep -qx log_msg "$tmp/names" ||
		echo "the names of the inside are not known"
	{
		echo '#include <errno.h>'
		echo '#include <stdlib.h>'
		echo '#include "pciring.h"'
		sed 's/.*/void &(void); void &(void) { abort(); }/' "$tmp/names"
		cat <<-'END'
			int main(int argc, char **argv)
			{
				struct pciring_options opt = {
					.size = sizeof(opt), .machine = "m",
					.lanes = 1
				};
				struct pciring *p;

				return argc != 2 ||
				       pciring_attach(argv[1], &opt, &p) !=
					       -ECONNREFUSED;
			}
		END
	} >"$tmp/own.c"
	# A socket file that nobody listens on: the call goes all the way in.
	python3 -c 'import socket, sys
socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET).bind(sys.argv[1])' \
		"$tmp/sock"
	for object in "$static" "$shared"; do
		gcc -I"$top/ring" -rdynamic -o "$tmp/own" "$tmp/own.c" \
			"$object" -lpthread &&
			LD_LIBRARY_PATH=$build/lib "$tmp/own" "$tmp/sock" ||
			echo "$object: status $?"
	done
}

# For binding generators: nothing but types, constants and calls.
its_header_is_plain() {
	local own
	grep '#include' "$top/ring/pciring.h" | grep -vE '<std(def|int)\.h>'
	own=$(grep -v '#include' "$top/ring/pciring.h" | gcc -E -P -x c -)
	grep -nwE 'inline|static|__attribute__|_Bool|bool|enum|union|_Atomic' \
		<<<"$own"
	grep -nE '[a-z_]+ *: *[0-9]+ *;' <<<"$own"
	grep -nE '\brte_|\.\.\.' <<<"$own"
}

claim it_needs_libc_and_nothing_else
claim it_shows_what_its_header_declares_and_no_more
claim its_abi_has_a_name
claim it_never_ends_or_disturbs_its_process
claim it_meets_no_name_of_the_program
claim its_header_is_plain
summary
