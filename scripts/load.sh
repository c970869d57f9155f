# shellcheck shell=bash
# How much of the machine a build gets: sourced by demo.sh and progress.sh.
#
# LOADAVG names another file than /proc/loadavg, for tests.

# Sets `load` (the load average of the last minute, in hundredths) and `cores`. Without /proc, the machine counts as idle.
read_load() {
    local text=''
    cores=$(nproc)
    read -r text _ 2>/dev/null <"${LOADAVG:-/proc/loadavg}" || true
    [[ $text =~ ^[0-9]+\.[0-9][0-9]$ ]] || text=0.00
    load=$((10#${text/./}))
}

# Prints the load: "load 10.1 on 2 cores".
load_words() { printf 'load %d.%d on %d cores' $((load / 100)) $((load / 10 % 10)) "$cores"; }

# Prints the percentage of the cores that a build in progress gets. The load includes the build.
share_of_running() {
    if ((load <= cores * 100)); then echo 100; else echo $((cores * 10000 / load)); fi
}

# Prints the minutes of a build that is not in progress yet, from its minutes on all cores when the machine is idle. The load does not
# include the build.
minutes_at_load() { echo $((($1 * (cores * 100 + load) + cores * 50) / (cores * 100))); }
