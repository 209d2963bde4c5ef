/// Sums values over all replicas (ranks), each of which holds a share of the global batch.
///
/// This is all that synchronized batch norm and the losses know about ranks.
package protocol CrossReplicaSum {
  /// All-reduce: replaces each value by its sum over the ranks. Every rank gets the same bits. All ranks call it in the
  /// same order with the same number of values.
  func sum(_ values: inout [Double])
}

extension CrossReplicaSum {
  /// The sums of each value over the ranks, in one all-reduce.
  func sums(_ rows: [[Double]]) -> [[Double]] {
    var values = rows.flatMap(\.self)
    sum(&values)
    var end = 0
    return rows.map { row in
      end += row.count
      return Array(values[end - row.count..<end])
    }
  }
}

/// A single replica, which holds the whole batch: sums stay as they are.
package struct SingleReplica: CrossReplicaSum {
  package init() {}
  package func sum(_ values: inout [Double]) {}
}
