import ArgumentParser
import Distributed
import Foundation
import System
import Tensors
import Training

/// The program: one subcommand for each task.
struct GSCNN: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "gscnn",
    abstract:
      "Trains Gated-SCNN (semantic segmentation with a shape stream) on Cityscapes, on CPUs, from one core to many machines.",
    discussion: """
      A first run:
        gscnn synthesize --data-path streets
        launch/ranks gscnn train --data-path streets --crop-h 128 --crop-w 128 --epochs 2

      Exit status: 0 done; 1 failed; 2 wrong command line; 75 stopped by a signal after saving, start again with \
      --resume auto; 130 the same after Ctrl-C. Messages go to standard error, results to standard output.
      """,
    version: "gscnn \(Program.version)",
    subcommands: [
      Synthesize.self, Prepare.self, Browse.self, Train.self, Watch.self, Report.self, Evaluate.self, Predict.self,
      View.self, Info.self, Convert.self, Export.self, Bench.self, Layout.self, Plan.self,
    ])
}

@main
enum Main {
  static func main() {
    // A file that exceeds its size limit is then an error like a full disk, and does not end the process silently.
    signal(SIGXFSZ, SIG_IGN)
    let arguments = Arguments.ofProcess
    do {
      try InstructionSet.validateOverride()
      try armFault()
      try arguments.check()
      var command = try GSCNN.parseAsRoot(arguments.withConfigFiles().words)
      try command.run()
      try flushOutput()
    } catch let status as ExitCode {
      exit(status.rawValue)
    } catch  where GSCNN.exitCode(for: error) == .success {
      printOnce(GSCNN.fullMessage(for: error))
    } catch  where GSCNN.exitCode(for: error) == .validationFailure {
      fail(arguments.usageError(GSCNN.message(for: error)))
    } catch {
      fail(error)
    }
  }

  /// Prepares the fault on purpose that the environment describes, if it is for this rank.
  private static func armFault() throws {
    let environment = ProcessInfo.processInfo.environment
    guard let text = environment[Fault.variable] else { return }
    let fault: Fault
    do {
      fault = try Fault(text)
    } catch {
      throw OptionError(Fault.variable, text, "\(error)")
    }
    if fault.rank == Launcher({ environment[$0] })?.rank ?? 0 { fault.arm { fail($0) } }
  }

  private static func fail(_ error: any Error) -> Never {
    let command = Arguments.ofProcess.words.first
    Communicator.fail(error, remedy: remedy(for: error, in: command), status: exitStatus(for: error))
  }

  /// Prints the help or the version; of several processes one does.
  private static func printOnce(_ text: String) {
    let launcher = Launcher { ProcessInfo.processInfo.environment[$0] }
    if launcher?.rank ?? 0 == 0 { print(text) }
    do {
      try flushOutput()
    } catch {
      fail(error)
    }
  }

  /// Flushes standard output: results that cannot be written are a failure.
  private static func flushOutput() throws {
    guard fflush(nil) == 0 else {
      throw TrainingError("standard output: cannot be written (\(String(cString: strerror(errno)))); make room there")
    }
  }
}
