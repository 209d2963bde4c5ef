import ArgumentParser
import Distributed
import Foundation
import Training

/// Trains Gated-SCNN on street pictures.
struct GSCNN: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "gscnn",
    abstract:
      "Trains Gated-SCNN (semantic segmentation with a shape stream) on Cityscapes, on CPUs, from one core to many machines.",
    discussion: """
      A first run:  gscnn synthesize --data-path data && mpirun -n 2 gscnn train --data-path data --crop-h 128 --crop-w 128

      Exit status: 0 done; 1 it failed; 2 the call is wrong; 75 stopped on a scheduler's signal after saving, start it \
      again with --resume auto; 130 the same after Ctrl-C. Messages go to standard error, results to standard output.
      """,
    subcommands: [Synthesize.self, Prepare.self, Train.self, Evaluate.self, View.self, Info.self, Bench.self])
}

@main
enum Main {
  static func main() {
    do {
      try Processor.check()
      var command = try GSCNN.parseAsRoot()
      try command.run()
    } catch let status as ExitCode {
      exit(status.rawValue)
    } catch  where isAboutTheCall(error) {
      answer(error)
    } catch {
      Communicator.fail(error, status: error is OptionError ? 2 : 1)
    }
  }

  /// Whether the argument parser is speaking: of a mistake in the call, or because help was asked for.
  private static func isAboutTheCall(_ error: any Error) -> Bool {
    GSCNN.exitCode(for: error) != .failure
  }

  /// Prints help on standard output, or what is wrong with the call in one line on standard error.
  private static func answer(_ error: any Error) -> Never {
    // Under a launcher every process finds the same mistake; one of them says so.
    let speaks = ["OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"].allSatisfy {
      ProcessInfo.processInfo.environment[$0].map { $0 == "0" } ?? true
    }
    if GSCNN.exitCode(for: error) == .success {
      if speaks { print(GSCNN.fullMessage(for: error)) }
      exit(0)
    }
    if speaks {
      let words = CommandLine.arguments.dropFirst().prefix { !$0.hasPrefix("-") }.prefix(2).joined(separator: " ")
      let message = GSCNN.message(for: error).split(separator: "\n").joined(separator: " ")
      FileHandle.standardError.write(
        Data("gscnn: \(message); see gscnn \(words)\(words.isEmpty ? "" : " ")--help\n".utf8))
    }
    exit(2)
  }
}
