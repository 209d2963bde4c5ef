import COpenMPI
import Foundation
import System

/// Collective operations, named after MPI's: every rank takes part in each.
extension Communicator {
  /// Replaces each number by its sum over the ranks. Sums must not overflow.
  package func allReduceSum(_ values: inout [Int]) { allReduce(&values, mpiSum()) }

  /// The largest of the ranks' values.
  package func allReduceMax(_ value: Int) -> Int {
    var values = [value]
    allReduce(&values, mpiMax())
    return values[0]
  }

  /// Integer operations do not round, so MPI may choose the order.
  private func allReduce(_ values: inout [Int], _ operation: MPI_Op?) {
    guard size > 1, !values.isEmpty else { return }
    let count = Int32(values.count)
    check(MPI_Allreduce(mpiInPlace(), &values, count, mpiInt64(), operation, handle), "all-reduce integers")
  }

  /// MPI_Allreduce: replaces each float by its sum over the ranks, in an order that MPI chooses. The benchmark compares
  /// `TreeAllReduce` with it.
  package func mpiAllReduceSum(_ floats: UnsafeMutablePointer<Float>, count: Int) {
    guard size > 1 else { return }
    for start in stride(from: 0, to: count, by: 1 << 30) {
      let count = Int32(min(1 << 30, count - start))
      check(MPI_Allreduce(mpiInPlace(), floats + start, count, mpiFloat(), mpiSum(), handle), "all-reduce")
    }
  }

  /// Returns when all ranks have called it. Ranks poll at full load while they wait, and return at once.
  package func barrier() {
    guard size > 1 else { return }
    check(MPI_Barrier(handle), "wait for the other ranks")
  }

  /// Copies the floats of `root` to the other ranks; `count` is the same on all ranks.
  package func broadcast(_ floats: UnsafeMutablePointer<Float>, count: Int, from root: Int = 0) {
    broadcast(UnsafeMutableRawBufferPointer(start: floats, count: count * MemoryLayout<Float>.stride), from: root)
  }

  /// Copies the bytes of `root` to the other ranks; the count is the same on all ranks.
  package func broadcast(_ bytes: UnsafeMutableRawBufferPointer, from root: Int = 0) {
    guard size > 1 else { return }
    for piece in Self.pieces(of: bytes.count) {
      let start = bytes.baseAddress.map { $0 + piece.lowerBound }
      check(MPI_Bcast(start, Int32(piece.count), mpiByte(), Int32(root), handle), "broadcast")
    }
  }

  /// The bytes of `root`, on all ranks; those that the others pass are ignored.
  package func broadcast(_ bytes: [UInt8], from root: Int = 0) -> [UInt8] {
    guard size > 1 else { return bytes }
    var count = Int64(bytes.count)
    check(MPI_Bcast(&count, 1, mpiInt64(), Int32(root), handle), "broadcast")
    var result = rank == root ? bytes : [UInt8](repeating: 0, count: Int(count))
    result.withUnsafeMutableBytes { broadcast($0, from: root) }
    return result
  }

  /// Sends the bytes of every rank to rank 0; their number may differ.
  ///
  /// - Returns: on rank 0 those of each rank, in the order of the ranks; elsewhere an empty array.
  package func gather(_ bytes: [UInt8]) -> [[UInt8]] {
    guard size > 1 else { return [bytes] }
    var count = Int64(bytes.count)
    guard rank == 0 else {
      check(MPI_Send(&count, 1, mpiInt64(), 0, Tag.gather, handle), "gather")
      bytes.withUnsafeBytes { bytes in
        for piece in Self.pieces(of: bytes.count) {
          let start = bytes.baseAddress.map { $0 + piece.lowerBound }
          check(MPI_Send(start, Int32(piece.count), mpiByte(), 0, Tag.gather, handle), "gather")
        }
      }
      return []
    }
    var all = [bytes]
    for source in 1..<Int32(size) {
      check(MPI_Recv(&count, 1, mpiInt64(), source, Tag.gather, handle, mpiIgnoreStatus()), "gather")
      var received = [UInt8](repeating: 0, count: Int(count))
      received.withUnsafeMutableBytes { bytes in
        for piece in Self.pieces(of: bytes.count) {
          let start = bytes.baseAddress.map { $0 + piece.lowerBound }
          let code = MPI_Recv(
            start, Int32(piece.count), mpiByte(), source, Tag.gather, handle, mpiIgnoreStatus())
          check(code, "gather")
        }
      }
      all.append(received)
    }
    return all
  }

  /// The value of each rank, on all ranks, in the order of the ranks.
  package func allGather(_ value: UInt64) -> [UInt64] {
    guard size > 1 else { return [value] }
    var value = value
    var all = [UInt64](repeating: 0, count: size)
    check(MPI_Allgather(&value, 1, mpiUInt64(), &all, 1, mpiUInt64(), handle), "gather")
    return all
  }

  /// The text of each rank, on all ranks, in the order of the ranks.
  package func allGather(_ text: String) -> [String] {
    // Joined by a byte that does not occur in UTF-8.
    let joined = broadcast(Array(gather(Array(text.utf8)).joined(separator: [0xFF])))
    return joined.split(separator: 0xFF, omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
  }

  /// The value of each rank, on all ranks, in the order of the ranks. Sent as JSON.
  package func allGather<Value: Codable>(_ value: Value) -> [Value] {
    do {
      let texts = try allGather(String(decoding: JSON.encode(value), as: UTF8.self))
      return try texts.map { try JSON.decode(Value.self, from: Data($0.utf8)) }
    } catch {
      Self.fail(error)
    }
  }

  /// MPI's counts have 32 bits: larger messages are sent in pieces.
  private static func pieces(of count: Int) -> [Range<Int>] {
    stride(from: 0, to: count, by: 1 << 30).map { $0..<min($0 + 1 << 30, count) }
  }
}

/// Message tags, one for each purpose.
enum Tag {
  static let gather: Int32 = 1
  static let allReduce: Int32 = 2
  static let clock: Int32 = 3
}
