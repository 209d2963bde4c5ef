"""Checks that PyTorch reads gscnn's files, and writes the fixture with which the tests check the reverse.

Run by hand; needs torch and safetensors.

    python pytorch_reads.py MODEL.safetensors
        lists every tensor with its type, shape and sum
    python pytorch_reads.py MODEL.safetensors --peer PATH/peer.py [--backbone resnet50]
        loads it strictly into peer.py's network (needs timm), except for the unused classifier `fc`
    python pytorch_reads.py --make-fixture Fixtures/pytorch.safetensors
        writes the file that SafetensorsTests reads
"""
import argparse
import importlib.util

import torch
from safetensors.torch import load_file, save_file


def show(tensors):
    for name, tensor in tensors.items():
        print(f"{name:60} {str(tensor.dtype):14} {str(list(tensor.shape)):22} {tensor.double().sum().item():.9g}")
    print(f"{len(tensors)} tensors, {sum(t.numel() for t in tensors.values())} numbers")


def load_into_peer(tensors, path, backbone):
    spec = importlib.util.spec_from_file_location("peer", path)
    peer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(peer)
    model = peer.GatedSCNN(backbone)
    missing, unexpected = model.load_state_dict(tensors, strict=False)
    missing = [name for name in missing if ".fc." not in name]
    if missing or unexpected:
        raise SystemExit(f"does not load: missing {missing}, unexpected {unexpected}")
    print(f"{path}: loads")


def make_fixture(path):
    """A convolution and a batch norm, then a tensor of every other element type that weights use."""
    network = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3))
    tensors = network.state_dict()
    for index, name in enumerate(["0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var"]):
        tensors[name] = torch.arange(tensors[name].numel()).reshape(tensors[name].shape) / 8 + index
    tensors["1.num_batches_tracked"] = torch.tensor(7)
    values = torch.tensor([[0.5, -1.0, 2.0], [65504.0, 0.0, -0.25]])
    tensors["double"] = values.double()
    tensors["half"] = values.half()
    tensors["bfloat"] = values.bfloat16()
    tensors["bytes"] = torch.tensor([1, 2, 255], dtype=torch.uint8)
    tensors["empty"] = torch.zeros(0, 4)
    save_file(tensors, path, metadata={"format": "pt"})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?")
    parser.add_argument("--peer")
    parser.add_argument("--backbone", default="resnet50")
    parser.add_argument("--make-fixture")
    options = parser.parse_args()
    if options.make_fixture:
        make_fixture(options.make_fixture)
    elif options.model:
        tensors = load_file(options.model)
        show(tensors)
        if options.peer:
            load_into_peer(tensors, options.peer, options.backbone)
    else:
        parser.error("give a model file")


if __name__ == "__main__":
    main()
