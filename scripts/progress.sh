#!/usr/bin/env bash
# Runs cargo, and reports its progress in a line every ten seconds: progress.sh NAME LOG COMMAND...
#
# cargo draws a bar, which only a terminal shows. A log, or a person who waits for a first build, needs lines. Other output of cargo goes
# into LOG. The exit status is the command's. PROGRESS_SECONDS replaces the ten seconds, for tests.
set -uo pipefail
name=$1 log=$2
shift 2
interval=${PROGRESS_SECONDS:-10}
# shellcheck source=scripts/load.sh
. "$(dirname "$0")/load.sh"

export CARGO_TERM_PROGRESS_WHEN=always CARGO_TERM_PROGRESS_WIDTH=100 CARGO_TERM_COLOR=never

# Prints how much of the work is done, in thousandths, from the thousandths of the steps that are done. The last steps are the large crates:
# the table is from a build of the program, and has pairs of steps and work.
work_of_steps() {
    local steps=$1 from=0 done=0 point to
    for point in 100:40 250:100 500:350 800:490 850:570 920:800 990:960 1000:1000; do
        to=${point%:*}
        if ((steps <= to)); then break; fi
        from=$to done=${point#*:}
    done
    echo $((done + (${point#*:} - done) * (steps - from) / (to - from)))
}

# Estimates the remaining time from the seconds of work so far (in percent of all cores) and from the share of the cores at the present load.
# The estimate starts after the first tenth of the steps.
remaining() {
    local all=$1 done=$2 work=$3 share=$4
    if ((done * 10 < all || all == done)); then return; fi
    local part at=''
    part=$(work_of_steps $((done * 1000 / all)))
    local left=$((work * (1000 - part) / part / share))
    if ((share < 100)); then at=" at $(load_words)"; fi
    if ((left < 90)); then echo ", about $(((left + 9) / 10 * 10)) s left$at"; else echo ", about $(((left + 59) / 60)) minutes left$at"; fi
}

report() {
    local text='' all=0 done=0 busy='' shown=$SECONDS start=$SECONDS last=$SECONDS work=0 share status
    while :; do
        IFS= read -r -t 5 text
        status=$?
        # A status over 128 means that nothing came for five seconds.
        if ((status > 0 && status <= 128)); then break; fi
        if [[ $text =~ \]\ ([0-9]+)/([0-9]+):\ (.*) ]]; then
            done=${BASH_REMATCH[1]} all=${BASH_REMATCH[2]} busy=${BASH_REMATCH[3]%%  *}
        elif [[ -n ${text// /} ]]; then
            printf '%s\n' "$text" >>"$log"
        fi
        if ((SECONDS - shown >= interval)); then
            read_load
            share=$(share_of_running)
            work=$((work + (SECONDS - last) * share)) last=$SECONDS shown=$SECONDS
            if ((all > 0)); then
                echo "$name: $done of $all steps done after $((SECONDS - start)) s$(remaining "$all" "$done" "$work" "$share") ($busy)"
            else
                echo "$name: fetching crates, or waiting for another cargo"
            fi
        fi
    done
}

"$@" 2>&1 </dev/null | stdbuf -oL tr '\r' '\n' | report
exit "${PIPESTATUS[0]}"
