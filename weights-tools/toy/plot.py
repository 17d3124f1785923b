"""Draws a training log as SVG: python plot.py RUN/log.jsonl loss.svg"""

import json
import sys

WIDE, HIGH, LEFT, TOP = 760, 360, 50, 30
COLOURS = {"language": "#1f77b4", "draft 1": "#ff7f0e", "draft 3": "#d62728", "indexer KL": "#2ca02c"}


def series(path):
    """name -> [(step, value)], smoothed over the reports before."""
    points = {name: [] for name in COLOURS}
    with open(path) as f:
        for line in f:
            report = json.loads(line)
            step = report["step"]
            points["language"].append((step, report["language"]))
            if report["drafts"]:
                points["draft 1"].append((step, report["drafts"][0]))
                points["draft 3"].append((step, report["drafts"][2]))
            if report["index"]:
                points["indexer KL"].append((step, report["index"]))
    return {name: smooth(p) for name, p in points.items() if p}


def smooth(points, keep=0.8):
    out, mean = [], None
    for step, value in points:
        mean = value if mean is None else keep * mean + (1 - keep) * value
        out.append((step, mean))
    return out


def svg(lines, most=3.0):
    last = max(step for points in lines.values() for step, _ in points)
    x = lambda step: LEFT + (WIDE - LEFT - 10) * step / last
    y = lambda value: TOP + (HIGH - TOP - 30) * (1 - min(value, most) / most)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE} {HIGH}" font-family="sans-serif" '
           f'font-size="12"><rect width="{WIDE}" height="{HIGH}" fill="white"/>']
    for i in range(7):
        v = most * i / 6
        out.append(f'<path d="M{LEFT} {y(v):.1f}H{WIDE - 10}" stroke="#ddd"/>'
                   f'<text x="{LEFT - 8}" y="{y(v) + 4:.1f}" text-anchor="end">{v:g}</text>')
    for i in range(6):
        s = last * i // 5
        out.append(f'<text x="{x(s):.1f}" y="{HIGH - 10}" text-anchor="middle">{s}</text>')
    for i, (name, points) in enumerate(lines.items()):
        path = "M" + "L".join(f"{x(s):.1f} {y(v):.1f}" for s, v in points)
        out.append(f'<path d="{path}" fill="none" stroke="{COLOURS[name]}" stroke-width="1.5"/>'
                   f'<text x="{LEFT + 10 + 120 * i}" y="18" fill="{COLOURS[name]}">{name}</text>')
    return "\n".join(out + ["</svg>\n"])


if __name__ == "__main__":
    with open(sys.argv[2], "w") as f:
        f.write(svg(series(sys.argv[1])))
