"""Runs gscnn and what a user would run instead in turn, and prints a table in Markdown. Started by launch/compare."""
import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
GSCNN = os.path.join(ROOT, ".build/release/gscnn")
RANKS = os.path.join(ROOT, "launch/ranks")

PARTS = {
    "step": "training step, resnet50, all threads",
    "step-1-thread": "training step, resnet50, 1 thread",
    "step-resnet101": "training step, resnet101, all threads",
    "evaluate": "prediction of a whole image, resnet50, all threads",
    "loader": "PNG files to a crop of the network's input, 1 thread",
    "ranks": "weak scaling from 1 to 2 ranks of 1 thread each",
}


class Failed(Exception):
    """A program came to no result; says why in one line."""


def note(text):
    print(text, file=sys.stderr, flush=True)


def run_all(commands):
    """Runs commands beside each other; the JSON that each prints in a line of its own."""
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=HERE)
        for command in commands
    ]
    found = []
    for command, process in zip(commands, running):
        output, errors = process.communicate()
        lines = [line for line in output.splitlines() if line.startswith("{")]
        if process.returncode != 0 or not lines:
            reason = (errors.strip().splitlines() or [f"status {process.returncode}"])[-1]
            raise Failed(f"{os.path.basename(command[0])} {command[1]}: {reason}")
        found.append(json.loads(lines[0]))
    return found


def run(command):
    return run_all([command])[0]


def python(script, *words):
    return [sys.executable, os.path.join(HERE, script), *map(str, words)]


def measured(found, *keys):
    """Median of the seconds that a benchmark printed, and its peak memory."""
    seconds = next(found[key] for key in keys if found.get(key))
    return statistics.median(seconds), found.get("peak_mb")


class Comparison:
    """One row of the table: ours and the others, run in turn."""

    def __init__(self, name, ours, others):
        self.name = name
        self.sides = {"gscnn": ours, **others}  # each a function that gives (seconds, megabytes or None)
        self.found = {side: [] for side in self.sides}
        self.failures = {}

    def run(self, pairs):
        for pair in range(pairs):
            for side, body in self.sides.items():
                if side in self.failures:
                    continue
                try:
                    self.found[side].append(body())
                except Failed as failure:
                    if side == "gscnn":
                        raise
                    self.failures[side] = str(failure)
                    note(f"{self.name}: {side} does not run: {failure}")
                    continue
                note(f"{self.name}, pair {pair + 1} of {pairs}, {side}: {self.found[side][-1][0]:.4g} s")

    def rows(self):
        best = self.best()
        for side in self.sides:
            if side in self.failures:
                yield [self.name, side, "does not run", "", "", ""]
                continue
            seconds = [entry[0] for entry in self.found[side]]
            memory = [entry[1] for entry in self.found[side] if entry[1]]
            row = [self.name, side, ", ".join(f"{value:.4g}" for value in seconds), f"{max(memory) / 1000:.2f} GB" if memory else ""]
            if side == "gscnn":
                row += ["", ""]
            else:
                ratios = [other / own[0] for other, own in zip(seconds, self.found["gscnn"])]
                text = f"{statistics.median(ratios):.2f}"
                row += [", ".join(f"{ratio:.2f}" for ratio in ratios), f"**{text}**" if side == best else text]
            yield row

    def best(self):
        """The fastest of the others: the one that counts."""
        others = [side for side in self.sides if side != "gscnn" and self.found[side] and side not in self.failures]
        return min(others, key=lambda side: statistics.median(entry[0] for entry in self.found[side]), default=None)


def modes(options):
    """PyTorch's ways to run a network on a CPU."""
    modes = {"PyTorch": [], "PyTorch, channels_last": ["--channels-last"]}
    if options.compile:
        modes["PyTorch, channels_last, compiled"] = ["--channels-last", "--compile"]
    return modes


def step(name, options, backbone, threads):
    def ours():
        return measured(
            run([GSCNN, "bench", "step", "--backbone-type", backbone, "--batch-size", str(options.batch),
                 "--crop-h", str(options.size), "--crop-w", str(options.size), "--threads", str(threads),
                 "--steps", str(options.steps)]), "seconds")

    def theirs(mode):
        return lambda: measured(
            run(python("bench_step.py", "--backbone", backbone, "--batch", options.batch, "--size", options.size,
                       "--threads", threads, "--steps", options.steps, *mode)), "step_s")

    title = f"step, {backbone}, {options.batch}×{options.size}×{options.size}, {threads} {'threads' if threads > 1 else 'thread'}"
    return Comparison(title, ours, {name: theirs(mode) for name, mode in modes(options).items()})


def evaluate(options):
    def ours():
        return measured(
            run([GSCNN, "bench", "evaluate", "--height", str(options.height), "--width", str(options.width),
                 "--threads", str(options.threads), "--steps", str(options.steps)]), "seconds")

    def theirs(mode):
        return lambda: measured(
            run(python("bench_step.py", "--steps", 0, "--eval-size", f"{options.height}x{options.width}",
                       "--eval-steps", options.steps, "--threads", options.threads, *mode)), "eval_s")

    title = f"evaluation, resnet50, 1×{options.height}×{options.width}, {options.threads} threads"
    return Comparison(title, ours, {name: theirs(mode) for name, mode in modes(options).items()})


def loader(options, data):
    """Seconds of a processor for an image, so that what else runs does not count."""
    words = ["--data-path", data, "--steps", str(options.loader_steps)]

    def ours():
        found = run([GSCNN, "bench", "loader", "--threads", "1", "--crop-h", str(options.size), "--crop-w", str(options.size), *words])
        return found["cpu_seconds_per_image"], found["peak_mb"]

    def theirs(decoder):
        return lambda: (
            run(python("bench_loader.py", "--decoder", decoder, "--crop", options.size, *words))["cpu_seconds_per_image"],
            None)

    title = f"loader, an image of {options.height}×{options.width} to {options.size}×{options.size}"
    return Comparison(title, ours, {"OpenCV, NumPy": theirs("opencv"), "Pillow, OpenCV, NumPy": theirs("pillow")})


def ranks(options):
    """Weak scaling: a step on 1 rank while the other core does the same, over a step on 2 ranks."""
    size = options.ranks_size

    def ours(count):
        return [RANKS, "-n", str(count), "gscnn", "bench", "step", "--batch-size", str(2 * count), "--crop-h", str(size),
                "--crop-w", str(size), "--threads", "1", "--steps", str(options.steps)]

    def theirs(count):
        return python("bench_ddp.py", "--ranks", count, "--batch", 2, "--size", size, "--steps", options.steps)

    rows = []
    for side, command, key in (("gscnn", ours, "seconds"), ("PyTorch, DDP over gloo", theirs, "step_s")):
        efficiencies = []
        for pair in range(options.pairs):
            alone = statistics.mean(measured(found, key)[0] for found in run_all([command(1), command(1)]))
            together = measured(run(command(2)), key)[0]
            efficiencies.append(alone / together)
            note(f"ranks, pair {pair + 1} of {options.pairs}, {side}: {alone:.4g} s on 1 rank, {together:.4g} s on 2")
        rows.append([side, ", ".join(f"{value:.3f}" for value in efficiencies), f"{statistics.median(efficiencies):.3f}"])
    return rows


def table(header, rows):
    return "\n".join("| " + " | ".join(row) + " |" for row in [header, ["---"] * len(header), *rows])


def machine():
    model, memory = platform.machine(), ""
    with open("/proc/cpuinfo") as file:
        names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    with open("/proc/meminfo") as file:
        memory = f"{int(file.readline().split()[1]) / 1e6:.0f} GB"
    vectors = ""
    with open("/proc/cpuinfo") as file:
        flags = next((line.split() for line in file if line.startswith("flags")), [])
        vectors = ", ".join(name for flag, name in (("avx2", "AVX2"), ("avx512f", "AVX-512")) if flag in flags)
    return f"{names[0] if names else model}, {len(os.sched_getaffinity(0))} cores ({vectors}), {memory} of memory, Linux {platform.release()}"


def versions():
    found = [f"Python {platform.python_version()}"]
    for module, name in (("torch", "PyTorch"), ("timm", "timm"), ("cv2", "OpenCV"), ("PIL", "Pillow"), ("numpy", "NumPy")):
        try:
            found.append(f"{name} {__import__(module).__version__}")
        except ImportError:
            pass
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return f"gscnn {commit.stdout.strip() or 'of an unknown commit'}; " + ", ".join(found)


def streets(options, folder):
    """Images of the size asked for, prepared."""
    data = os.path.join(folder, "streets")
    for words in (["synthesize", "--train", "4", "--val", "1", "--test", "1", "--height", str(options.height), "--width", str(options.width)], ["prepare"]):
        subprocess.run([GSCNN, words[0], "--data-path", data, *words[1:]], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return data


def main():
    parser = argparse.ArgumentParser(
        prog="launch/compare", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Runs gscnn and PyTorch (or Python's loaders) in turn and prints a table in Markdown.",
        epilog="parts:\n" + "\n".join(f"  {name:15} {text}" for name, text in PARTS.items()))
    parser.add_argument("parts", nargs="*", metavar="PART", help="what to compare (default: all but ranks)")
    parser.add_argument("--pairs", type=int, default=3, help="times that both sides run (default: 3)")
    parser.add_argument("--steps", type=int, default=1, help="repetitions of each run, after one that is not counted (default: 1)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="threads of both sides (default: the cores)")
    parser.add_argument("--batch", type=int, default=2, help="images of a step (default: 2)")
    parser.add_argument("--size", type=int, default=512, help="height and width of a training crop (default: 512)")
    parser.add_argument("--height", type=int, default=1024, help="of a whole image (default: 1024)")
    parser.add_argument("--width", type=int, default=2048, help="of a whole image (default: 2048)")
    parser.add_argument("--ranks-size", type=int, default=256, help="height and width in the part ranks (default: 256)")
    parser.add_argument("--loader-steps", type=int, default=30, help="batches that the loaders load (default: 30)")
    parser.add_argument("--compile", action="store_true", help="also PyTorch compiled by its inductor")
    parser.add_argument("--data-path", help="images for the loaders, prepared (default: synthetic streets)")
    options = parser.parse_args()
    for part in options.parts:
        if part not in PARTS:
            parser.error(f"{part}: no such part; give one or more of {' '.join(PARTS)}")
    parts = options.parts or [part for part in PARTS if part != "ranks"]

    with tempfile.TemporaryDirectory() as folder:
        comparisons = []
        for part in parts:
            if part == "step":
                comparisons.append(step(part, options, "resnet50", options.threads))
            elif part == "step-1-thread":
                comparisons.append(step(part, options, "resnet50", 1))
            elif part == "step-resnet101":
                comparisons.append(step(part, options, "resnet101", options.threads))
            elif part == "evaluate":
                comparisons.append(evaluate(options))
            elif part == "loader":
                comparisons.append(loader(options, options.data_path or streets(options, folder)))
        for comparison in comparisons:
            comparison.run(options.pairs)
        scaling = ranks(options) if "ranks" in parts else None

    print(f"{machine()}. {versions()}.\n")
    if comparisons:
        print(table(
            ["what", "by", "seconds of each run", "peak memory", "ratio to gscnn of each pair", "median"],
            [row for comparison in comparisons for row in comparison.rows()]))
        for comparison in comparisons:
            for side, reason in comparison.failures.items():
                print(f"\n{comparison.name}: {side} does not run: {reason}")
    if scaling:
        title = f"weak scaling, 2 images of {options.ranks_size}×{options.ranks_size} a rank"
        print("\n" + table([title, "1 rank over 2 ranks, of each run", "median"], scaling))


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(f"launch/compare: {failure}")
