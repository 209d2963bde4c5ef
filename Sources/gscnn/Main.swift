import ArgumentParser
import Distributed
import Foundation
import Training

/// Trains Gated-SCNN on street images.
struct GSCNN: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "gscnn",
    abstract:
      "Trains Gated-SCNN (semantic segmentation with a shape stream) on Cityscapes, on CPUs, from one core to many machines.",
    discussion: """
      A first run:
        gscnn synthesize --data-path data
        launch/ranks gscnn train --data-path data --crop-h 128 --crop-w 128

      Exit status: 0 done; 1 it failed; 2 the call is wrong; 75 stopped on a scheduler's signal after saving, start it \
      again with --resume auto; 130 the same after Ctrl-C. Messages go to standard error, results to standard output.
      """,
    version: "gscnn 0.1.0",
    subcommands: [
      Synthesize.self, Prepare.self, Train.self, Evaluate.self, View.self, Info.self, Bench.self, Layout.self,
      Plan.self,
    ])
}

@main
enum Main {
  static func main() {
    // A file that outgrows its limit is then an error like a full disk, and not the end of the process without a word.
    signal(SIGXFSZ, SIG_IGN)
    let call = Arguments(CommandLine.arguments.dropFirst())
    do {
      try Processor.check()
      try call.check()
      var command = try GSCNN.parseAsRoot(call.words)
      try command.run()
      try finishOutput()
    } catch let status as ExitCode {
      exit(status.rawValue)
    } catch  where GSCNN.exitCode(for: error) == .success {
      answer(GSCNN.fullMessage(for: error))
    } catch  where GSCNN.exitCode(for: error) == .validationFailure {
      Communicator.fail(call.error(GSCNN.message(for: error)), status: 2)
    } catch {
      Communicator.fail(error, status: error is OptionError || error is UsageError ? 2 : 1)
    }
  }

  /// Prints what was asked for instead of a command: help or the version. Of several processes one does.
  private static func answer(_ text: String) {
    let launcher = Launcher { ProcessInfo.processInfo.environment[$0] }
    if launcher?.rank ?? 0 == 0 { print(text) }
    do {
      try finishOutput()
    } catch {
      Communicator.fail(error)
    }
  }

  /// Results that did not reach their place are a failure.
  private static func finishOutput() throws {
    guard fflush(nil) == 0 else {
      throw TrainingError("standard output: cannot be written (\(String(cString: strerror(errno)))); make room there")
    }
  }
}
