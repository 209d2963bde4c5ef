/// How the groups of images that batch norm normalizes together lie on the ranks.
///
/// Group k of a global batch holds its images k · N ..< (k + 1) · N. Each rank holds a contiguous share of the batch.
/// Groups and shares nest: a rank holds whole groups, or several ranks hold one group in equal parts. Then the summation
/// tree of a group is the same on any number of ranks.
package struct BatchNormGroups: Sendable, Equatable {
  /// Groups of the global batch.
  package let count: Int
  /// Groups of which each rank holds images.
  package let perRank: Int
  /// Ranks that hold images of the same group.
  package let ranksPerGroup: Int

  /// - Parameter images: N, at least 2: a single value has no variance, and the image pooling branch of the ASPP has one
  ///   value per image and channel.
  /// - Returns: nil if N does not divide the batch, or if groups and shares do not nest.
  package init?(of images: Int, batchSize: Int, ranks: Int) {
    guard images >= 2, batchSize.isMultiple(of: images) else { return nil }
    count = batchSize / images
    if count == 1 {
      (perRank, ranksPerGroup) = (1, ranks)
      return
    }
    let share = batchSize / ranks
    guard batchSize.isMultiple(of: ranks), share.isMultiple(of: images) || images.isMultiple(of: share) else {
      return nil
    }
    perRank = max(1, share / images)
    ranksPerGroup = max(1, images / share)
  }

  /// The sizes of groups that a batch can have on so many ranks, ascending; the last is the whole batch.
  package static func sizes(batchSize: Int, ranks: Int) -> [Int] {
    guard batchSize >= 2 else { return [] }
    return (2...batchSize).filter { BatchNormGroups(of: $0, batchSize: batchSize, ranks: ranks) != nil }
  }
}
