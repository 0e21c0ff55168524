# ./dev fuzz: every tests/fuzz/*_fuzz.cpp is a libFuzzer program fuzz_<name>; what it finds is kept in .cache/fuzz/<name>/.

command_fuzz() {
  local seconds=60 names=() name failed=0
  while [ $# -gt 0 ]; do
    case "$1" in
      --seconds) seconds="${2:?--seconds needs a number}" && shift ;;
      *) names+=("$1") ;;
    esac
    shift
  done
  need_packages build clang
  need_build fuzz fuzzers
  if [ "${#names[@]}" = 0 ]; then
    mapfile -t names < <(find build-fuzz/bin -name 'fuzz_*' -printf '%f\n' 2>/dev/null | sed 's/^fuzz_//' | sort)
  fi
  [ "${#names[@]}" != 0 ] || fail "there is no fuzzer in tests/fuzz"
  for name in "${names[@]}"; do
    say "fuzz $name for $seconds s"
    mkdir -p ".cache/fuzz/$name"
    local seeds=()
    [ -d "tests/fuzz/seeds/$name" ] && seeds=("tests/fuzz/seeds/$name")
    "build-fuzz/bin/fuzz_$name" -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=10 -print_final_stats=1 \
      -artifact_prefix=".cache/fuzz/$name/found-" ".cache/fuzz/$name" "${seeds[@]}" </dev/null || failed=1
  done
  return "$failed"
}
