import Foundation
import Testing

extension CommandLine {
  @Suite("Help")
  struct HelpTests {
    let work: Workplace

    init() throws { work = try Workplace() }

    /// The options of a command's help, each with its text on one line.
    private func options(_ command: [String]) throws -> [String] {
      let job = try work.gscnn(command + ["--help"])
      #expect(job.status == 0)
      #expect(job.errors == [])
      var options: [String] = []
      for line in job.output {
        let words = line.trimmingCharacters(in: .whitespaces)
        if line.hasPrefix("  -") || line.hasPrefix("  <") {
          options.append(words)
        } else if !options.isEmpty {
          options[options.count - 1] += " " + words
        }
      }
      return options
    }

    private func expect(_ command: String, _ wanted: [(names: String, saying: String)]) throws {
      let options = try options(command.split(separator: " ").map(String.init))
      for (names, saying) in wanted {
        let option = options.first { $0.hasPrefix(names) }
        #expect(option?.contains(saying) == true, "\(names): \(option ?? "not there")")
      }
    }

    @Test("train documents every option with its default, those of the reference implementation in both spellings")
    func train() throws {
      try expect(
        "train",
        [
          ("--data-path, --data_path <folder>", "default: data)"), ("--prepared <folder>", "default: DATA/prepared"),
          ("--backbone-type, --backbone_type <name>", "values: resnet50, resnet101; default: resnet50)"),
          ("--crop-h, --crop_h <pixels>", "default: 512)"), ("--crop-w, --crop_w <pixels>", "default: 512)"),
          ("--batch-size, --batch_size <images>", "default: 4)"), ("--epochs <number>", "default: 60)"),
          ("--save-path, --save_path <folder>", "default: results)"), ("--seed <number>", "default: 1)"),
          ("--threads <number>", "default: one for each of its cores)"),
          ("--learning-rate <rate>", "default: 0.01)"), ("--momentum <factor>", "default: 0.9)"),
          ("--weight-decay <factor>", "default: 0.0001)"), ("--power <exponent>", "default: 1)"),
          ("--batch-norm <scope>", "values: sync, local; default: sync)"),
          ("--batch-norm-group <images>", "default: --batch-norm)"),
          ("--loss <kind>", "values: standard, full; default: standard)"),
          ("--class-weights <weights>", "default: 1 each)"),
          ("--ohem <threshold[,pixels]>", "default: all pixels)"), ("--dual-task <variant>", "default: paddle)"),
          ("--dual-task-temperature <number>", "default: 0.5; paper: 1)"),
          ("--dual-task-weight <factor>", "default: 1)"),
          ("--on-nonfinite <what>", "values: stop, skip; default: stop)"),
          ("--validate-on <ranks>", "values: rank0, all; default: all)"),
          ("--validate-every <epochs>", "default: 1)"), ("--test <time>", "values: end, best, never; default: end)"),
          ("--checkpoint-every <steps>", "default: none)"), ("--keep <number>", "default: 3)"),
          ("--resume <checkpoint>", "auto"), ("--stop-after <steps>", "default: none)"),
          ("--pretrained <file>", "safetensors"), ("--augment <kind>", "values: random, none; default: random)"),
          ("--normalize <kind>", "values: imagenet, half; default: imagenet)"),
          ("--scale <factors>", "default: 0.5,1,2)"), ("--distort <amounts>", "default: none)"),
          ("--blur <range>", "default: none)"), ("--class-uniform <fraction>", "default: 0)"),
          ("--cache-gb <size>", "default: none)"),
          ("--log-every <steps>", "default: 10)"), ("--timeline <file>", "ui.perfetto.dev"),
        ])
    }

    @Test("The other commands document each option, with its default")
    func others() throws {
      try expect(
        "synthesize",
        [
          ("--data-path, --data_path <folder>", "default: data)"), ("--train <images>", "default: 16)"),
          ("--val <images>", "default: 4)"), ("--test <images>", "default: 4)"),
          ("--height <pixels>", "default: 256)"), ("--width <pixels>", "default: 512)"),
          ("--seed <number>", "default: 0)"),
        ])
      try expect(
        "prepare",
        [
          ("--data-path, --data_path <folder>", "default: data)"), ("--prepared <folder>", "default: DATA/prepared"),
          ("--threads", "default: "),
        ])
      try expect(
        "evaluate",
        [
          ("--data-path, --data_path <folder>", "default: data)"), ("--prepared <folder>", "default: DATA/prepared"),
          ("--model-weight, --model_weight <file>", "safetensors"),
          ("--split <name>", "default: val)"), ("--threads", "default: "), ("--export <folder>", "benchmark server"),
          ("--json <file>", "JSON"), ("--boundary-thresholds <numbers>", "0.00088"),
          ("--absent-as-zero", "0"),
        ])
      try expect(
        "view",
        [
          ("--data-path, --data_path <folder>", "default: data)"),
          ("--model-weight, --model_weight <file>", "safetensors"),
          ("--input-pic, --input_pic <image>", "_leftImg8bit.png"), ("--output <file>", "_result.png"),
          ("--scales <numbers>", "default: 1)"), ("--flip", "mirrored"), ("--window <widthxheight>", "whole image)"),
          ("--overlap <pixels>", "default: a third"), ("--width <pixels>", "default: that of the image)"),
          ("--legend", "shares"), ("--overlay", "half and half"), ("--errors", "wrong"),
        ])
      try expect(
        "browse",
        [
          ("<folder>", "in place of --data-path"), ("--images <number>", "default: 8)"),
          ("--output <file>", "default: browse.png)"), ("--width <pixels>", "at most 320)"),
          ("--crop-h, --crop_h <pixels>", "default: 512)"), ("--scale <factors>", "default: 0.5,1,2)"),
        ])
      try expect(
        "predict",
        [
          ("<images>", "@FILE"), ("--model-weight, --model_weight <file>", "safetensors"),
          ("--output <folder>", "default: predictions)"), ("--color", "NAME_color.png"),
          ("--label-ids", "NAME_labelIds.png"), ("--overlay", "NAME_overlay.png"), ("--probabilities", "NumPy"),
          ("--scales <numbers>", "default: 1)"), ("--export <folder>", ".zip"), ("--zip", "--export"),
          ("--contact-sheet <file.png>", "up to 48"), ("--video <file.mp4>", "ffmpeg"),
          ("--video-layout <name>", "beside the image (the default), or over it. (values: side-by-side, overlay)"),
          ("--fps <number>", "default: 17)"),
        ])
      try expect("info", [("<file>", "safetensors"), ("--tensors", "every tensor")])
      try expect(
        "convert",
        [("<input>", ".pdparams"), ("<output>", ".safetensors"), ("--normalize <kind>", "values: imagenet, half")])
      try expect(
        "export",
        [
          ("--model-weight, --model_weight <file>", "safetensors"), ("<file.onnx>", "File to write"),
          ("--height <pixels>", "default: any)"), ("--width <pixels>", "default: any)"),
          ("--batch-size, --batch_size <images>", "default: any)"),
        ])
      try expect(
        "bench step",
        [
          ("--backbone-type, --backbone_type <name>", "default: resnet50)"),
          ("--batch-size, --batch_size <images>", "default: 2)"), ("--crop-h, --crop_h <pixels>", "default: 512)"),
          ("--crop-w, --crop_w <pixels>", "default: 512)"), ("--threads", "default: "), ("--steps", "default: 3)"),
          ("--profile", "table"),
        ])
      try expect(
        "bench evaluate", [("--height <pixels>", "default: 1024)"), ("--width <pixels>", "default: 2048)")])
      try expect(
        "bench loader",
        [
          ("--data-path, --data_path <folder>", "synthetic streets"),
          ("--batch-size, --batch_size <images>", "default: 2)"), ("--threads", "default: 1)"),
        ])
      try expect(
        "plan",
        [
          ("--nodes <numbers>", "default: 1)"), ("--ranks-per-node <number>", "default: 1)"),
          ("--threads <number>", "default: one for each of its cores)"), ("--link-gbit <gbit/s>", "default: 10)"),
          ("--latency-us <microseconds>", "default: 30)"),
          ("--batch-size, --batch_size <images>", "default: 4)"), ("--images <number>", "default: 2975)"),
          ("--step-seconds <seconds>", "bench step"), ("--json", "JSON"),
        ])
      try expect("layout", [("<command>", "default: train)")])
      try expect("bench allreduce", [("--bytes <bytes>", "default: 26214400)")])
    }

    @Test("help COMMAND prints the same as COMMAND --help")
    func helpOfCommand() throws {
      for command in [["train"], ["bench", "step"]] {
        #expect(try work.gscnn(["help"] + command).output == work.gscnn(command + ["--help"]).output)
      }
    }
  }
}
