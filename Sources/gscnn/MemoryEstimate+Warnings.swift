import Distributed
import System
import Training

extension MemoryEstimate {
  /// Compares what the ranks need with what their machines have, and warns on rank 0. Collective.
  ///
  /// - Throws: `MemoryError`, the same on all ranks, if the ranks of a machine need more than its limit.
  func requireRoomOrWarn(_ communicator: Communicator) throws {
    for warning in try requireRoom(communicator: communicator) where communicator.rank == 0 {
      StandardError.write("gscnn: \(warning)\n")
    }
  }
}
