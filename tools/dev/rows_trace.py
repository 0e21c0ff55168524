#!/usr/bin/env python3
"""Which requirement rows the tests prove: ./dev trace [GROUP…] [--list] [--missing]

tools/trace/rows.txt names the rows; the last whole run of ./dev test left in build/trace.txt what its passed tests claimed
(tests/support/proves.h). A row is `proved` when a passed test proves its whole acceptance, `part` when tests only assert
some of it. GROUP: a prefix of ids, as A-TEN. --list: each row with its tests; --missing: only rows that are not proved.
The same facts are written to build/trace.json.
"""
import argparse
import collections
import json
import pathlib
import signal
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def read_rows(path):
    """{id: (group, title)} and {group: title}, in the order of the file."""
    rows, groups, group = {}, {}, None
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith("= "):
            group, _, title = line[2:].partition(" ")
            groups[group] = title
            continue
        row, _, title = line.partition(" ")
        if group is None or row in rows:
            sys.exit(f"{path.name}:{number}: {row} stands twice or before the first group")
        rows[row] = (group, title)
    return rows, groups


def read_claims(path, rows):
    """{id: {"proves": tests, "part": tests}} and the claims for ids that no row has."""
    claims, unknown = collections.defaultdict(lambda: {"proves": set(), "part": set()}), []
    for line in path.read_text().splitlines():
        kind, row, test = line.split(" ", 2)
        if row not in rows:
            unknown.append(f"{test} claims {row}, which is no row")
            continue
        claims[row][kind].add(test)
    return claims, sorted(set(unknown))


def state(claim):
    return "proved" if claim["proves"] else "part" if claim["part"] else "open"


def main():
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `./dev trace | head` is no fault
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("groups", nargs="*")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--missing", action="store_true")
    options = parser.parse_args()
    rows, groups = read_rows(ROOT / "tools/trace/rows.txt")
    recorded = ROOT / "build/trace.txt"
    if not recorded.exists():
        sys.exit("there is no build/trace.txt: run ./dev test first")
    claims, unknown = read_claims(recorded, rows)
    facts = [{"id": row, "group": rows[row][0], "title": rows[row][1], "state": state(claims[row]),
              "proves": sorted(claims[row]["proves"]), "part": sorted(claims[row]["part"])} for row in rows]
    (ROOT / "build/trace.json").write_text(json.dumps({"rows": facts, "unknown": unknown}, indent=1))
    chosen = [row for row in rows if not options.groups or row.startswith(tuple(options.groups))]
    counts = {group: collections.Counter() for group in groups}
    for row in chosen:
        counts[rows[row][0]][state(claims[row])] += 1
    print(f"{'group':14} {'rows':>5} {'proved':>7} {'part':>5}")
    for group, count in counts.items():
        if count:
            print(f"{group:14} {count.total():5} {count['proved']:7} {count['part']:5}  {groups[group]}")
    total = sum(counts.values(), collections.Counter())
    print(f"{'all':14} {total.total():5} {total['proved']:7} {total['part']:5}")
    for row in chosen if options.list or options.missing else []:
        known = state(claims[row])
        if options.missing and known == "proved":
            continue
        print(f"{row:13} {known:7} {rows[row][1]}")
        for kind in ("proves", "part"):
            for test in sorted(claims[row][kind]):
                print(f"{'':13} {kind}: {test}")
    for sentence in unknown:
        print(sentence)
    return 1 if unknown else 0


if __name__ == "__main__":
    sys.exit(main())
