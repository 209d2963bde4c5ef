import Tensors

/// The rows of a batch for elementwise work, in runs that the same numbers belong to.
///
/// The images of the batch form groups of equally many consecutive images, and each group has numbers of its own, one
/// per channel. A row is a pixel, or eight pixels of a single channel, the last of which may extend past the end of the
/// tensor. Such a row may hold pixels of several groups; then each lane takes the number of its group.
struct GroupedRows {
  struct Run {
    let rows: Range<Int>
    /// The group of all rows; or, for a single row with pixels of several groups, that of each lane.
    let groups: [Int]
  }

  /// Ascending, without gaps.
  let runs: [Run]
  /// Floats of a row.
  private let width: Int

  /// - Parameter groups: a divisor of the number of images.
  init(_ shape: Shape, groups: Int) {
    precondition(shape.images.isMultiple(of: groups))
    let width = ChannelSums.width(shape)
    let count = shape.count.dividedRoundingUp(by: width)
    let groupFloats = shape.count / groups
    /// The group of a float; floats past the end count as the last group's.
    func groupOf(float index: Int) -> Int { min(index / groupFloats, groups - 1) }
    var runs: [Run] = []
    var row = 0
    while row < count {
      let group = groupOf(float: row * width)
      let end = group == groups - 1 ? count : (group + 1) * groupFloats / width
      if row < end {
        runs.append(Run(rows: row..<end, groups: [group]))
        row = end
      } else {
        let lanes = (0..<width).map { groupOf(float: row * width + $0) }
        runs.append(Run(rows: row..<row + 1, groups: lanes))
        row += 1
      }
    }
    self.runs = runs
    self.width = width
  }

  /// For each run, the row of numbers beside its rows.
  ///
  /// - Parameter groups: those of each group, as `Normalizer.row` lays them out.
  func rows(of groups: [FloatSlice]) -> [FloatSlice] {
    runs.map { run in
      run.groups.count == 1
        ? groups[run.groups[0]] : FloatSlice(run.groups.enumerated().map { lane, group in groups[group][lane] })
    }
  }

  /// Splits the batch into tasks of whole rows, each of one run.
  func forEachBlock(
    on workers: WorkerPool, _ body: (_ run: Int, _ firstFloat: Int, _ rows: Int, _ width: Int) -> Void
  ) {
    guard let count = runs.last?.rows.upperBound else { return }
    workers.forEachChunk(of: count, grain: max(1, 32_768 / width)) { chunk, _ in
      for (index, run) in runs.enumerated() where run.rows.overlaps(chunk) {
        let rows = run.rows.clamped(to: chunk)
        body(index, rows.lowerBound * width, rows.count, width)
      }
    }
  }
}
