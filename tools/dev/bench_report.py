"""The page of measured times: tables, geometric means and pictures from the answers of `chorus bench --peers --steps --json`.

Entry points: `write(page, text, results)`, `summary(results)`, `between_marks`; `results` is a list of {"name", "title", "answer"}.
A ratio is Chorus' time over the other engine's: below 1 Chorus is faster. Engines that answer wrongly are shown and do not count.
"""
import html
import math
import random

BEGIN, END = "<!-- measured by ./dev bench: begin -->", "<!-- measured by ./dev bench: end -->"
COLOURS = ["#2f6fb7", "#c8562b", "#3b8f4d", "#8a5bb5", "#b08a1e", "#5d6b78", "#a8adb5"]
SAMPLES = 2000  # of the bootstrap
TICKS = [1, 0.5, 2, 0.25, 4, 0.1, 10, 0.75, 1.5, 0.8, 1.25, 0.9, 1.1, 0.7, 0.6]  # the more important ones first
KINDS = 6  # operators with a colour of their own
LEFT, WIDTH, ROW = 170, 560, 26  # of the pictures


def median(values):  # (the module statistics cannot be imported beside numbers.py)
    ordered = sorted(values)
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2


def mean_of(values):
    values = list(values)
    return math.fsum(values) / len(values)


def engines_of(results):
    """Names of the engines that the first one is compared with, in their order."""
    names = {}
    for result in results:
        names.update((e["engine"], True) for e in result["answer"]["engines"][1:])
    return list(names)


def engine(result, name):
    return next((e for e in result["answer"]["engines"] if e["engine"] == name), None)


def threads_of(results):
    return sorted({r["answer"]["threads"] for r in results})


def of_threads(results, threads):
    return [r for r in results if r["answer"]["threads"] == threads]


def pairs(result, name):
    """Ratios round by round; None where the engine does not count."""
    other = engine(result, name)
    if not other or "ratio" not in other:
        return None
    return [a / b for a, b in zip(result["answer"]["engines"][0]["rounds"], other["rounds"])]


def geometric_mean(results, name):
    """(mean, low, high, models): of the medians over the models, with a 95 % interval by drawing rounds again."""
    logs = [[math.log(x) for x in found] for found in (pairs(r, name) for r in results) if found]
    if not logs:
        return None
    draw = random.Random(1)
    means = sorted(
        mean_of(median(draw.choices(rounds, k=len(rounds))) for rounds in logs) for _ in range(SAMPLES)
    )
    centre = mean_of(median(rounds) for rounds in logs)
    low, high = means[int(0.025 * SAMPLES)], means[int(0.975 * SAMPLES) - 1]
    return math.exp(centre), math.exp(low), math.exp(high), len(logs)


def digits(ms):
    return f"{ms:.1f}" if ms >= 100 else f"{ms:.3g}" if ms >= 1 else f"{ms:.3f}"


def cells(result, name):
    """Time and ratio of an engine as two cells of the table."""
    other = engine(result, name)
    if other is None or other["reason"]:
        return ["cannot", ""]
    if "ratio" not in other:
        return [digits(other["ms"]), "wrong" if other["wrong"] else ""]
    return [digits(other["ms"]), f"{other['ratio']:.3f} [{other['low']:.3f}, {other['high']:.3f}]"]


def table(results):
    """One number of threads as a Markdown table, the geometric means in its last line."""
    others = engines_of(results)
    head = ["model", "Chorus ms"]
    for name in others:
        head += [f"{name} ms", f"Chorus / {name}"]
    head += ["difference of Chorus", *(f"of {name}" for name in others), "of the roofline"]
    lines = [head, ["---"] * len(head)]
    for result in results:
        own = result["answer"]["engines"][0]
        line = [result["title"], digits(own["ms"]) + (" (wrong)" if own["wrong"] else "")]
        for name in others:
            line += cells(result, name)
        for name in [own["engine"], *others]:
            found = engine(result, name)
            line.append("" if found is None or found["reason"] else f"{float(found['difference']):.1e}")
        profile = result["answer"].get("profile")
        line.append(f"{100 * profile['roofline']:.0f} %" if profile else "")
        lines.append(line)
    last = ["geometric mean", ""]
    for name in others:
        mean = geometric_mean(results, name)
        last += ["", f"**{mean[0]:.3f}** [{mean[1]:.3f}, {mean[2]:.3f}] of {mean[3]}" if mean else ""]
    lines.append(last + [""] * (len(head) - len(last)))
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def refusals(results):
    """A sentence for every engine that does not count on a model."""
    lines = {}
    for result in results:
        for found in result["answer"]["engines"]:
            if found["reason"]:
                lines[f"- {found['engine']} cannot run {result['name']}: {found['reason']}"] = True
            elif found["wrong"]:
                lines[f"- {found['engine']} answers wrongly on {result['name']}: its output \"{found['wrong']}\" differs by "
                      f"{float(found['difference']):.1e} of the largest value"] = True
    return "\n".join(lines)


def svg(height, body):
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 30} {height}" font-family="sans-serif" '
            f'font-size="12">\n<rect width="100%" height="100%" fill="#fff"/>\n' + "\n".join(body) + "\n</svg>\n")


def text(x, y, words, anchor="start", colour="#222"):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{html.escape(words)}</text>'


def legend(names, y):
    parts, x = [], float(LEFT)
    for i, name in enumerate(names):
        parts.append(f'<rect x="{x}" y="{y - 9}" width="10" height="10" fill="{COLOURS[i % len(COLOURS)]}"/>')
        parts.append(text(x + 14, y, name))
        x += 30 + 7.5 * len(name)
    return parts


def names_of(results):
    return list({r["name"]: True for r in results})


def ratio_picture(results):
    """Ratios with their intervals on a logarithmic axis, one row per model, one colour per engine and number of threads."""
    series = [(name, t) for t in threads_of(results) for name in engines_of(results)]
    found = {(r["name"], name, r["answer"]["threads"]): engine(r, name) for r in results for name in engines_of(results)}
    drawn = [e for e in found.values() if e and "ratio" in e]
    least = min([0.8, *(e["low"] for e in drawn)]) * 0.95
    most = max([1.25, *(e["high"] for e in drawn)]) * 1.05

    def place(ratio):
        return LEFT + WIDTH * math.log(ratio / least) / math.log(most / least)

    models = names_of(results)
    top, bottom = 50, 50 + ROW * len(models)
    body = [text(LEFT, 18, "Time of Chorus over the other engine's; 95 % intervals; left of 1 Chorus is faster")]
    body += legend([f"{name}, {t} thread{'s' if t > 1 else ''}" for name, t in series], 38)
    ticks = []
    for tick in TICKS:
        if least <= tick <= most and all(abs(place(tick) - place(other)) > 32 for other in ticks):
            ticks.append(tick)
            body.append(f'<path d="M{place(tick):.1f},{top} V{bottom}" stroke="{"#222" if tick == 1 else "#ddd"}"/>')
            body.append(text(place(tick), bottom + 16, f"{tick:g}", "middle"))
    for row, model in enumerate(models):
        body.append(text(LEFT - 10, top + ROW * row + 17, model, "end"))
        for i, (name, t) in enumerate(series):
            other = found.get((model, name, t))
            if not other or "ratio" not in other:
                continue
            y, colour = top + ROW * row + ROW * (i + 1) / (len(series) + 1), COLOURS[i % len(COLOURS)]
            body.append(f'<path d="M{place(other["low"]):.1f},{y:.1f} H{place(other["high"]):.1f}" stroke="{colour}" stroke-width="2"/>')
            body.append(f'<circle cx="{place(other["ratio"]):.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>')
    return svg(bottom + 30, body)


def shares(result):
    """{operator: share of the time of all steps}."""
    found = {}
    for step in result["answer"]["profile"]["steps"]:
        found[step["op"]] = found.get(step["op"], 0) + step["share"]
    return found


def steps_picture(results):
    """Where the time of Chorus goes, by the operators of the steps: one bar per model."""
    all_shares = {r["name"]: shares(r) for r in results if "profile" in r["answer"]}
    totals = {}
    for found in all_shares.values():
        for op, share in found.items():
            totals[op] = totals.get(op, 0) + share
    kinds = sorted(totals, key=lambda op: (-totals[op], op))[:KINDS]
    body = [text(LEFT, 18, "Share of the time by the operator of a step (what is fused into it included)"), *legend([*kinds, "others"], 38)]
    for row, (name, found) in enumerate(all_shares.items()):
        y, x = 50 + ROW * row, float(LEFT)
        body.append(text(LEFT - 10, y + 15, name, "end"))
        parts = [found.get(kind, 0) for kind in kinds]
        for i, share in enumerate([*parts, max(0.0, 1 - sum(parts))]):
            body.append(f'<rect x="{x:.1f}" y="{y}" width="{WIDTH * share:.1f}" height="{ROW - 6}" fill="{COLOURS[i]}"/>')
            x += WIDTH * share
    return svg(60 + ROW * len(all_shares), body)


def setting(results):
    """A paragraph: processor, versions, how it was measured."""
    answer = results[0]["answer"]
    versions = {e["engine"]: e["version"] for r in results for e in r["answer"]["engines"]}
    listed = ", ".join(f"{name} {version}" for name, version in versions.items())
    peaks = next(((r["answer"]["profile"]["peak_gflops"], r["answer"]["profile"]["peak_gbytes"]) for r in results if "profile" in r["answer"]), None)
    limits = ""
    if peaks:
        limits = (f" The roofline is what this machine does at most, measured in the same run (on the fewest threads of the tables: {peaks[0]:.0f} GFLOP/s in a "
                  f"product of 512³, {peaks[1]:.1f} GB/s from memory, more from caches); a step that needs fewer operations than its "
                  "definition says, as a Winograd convolution does, is cut at 100 %.")
    return (f"Batch 1, float32, {answer['processor']} ({answer['features']}); {listed}. Every model is run by all engines in one process "
            f"through the same interface, in turns: {answer['pairs']} rounds, in each of which every engine has a turn of some "
            "milliseconds and another one begins. A time is the median over the rounds, a ratio the median of the ratios within the rounds "
            "with its 95 % interval (sign test; of the geometric mean: rounds drawn again); below 1 Chorus is faster. A difference is the "
            "largest of an output from float64, as a share of that output's largest value; an engine beyond "
            f"{answer['tolerance']:g} is wrong and does not count.{limits}")


def measured(results, pictures):
    parts = [setting(results)]
    for threads in threads_of(results):
        parts.append(f"## {threads} thread{'s' if threads > 1 else ''}\n\n" + table(of_threads(results, threads)))
    if refusals(results):
        parts.append("Not counted:\n\n" + refusals(results))
    if engines_of(results):
        parts.append(f"![Ratios with intervals]({pictures}/performance_ratio.svg)")
    parts.append(f"![Share of the time by operator]({pictures}/performance_steps.svg)")
    return "\n\n".join(parts)


def write(page, template, results):
    """The page: `template` with what stands between its marks replaced; its pictures in the folder pictures/ beside it."""
    before, rest = template.split(BEGIN)
    after = rest.split(END)[1]
    folder = page.parent / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    if engines_of(results):
        (folder / "performance_ratio.svg").write_text(ratio_picture(results))
    (folder / "performance_steps.svg").write_text(steps_picture(of_threads(results, threads_of(results)[0])))
    page.write_text(f"{before}{BEGIN}\n{measured(results, folder.name)}\n{END}{after}")


def between_marks(page, begin, end, text):
    """The page with what stands between two marks replaced."""
    before, rest = page.split(begin)
    return f"{before}{begin}\n{text}\n{end}{rest.split(end)[1]}"


def summary(results):
    lines = []
    for threads in threads_of(results):
        for name in engines_of(results):
            mean = geometric_mean(of_threads(results, threads), name)
            if mean:
                lines.append(f"{threads} thread{'s' if threads > 1 else ''}: Chorus / {name} {mean[0]:.3f} [{mean[1]:.3f}, {mean[2]:.3f}] over {mean[3]} models")
    return "\n".join(lines)
