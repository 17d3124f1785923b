#!/usr/bin/env bash
# Fuzzes every parser, two at a time, from the seeds beside each target and from the golden files; prints the coverage
# each reached; then proves that a bug planted in the JSON reader is found.
#
# usage: Tests/Fuzz/run.sh [SECONDS [NAME…]]     60 seconds for each target unless said otherwise
#
# A new target NAME: a line in `fuzzed` of Package.swift, and a folder Tests/Fuzz/NAME with one Swift file that states
# a property, `seeds/` and `dictionary` (libFuzzer's format). The first input that violates the property is stored in
# .build/fuzz/findings: keep it in `seeds/` once it is understood.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-60}
[[ $# -gt 0 ]] && shift
work=.build/fuzz
findings=$work/findings
mkdir -p "$findings" "$work/logs"

names=("$@")
if ((${#names[@]} == 0)); then
    for folder in Tests/Fuzz/*/seeds; do names+=("$(basename "$(dirname "$folder")")"); done
fi

build() { # SCRATCH NAME
    GLM_FUZZ=1 swift build --scratch-path "$1" --sanitize=fuzzer -c release --product "fuzz-$2"
}

# What the golden files can seed besides the committed seeds. A target without a line here has those alone.
golden_seeds() { # NAME FOLDER
    local golden=Tests/GLMModelTests/Golden number=0 file
    mkdir -p "$2"
    case $1 in
        json | config) set -- "$2" $(find "$golden" -name '*.json' -size -8k) ;;
        index) set -- "$2" $(find "$golden" -name '*.index.json') ;;
        settings) set -- "$2" $(find "$golden" -name golden.json -o -name generation_config.json) ;;
        *) return ;;
    esac
    local folder=$1
    shift
    for file in "$@"; do cp "$file" "$folder/golden-$((number += 1))"; done
}

fuzz() { # SCRATCH NAME SECONDS LOG FINDINGS
    local corpus
    corpus=$(mktemp -d "$work/corpus-$2.XXXXXX")
    golden_seeds "$2" "$work/golden-$2"
    SWIFT_BACKTRACE=enable=no "$1/release/fuzz-$2" -seed=1 -max_total_time="$3" -max_len=20000 -timeout=5 -rss_limit_mb=2048 -print_final_stats=0 \
        -dict="Tests/Fuzz/$2/dictionary" -artifact_prefix="$5/$2-" \
        "$corpus" "Tests/Fuzz/$2/seeds" "$work/golden-$2" >"$4" 2>&1
}

for name in "${names[@]}"; do build "$work" "$name"; done

printf '\n%d targets, %s s each\n' "${#names[@]}" "$seconds"
failed=0
report() { # NAME STATUS
    local log=$work/logs/$1.log
    printf 'fuzz-%-14s %s' "$1" "$(grep -E 'cov: ' "$log" | tail -1 | sed -E 's/.*(cov: .*) lim:.*/\1/')"
    printf '  %s runs' "$(sed -nE 's/^Done ([0-9]+) runs.*/\1/p' "$log")"
    if (($2 == 0)); then printf '  ok\n'; return; fi
    printf '  FAILED\n'
    grep -E 'Fatal error|ERROR: libFuzzer|Test unit written' "$log" | sed 's/^/    /'
    failed=1
}
for ((first = 0; first < ${#names[@]}; first += 2)); do
    pair=("${names[@]:first:2}")
    processes=()
    for name in "${pair[@]}"; do
        fuzz "$work" "$name" "$seconds" "$work/logs/$name.log" "$findings" &
        processes+=($!)
    done
    for place in "${!pair[@]}"; do
        status=0
        wait "${processes[$place]}" || status=$?
        report "${pair[$place]}" "$status"
    done
done
rm -rf "$work"/corpus-*

# The planted bug: the reader's test of eight bytes at a time takes 0x1f for a character that may stand in a string.
# No seed has that byte.
planted=.build/fuzz-planted-source
rm -rf "$planted"
cp -r Sources/GLMFiles "$planted"
sed -i.original 's/let control = (word &- (ones &\* 0x20))/let control = (word \&- (ones \&* 0x1f))/' \
    "$planted/JSONParser+Strings.swift"
if cmp -s "$planted/JSONParser+Strings.swift" "$planted/JSONParser+Strings.swift.original"; then
    echo 'fuzz: the line that the planted bug changes is gone; plant another'
    exit 1
fi
rm "$planted/JSONParser+Strings.swift.original"
GLM_FUZZ_PLANTED=$planted build .build/fuzz-planted json
status=0
(fuzz .build/fuzz-planted json "$seconds" "$work/logs/planted.log" "$planted") 2>/dev/null || status=$?
rm -rf "$work"/corpus-* "$planted"
if ((status == 0)) || ! grep -q 'property violated' "$work/logs/planted.log"; then
    echo 'planted bug        NOT FOUND'
    exit 1
fi
printf 'planted bug        found after %s runs: %s\n' "$(sed -nE 's/^#([0-9]+).*/\1/p' "$work/logs/planted.log" | tail -1)" \
    "$(grep -oE 'property violated.*' "$work/logs/planted.log" | cut -c 1-80 | head -1)"
exit "$failed"
