#!/usr/bin/env python3
"""Runs every test and prints one table; the last line is `N passed, N failed, N skipped`, counted over test cases.

  run_tests.py BUILD [--again FOLDER…] [--quick] [--only REGEX] [--trace FILE] [--report FILE]

A GoogleTest program counts each of its cases; another test of ctest counts one, or what its last line counts in the same form;
every check of tools/checks counts one, as does a program of a further build folder (sanitizers, another compiler). A program that dies counts one failed case on top of what it printed before. --quick leaves
out cases whose name ends in Long, and ctest tests with the label `long`; programs find CHORUS_TEST_QUICK=1.
"""
import argparse
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
SKIP_STATUS = 77
TIMEOUT = 900  # seconds, when ctest names none


@dataclasses.dataclass
class Outcome:
    name: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    reasons: list = dataclasses.field(default_factory=list)  # a sentence per failed case
    skips: list = dataclasses.field(default_factory=list)  # a sentence per skipped case
    output: str = ""


def ctest_tests(build):
    """The tests that ctest knows: name, command, working folder, properties."""
    text = subprocess.run(["ctest", "--test-dir", str(build), "--show-only=json-v1"], capture_output=True, text=True)
    if text.returncode != 0:
        sys.exit(f"run_tests: ctest cannot list the tests of {build}: {text.stderr.strip()}")
    for test in json.loads(text.stdout)["tests"]:
        properties = {p["name"]: p["value"] for p in test.get("properties", [])}
        yield test["name"], test.get("command"), properties


def run(command, folder, environment, timeout):
    """Exit status (negative: signal; None: time is up) and what the program printed."""
    process = subprocess.Popen(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True)
    try:
        output, _ = process.communicate(timeout=timeout)
        return process.returncode, output
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # its own children too
        output, _ = process.communicate()
        return None, output
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        raise


def ending(status, timeout):
    if status is None:
        return f"was stopped after {timeout:.0f} s"
    if status < 0:
        return f"died by {signal.Signals(-status).name}"
    return f"ended with status {status}"


def skip_reason(output, name):
    """What a case printed before it was skipped, on one line; the JSON report does not hold it."""
    match = re.search(rf"^\[ RUN      \] {re.escape(name)}\n(.*?)^\[  SKIPPED \]", output, re.M | re.S)
    lines = [line.strip() for line in match.group(1).splitlines()] if match else []
    words = " ".join(line for line in lines if line and not re.search(r": Skipped$", line))
    return f"{name}: {words or 'no reason given'}"


def count_report(report, outcome):
    """Counts the cases of a GoogleTest JSON report."""
    for suite in report["testsuites"]:
        for case in suite["testsuite"]:
            name = f"{suite['name']}.{case['name']}"
            if case.get("status") == "NOTRUN":
                continue
            if case.get("failures"):
                outcome.failed += 1
                outcome.reasons.append(f"{name}: {' / '.join(case['failures'][0]['failure'].split(chr(10))[:6])}")
            elif case.get("result") == "SKIPPED":
                outcome.skipped += 1
                outcome.skips.append(skip_reason(outcome.output, name))
            else:
                outcome.passed += 1


def count_lines(output, outcome):
    """Counts the cases from what a program printed before it died."""
    outcome.passed += len(re.findall(r"^\[       OK \] \S+", output, re.M))
    for name in re.findall(r"^\[  FAILED  \] (\S+?),? \(", output, re.M):
        outcome.failed += 1
        outcome.reasons.append(f"{name} failed")
    for name in re.findall(r"^\[  SKIPPED \] (\S+) \(", output, re.M):
        outcome.skipped += 1
        outcome.skips.append(skip_reason(output, name))


def is_gtest(command):
    return bool(command) and pathlib.Path(command[0]).name.startswith("test_")


def run_program(name, command, properties, options):
    """One GoogleTest program, counted by case."""
    outcome = Outcome(name)
    timeout = float(properties.get("TIMEOUT", TIMEOUT))
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        arguments = [*command, f"--gtest_output=json:{report.name}", "--gtest_brief=0", "--gtest_color=no"]
        if options.quick:
            arguments.append("--gtest_filter=-*Long:*Long/*")
        status, outcome.output = run(arguments, properties.get("WORKING_DIRECTORY", ROOT), options.environment, timeout)
        try:
            count_report(json.load(report), outcome)
            complete = True
        except ValueError:
            count_lines(outcome.output, outcome)
            complete = False
    if not complete or (status != 0 and outcome.failed == 0):
        running = re.findall(r"^\[ RUN      \] (\S+)", outcome.output, re.M)
        inside = f" in {running[-1]}" if running and not complete else ""
        outcome.failed += 1
        outcome.reasons.append(f"{name} {ending(status, timeout)}{inside}")
    return outcome


CLOSING = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped\b")


def run_other(name, command, properties, options):
    """A test that is not a GoogleTest program: one case, or those that its last line counts as ours does."""
    outcome = Outcome(name)
    timeout = float(properties.get("TIMEOUT", TIMEOUT))
    status, outcome.output = run(command, properties.get("WORKING_DIRECTORY", ROOT), options.environment, timeout)
    last = (outcome.output.strip().splitlines() or ["no output"])[-1].strip()
    closing = CLOSING.match(last)
    wanted = properties.get("PASS_REGULAR_EXPRESSION", [""])
    if closing and status != SKIP_STATUS:
        outcome.passed, outcome.failed, outcome.skipped = map(int, closing.groups())
        if status != 0 or outcome.failed:
            outcome.failed = max(outcome.failed, 1)
            outcome.reasons.append(f"{name} {ending(status, timeout)}: {last}")
        if outcome.skipped:
            outcome.skips.append(f"{name}: {outcome.skipped} of its cases")
    elif status == 0 and any(re.search(pattern, outcome.output) for pattern in wanted):
        outcome.passed = 1
    elif status == SKIP_STATUS:
        outcome.skipped = 1
        outcome.skips.append(f"{name}: {last}")
    else:
        outcome.failed = 1
        outcome.reasons.append(f"{name} {ending(status, timeout)}: {last}")
        if status == 0:
            outcome.reasons.append(f"{name} did not print what matches {' or '.join(wanted)}")
    return outcome


def run_again(name, command, properties, options):
    """A program of a further build: one case, since its cases were counted already."""
    function = run_program if is_gtest(command) else run_other
    if name.endswith("(tsan)") and shutil.which("setarch"):
        command = ["setarch", "-R", *command]  # its run-time wants addresses where wide randomisation does not put them
    outcome = function(name, command, properties, options)
    report = re.search(r"^.*(ERROR: \w+Sanitizer|runtime error|WARNING: ThreadSanitizer).*$", outcome.output, re.M)
    if report:
        outcome.reasons.append(f"{name}: {report.group(0).strip()}")
        outcome.failed = max(outcome.failed, 1)
    nothing = not outcome.failed and not outcome.passed
    outcome.passed, outcome.failed, outcome.skipped = (0, 1, 0) if outcome.failed else (0, 0, 1) if nothing else (1, 0, 0)
    outcome.skips = outcome.skips[:1] if nothing else []
    return outcome


def jobs_of(options):
    """(name, (function, command, properties), whether it must run alone) for every program; None for one that is not built."""
    for build in [options.build, *options.again]:
        suffix = "" if build == options.build else f" ({build.name.removeprefix('build-')})"
        for name, command, properties in ctest_tests(build):
            if options.only and not re.search(options.only, name):
                continue
            if options.quick and "long" in properties.get("LABELS", []):
                continue
            command = command or [str(build / "bin" / f"test_{name}")]  # ctest names no program that is not built
            if suffix and not is_gtest(command) and "sanitized" not in properties.get("LABELS", []):
                continue
            if build.name.endswith("tsan") and "threads" not in properties.get("LABELS", []):
                continue
            if not pathlib.Path(command[0]).exists() and "/" in command[0]:
                yield name + suffix, None, False
                continue
            function = run_again if suffix else run_program if is_gtest(command) else run_other
            yield name + suffix, (function, command, properties), bool(properties.get("RUN_SERIAL"))


def measure(name, job, options):
    start = time.monotonic()
    if job is None:
        outcome = Outcome(name, failed=1, reasons=[f"{name}: the program was not built"])
    else:
        function, command, properties = job
        outcome = function(name, command, properties, options)
    outcome.name, outcome.seconds = name, time.monotonic() - start
    if sys.stderr.isatty() or os.environ.get("CI"):
        print(f"  {name}: {outcome.passed} passed, {outcome.failed} failed ({outcome.seconds:.1f} s)", file=sys.stderr, flush=True)
    return outcome


def run_checks(options):
    """tools/checks, one case per check."""
    outcome = Outcome("checks")
    start = time.monotonic()
    command = [sys.executable, str(ROOT / "tools/checks/run.py"), "--json", "--build", str(options.build)]
    status, outcome.output = run(command, ROOT, options.environment, TIMEOUT)
    try:
        for check in json.loads(outcome.output.splitlines()[-1]):
            if check["state"] == "passed":
                outcome.passed += 1
            elif check["state"] == "skipped":
                outcome.skipped += 1
                outcome.skips.append(f"check {check['name']}: {check['sentences'][0]}")
            else:
                outcome.failed += 1
                outcome.reasons += [f"check {check['name']}: {sentence}" for sentence in check["sentences"][:20]]
    except (ValueError, IndexError, KeyError):
        outcome.failed += 1
        outcome.reasons.append(f"tools/checks/run.py {ending(status, TIMEOUT)}: {outcome.output.strip()[-400:]}")
    outcome.seconds = time.monotonic() - start
    return outcome


def print_table(outcomes):
    width = max([len(o.name) for o in outcomes] + [7])
    print(f"{'program':{width}}  passed  failed  skipped  seconds")
    for o in outcomes:
        print(f"{o.name:{width}}  {o.passed:6}  {o.failed:6}  {o.skipped:7}  {o.seconds:7.1f}")


def run_all(options):
    jobs = list(jobs_of(options))
    outcomes = {}
    for name, job, _ in jobs:
        if job is not None and "FIXTURES_SETUP" in job[2]:  # others want what it leaves behind
            outcomes[name] = measure(name, job, options)
    # Programs of the release build use all cores themselves; a sanitizer's wait for one at a time.
    again = {name for name, job, _ in jobs if job is not None and job[0] is run_again}
    for wide, workers in ((False, options.jobs), (True, os.cpu_count() or 2)):
        with concurrent.futures.ThreadPoolExecutor(max(1, workers)) as pool:
            waiting = {pool.submit(measure, name, job, options): name for name, job, serial in jobs
                       if not serial and name not in outcomes and (name in again) == wide}
            for done in concurrent.futures.as_completed(waiting):
                outcomes[waiting[done]] = done.result()
    for name, job, serial in jobs:
        if serial and name not in outcomes:
            outcomes[name] = measure(name, job, options)
    ordered = [outcomes[name] for name, _, _ in jobs]
    if not options.only or re.search(options.only, "checks"):
        ordered.append(run_checks(options))
    return ordered


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--again", type=pathlib.Path, nargs="*", default=[])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", help="names of programs, a regular expression")
    parser.add_argument("--trace", type=pathlib.Path)
    parser.add_argument("--report", type=pathlib.Path, help="everything as JSON")
    parser.add_argument("--build-failed", nargs="*", default=[], help="presets whose build failed: each a failed case")
    parser.add_argument("--jobs", type=int, default=max(1, (os.cpu_count() or 2) // 2))
    options = parser.parse_args(arguments)
    options.build = options.build.resolve()
    options.again = [folder.resolve() for folder in options.again]
    return options


def prepare(options):
    environment = dict(os.environ)
    environment["CHORUS_BUILD"] = str(options.build)
    environment.setdefault("ASAN_OPTIONS", "detect_leaks=1:allocator_may_return_null=1")
    environment.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
    if options.quick:
        environment["CHORUS_TEST_QUICK"] = "1"
    if options.trace:
        options.trace.unlink(missing_ok=True)
        environment["CHORUS_TRACE_FILE"] = str(options.trace.resolve())
    options.environment = environment


def main():
    options = parse(sys.argv[1:])
    prepare(options)
    outcomes = run_all(options)
    for preset in options.build_failed:
        outcomes.insert(0, Outcome(f"build {preset}", failed=1, reasons=[f"the preset {preset} does not build"]))
    for o in outcomes:
        if o.failed and o.name != "checks":
            print(f"---- {o.name} ----\n{o.output[-6000:].rstrip()}")
    for title, field in (("skipped", "skips"), ("failed", "reasons")):
        sentences = [s for o in outcomes for s in getattr(o, field)]
        if sentences:
            print(f"\n{title}:")
            print("\n".join(f"  {s}" for s in sentences))
    print()
    print_table(outcomes)
    if options.report:
        for o in outcomes:
            o.output = ""
        options.report.write_text(json.dumps([dataclasses.asdict(o) for o in outcomes], indent=1))
    passed, failed, skipped = (sum(getattr(o, f) for o in outcomes) for f in ("passed", "failed", "skipped"))
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    if not outcomes:
        print(f"no program is called {options.only!r}: ctest -N --test-dir {options.build.name} lists them, 'checks' are those of tools/checks")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
