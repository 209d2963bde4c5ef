"""Times training steps under PyTorch's DistributedDataParallel (gloo) with one thread per rank. Prints one line of JSON.

    python bench_ddp.py --ranks 2 --batch 2 --size 256 --steps 3

Batch norm is local to each rank, DistributedDataParallel's default. `--batch` is the batch of each rank.
"""
import argparse
import json
import os
import socket
import time

import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing

import peer
from bench_step import random_batch


def worker(rank, options, port):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.set_num_threads(1)
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[rank % len(cores)]})
    dist.init_process_group("gloo", rank=rank, world_size=options.ranks)
    torch.manual_seed(0)
    memory_format = torch.channels_last
    model = peer.GatedSCNN().to(memory_format=memory_format)
    model.regular_stream.backbone.fc = torch.nn.Identity()  # unused; DDP would wait for its gradient
    forward = torch.nn.parallel.DistributedDataParallel(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-2, momentum=0.9, weight_decay=1e-4)
    image, canny, target, boundary = random_batch(options.batch, options.size, options.size, memory_format)
    seconds = []
    for step in range(options.steps + 1):
        dist.barrier()
        begin = time.perf_counter()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=options.precision == "bfloat16"):
            seg, edge = forward(image, canny)
        loss, _ = peer.total_loss(seg.float(), edge.float(), target, boundary)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step:
            seconds.append(round(time.perf_counter() - begin, 3))
    if rank == 0:
        print(json.dumps({"torch": torch.__version__, **vars(options), "step_s": seconds}), flush=True)
    dist.destroy_process_group()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32",
                        help="bfloat16: autocast around the forward pass")
    options = parser.parse_args()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    multiprocessing.spawn(worker, (options, port), nprocs=options.ranks)


if __name__ == "__main__":
    main()
