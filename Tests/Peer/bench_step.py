"""Times a training step and a prediction of the network in PyTorch on the CPU. Prints one line of JSON.

    python bench_step.py --threads 2 --batch 2 --size 512 --steps 3 [--channels-last] [--compile]
        [--precision bfloat16]
    python bench_step.py --threads 2 --steps 0 --eval-size 1024x2048 --eval-steps 2

The first repetition of each is a warm-up and not timed.
"""
import argparse
import json
import resource
import time

import torch

import peer


def timed(count, body):
    """Seconds of `count` calls, after a warm-up call."""
    seconds = []
    for repetition in range(count + 1):
        begin = time.perf_counter()
        body()
        if repetition:
            seconds.append(round(time.perf_counter() - begin, 3))
    return seconds


def random_batch(images, height, width, memory_format):
    image = torch.randn(images, 3, height, width).to(memory_format=memory_format)
    canny = (torch.rand(images, 1, height, width) > 0.9).float()
    target = torch.randint(0, 19, (images, height, width))
    boundary = (torch.rand(images, height, width) > 0.9).float()
    return image, canny, target, boundary


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--eval-size", default="", metavar="HEIGHTxWIDTH")
    parser.add_argument("--eval-steps", type=int, default=2)
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32",
                        help="bfloat16: autocast around the forward pass")
    parser.add_argument("--backbone", default="resnet50")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    memory_format = torch.channels_last if options.channels_last else torch.contiguous_format
    model = peer.GatedSCNN(options.backbone).to(memory_format=memory_format)
    compiled = torch.compile(model) if options.compile else model

    def forward(image, canny):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=options.precision == "bfloat16"):
            seg, edge = compiled(image, canny)
        return seg.float(), edge.float()

    result = {"torch": torch.__version__, **vars(options), "step_s": [], "eval_s": []}
    if options.steps:
        image, canny, target, boundary = random_batch(options.batch, options.size, options.size, memory_format)
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-2, momentum=0.9, weight_decay=1e-4)
        model.train()

        def step():
            seg, edge = forward(image, canny)
            loss, _ = peer.total_loss(seg, edge, target, boundary)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

        result["step_s"] = timed(options.steps, step)
    if options.eval_size:
        height, width = map(int, options.eval_size.split("x"))
        image, canny, _, _ = random_batch(1, height, width, memory_format)
        model.eval()
        with torch.no_grad():
            result["eval_s"] = timed(options.eval_steps, lambda: forward(image, canny))
    result["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps(result))


if __name__ == "__main__":
    main()
