"""Benchmarks gscnn against PyTorch and Python data loaders in turn, and prints a Markdown table. See launch/compare."""
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


class BenchmarkError(Exception):
    """A program failed; the message is one line."""


def log(text):
    print(text, file=sys.stderr, flush=True)


def run_all(commands):
    """Runs commands at the same time; returns the line of JSON that each prints."""
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=HERE)
        for command in commands
    ]
    results = []
    for command, process in zip(commands, running):
        output, errors = process.communicate()
        lines = [line for line in output.splitlines() if line.startswith("{")]
        if process.returncode != 0 or not lines:
            reason = (errors.strip().splitlines() or [f"status {process.returncode}"])[-1]
            raise BenchmarkError(f"{os.path.basename(command[0])} {command[1]}: {reason}")
        results.append(json.loads(lines[0]))
    return results


def run(command):
    return run_all([command])[0]


def python(script, *arguments):
    return [sys.executable, os.path.join(HERE, script), *map(str, arguments)]


def measurement(result, key):
    """Median of the seconds of a benchmark's result, and its peak memory in megabytes."""
    return statistics.median(result[key]), result.get("peak_mb")


class Comparison:
    """The rows of the table for one benchmark: gscnn and its baselines, run in turn."""

    def __init__(self, name, gscnn, baselines):
        self.name = name
        self.programs = {"gscnn": gscnn, **baselines}  # functions that return (seconds, megabytes or None)
        self.results = {program: [] for program in self.programs}
        self.failures = {}

    def run(self, pairs):
        for pair in range(pairs):
            for program, body in self.programs.items():
                if program in self.failures:
                    continue
                try:
                    self.results[program].append(body())
                except BenchmarkError as failure:
                    if program == "gscnn":
                        raise
                    self.failures[program] = str(failure)
                    log(f"{self.name}: {program} does not run: {failure}")
                    continue
                log(f"{self.name}, pair {pair + 1} of {pairs}, {program}: {self.results[program][-1][0]:.4g} s")

    def rows(self):
        fastest = self.fastest_baseline()
        for program in self.programs:
            if program in self.failures:
                yield [self.name, program, "does not run", "", "", ""]
                continue
            seconds = [entry[0] for entry in self.results[program]]
            memory = [entry[1] for entry in self.results[program] if entry[1]]
            peak = f"{max(memory) / 1000:.2f} GB" if memory else ""
            row = [self.name, program, ", ".join(f"{value:.4g}" for value in seconds), peak]
            if program == "gscnn":
                row += ["", ""]
            else:
                ratios = [other / own[0] for other, own in zip(seconds, self.results["gscnn"])]
                text = f"{statistics.median(ratios):.2f}"
                row += [", ".join(f"{ratio:.2f}" for ratio in ratios), f"**{text}**" if program == fastest else text]
            yield row

    def fastest_baseline(self):
        medians = {
            program: statistics.median(entry[0] for entry in results)
            for program, results in self.results.items()
            if program != "gscnn" and results and program not in self.failures
        }
        return min(medians, key=medians.get, default=None)


def pytorch_modes(options):
    """The options of bench_step.py for each way to run PyTorch on a CPU."""
    modes = {"PyTorch": [], "PyTorch, channels_last": ["--channels-last"]}
    if options.compile:
        modes["PyTorch, channels_last, compiled"] = ["--channels-last", "--compile"]
    return modes


def suffix(options):
    """What the title of a benchmark says about a precision other than the default."""
    return "" if options.precision == "float32" else f", {options.precision}"


def step(name, options, backbone, threads):
    def gscnn():
        return measurement(
            run([GSCNN, "bench", "step", "--backbone-type", backbone, "--batch-size", str(options.batch),
                 "--crop-h", str(options.size), "--crop-w", str(options.size), "--threads", str(threads),
                 "--steps", str(options.steps), "--precision", options.precision]), "seconds")

    def baseline(mode):
        return lambda: measurement(
            run(python("bench_step.py", "--backbone", backbone, "--batch", options.batch, "--size", options.size,
                       "--threads", threads, "--steps", options.steps, "--precision", options.precision, *mode)),
            "step_s")

    size = f"{options.batch}×{options.size}×{options.size}"
    title = f"step, {backbone}, {size}, {threads} {'threads' if threads > 1 else 'thread'}{suffix(options)}"
    return Comparison(title, gscnn, {name: baseline(mode) for name, mode in pytorch_modes(options).items()})


def evaluate(options):
    def gscnn():
        return measurement(
            run([GSCNN, "bench", "evaluate", "--height", str(options.height), "--width", str(options.width),
                 "--threads", str(options.threads), "--steps", str(options.steps),
                 "--precision", options.precision]), "seconds")

    def baseline(mode):
        return lambda: measurement(
            run(python("bench_step.py", "--steps", 0, "--eval-size", f"{options.height}x{options.width}",
                       "--eval-steps", options.steps, "--threads", options.threads,
                       "--precision", options.precision, *mode)), "eval_s")

    title = f"evaluation, resnet50, 1×{options.height}×{options.width}, {options.threads} threads{suffix(options)}"
    return Comparison(title, gscnn, {name: baseline(mode) for name, mode in pytorch_modes(options).items()})


def loader(options, data):
    """CPU seconds per image, which do not depend on the machine's other load."""
    arguments = ["--data-path", data, "--steps", str(options.loader_steps)]

    def gscnn():
        crop = ["--crop-h", str(options.size), "--crop-w", str(options.size)]
        result = run([GSCNN, "bench", "loader", "--threads", "1", *crop, *arguments])
        return result["cpu_seconds_per_image"], result["peak_mb"]

    def baseline(decoder):
        command = python("bench_loader.py", "--decoder", decoder, "--crop", options.size, *arguments)
        return lambda: (run(command)["cpu_seconds_per_image"], None)

    title = f"loader, an image of {options.height}×{options.width} to {options.size}×{options.size}"
    return Comparison(title, gscnn, {"OpenCV, NumPy": baseline("opencv"), "Pillow, OpenCV, NumPy": baseline("pillow")})


def ranks(options):
    """Weak scaling efficiency: seconds of two independent one-rank steps, run at once, over those of a two-rank step."""
    size = options.ranks_size

    def gscnn(count):
        return [RANKS, "-n", str(count), "gscnn", "bench", "step", "--batch-size", str(2 * count),
                "--crop-h", str(size), "--crop-w", str(size), "--threads", "1", "--steps", str(options.steps),
                "--precision", options.precision]

    def baseline(count):
        return python("bench_ddp.py", "--ranks", count, "--batch", 2, "--size", size, "--steps", options.steps,
                      "--precision", options.precision)

    rows = []
    for program, command, key in (("gscnn", gscnn, "seconds"), ("PyTorch, DDP over gloo", baseline, "step_s")):
        efficiencies = []
        for pair in range(options.pairs):
            independent = statistics.mean(measurement(result, key)[0] for result in run_all([command(1), command(1)]))
            parallel = measurement(run(command(2)), key)[0]
            efficiencies.append(independent / parallel)
            seconds = f"{independent:.4g} s on 1 rank, {parallel:.4g} s on 2"
            log(f"ranks, pair {pair + 1} of {options.pairs}, {program}: {seconds}")
        runs = ", ".join(f"{value:.3f}" for value in efficiencies)
        rows.append([program, runs, f"{statistics.median(efficiencies):.3f}"])
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
        vectors = ", ".join(name for flag, name in (("avx2", "AVX2"), ("avx512f", "AVX-512"),
                                                       ("avx512_bf16", "AVX512-BF16")) if flag in flags)
    processor = f"{names[0] if names else model}, {len(os.sched_getaffinity(0))} cores ({vectors})"
    return f"{processor}, {memory} of memory, Linux {platform.release()}"


def versions():
    results = [f"Python {platform.python_version()}"]
    modules = {"torch": "PyTorch", "timm": "timm", "cv2": "OpenCV", "PIL": "Pillow", "numpy": "NumPy"}
    for module, name in modules.items():
        try:
            results.append(f"{name} {__import__(module).__version__}")
        except ImportError:
            pass
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return f"gscnn {commit.stdout.strip() or 'of an unknown commit'}; " + ", ".join(results)


def streets(options, folder):
    """Makes and prepares synthetic streets of the size that the options ask for."""
    data = os.path.join(folder, "streets")
    size = ["--height", str(options.height), "--width", str(options.width)]
    for command in (["synthesize", "--train", "4", "--val", "1", "--test", "1", *size], ["prepare"]):
        subprocess.run(
            [GSCNN, *command, "--data-path", data], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return data


def main():
    parser = argparse.ArgumentParser(
        prog="launch/compare", usage="%(prog)s [PART...] [OPTION...]", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Benchmarks gscnn against PyTorch and Python data loaders in turn and prints a Markdown table.",
        epilog="parts:\n" + "\n".join(f"  {name:15} {text}" for name, text in PARTS.items()))
    parser.add_argument("parts", nargs="*", metavar="PART", help="what to compare (default: all except ranks)")
    parser.add_argument("--pairs", type=int, default=3, help="runs of each program (default: 3)")
    parser.add_argument("--steps", type=int, default=1,
                        help="timed repetitions of a run, after a warm-up (default: 1)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)),
                        help="compute threads of each program (default: the cores)")
    parser.add_argument("--batch", type=int, default=2, help="images of a step (default: 2)")
    parser.add_argument("--size", type=int, default=512, help="height and width of a training crop (default: 512)")
    parser.add_argument("--height", type=int, default=1024, help="height of a whole image (default: 1024)")
    parser.add_argument("--width", type=int, default=2048, help="width of a whole image (default: 2048)")
    parser.add_argument("--ranks-size", type=int, default=256,
                        help="height and width of a crop in the part ranks (default: 256)")
    parser.add_argument("--loader-steps", type=int, default=30, help="batches to load (default: 30)")
    parser.add_argument("--compile", action="store_true", help="also run PyTorch with torch.compile")
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32",
                        help="of steps and predictions; bfloat16: autocast in PyTorch (default: float32)")
    parser.add_argument("--data-path", help="prepared images for the loaders (default: synthetic streets)")
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
            ["benchmark", "program", "seconds of each run", "peak memory", "ratio to gscnn of each pair", "median"],
            [row for comparison in comparisons for row in comparison.rows()]))
        for comparison in comparisons:
            for program, reason in comparison.failures.items():
                print(f"\n{comparison.name}: {program} does not run: {reason}")
    if scaling:
        size = f"{options.ranks_size}×{options.ranks_size}"
        title = f"weak scaling, 2 images of {size} per rank{suffix(options)}"
        print("\n" + table([title, "1 rank over 2 ranks, of each run", "median"], scaling))


if __name__ == "__main__":
    try:
        main()
    except BenchmarkError as failure:
        sys.exit(f"launch/compare: {failure}")
