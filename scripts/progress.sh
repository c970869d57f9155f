#!/usr/bin/env bash
# Runs cargo, and reports its progress in a line every ten seconds: progress.sh NAME LOG COMMAND...
#
# cargo draws a bar, which only a terminal shows. A log, or a person who waits for a first build, needs lines. Other output of cargo goes
# into LOG. The exit status is the command's.
set -uo pipefail
name=$1 log=$2
shift 2

export CARGO_TERM_PROGRESS_WHEN=always CARGO_TERM_PROGRESS_WIDTH=100 CARGO_TERM_COLOR=never

# Estimates the remaining time from the time so far. Crates differ, so the estimate starts after the first tenth of them.
remaining() {
    local all=$1 done=$2 seconds=$3
    if ((done * 10 < all || all == done)); then return; fi
    local left=$((seconds * (all - done) / done))
    if ((left < 90)); then echo ", about $(((left + 9) / 10 * 10)) s left"; else echo ", about $(((left + 59) / 60)) minutes left"; fi
}

report() {
    local text='' all=0 done=0 busy='' shown=$SECONDS start=$SECONDS status
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
        if ((SECONDS - shown >= 10)); then
            shown=$SECONDS
            if ((all > 0)); then
                echo "$name: $done of $all steps done after $((SECONDS - start)) s$(remaining "$all" "$done" $((SECONDS - start))) ($busy)"
            else
                echo "$name: fetching crates, or waiting for another cargo"
            fi
        fi
    done
}

"$@" 2>&1 </dev/null | stdbuf -oL tr '\r' '\n' | report
exit "${PIPESTATUS[0]}"
