"""Prints what TensorBoard itself reads of event files, as JSON. Needs the package tensorboard.

    python tensorboard_reads.py loader FOLDER     its Python loader (--load_fast=false): every run below a folder
    python tensorboard_reads.py server FOLDER     a real server and its Rust loader (the default), asked over HTTP
    python tensorboard_reads.py truncated FILE    how many events it reads of the first N bytes of a file, for every N

Runs are {tag: {"plugin", "steps", "values"}}; a value is a number, the lines of a histogram, the text, the size and format
of an image, or the contents of a message of a plug-in as JSON.
"""
import json
import math
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request


def image_size(png):
    """Width, height and number of channels, from the header of a PNG file."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")
    return [width, height, {0: 1, 2: 3}[png[25]]]


def plain(number):
    """JSON has no infinity."""
    return number if math.isfinite(number) else str(number)


def loader(folder):
    from google.protobuf import json_format
    from tensorboard.backend.event_processing import plugin_event_multiplexer
    from tensorboard.plugins.custom_scalar import layout_pb2
    from tensorboard.plugins.hparams import plugin_data_pb2
    from tensorboard.util import tensor_util

    multiplexer = plugin_event_multiplexer.EventMultiplexer(tensor_size_guidance={
        name: 0 for name in ["scalars", "images", "histograms", "text", "hparams", "custom_scalars"]})
    multiplexer.AddRunsFromDirectory(folder)
    multiplexer.Reload()
    runs = {}
    for run, kinds in multiplexer.Runs().items():
        tags = {}
        for tag in kinds["tensors"]:
            metadata = multiplexer.SummaryMetadata(run, tag)
            plugin = metadata.plugin_data.plugin_name
            events = multiplexer.Tensors(run, tag)
            arrays = [tensor_util.make_ndarray(event.tensor_proto) for event in events]
            if plugin == "scalars":
                values = [plain(float(array)) for array in arrays]
            elif plugin == "histograms":
                values = [array.tolist() for array in arrays]
            elif plugin == "images":
                values = [image_size(png) for array in arrays for png in array[2:]]
            elif plugin == "text":
                values = [array.item().decode() for array in arrays]
            elif plugin == "custom_scalars":
                values = [json_format.MessageToDict(layout_pb2.Layout.FromString(array.item())) for array in arrays]
            elif plugin == "hparams":
                data = plugin_data_pb2.HParamsPluginData.FromString(metadata.plugin_data.content)
                values = [json_format.MessageToDict(data)]
            else:
                raise SystemExit(f"{run} {tag}: plug-in {plugin}")
            tags[tag] = {"plugin": plugin, "steps": [event.step for event in events], "values": values}
        runs[run] = tags
    return runs


class Server:
    """A TensorBoard at a free port."""

    def __init__(self, folder):
        command = [sys.executable, "-m", "tensorboard.main", "--logdir", folder, "--host", "127.0.0.1", "--port", "0",
                   "--load_fast", "true", "--samples_per_plugin", "scalars=100000,images=1000,histograms=1000,text=1000"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        lines = []
        for line in self.process.stderr:
            lines.append(line)
            found = re.search(r"at (http://127\.0\.0\.1:\d+)", line)
            if found:
                self.address = found[1]
                return
        raise SystemExit("no server: " + "".join(lines))

    def get(self, path):
        with urllib.request.urlopen(f"{self.address}/data/{path}") as answer:
            return answer.read()

    def ask(self, path, **query):
        return json.loads(self.get(f"{path}?{urllib.parse.urlencode(query)}"))

    def runs(self):
        runs = {}

        def add(plugin, run, tag, points):
            runs.setdefault(run, {})[tag] = {"plugin": plugin, "steps": [step for step, _ in points],
                                             "values": [value for _, value in points]}

        for plugin in ["scalars", "histograms", "images", "text"]:
            for run, tags in self.ask(f"plugin/{plugin}/tags").items():
                for tag in tags:
                    if plugin == "images":
                        images = self.ask("plugin/images/images", run=run, tag=tag, sample=0)
                        points = [(image["step"], image_size(self.get(
                            f"plugin/images/individualImage?{image['query']}"))) for image in images]
                    elif plugin == "text":
                        points = [(text["step"], text["text"])
                                  for text in self.ask("plugin/text/text", run=run, tag=tag)]
                    else:
                        points = [(step, value) for _, step, value in
                                  self.ask(f"plugin/{plugin}/{plugin}", run=run, tag=tag)]
                    add(plugin, run, tag, points)
        runs["(layout)"] = self.ask("plugin/custom_scalars/layout")
        experiment = self.ask("plugin/hparams/experiment",
                              request=json.dumps({"experimentName": "", "includeMetrics": True}))
        question = {"experimentName": "", "startIndex": 0, "sliceSize": 100,
                    "allowedStatuses": ["STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING", "STATUS_UNKNOWN"],
                    "colParams": [{"metric": info["name"]} for info in experiment.get("metricInfos", [])]}
        sessions = self.ask("plugin/hparams/session_groups", request=json.dumps(question))
        runs["(hparams)"] = {"experiment": experiment, "sessions": sessions}
        return runs

    def close(self):
        self.process.terminate()
        self.process.wait()


def server(folder):
    server = Server(folder)
    wanted = {os.path.relpath(path, folder) for path, _, names in os.walk(folder)
              if any("tfevents" in name for name in names)}
    try:
        before, deadline = None, time.monotonic() + 60
        while time.monotonic() < deadline:
            # The loader reads while the server answers already.
            if wanted <= set(server.ask("runs")):
                runs = server.runs()
                if runs == before:
                    return runs
                before = runs
            time.sleep(0.3)
        raise SystemExit("the server did not come to rest")
    finally:
        server.close()


def truncated(path):
    from tensorboard.backend.event_processing import event_file_loader

    contents = open(path, "rb").read()
    counts = []
    with tempfile.TemporaryDirectory() as folder:
        for count in range(len(contents) + 1):
            part = os.path.join(folder, "tfevents.part")
            with open(part, "wb") as file:
                file.write(contents[:count])
            counts.append(sum(1 for _ in event_file_loader.RawEventFileLoader(part).Load()))
    return counts


if __name__ == "__main__":
    print(json.dumps({"loader": loader, "server": server, "truncated": truncated}[sys.argv[1]](sys.argv[2])))
