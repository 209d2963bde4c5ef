"""Checks an exported network with ONNX's own checker, and compares ONNX Runtime with gscnn's evaluation.

Needs onnx, onnxruntime and numpy. `swift test --filter ONNXTests` runs it where they are installed for `python3`, or for
the interpreter that GSCNN_PYTHON names.

    python onnx_agrees.py MODEL.onnx [CASE.safetensors ...]
        checks the file, and that ONNX's own library writes the same bytes; runs each case and prints by how much the
        results differ from those in the case: tensors image, canny, logits and edges, [N, C, H, W]. The status is 1 if a
        difference exceeds 1e-4, or 1e-4 of the largest magnitude of the output if that is below 1.
    python onnx_agrees.py --make-fixture Fixtures/small.onnx
        writes the file that EncodingTests compares with
"""
import argparse
import json
import struct

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

TOLERANCE = 1e-4


def read_safetensors(path):
    data = open(path, "rb").read()
    (length,) = struct.unpack("<Q", data[:8])
    tensors = {}
    for name, entry in json.loads(data[8 : 8 + length]).items():
        if name != "__metadata__":
            begin, end = (8 + length + offset for offset in entry["data_offsets"])
            tensors[name] = np.frombuffer(data[begin:end], "<f4").reshape(entry["shape"])
    return tensors


def check(path):
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    if model.SerializeToString() != open(path, "rb").read():
        raise SystemExit(f"{path}: ONNX's own library writes other bytes")
    numbers = sum(numpy_helper.to_array(tensor).size for tensor in model.graph.initializer)
    print(f"{path}: valid; {len(model.graph.node)} nodes, {numbers} numbers")


def compare(path, cases):
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    agrees = True
    for case in cases:
        tensors = read_safetensors(case)
        results = session.run(["logits", "edges"], {name: tensors[name] for name in ["image", "canny"]})
        for name, result in zip(["logits", "edges"], results):
            expected = tensors[name]
            if result.shape != expected.shape:
                raise SystemExit(f"{case}: {name} is {result.shape}, not {expected.shape}")
            largest = float(np.abs(expected).max())
            difference = float(np.abs(result - expected).max())
            agrees &= difference <= TOLERANCE * min(1, largest)
            print(f"{case}: {name} differs by {difference:.2e} of {largest:.3g}")
    return agrees


def make_fixture(path):
    """A graph with every kind of field that the encoder knows, and numbers of one to ten bytes."""
    weight = np.arange(200 * 2, dtype=np.float32).reshape(200, 2, 1, 1) / 8 - 3
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "w"], ["c"], name="c", dilations=[1, 1], kernel_shape=[1, 1],
                             pads=[0, 0, 0, 0], strides=[300, 1]),
            helper.make_node("Resize", ["c", "", "", "sizes"], ["r"], name="r",
                             coordinate_transformation_mode="half_pixel", mode="linear"),
            helper.make_node("Softmax", ["r"], ["y"], name="y", axis=-1),
        ],
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 2, "height", 70000])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 200, 5, 6])],
        [numpy_helper.from_array(weight, "w"), numpy_helper.from_array(np.array([1, 200, 5, 6], np.int64), "sizes")],
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)], producer_name="gscnn",
                              producer_version="1.2.3", doc_string="⌈H/2⌉\n\"x\"")
    helper.set_model_props(model, {"classes": '["road"]', "empty": ""})
    onnx.checker.check_model(model, full_check=True)
    open(path, "wb").write(model.SerializeToString())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?")
    parser.add_argument("cases", nargs="*")
    parser.add_argument("--make-fixture")
    options = parser.parse_args()
    if options.make_fixture:
        make_fixture(options.make_fixture)
    elif options.model:
        check(options.model)
        if options.cases and not compare(options.model, options.cases):
            raise SystemExit(f"{options.model}: ONNX Runtime and gscnn differ by more than {TOLERANCE:g}")
    else:
        parser.error("give a model file")


if __name__ == "__main__":
    main()
