import Glibc
import Layers
import Synchronization
import System
import Weights

extension RankProgram {
  /// Writes checkpoints as a run does: the last two and the best are kept, and one is replaced. Prints "saved CONTENT"
  /// after each, and the operations on files in the end. Kills itself on the way.
  ///
  /// - Parameters:
  ///   - folder: of the checkpoints.
  ///   - kill: `before` an operation, or in the `middle` of a write.
  ///   - number: the operation or the write at which it is killed, counted from 1; 0: none.
  static func checkpoints(in folder: String, kill: String, number: Int) throws {
    let count = Atomic(0)
    let fileSystem = FileSystem { operation, path in
      guard kill == "before" || operation == .write else { return }
      guard count.wrappingAdd(1, ordering: .relaxed).newValue == number else { return }
      if kill == "before" { Glibc.kill(getpid(), SIGKILL) }
      dieWriting(path)
    }
    let store = try CheckpointStore(folder: folder, keep: 2, in: fileSystem)
    // Content 2 is the best; content 50 replaces 5.
    for content in [1, 2, 3, 4, 5, 50, 6] {
      let network = smallNetwork(seed: UInt64(content))
      let step = content == 50 ? 5 : content
      try store.save(
        network, velocities: smallVelocities(network, seed: UInt64(content)), step: step, state: content,
        best: content == 2)
      try store.finish()
      print("saved \(content)")
      fflush(nil)
    }
    print("operations \(count.load(ordering: .relaxed))")
  }

  /// The kernel writes 100 bytes more to the file, then it ends the process.
  private static func dieWriting(_ path: String) {
    var status = stat()
    stat(path, &status)
    var core = rlimit(rlim_cur: 0, rlim_max: 0)
    setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &core)
    var size = rlimit(rlim_cur: rlim_t(status.st_size) + 100, rlim_max: rlim_t(status.st_size) + 100)
    signal(SIGXFSZ, SIG_DFL)
    setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &size)
  }
}
