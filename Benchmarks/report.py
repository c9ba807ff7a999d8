"""Medians over the rounds, as a table of ratios and beside the goals."""

import statistics

DISK_LABELS = {
    "fdatasync": "fdatasync, one after the other", "commit": "commit, one after the other", "paced_commit": "commit, 200 a second",
}


def median(runs):
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}


def medians(results):
    found = {
        "runs": {
            name: {count: median(runs) for count, runs in counted.items()} for name, counted in results["runs"].items()},
        "disk": {}, "siege": {},
    }
    if results["disk"]:
        found["disk"] = {what: median([run[what] for run in results["disk"]]) for what in results["disk"][0]}
    if results["siege"]:
        found["siege"] = median(results["siege"])
    return found


def print_report(results):
    found, labels = results["medians"], results["labels"]
    for count in sorted({int(count) for counted in found["runs"].values() for count in counted}):
        rows = [(labels[name], found["runs"][name][str(count)]) for name in labels if str(count) in found["runs"].get(name, {})]
        base = rows[0][1]["per_second"]
        print(f"\n{count} connection{'s' if count > 1 else ''}")
        print(f"{'':34} {'acks/s':>8} {'ratio':>6} {'p50 ms':>8} {'p99 ms':>8} {'CPU µs':>7} {'rest MB':>8} {'peak MB':>8} {'start ms':>8}")
        for label, row in rows:
            print(
                f"{label:34} {row['per_second']:8.0f} {row['per_second'] / base:6.3f} {row['p50_ms']:8.2f} "
                f"{row['p99_ms']:8.2f} {row['cpu_us']:7.1f} {row['rest_mb']:8.1f} {row['peak_mb']:8.1f} {row['start_ms']:8.0f}")
    if found["disk"]:
        print("\nThe disk alone")
        for what, row in found["disk"].items():
            print(f"{DISK_LABELS[what]:34} {row['per_second']:8.0f}/s {row['p50_ms']:9.3f} ms p50 {row['p99_ms']:9.3f} ms p99")
    if found["siege"]:
        row = found["siege"]
        print("\nSparekey at 200 a second, open loop; 10,000 failovers queued, Seam and every delivery hanging")
        print(f"{'':34} {row['p50_ms']:21.3f} ms p50 {row['p99_ms']:9.3f} ms p99 {row['rss_mb']:9.1f} MB")
    print()
    for goal, value, is_met in goals(found):
        print(f"{'met    ' if is_met else 'NOT MET'} {goal}: {value}")


def goals(found):
    """Triples of goal, measured value and whether it is met, of those that were measured."""
    runs, disk, siege = found["runs"], found["disk"], found["siege"]

    def run(name, count):
        return runs.get(name, {}).get(str(count))

    def ratio(goal, name, count, least):
        own, other = run("sparekey", count), run(name, count)
        if own and other:
            value = own["per_second"] / other["per_second"]
            yield goal, f"{value:.2f}", value >= least

    yield from ratio("at least 0.7 of nginx at 256 connections", "nginx", 256, 0.7)
    yield from ratio("at least 0.55 of nginx at 64 connections", "nginx", 64, 0.55)
    yield from ratio("20 times FastAPI at 256 connections", "fastapi", 256, 20)
    yield from ratio("10 times one commit per webhook at 256 connections", "each", 256, 10)
    yield from ratio("2 times Node at 256 connections", "node", 256, 2)
    if run("sparekey", 1) and disk:
        value = run("sparekey", 1)["p50_ms"] / disk["commit"]["p50_ms"]
        yield "one connection: p50 within 1.6 times a bare commit's", f"{value:.2f}", value <= 1.6
    if siege and disk:
        value = siege["p99_ms"] / disk["paced_commit"]["p99_ms"]
        yield "200 a second while all hangs: p99 within 3 times a bare commit's at that pace", f"{value:.2f}", value <= 3
    if run("sparekey", 1000):
        at_1000 = run("sparekey", 1000)
        if run("sparekey", 256):
            value = at_1000["per_second"] / run("sparekey", 256)["per_second"]
            yield "1,000 connections: no error, throughput within 15 % of 256", f"{value:.2f}", value >= 0.85
        yield "memory under 30 MB at rest", f"{at_1000['rest_mb']:.1f}", at_1000["rest_mb"] < 30
        yield "memory under 60 MB at 1,000 connections", f"{at_1000['peak_mb']:.1f}", at_1000["peak_mb"] < 60
        yield "start to ready under 100 ms", f"{at_1000['start_ms']:.0f}", at_1000["start_ms"] < 100
