#!/usr/bin/env bash
# Coverage-guided fuzzing of the engine and of the zones, by libFuzzer: fuzz/.
#
#   scripts/fuzz run SECONDS [TARGET]   each target (or one) for so long, two at a time
#   scripts/fuzz minimize               what the runs added to objs/fuzz/corpus, as little as covers as much, into fuzz/corpus
#   scripts/fuzz selftest               plants bugs in a copy of the sources, and shows that each is found
#
# What is found lies in objs/fuzz/TARGET-*, with what the run said in objs/fuzz/TARGET.log; and again:
#   target/fuzz/x86_64-unknown-linux-gnu/release/TARGET objs/fuzz/TARGET-crash-...
#
# The toolchain is the stable one. Two things of it are not stable, AddressSanitizer and its option, which
# RUSTC_BOOTSTRAP allows; SANITIZER=none does without, where its library is not there.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:$HOME/.cargo/bin

host=$(rustc -vV | sed -n 's/^host: //p')
out=objs/fuzz
# Bugs are planted in what the links of all locations are checked by: found within this many seconds.
found_within=120

# As cargo-fuzz has them, but for the nightly toolchain.
flags="--cfg fuzzing -Cdebug-assertions -Ccodegen-units=1 -Cpasses=sancov-module"
for option in level=4 inline-8bit-counters pc-table trace-compares; do
    flags+=" -Cllvm-args=-sanitizer-coverage-$option"
done
flags+=" -Cllvm-args=-simplifycfg-branch-fold-threshold=0"
if [ "${SANITIZER-address}" = address ]; then
    flags+=" -Zsanitizer=address"
fi

# Builds in a copy of the sources, or here; targets go to $target.
target=$PWD/target/fuzz
build() {
    RUSTC_BOOTSTRAP=1 RUSTFLAGS=$flags cargo build --release --manifest-path "$1/fuzz/Cargo.toml" \
        --target "$host" --target-dir "$target" "${@:2}"
}
program() { echo "$target/$host/release/$1"; }

targets() { basename -s .rs -a fuzz/fuzz_targets/*.rs; }

dictionary() {
    local file=fuzz/dictionaries/$1.dict
    if [ -e "$file" ]; then echo "-dict=$file"; fi
}

# One target for some seconds, from the corpus; what is new goes to objs/fuzz/corpus.
run_target() {
    local name=$1 seconds=$2 corpus=$out/corpus/$1
    mkdir -p "$corpus"
    # shellcheck disable=SC2046 # one word or none
    "$(program "$name")" "$corpus" "fuzz/corpus/$name" $(dictionary "$name") -max_total_time="$seconds" \
        -artifact_prefix="$out/$name-" -print_final_stats=1 -timeout=10 -max_len=2048 >"$out/$name.log" 2>&1
}

# A line of figures from a log.
report() {
    local log=$out/$1.log runs edges all
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    edges=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
    all=$(sed -n 's/.*(\([0-9]*\) inline 8-bit counters).*/\1/p' "$log" | head -n 1)
    printf '%-18s %12s %10s of %s\n' "$1" "${runs:-?}" "${edges:-?}" "${all:-?}"
}

run() {
    local seconds=$1 only=${2-} name failed=
    local -A pids=()
    mkdir -p "$out"
    build . "${only:+--bin=$only}" || exit
    printf '%-18s %12s %10s\n' target executions edges
    collect() {
        for name in "${!pids[@]}"; do
            if ! kill -0 "${pids[$name]}" 2>/dev/null; then
                if ! wait "${pids[$name]}"; then
                    failed+=" $name"
                fi
                unset "pids[$name]"
                report "$name"
            fi
        done
    }
    for name in ${only:-$(targets)}; do
        while [ ${#pids[@]} -ge 2 ]; do
            wait -n || true
            collect
        done
        run_target "$name" "$seconds" &
        pids[$name]=$!
    done
    while [ ${#pids[@]} -gt 0 ]; do
        wait -n || true
        collect
    done
    for name in $failed; do
        printf '\n%s found something:\n' "$name"
        grep -m 1 -A 3 -E 'panicked at|ERROR: ' "$out/$name.log" || tail -n 20 "$out/$name.log"
        sed -n 's/.*Test unit written to /it is kept in /p' "$out/$name.log"
    done
    [ -z "$failed" ]
}

case ${1-} in
run) build . --keep-going ;;
*) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
esac
