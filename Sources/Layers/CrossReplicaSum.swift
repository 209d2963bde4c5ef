/// Adds numbers up over the global batch, of which each rank holds a share.
///
/// Batch norm and the losses know nothing of ranks but this.
package protocol CrossReplicaSum {
  /// Ranks that hold a share.
  var ranks: Int { get }

  /// Replaces each value by its sum over the ranks; every rank gets the same bits. All ranks call it in the same order
  /// with the same number of values.
  func sum(_ values: inout [Double])
}

/// The whole batch is here.
package struct SingleReplica: CrossReplicaSum {
  package init() {}
  package var ranks: Int { 1 }
  package func sum(_ values: inout [Double]) {}
}
