# The sub-commands of ./dev.

command_help() {
  cat <<'TEXT'
usage: ./dev COMMAND

  demo [PICTURE] [OPTION…]    installs what it needs, builds, and reads the text in a picture on the native engine
  test [--quick] [--engines all|a,b] [--sanitizers] [--compilers] [--only REGEX]
                              builds and runs every test and check, the tests once more under the address and
                              undefined-behaviour sanitizers (clang); --quick: within two minutes on a built tree;
                              --only: programs whose name matches; both without sanitizers;
                              --sanitizers: with them in any case, and the tests that use threads under the thread sanitizer;
                              --compilers: again without optimisation (g++) and with optimisation (clang)
  build [PRESET] [TARGET…]    release (default): the library, the command and the engines; with the target all, or as debug, asan, tsan,
                              clang, lite: the tests too
  engines [NAME…]             installs engines into .engines/, pinned; without a name it lists them
  bench [--quick] [OPTION…]   times models on all engines in turns, writes docs/performance.md; see tools/dev/bench.py
  fuzz [--seconds N] [--target NAME]
                              builds the fuzzers with clang and runs them N seconds in all (300); --help
  format [--check]            clang-format over all sources; --check only names the files that differ
  tidy [FILE…]                clang-tidy over the files, or over all sources
  docs                        checks the documentation: its links, and that its examples print what the pages show
  numbers [--json]            sizes of what was built, lines of the sources
  trace [GROUP…] [--list]     which requirement rows the last test run proved

Everything that is built or fetched lies in build*/, .cache/ and .engines/ inside the checkout.
TEXT
}

command_demo() {
  need_packages build
  need_files models/ocr pictures
  need_build release chorus_command
  local picture=.cache/pictures/page.png
  if [ $# -gt 0 ] && [ -f "$1" ]; then
    picture="$1"
    shift
  fi
  build/bin/chorus task ocr "$picture" --models .cache/models/ocr "$@"
  say "build/bin/chorus lists what else there is; docs/README.md is where to read on"
}

command_test() {
  local quick=() only=() sanitizers=0 compilers=0 engines="${CHORUS_ENGINES:-}"
  while [ $# -gt 0 ]; do
    case "$1" in
      --quick) quick=(--quick) ;;
      --sanitizers) sanitizers=1 ;;
      --compilers) compilers=1 ;;
      --engines) engines="${2:?--engines needs all or names}" && shift ;;
      --engines=*) engines="${1#*=}" ;;
      --only) only=(--only "${2:?--only needs a regular expression}") && shift ;;
      *) fail "test does not know '$1'; ./dev help" ;;
    esac
    shift
  done
  need_packages build format
  if [ -n "$engines" ]; then
    python3 tools/dev/fetch.py engines ${engines//,/ }
    export CHORUS_ENGINES="$engines"
  fi
  # Tests of the demo's models skip themselves without them.
  [ "${#quick[@]}" != 0 ] || need_files models/ocr pictures
  export CHORUS_ENGINES_DIR="$PWD/.engines"
  local broken=() again=() preset
  need_build release all || broken+=(release)
  local presets=()
  if [ "$sanitizers" = 1 ]; then
    presets+=(asan tsan)
  elif [ "${#quick[@]}" = 0 ] && [ "${#only[@]}" = 0 ]; then
    presets+=(asan)
  fi
  [ "$compilers" = 1 ] && presets+=(debug clang)
  [ "${#presets[@]}" = 0 ] || need_packages clang
  for preset in "${presets[@]}"; do
    need_build "$preset" "$(test_target "$preset")" || broken+=("$preset")
    again+=("build-$preset")
  done
  # A part that does not build is one failure; what does build is tested all the same.
  [ "${#broken[@]}" != 0 ] && broken=(--build-failed "${broken[@]}")
  [ "${#again[@]}" != 0 ] && again=(--again "${again[@]}")
  local trace=(--trace build/trace.txt)
  [ "${#only[@]}" != 0 ] && trace=()  # the trace tells of whole runs
  python3 tools/dev/run_tests.py build "${quick[@]}" "${only[@]}" "${trace[@]}" "${again[@]}" "${broken[@]}" \
    --report build/tests.json
}

# What a further preset builds for its tests.
test_target() {
  case "$1" in
    asan) echo sanitized_tests ;;
    tsan) echo thread_tests ;;
    *) echo all ;;
  esac
}

command_build() {
  local preset="${1:-release}"
  [ $# -gt 0 ] && shift
  need_packages build
  [ "$preset" = clang ] && need_packages clang
  # What a user runs; the tests (half of all the work) are built by ./dev test, or by the target `all`.
  [ $# != 0 ] || [ "$preset" != release ] || set -- chorus chorus_command engine_plugins
  need_build "$preset" "${@:-all}"
}

command_engines() {
  if [ $# = 0 ]; then
    awk '$1 == "engine" { name = $2; $1 = $2 = ""; printf "%-14s%s\n", name, $0 }' tools/dev/pins.txt
    return
  fi
  need_packages build
  python3 tools/dev/fetch.py engines "$@"
  need_build release engine_plugins  # some are built with the headers of their engine only
}

# bench [--quick] …: the models of bench_models.txt on all engines in turns; writes docs/performance.md. What bench.py takes.
# bench --two-threads …, --startup …, --ocr …: those tables of the page; what bench_two_threads.py, bench_startup.py and bench_ocr.py take.
command_bench() {
  local script=bench
  case "${1:-}" in
    --two-threads) script=bench_two_threads && shift ;;
    --startup) script=bench_startup && shift ;;
    --ocr) script=bench_ocr && shift ;;
  esac
  need_packages build
  need_files models
  need_build release chorus_command engine_plugins
  python3 "tools/dev/$script.py" --chorus build/bin/chorus "$@"
}

command_format() {
  need_packages build format
  local mode=(-i)
  [ "${1:-}" = --check ] && mode=(--dry-run --Werror)
  git ls-files -co --exclude-standard -- '*.h' '*.cpp' '*.c' ':!gen/**' | xargs -r clang-format-16 "${mode[@]}"
}

command_tidy() {
  need_packages build clang tidy
  need_configured clang
  local files=("$@")
  [ "${#files[@]}" != 0 ] || mapfile -t files < <(git ls-files -co --exclude-standard -- 'src/*.cpp' 'apps/*.cpp')
  printf '%s\n' "${files[@]}" | xargs -P "$(nproc)" -n 1 clang-tidy-16 -p build-clang --quiet
}

command_docs() {
  need_packages build
  need_build release chorus chorus_command example_read_text
  python3 tools/checks/run.py --build build --only docs
}

command_numbers() { python3 tools/dev/numbers.py "$@"; }

command_trace() { python3 tools/dev/rows_trace.py "$@"; }
