# ./dev fuzz: the targets of tests/fuzz as programs of libFuzzer. What they learn and find is kept in .cache/fuzz/<target>/.

fuzz_help() {
  cat <<'TEXT'
usage: ./dev fuzz [--seconds N] [--target NAME]… [--list]

Builds the fuzzers (clang, address and undefined behaviour sanitizers) and runs each for its share of N seconds (300 in all).
Prints runs, coverage and findings of every target; ends with status 1 when there is a finding.

  --seconds N     for all targets together
  --target NAME   only this one; may be repeated
  --list          names the targets

.cache/fuzz/NAME/: seeds/ (written by the fuzzer itself), corpus/ (inputs that reached new code), found-… (inputs that broke
something), log.txt. One input again, under a debugger: build-fuzz/bin/fuzz_NAME .cache/fuzz/NAME/found-…
TEXT
}

# fuzz_one NAME SECONDS: one line of the table; false when something was found.
fuzz_one() {
  local name="$1" folder=".cache/fuzz/$1" program="build-fuzz/bin/fuzz_$1" status=0
  mkdir -p "$folder/corpus"
  [ -d "$folder/seeds" ] || "$program" --seeds="$folder/seeds" >/dev/null 2>&1
  "$program" -max_total_time="$2" -rss_limit_mb=2048 -timeout=60 -max_len=65536 -print_final_stats=1 -close_fd_mask=1 \
    -artifact_prefix="$folder/found-" "$folder/corpus" "$folder/seeds" >"$folder/log.txt" 2>&1 </dev/null || status=$?
  local runs reached found
  runs="$(awk '/^stat::number_of_executed_units/ { n = $2 } END { print n + 0 }' "$folder/log.txt")"
  reached="$(grep -oE 'cov: [0-9]+ ft: [0-9]+' "$folder/log.txt" | tail -1)"
  found="$(find "$folder" -maxdepth 1 -name 'found-*' | wc -l)"
  printf '%-12s %9s runs  %-24s %s findings\n' "$name" "$runs" "$reached" "$found"
  [ "$status" = 0 ] && return 0
  grep -m 3 -E 'ERROR: |SUMMARY: |runtime error|what\(\)|Test unit written' "$folder/log.txt" | sed 's/^/  /'
  return 1
}

command_fuzz() {
  local seconds=300 names=() name failed=0 list=0
  while [ $# -gt 0 ]; do
    case "$1" in
      -h | --help) fuzz_help && return ;;
      --list) list=1 ;;
      --seconds) seconds="${2:?--seconds needs a number}" && shift ;;
      --target) names+=("${2:?--target needs a name}") && shift ;;
      *) fail "fuzz does not know '$1'; ./dev fuzz --help" ;;
    esac
    shift
  done
  local all
  mapfile -t all < <(find tests/fuzz -name '*_fuzz.cpp' -printf '%f\n' | sed 's/_fuzz\.cpp$//' | sort)
  [ "$list" = 0 ] || { printf '%s\n' "${all[@]}" && return; }
  for name in "${names[@]}"; do
    [ -f "tests/fuzz/${name}_fuzz.cpp" ] || fail "there is no target '$name'; ./dev fuzz --list"
  done
  need_packages build clang
  need_build fuzz "$([ "${#names[@]}" = 1 ] && echo "fuzz_${names[0]}" || echo fuzzers)"
  [ "${#names[@]}" != 0 ] || names=("${all[@]}")
  local share=$((seconds / ${#names[@]}))
  [ "$share" -gt 0 ] || share=1
  for name in "${names[@]}"; do
    say "fuzz $name for $share s"
    fuzz_one "$name" "$share" || failed=1
  done
  return "$failed"
}
