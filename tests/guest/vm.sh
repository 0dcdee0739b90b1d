# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2154
#
# vm.sh - one guest in a stock VMM, and the programs that serve its device
#
# Sourced after lib.sh.  Everything a script starts through here lives in one
# work folder, $work, is known by its pid, and is gone when the script ends.
#
# The guest runs on /dev/kvm where that boots a stock kernel, in QEMU's TCG
# otherwise (see accel); PCIRING_ACCEL=kvm|tcg chooses.
# PCIRING_HUGETLB=1 puts the guest's RAM on huge pages.
#
# The machine has an rng at each address of the array functions; a script that
# wants more than one says so before start_service, and in device_of[ADDRESS] if
# one is to be something else: JSON, such as "blk", "options": {"size": "1M"}.
#
# More that a script may say: guest_cpus; guest_start, what QEMU boots instead of
# our kernel; guest_options, more options of QEMU; inside, a command that the
# service and QEMU are run by.

boot_timeout=${PCIRING_BOOT_TIMEOUT:-180}
function_address=00:01.0
functions=("$function_address")
declare -A device_of=()
machine=demo
guest_cpus=1
guest_start=()
guest_options=(-no-reboot)
inside=()
plugged=
vm_pids=()

# The folder's name has to leave room for socket names: 107 bytes in all.
vm_setup()
{
	local base=${XDG_RUNTIME_DIR:-/tmp}

	[ -w "$base" ] || base=/tmp
	[ ${#base} -le 60 ] || base=/tmp
	accel=${PCIRING_ACCEL:-$("$guest_dir/accel")}
	traces_before=$(traces)
	work=$(mktemp -d "$base/pciring-$me.XXXXXX")
	trap vm_cleanup EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
}

# What a service may leave on this host outside its own folder.
traces()
{
	find /dev/shm /dev/hugepages /run/dpdk /tmp/dpdk \
		"${XDG_RUNTIME_DIR:-/run}/dpdk" -maxdepth 1 \
		-name '*pciring*' ! -name 'pciring-test-*' 2>/dev/null |
		sort -u || true
}

# Another service on this host comes and goes as it likes, traces and all.
others_run()
{
	grep -qx pciringd /proc/[0-9]*/comm 2>/dev/null
}

vm_cleanup()
{
	local pid

	set +e
	for pid in "${vm_pids[@]}"; do
		kill -CONT "$pid" 2>/dev/null
		vm_stop "$pid"
	done
	rm -rf "$work"
}

# start NAME COMMAND...: in the background; its pid in $started.
start()
{
	local name=$1
	shift

	# Before the program is there: what the last one of that name said is not
	# to be taken for what this one says.
	: >"$work/$name.log"
	"$@" >"$work/$name.log" 2>&1 9>&- &
	started=$!
	vm_pids+=("$started")
}

alive()
{
	kill -0 "$1" 2>/dev/null
}

forget()
{
	local pid kept=()

	for pid in "${vm_pids[@]}"; do
		[ "$pid" = "$1" ] || kept+=("$pid")
	done
	vm_pids=("${kept[@]}")
}

# vm_stop PID: SIGTERM, and after three seconds SIGKILL.  Returns its status.
vm_stop()
{
	local pid=$1 i

	forget "$pid"
	kill "$pid" 2>/dev/null || true
	for ((i = 0; i < 30; i++)); do
		alive "$pid" || break
		sleep 0.1
	done
	alive "$pid" && kill -KILL "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
}

# served: what is behind the guest's device runs.  A guest without it may well
# wait until its time is over.
declare -A server=()
died=''
served()
{
	local name status

	for name in "${!server[@]}"; do
		alive "${server[$name]}" && continue
		status=0
		wait "${server[$name]}" 2>/dev/null || status=$?
		died+="$name ended by itself (status $status); "
		unset "server[$name]"
	done
	[ -z "$died" ]
}

# wait_line PID FILE TEXT SECONDS: until FILE has a line that contains TEXT.
# Fails when the process ends before, or when the time is over.
wait_line()
{
	local pid=$1 file=$2 text=$3 end=$((SECONDS + $4))

	while ! grep -qF -- "$text" "$file" 2>/dev/null; do
		if ! alive "$pid"; then
			grep -qF -- "$text" "$file" 2>/dev/null && return
			say "it ended before it said '$text'"
			return 1
		fi
		served || return 1
		if ((SECONDS >= end)); then
			say "no '$text' within $4 s"
			return 1
		fi
		sleep 0.1
	done
}

# function_params ADDRESS: what function.create takes.
function_params()
{
	local rng='"rng"'

	echo '{"machine": "'"$machine"'", "address": "'"$1"'",'
	echo ' "device": '"${device_of[$1]:-$rng}"'}'
}

# start_service: pciringd with one machine that has the functions.  They come by
# configuration, or by the control socket if that was said with plugged=1.
start_service()
{
	local address

	{
		echo '[{"method": "machine.create",'
		echo '  "params": {"name": "'"$machine"'"}}'
		for address in "${functions[@]}"; do
			[ -z "$plugged" ] || continue
			echo ', {"method": "function.create", "params":'
			echo "   $(function_params "$address")}"
		done
		echo ']'
	} >"$work/config.json"
	# shellcheck disable=SC2086 # words, for whoever wants to add options
	start pciringd "${inside[@]}" "$bin/pciringd" --dir "$work" \
		--config "$work/config.json" ${PCIRING_SERVICE_OPTIONS:-}
	service=$started
	wait_line "$service" "$work/pciringd.log" "pciringd: ready" 10 ||
		fail_with pciringd "pciringd did not come up"
	server[pciringd]=$service
	[ -n "$plugged" ] || return 0
	for address in "${functions[@]}"; do
		"$bin/pciringctl" --dir "$work" call function.create \
			"$(function_params "$address")" >"$work/ctl.log" 2>&1 ||
			fail_with ctl "cannot plug ${device_of[$address]}"
	done
}

# socket_of ADDRESS: where the proxy serves that function.
socket_of()
{
	echo "$work/${1//[:.]/-}.sock"
}

start_proxy()
{
	local address options=()

	socket=$(socket_of "$function_address")
	for address in "${functions[@]}"; do
		options+=(--function "$address=$(socket_of "$address")")
	done
	start proxy "$bin/pciring-vfio-user" --dir "$work" \
		--machine "$machine" "${options[@]}"
	proxy=$started
	wait_line "$proxy" "$work/proxy.log" "pciring-vfio-user: ready" 10 ||
		fail_with proxy "pciring-vfio-user did not come up"
	server[pciring-vfio-user]=$proxy
}

# fail_with LOG-NAME MESSAGE: end the script, showing all that may explain it.
fail_with()
{
	local name

	served || true
	for name in "$1" guest qemu proxy pciringd; do
		[ -n "${shown[$name]:-}" ] && continue
		shown[$name]=1
		show_tail "$work/$name.log"
	done
	die "$died$2"
}
declare -A shown=()

# start_guest PARAMETERS DEVICE...: boot the guest; its console is guest.log.
# An emulated guest on a busy host may miss the ticks by which it tries its timer.
guest_console="console=ttyS0 quiet panic=-1 no_timer_check"
start_guest()
{
	local cpu=max ram=share=on device devices=()
	local from=(-kernel "$cache/guest/vmlinuz"
		-initrd "$cache/guest/initramfs" -append "$guest_console $1")
	shift

	for device; do
		devices+=(-device "$device")
	done

	[ "$accel" = kvm ] && cpu=host
	[ "${PCIRING_HUGETLB:-}" = 1 ] && ram=share=on,hugetlb=on,prealloc=on
	rm -f "$work/guest.log"
	[ ${#guest_start[@]} = 0 ] || from=("${guest_start[@]}")
	start qemu "${inside[@]}" "$guest_dir/qemu" \
		-machine q35,memory-backend=ram \
		-accel "$accel" -cpu "$cpu" -m 512M -smp "$guest_cpus" \
		-object "memory-backend-memfd,id=ram,size=512M,$ram" \
		-nodefaults -no-user-config -display none \
		-serial "file:$work/guest.log" "${guest_options[@]}" \
		"${from[@]}" "${devices[@]}"
	qemu=$started
}

# vfio_user_device ADDRESS: the function in the guest's same slot.
vfio_user_device()
{
	local address=$1

	printf '{"driver":"vfio-user-pci","addr":"%s","socket":%s}' \
		"${address#*:}" \
		"{\"type\":\"unix\",\"path\":\"$(socket_of "$address")\"}"
}

wait_stage()
{
	wait_line "$qemu" "$work/guest.log" "PCIRING stage $1" "$boot_timeout"
}

# wait_guest: until it has powered itself off.
wait_guest()
{
	local status=0 i

	wait_stage end || fail_with guest "the guest did not finish"
	for ((i = 0; i < 100; i++)); do
		alive "$qemu" || break
		sleep 0.1
	done
	alive "$qemu" && fail_with qemu "QEMU did not end with its guest"
	forget "$qemu"
	wait "$qemu" || status=$?
	[ "$status" = 0 ] || fail_with qemu "QEMU ended with status $status"
}

# What the guest said; a serial line ends with CR LF.
guest_fact()
{
	tr -d '\r' <"$work/guest.log" | sed -n "s/^PCIRING fact $1=//p" |
		tail -n 1
}

guest_text()
{
	tr -d '\r' <"$work/guest.log" | sed -n 's/^PCIRING text //p'
}

# guest_probe FILTER: jq over what pciring-probe said in the guest.
guest_probe()
{
	tr -d '\r' <"$work/guest.log" | sed -n 's/^PCIRING probe //p' |
		jq -r "$1"
}

# left_over: stop the service and the proxy, and put into $left what is wrong
# with how they ended and what they did not take along.
left_over()
{
	local name path status

	left=
	for name in pciring-vfio-user pciringd; do
		status=0
		vm_stop "${server[$name]}" || status=$?
		unset "server[$name]"
		[ "$status" = 0 ] || left+="$name ended with status $status "
	done
	for path in "$work"/*; do
		[ -S "$path" ] && left+="socket $path "
	done
	others_run || left+=$(comm -13 <(echo "$traces_before") <(traces))
}
