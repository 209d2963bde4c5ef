import COpenMPI

/// Waiting that leaves the processor to others.
///
/// Open MPI waits by asking again and again, at full load. While rank 0 validates, the ranks beside it on its machine
/// would take half of its cores for that; here they sleep between one question and the next.
extension Communicator {
  /// Returns when all ranks have come here. A rank notices it up to 4 ms late.
  package func sleepingBarrier() {
    guard size > 1 else { return }
    var request: MPI_Request?
    check(MPI_Ibarrier(handle, &request), "wait for the other ranks")
    wait(for: &request, .backoff(most: 4096), "wait for the other ranks")
  }

  /// Copies the bytes of one rank over those of the others, which sleep until they come; the count is the same on all
  /// ranks, and below 2³¹.
  package func sleepingBroadcast(_ bytes: UnsafeMutableRawBufferPointer, from root: Int = 0) {
    guard size > 1 else { return }
    var request: MPI_Request?
    let code = MPI_Ibcast(bytes.baseAddress, Int32(bytes.count), mpiByte(), Int32(root), handle, &request)
    check(code, "wait for a rank's result")
    wait(for: &request, .backoff(most: 4096), "wait for a rank's result")
  }
}
