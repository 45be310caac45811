#!/usr/bin/env python3
"""Makes tables and plots of what was measured.

    benches/report.py RAW.json [DOCUMENT.md]

Plots are put beside RAW.json. The tables are printed, and put into the document where it says

    <!-- NAME -->
    ...
    <!-- end of NAME -->

NAME being that of RAW.json, or else before the line <!-- others -->. Nothing else of the document is touched.
"""

import os
import re
import sys
from collections import defaultdict
from html import escape
from pathlib import Path
from statistics import median

import raw

ENDPOINTS = {"gif": "`empty_gif`", "file": "a file of 1 KiB"}


class Case:
    """What was counted of a case, a value a round: as it is and against plain nginx just then."""

    def __init__(self):
        self.rate, self.ratio, self.cpu, self.over = [], [], [], []


def cases(measured):
    """By group and case, in the order of the contestants."""
    rounds = defaultdict(list)
    for number, group, turn, case, requests, seconds, cpu, _ in measured["rows"]:
        rounds[group, number].append((case, requests / seconds, cpu / requests / 1e3))
    found = defaultdict(lambda: defaultdict(Case))
    for (group, _), turns in rounds.items():
        base = turns[0][0]
        bases = [at for at, turn in enumerate(turns) if turn[0] == base]
        for at, (name, rate, cpu) in enumerate(turns):
            case = found[group][name]
            case.rate.append(rate)
            case.cpu.append(cpu)
            if name != base:
                beside = [max(b for b in bases if b < at), *[b for b in bases if b > at][:1]]
                case.ratio.append(rate / mean(turns[b][1] for b in beside))
                case.over.append(cpu - mean(turns[b][2] for b in beside))
    contestants, links = list(measured["contestants"]), ["valid", "forged", "expired"]

    def place(item):
        name, _, link, *_ = item[0].split()
        return bool(item[1].ratio), contestants.index(name), links.index(link)

    return {group: dict(sorted(of.items(), key=place)) for group, of in found.items()}


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def label(measured, case, link=False):
    name, _, given, *_ = case.split()
    return measured["contestants"][name] + (f", {given}" if link else "")


def table(head, rows):
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def nginx_rows(measured, found, link=False):
    for case, of in found.items():
        cells = [label(measured, case, link and bool(of.ratio)), f"{median(of.rate):.0f}"]
        if of.ratio:
            cells += [f"**{median(of.ratio):.2f}**", f"{min(of.ratio):.2f}–{max(of.ratio):.2f}"]
        else:
            cells += ["1", ""]
        cells += [f"{median(of.cpu):.1f}", f"{min(of.cpu):.1f}"]
        if of.over:
            cells += [f"**{median(of.over):.1f}**", f"{min(of.over):.1f}–{max(of.over):.1f}"]
        else:
            cells += ["", ""]
        yield cells


HEAD = ["", "requests/s", "÷ plain", "from–to", "µs of CPU", "least", "over plain", "from–to"]


def nginx_tables(measured, found):
    about = measured["machine"]
    yield (f"{about['date']}: nginx {about['nginx']}, {about['release']}, Linux {about['kernel']}; {about['cpu']}, "
           f"{about['cores']} cores, {'with' if about['sha_ni'] else 'without'} SHA-NI; load before: {about['load']}. "
           f"{measured['rounds']} rounds, turns of {measured['seconds']} s, {about['wrk']}.")
    plain = [(seconds * 1e9, server, client) for *_, case, _, seconds, server, client in measured["rows"]
             if case == "plain gif valid"]
    busy, client = (100 * median(row[at] / row[0] for row in plain) for at in (1, 2))
    yield (f"Asked for plain `empty_gif`, the server's core was busy for {busy:.0f} % of the time and the client's for "
           f"{client:.0f} %: requests per second tell servers apart only where the first is near 100.")
    memory = measured["memory"]
    yield (f"The worker with this module has answered {memory['requests']} requests; its memory was {memory['before']} KiB "
           f"after the first round, {memory['after']} KiB after the last.")
    by_base = {next(iter(of)): (group, of) for group, of in found.items()}
    for endpoint, says in ENDPOINTS.items():
        _, of = by_base[f"plain {endpoint} valid"]
        yield f"**Granted links, {says}**"
        yield table(HEAD, nginx_rows(measured, of))
    yield "**Refused links**, `empty_gif`, against `return 403`"
    yield table(HEAD, nginx_rows(measured, by_base["return gif forged"][1], link=True))
    yield "**Other schemes**, each against plain nginx that is asked for the same URL, `empty_gif`"
    rows = []
    for base, (_, of) in by_base.items():
        if len(base.split()) > 3:
            plain, other = nginx_rows(measured, of)
            plain[0] = f"plain nginx, URL of {base.split()[3]}"
            rows += [plain, other]
    yield table(HEAD, rows)


def engine(measured):
    """Names with their medians of each round, and their ratios to the compressions of that round."""
    medians, fastest = defaultdict(list), defaultdict(list)
    for _, name, least, middle in measured["rows"]:
        medians[name].append(middle)
        fastest[name].append(least)
    for name, times in medians.items():
        # The names end in the message's length.
        bare = "compressions/" + name.split("/")[-1]
        against = medians.get(bare) if name.startswith("template/") else None
        ratios = [time / least for time, least in zip(times, against)] if against else []
        yield name, times, min(fastest[name]), ratios


def engine_tables(measured):
    rows = [
        [name.replace("/", ", ").replace("_", " "), f"**{median(times):.0f}**", f"{least:.0f}",
         f"{min(times):.0f}–{max(times):.0f}", f"{median(ratios):.2f}" if ratios else ""]
        for name, times, least, ratios in engine(measured)
    ]
    yield f"**The engine alone**, ns; {measured['rounds']} rounds of medians, and the least of all samples"
    yield table(["", "median", "least", "from–to", "÷ compressions"], rows)


# --- Plots.

BAR, GAP, LEFT, WIDTH, RIGHT = 16, 8, 250, 420, 90


def plot(title, note, rows, limit, text, mark=None, colours=None):
    """Bars of medians with a dot a round. A row is a label and its values; beyond `limit` a bar is cut."""
    height = 56 + len(rows) * (BAR + GAP) + 10
    total = LEFT + WIDTH + RIGHT
    scale = lambda value: LEFT + WIDTH * min(max(value, 0), limit) / limit
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total} {height}" width="{total}" height="{height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{total}" height="{height}" fill="#fff"/>',
        f'<text x="12" y="22" font-size="15" font-weight="bold">{escape(title)}</text>',
        f'<text x="12" y="40" fill="#555">{escape(note)}</text>',
    ]
    y = 56
    for name, values in rows:
        middle = median(values)
        fill = "#1b6ca8" if "this module" in name or name.startswith("template") else "#b8bec4"
        out.append(f'<text x="{LEFT - 8}" y="{y + 12}" text-anchor="end">{escape(name)}</text>')
        out.append(f'<rect x="{LEFT}" y="{y}" width="{scale(middle) - LEFT:.1f}" height="{BAR}" fill="{fill}"/>')
        for value in values:
            if 0 <= value <= limit:
                out.append(f'<circle cx="{scale(value):.1f}" cy="{y + BAR / 2}" r="2.5" fill="#222" fill-opacity=".6"/>')
        end = scale(max([middle, *[value for value in values if value <= limit]]))
        if middle > limit:  # cut: a white gap in the bar
            out.append(f'<path d="M{end - 22:.1f} {y + BAR + 2} l8 -{BAR + 4}" stroke="#fff" stroke-width="5"/>')
        out.append(f'<text x="{end + 6:.1f}" y="{y + 12}">{text(middle)}</text>')
        y += BAR + GAP
    if mark is not None:
        out.append(f'<path d="M{scale(mark):.1f} 50 V{y}" stroke="#c33" stroke-dasharray="4 3"/>')
    out.append(f'<path d="M{LEFT} 50 V{y}" stroke="#222"/>')
    out.append("</svg>")
    return "\n".join(out) + "\n"


def plots(measured, kept):
    version = f"nginx {measured['machine']['nginx']}"
    found = cases(measured)
    for endpoint, says in ENDPOINTS.items():
        of = next(of for of in found.values() if next(iter(of)) == f"plain {endpoint} valid")
        checked = {label(measured, case): of for case, of in of.items() if of.ratio}
        says = says.replace("`", "")
        yield f"{endpoint}-requests", plot(
            f"Requests per second ÷ plain nginx, {says}", f"{version}, granted links; a dot is a round",
            [(name, of.ratio) for name, of in checked.items()], 1.2, lambda value: f"{value:.2f}", mark=1)
        yield f"{endpoint}-cpu", plot(
            f"µs of CPU per request over plain nginx, {says}", f"{version}, granted links; a dot is a round",
            [(name, of.over) for name, of in checked.items()], 20, lambda value: f"{value:.1f}")
    if "engine" in kept:
        shown = [(name, times) for name, times, *_ in engine(kept["engine"])
                 if name.startswith(("compressions", "template", "schemes", "keyed"))]
        yield "engine", plot(
            "A check without nginx, ns", "the scheme template by the length of its message in bytes; a dot is a round",
            [(name.replace("/", ", ").replace("_", " "), times) for name, times in shown],
            max(max(times) for _, times in shown), lambda value: f"{value:.0f}")


def main():
    file = Path(sys.argv[1])
    kept = raw.load(file)
    made = list(plots(kept["nginx"], kept))
    for name, svg in made:
        (file.parent / f"{file.stem}-{name}.svg").write_text(svg)
    tables = [*nginx_tables(kept["nginx"], cases(kept["nginx"])), *engine_tables(kept["engine"])]
    print("\n\n".join(tables))
    if len(sys.argv) > 2:
        document = Path(sys.argv[2])
        beside = os.path.relpath(file.parent, document.parent)
        images = [f"![{name}]({beside}/{file.stem}-{name}.svg)" for name, _ in made]
        tables += ["\n".join(images), f"From [{file.name}]({beside}/{file.name})."]
        begin, end = f"<!-- {file.stem} -->", f"<!-- end of {file.stem} -->"
        text = document.read_text()
        if begin not in text:
            text = text.replace("<!-- others -->", f"### {file.stem}\n\n{begin}{end}\n\n<!-- others -->")
        new = "\n\n".join([begin, *tables, end])
        document.write_text(re.sub(f"{begin}.*{end}", lambda _: new, text, flags=re.DOTALL))


if __name__ == "__main__":
    main()
