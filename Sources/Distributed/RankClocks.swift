import COpenMPI

extension Communicator {
  /// Seconds by which rank 0's clock is ahead of this rank's. Every rank takes part.
  ///
  /// Rank 0 asks each rank in turn what time it is, a few times. The answer that came back soonest was given between
  /// two moments that rank 0 knows; its error is at most half of the time between them, some µs in a quiet network.
  ///
  /// - Parameter clock: of this machine, in seconds.
  package func lead(of clock: () -> Double) -> Double {
    guard size > 1 else { return 0 }
    let rounds = 16
    var word = 0.0
    guard rank == 0 else {
      for _ in 0..<rounds {
        receive(&word, from: 0)
        send(clock(), to: 0)
      }
      receive(&word, from: 0)
      return word
    }
    for other in 1..<size {
      var best = (trip: Double.infinity, lead: 0.0)
      for _ in 0..<rounds {
        let asked = clock()
        send(asked, to: other)
        receive(&word, from: other)
        let answered = clock()
        let trip = answered - asked
        if trip < best.trip { best = (trip, asked + trip / 2 - word) }
      }
      send(best.lead, to: other)
    }
    return 0
  }

  private func send(_ word: Double, to other: Int) {
    var word = word
    check(MPI_Send(&word, 1, mpiDouble(), Int32(other), Tag.clock, handle), "compare clocks")
  }

  private func receive(_ word: inout Double, from other: Int) {
    check(MPI_Recv(&word, 1, mpiDouble(), Int32(other), Tag.clock, handle, mpiIgnoreStatus()), "compare clocks")
  }
}
