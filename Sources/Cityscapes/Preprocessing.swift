import Foundation
import Images
import Synchronization
import System
import Tensors

/// Makes the maps that training needs beside each image: train ids, Canny edges and class boundaries.
///
/// It may run at any time: maps made from the present image and label are left alone (`MapSource`), and each file is
/// replaced atomically. Several processes may prepare the same folder.
package struct Preprocessing: Sendable {
  /// What a run did.
  package struct Outcome: Equatable, Sendable {
    /// The samples for which at least one map was written, as indices.
    package var written: [Int] = []
    /// Samples whose maps were up to date.
    package var upToDate = 0
    /// Samples that were not begun, because the run was cancelled.
    package var skipped = 0
    /// The label ids of each split; a split with maps that do not say theirs is missing.
    package var labels = LabelsOfSplits()

    package init() {}
  }

  /// What the headers of all files say.
  package struct Survey: Equatable, Sendable {
    /// Whether every map is there, whole, and made from the present files.
    package var isComplete = true
    /// Whether files were found with another date than when their maps were made. Their contents are the same, but a
    /// survey has to read them.
    package var hasNewDates = false
    /// Images and labels that cannot be used.
    package var problems: [Problem] = []
    /// Samples without a label, as indices.
    package var unlabeled: [Int] = []
    package var skipped = 0
    package var labels = LabelsOfSplits()

    package init() {}
  }

  /// An image or label that cannot be used.
  package struct Problem: Codable, Equatable, Sendable {
    /// Index of the sample.
    package let sample: Int
    /// One line that names the file.
    package let line: String
  }

  private let samples: [SamplePaths]
  private let table: LabelTable
  /// The samples of this rank, in the order in which it processes them.
  private let own: [Int]

  /// - Parameters:
  ///   - samples: of one or several splits; the same list on every rank.
  ///   - table: of their labels.
  ///   - rank: processes every `ranks`-th sample; counted on this host.
  ///   - host: begins at this one of `hosts` equal parts of the samples. Each host goes through all of them, because its
  ///     disks may be its own; on a shared disk it finds up to date what other hosts have made.
  package init(
    _ samples: [SamplePaths], table: LabelTable = .cityscapes, rank: Int = 0, ranks: Int = 1, host: Int = 0,
    hosts: Int = 1
  ) {
    precondition((0..<ranks).contains(rank) && (0..<hosts).contains(host))
    self.table = table
    self.samples = samples
    let start = samples.count * host / hosts
    own = stride(from: rank, to: samples.count, by: ranks).map { ($0 + start) % samples.count }
  }

  /// Opens all files of this rank's samples, without decoding them.
  ///
  /// - Parameters: as for `run`.
  package func survey(
    threads: Int = 1, cancelled: () -> Bool = { false }, progress: (Double) -> Void = { _ in }
  ) -> Survey {
    var survey = Survey()
    var done = 0
    survey.skipped = forEachSample(threads: threads, cancelled: cancelled) { paths in
      let sources = try Sources(paths)
      return (sources.hasLabel, sources.groups(paths, table).map(\.states))
    } found: { index, finding in
      switch finding {
      case .success((let hasLabel, let states)):
        if !hasLabel { survey.unlabeled.append(index) }
        survey.isComplete = survey.isComplete && !states.joined().contains { $0.isOutOfDate }
        survey.hasNewDates = survey.hasNewDates || states.joined().contains { $0.isRedated }
        survey.labels.add(states[0][0].labels, of: samples[index].split)
      case .failure(is MissingLabel):
        survey.unlabeled.append(index)
      case .failure(let error):
        survey.problems.append(Problem(sample: index, line: "\(error)"))
      }
      done += 1
      progress(Double(done) / Double(own.count))
    }
    return survey
  }

  /// Processes this rank's samples, all of them even if some fail.
  ///
  /// - Parameters:
  ///   - threads: how many samples are processed at once.
  ///   - cancelled: called before each sample, on any thread; once it returns true the remaining samples are skipped.
  ///   - progress: called after each sample with the share of samples done, on any thread, one call at a time.
  /// - Throws: `PreprocessingError` with a line for each sample that failed.
  package func run(
    threads: Int = 1, cancelled: () -> Bool = { false }, progress: (Double) -> Void = { _ in }
  ) throws(PreprocessingError) -> Outcome {
    var outcome = Outcome()
    var problems: [Problem] = []
    var done = 0
    outcome.skipped = forEachSample(threads: threads, cancelled: cancelled, process) { index, result in
      switch result {
      case .success((let written, let labels)):
        if written { outcome.written.append(index) } else { outcome.upToDate += 1 }
        outcome.labels.add(labels, of: samples[index].split)
      case .failure(let error):
        problems.append(Problem(sample: index, line: "\(error)"))
      }
      done += 1
      progress(Double(done) / Double(own.count))
    }
    guard problems.isEmpty else { throw PreprocessingError(problems: problems.sorted { $0.sample < $1.sample }) }
    outcome.written.sort()
    return outcome
  }

  /// - Parameter found: called one at a time.
  /// - Returns: how many samples were skipped.
  private func forEachSample<Finding>(
    threads: Int, cancelled: () -> Bool, _ body: (SamplePaths) throws -> Finding,
    found: (_ sample: Int, Result<Finding, any Error>) -> Void
  ) -> Int {
    let skipped = Mutex(0)
    WorkerPool(threads: threads).parallelFor(own.count) { task, _ in
      if cancelled() { return skipped.withLock { $0 += 1 } }
      let result = Result { try body(samples[own[task]]) }
      Activity.advance()
      skipped.withLock { _ in found(own[task], result) }
    }
    return skipped.withLock(\.self)
  }

  /// - Returns: whether a file was written, and the label ids if they are known.
  private func process(_ paths: SamplePaths) throws -> (written: Bool, labels: LabelCounts?) {
    let sources = try Sources(paths)
    let groups = sources.groups(paths, table)
    let (label, image) = (groups[0], groups[1])
    let fromLabel = try label.update {
      guard sources.hasLabel else { return unlabeled(sources.size) }
      let labelIds = try labelIds(paths.labelIds)
      var trainIds = labelIds
      trainIds.pixels = labelIds.pixels.map { table.trainIds[Int($0)] }
      return (
        [trainIds, Boundary.map(of: trainIds, classes: table.classes.count)],
        LabelCounts(labelIds: labelIds.pixels, ids: table.idCount)
      )
    }
    let fromImage = try image.update { ([Canny.edges(of: try ImageFile.read(paths))], nil) }
    return (fromLabel.written || fromImage.written, fromLabel.labels)
  }

  /// The maps of an image without a label: every pixel is ignored. In Cityscapes these are pixels of label id 0; elsewhere
  /// they are not counted.
  private func unlabeled(_ size: Size) -> (maps: [Image], labels: LabelCounts) {
    let trainIds = Image(size, channels: 1, filledWith: Label.ignored)
    let labels =
      table.isCityscapes
      ? LabelCounts(labelIds: [UInt8](repeating: 0, count: size.height * size.width)) : LabelCounts(ids: table.idCount)
    return ([trainIds, Boundary.map(of: trainIds, classes: table.classes.count)], labels)
  }

  private func labelIds(_ path: String) throws -> Image {
    let map = try PNG.read(path, as: .gray)
    guard table.isCityscapes else {
      if let other = map.pixels.first(where: { !table.isLabel[Int($0)] }) {
        throw ImageError(
          path: path, problem: "holds \(other), which is neither a class nor ignored in \(table.name)",
          remedy: "add it to \"ignored\" or to \"classes\" in the file of --classes, or restore the label map")
      }
      return map
    }
    if let largest = map.pixels.max(), largest > Label.largestId {
      throw ImageError(
        path: path, problem: "holds \(largest), but label ids end at \(Label.largestId)",
        remedy: "restore the file; it must hold label ids, not train ids or instance ids")
    }
    return map
  }
}

/// The image and the label of a sample, whose headers fit together.
private struct Sources {
  let size: Size
  let image: FileStamp
  /// `.none` if there is no label.
  let label: FileStamp

  /// Opens both, without decoding them.
  ///
  /// - Throws: `ImageError`; `MissingLabel`, unless the sample is of the test split, whose labels are not published.
  init(_ paths: SamplePaths) throws {
    let image = try ImageFile(paths)
    try image.requireEnd()
    size = image.size
    self.image = FileStamp(paths.image) ?? .none
    guard let label = FileStamp(paths.labelIds) else {
      guard paths.split == .test else { throw MissingLabel(paths: paths) }
      self.label = .none
      return
    }
    self.label = label
    let map = try PNGReader(paths.labelIds, as: .gray)
    try map.requireEnd()
    guard map.size == size else {
      throw ImageError(
        path: paths.labelIds, problem: "\(map.size.widthByHeight), but its image is \(size.widthByHeight)",
        remedy: "restore the file or remove both")
    }
  }

  var hasLabel: Bool { label != .none }

  /// The maps made from the label, then those made from the image.
  func groups(_ paths: SamplePaths, _ table: LabelTable) -> [Maps] {
    [
      Maps([paths.labelTrainIds, paths.boundary], from: paths.labelIds, label, size, table),
      Maps([paths.canny], from: paths.image, image, size, nil),
    ]
  }
}

/// The maps made from one file.
private struct Maps {
  let states: [MapState]
  private let paths: [String]
  private let source: String
  private let stamp: FileStamp
  private let table: UInt64?

  /// - Parameter table: nil for maps that do not depend on labels.
  init(_ paths: [String], from source: String, _ stamp: FileStamp, _ size: Size, _ table: LabelTable?) {
    self.paths = paths
    self.source = source
    self.stamp = stamp
    self.table = table?.mapDigest
    states = paths.map { MapState($0, from: source, stamp, size, table) }
  }

  /// Writes the maps that are out of date.
  ///
  /// - Parameter make: all of these maps, and the label ids of the source if it is a label map.
  func update(_ make: () throws -> (maps: [Image], labels: LabelCounts?)) throws -> (
    written: Bool, labels: LabelCounts?
  ) {
    for case (let path, .redated(let source)) in zip(paths, states) {
      // To be spared the reading next time; a folder that cannot be written can still be used.
      if let map = try? PNG.read(path, as: .gray) { try? PNG.write(map, to: path, text: source.text) }
    }
    guard states.contains(where: \.isOutOfDate) else { return (false, states[0].labels) }
    let (maps, labels) = try make()
    let text = try MapSource(source, stamp, labels: labels, table: table).text
    for (path, (state, map)) in zip(paths, zip(states, maps)) where state.isOutOfDate {
      let folder = FileSystem.parent(of: path)
      do {
        try FileSystem().createDirectory(folder)
      } catch {
        throw ImageError(
          path: folder, problem: "cannot be created (\(error.posixMessage))", remedy: "check its permissions and room")
      }
      try PNG.write(map, to: path, text: text)
    }
    return (true, labels)
  }
}

/// Whether a map is there and made from the present contents of its source.
private enum MapState {
  case current(LabelCounts?)
  /// As current, but the source has another date: the text that the map should carry.
  case redated(MapSource)
  case outOfDate

  /// - Parameters:
  ///   - size: that the map must have.
  ///   - table: that it must be made with; nil for a map that does not depend on labels.
  init(_ path: String, from source: String, _ stamp: FileStamp, _ size: Size, _ table: LabelTable?) {
    guard let map = try? PNGReader(path, as: .gray), map.size == size, (try? map.requireEnd()) != nil else {
      self = .outOfDate
      return
    }
    guard let text = map.text(MapSource.keyword) else {
      guard table?.isCityscapes ?? true else {
        self = .outOfDate
        return
      }
      // Of an earlier version or the reference implementation. An older file that replaces the source keeps its old
      // modification time, but gets a new change time.
      let isNewer = FileStamp(path).map { $0.modified >= max(stamp.modified, stamp.changed) } ?? false
      self = isNewer ? .current(nil) : .outOfDate
      return
    }
    guard var recorded = MapSource(text), recorded.table == table?.mapDigest,
      recorded.labels.map({ $0.pixels.count == table?.idCount }) ?? true
    else {
      self = .outOfDate
      return
    }
    if recorded.size == stamp.size, recorded.modified == stamp.modified {
      self = .current(recorded.labels)
    } else if recorded.size == stamp.size, (try? MapSource.hash(of: source)) == recorded.hash {
      recorded.modified = stamp.modified
      self = .redated(recorded)
    } else {
      self = .outOfDate
    }
  }

  var labels: LabelCounts? {
    switch self {
    case .current(let labels): labels
    case .redated(let source): source.labels
    case .outOfDate: nil
    }
  }

  var isOutOfDate: Bool { if case .outOfDate = self { true } else { false } }
  var isRedated: Bool { if case .redated = self { true } else { false } }
}

/// The label ids of each split, as far as they are known.
package struct LabelsOfSplits: Equatable, Sendable, Codable {
  private var counts: [Split: LabelCounts] = [:]
  private var unknown: Set<Split> = []

  package init() {}

  /// nil if the split holds no sample, or one whose maps do not say what they were made from.
  package subscript(split: Split) -> LabelCounts? { unknown.contains(split) ? nil : counts[split] }

  mutating func add(_ labels: LabelCounts?, of split: Split) {
    if let labels {
      counts[split, default: LabelCounts(ids: labels.pixels.count)] += labels
    } else {
      unknown.insert(split)
    }
  }

  package static func += (left: inout LabelsOfSplits, right: LabelsOfSplits) {
    for (split, counts) in right.counts { left.add(counts, of: split) }
    left.unknown.formUnion(right.unknown)
  }
}

/// The samples that could not be processed.
package struct PreprocessingError: Error, Equatable, CustomStringConvertible {
  /// In the order of the samples.
  package let problems: [Preprocessing.Problem]

  package var description: String {
    (["\(problems.count) \(problems.count == 1 ? "image" : "images") could not be preprocessed:"]
      + problems.map(\.line)).joined(separator: "\n")
  }
}
