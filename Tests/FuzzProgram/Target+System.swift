import Distributed
import Foundation
import Machine
import System
import Training

extension Target {
  /// Files of procfs, sysfs and cgroupfs: the input is the text of each of them.
  static func kernelFiles(_ folder: Folder) throws -> Target {
    let names = ["cpu.max", "cpuset.cpus.effective", "memory.max", "memory.stat", "list"]
    return Target(
      name: "kernel files", share: 5,
      seeds: [
        "0-3,8,10-11", "200000 100000", "max 100000", "0::/a/b\n3:cpuset:/job\n1:cpu,cpuacct:/x", "MemAvailable: 12 kB",
      ]
      .map { Array($0.utf8) },
      words: ["max", "0-65535,", "9223372036854775807 1", "0::", ":cpu:", "cpu,cpuacct", "100000", "kB"]
    ) { input in
      for name in names { try folder.write(input, as: name) }
      let text = Procfs.text(of: folder.place("list"))
      _ = Procfs.list(in: folder.place("list")).map(Procfs.list(of:))
      _ = Procfs.number(in: folder.place("list"))
      _ = Procfs.firstLine(of: folder.place("list"), after: "Mem")
      _ = ControlGroup(membership: text, root: folder.path)
      _ = ControlGroup(membership: "0::/", root: folder.path)
    }
  }

  /// Values of environment variables.
  static func environment() throws -> Target {
    Target(
      name: "environment", share: 5,
      seeds: ["4", "0", "rank=1 phase=backward step=3 number=2 action=kill", "avx2"].map { Array($0.utf8) },
      words: ["rank=", "phase=", "step=", "number=", "action=", "kill", "validation", "forward", ","]
    ) { input in
      let text = String(decoding: input.prefix { $0 != 0 }, as: UTF8.self)
      _ = Launcher { _ in text }
      for variable in ["OMPI_COMM_WORLD_SIZE", "SLURM_PROCID", "PMI_RANK"] {
        _ = Launcher { $0.hasPrefix(variable.prefix(4)) ? text : nil }
      }
      _ = try Fault(text)
    }
  }
  private struct Refused: Error, CustomStringConvertible {
    let description: String
  }

  /// The command line: a word a line. Starts the program, which takes milliseconds, so that the share is small.
  static func options(_ folder: Folder) throws -> Target {
    let program = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
      .appending(path: "gscnn").path
    let calls = [
      "train --data-path none --crop-h 32 --crop-w 48 --batch-size 2 --epochs 3 --seed 1 --threads 1 --learning-rate 0.01 "
        + "--momentum 0.9 --weight-decay 1e-4 --power 1 --batch-norm sync --resume auto --keep 2 --no-test --cache-gb 0.5",
      "evaluate --data-path none --model-weight none.safetensors --split val --threads 1 --absent-as-zero",
      "view --data-path none --model-weight none --input-pic a.png --threads 1", "info none --tensors",
      "convert none out.safetensors --normalize half",
      "prepare --data-path none --threads 1", "--help", "train --help", "--version",
      "GSCNN_INSTRUCTIONS=avx2\nGSCNN_BIND=none\ninfo none",
    ]
    return Target(
      name: "options", share: 0.2,
      seeds: calls.map { Array($0.split(separator: " ").joined(separator: "\n").utf8) },
      words: [
        "--data_path", "--augment", "none", "--help", "--log-every", "--validate-on", "all", "--", "-h", "--pretrained",
      ]
    ) { input in
      let words = input.filter { $0 != 0 }.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        .map { String(decoding: $0, as: UTF8.self) }
      var environment = ProcessInfo.processInfo.environment
      for word in words where word.hasPrefix("GSCNN_") {
        let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
        if parts.count == 2 { environment[parts[0]] = parts[1] }
      }
      let process = Process()
      process.executableURL = URL(fileURLWithPath: "/usr/bin/timeout")
      process.arguments = ["--signal", "KILL", "40", program] + words.filter { !$0.hasPrefix("GSCNN_") }
      process.environment = environment
      process.currentDirectoryURL = URL(fileURLWithPath: folder.path)
      process.standardOutput = FileHandle.nullDevice
      let errors = folder.place("errors")
      try folder.write([], as: "errors")
      process.standardError = FileHandle(forWritingAtPath: errors)
      // Arguments that are too long for the system are not the program's.
      guard (try? process.run()) != nil else { return }
      process.waitUntilExit()
      guard process.terminationReason == .exit, [0, 1, 2].contains(process.terminationStatus) else {
        fatalError("gscnn ends with \(process.terminationStatus): \(words)")
      }
      let bytes = try Data(contentsOf: URL(fileURLWithPath: errors))
      let message = String(decoding: bytes, as: UTF8.self)
      guard process.terminationStatus == 0 || message.contains("gscnn: "), bytes.count < 16384 else {
        fatalError("gscnn says \(bytes.count) bytes, \(message.prefix(100)): \(words)")
      }
      if process.terminationStatus != 0 { throw Refused(description: message) }
    }
  }
}
