import COpenMPI

/// Point-to-point messages of an all-reduce, and the policy of waiting for them.
struct PointToPoint: Sendable {
  let communicator: Communicator
  let waitPolicy: WaitPolicy

  init(_ communicator: Communicator, _ waitPolicy: WaitPolicy) {
    self.communicator = communicator
    self.waitPolicy = waitPolicy
  }

  func beginSend(_ sent: UnsafeRawPointer, _ count: Int, to other: Int, _ type: MPI_Datatype?) -> MPI_Request? {
    var request: MPI_Request?
    check(MPI_Isend(sent, Int32(count), type, Int32(other), Tag.allReduce, communicator.handle, &request))
    return request
  }

  func beginReceive(
    _ received: UnsafeMutableRawPointer, _ count: Int, from other: Int, _ type: MPI_Datatype?
  ) -> MPI_Request? {
    var request: MPI_Request?
    check(MPI_Irecv(received, Int32(count), type, Int32(other), Tag.allReduce, communicator.handle, &request))
    return request
  }

  func wait(for request: inout MPI_Request?) { communicator.wait(for: &request, waitPolicy, "all-reduce") }

  func exchange(
    _ sent: UnsafeRawPointer, _ sentCount: Int, _ received: UnsafeMutableRawPointer, _ receivedCount: Int,
    with other: Int, _ type: MPI_Datatype?
  ) {
    var incoming = beginReceive(received, receivedCount, from: other, type)
    var outgoing = beginSend(sent, sentCount, to: other, type)
    wait(for: &incoming)
    wait(for: &outgoing)
  }

  func send(_ sent: UnsafeRawPointer, _ count: Int, to other: Int, _ type: MPI_Datatype?) {
    var request = beginSend(sent, count, to: other, type)
    wait(for: &request)
  }

  func receive(_ received: UnsafeMutableRawPointer, _ count: Int, from other: Int, _ type: MPI_Datatype?) {
    var request = beginReceive(received, count, from: other, type)
    wait(for: &request)
  }

  /// All-to-all: sends numbers to each of the other ranks and receives numbers from each.
  ///
  /// - Parameters:
  ///   - sent: the numbers for a rank.
  ///   - received: the memory for the numbers of a rank.
  func exchangeWithAll<Number>(
    sent: (Int) -> (UnsafeMutablePointer<Number>, Int), received: (Int) -> (UnsafeMutablePointer<Number>, Int),
    _ type: MPI_Datatype?
  ) {
    // Every rank starts with its neighbor, so that no rank is the target of all at once.
    let distances = 1..<communicator.size
    var requests = distances.map { distance in
      let other = (communicator.rank - distance + communicator.size) % communicator.size
      let (start, count) = received(other)
      return beginReceive(start, count, from: other, type)
    }
    requests += distances.map { distance in
      let other = (communicator.rank + distance) % communicator.size
      let (start, count) = sent(other)
      return beginSend(start, count, to: other, type)
    }
    for index in requests.indices { wait(for: &requests[index]) }
  }

  private func check(_ call: @autoclosure () -> Int32) { communicator.check(call(), "all-reduce") }
}
