import Cityscapes
import Distributed
import System

extension Preprocessing {
  /// Checks the headers of all files and makes the maps that are missing or out of date, on all ranks. Afterwards every
  /// host has a map for every sample: the ranks of a host share all samples, and hosts with a common disk each begin at
  /// another sample and leave alone what they find up to date. Rank 0 warns of labels that cannot be label ids, says
  /// which folder is used if it is not the data set's, and shows how far its own share is. Collective.
  ///
  /// - Parameters:
  ///   - samples: of one or several splits; the same list on every rank.
  ///   - root: the folder of the data set.
  ///   - prepared: the folder for the maps; if nil, the first that has all of them or else the first that can be written
  ///     (`PreparedMaps.candidates`).
  ///   - table: of the labels.
  ///   - cancelled: called before each sample on any thread; once it returns true on a rank, that rank stops.
  /// - Throws: `UnusableData`, with a line for each file; `TrainingError` if no folder can be written;
  ///   `PreparingStopped`.
  package static func runOnAllRanks(
    _ samples: [SamplePaths], of root: String, prepared: String?, table: LabelTable = .cityscapes,
    communicator: Communicator, threads: Int, cancelled: @escaping () -> Bool = { false }
  ) throws -> PreparedMaps {
    let root = CityscapesDirectory(root: root).root
    let run = PreprocessingRun(
      samples, root: root, table, communicator, threads: threads, cancelled: cancelled)
    let maps = try Activity.during(.preparing) { try run.maps(prepared) }
    if communicator.rank == 0 {
      for line in maps.warnings(root: root) { StandardError.write("gscnn: warning: \(line)\n") }
    }
    return maps
  }
}

/// The work of `Preprocessing.runOnAllRanks`. All methods are collective.
private struct PreprocessingRun {
  private let samples: [SamplePaths]
  private let root: String
  private let table: LabelTable
  private let communicator: Communicator
  private let threads: Int
  private let cancelled: () -> Bool
  /// Host names, in the order of their first ranks.
  private let hosts: [String]

  init(
    _ samples: [SamplePaths], root: String, _ table: LabelTable, _ communicator: Communicator, threads: Int,
    cancelled: @escaping () -> Bool
  ) {
    self.table = table
    self.samples = samples
    self.root = root
    self.communicator = communicator
    self.threads = threads
    self.cancelled = cancelled
    hosts = communicator.allGather(communicator.host).reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
  }

  /// Refuses folders in which a map would have the name of an image or a label: other data sets choose their names.
  private func requireOwnNames(in folders: [String]) throws {
    guard !table.isCityscapes else { return }
    let inputs = Set(samples.flatMap { [$0.image, $0.labelIds] }.map(FileSystem.canonical))
    for folder in folders {
      let maps = samples.lazy.map { $0.prepared(in: folder) }.flatMap { [$0.labelTrainIds, $0.boundary, $0.canny] }
      if let map = maps.first(where: { inputs.contains(FileSystem.target($0)) }) {
        throw TrainingError(
          "\(map): this map would replace an image or a label of the data set; give another folder as --prepared, or rename "
            + "the files of the data set")
      }
    }
  }

  func maps(_ prepared: String?) throws -> PreparedMaps {
    // The environment of rank 0 decides: other hosts may have another.
    let folders = communicator.allGather(PreparedMaps.candidates(root: root, prepared: prepared, table))[0]
    try requireOwnNames(in: folders)
    let writable = folders.filter { prepared != nil || $0 != PreparedMaps.besideLabels(root) }
    for folder in folders {
      let survey = try survey(folder)
      guard survey.isComplete else { continue }
      if folder != folders[0] { say("prepared maps: \(folder)") }
      if survey.hasNewDates, writable.contains(folder) { return try make(in: folder) }
      return PreparedMaps(folder: folder, written: 0, labels: survey.labels, table: table)
    }
    var obstacles: [String] = []
    for folder in writable {
      if let obstacle = obstacle(to: folder) {
        obstacles.append("\(folder): cannot be written (\(obstacle))")
        continue
      }
      if !obstacles.isEmpty { say("prepared maps: \(folder), because \(obstacles.joined(separator: "; "))") }
      return try make(in: folder)
    }
    throw TrainingError(
      (prepared == nil ? "" : "--prepared ") + obstacles.joined(separator: "; ")
        + "; give a folder that can be written as --prepared, for the maps made from images and labels")
  }

  private func preprocessing(_ folder: String) -> Preprocessing {
    Preprocessing(
      samples.map { $0.prepared(in: folder) }, table: table, rank: communicator.localRank,
      ranks: communicator.localSize,
      host: hosts.firstIndex(of: communicator.host) ?? 0, hosts: hosts.count)
  }

  /// The headers of all files, as all ranks see them.
  private func survey(_ folder: String) throws -> Preprocessing.Survey {
    var survey = ProgressLine.shared.during("checking files", of: 1000, unit: "%") {
      preprocessing(folder).survey(threads: threads, cancelled: cancelled, progress: Self.show)
    }
    communicator.sleepingBarrier()
    var counts = [survey.skipped, survey.isComplete ? 0 : 1, survey.hasNewDates ? 1 : 0]
    communicator.allReduceSum(&counts)
    guard counts[0] == 0 else { throw PreparingStopped() }
    try requireUsable(survey.problems, unlabeled: survey.unlabeled)
    (survey.isComplete, survey.hasNewDates) = (counts[1] == 0, counts[2] > 0)
    survey.labels = sum(survey.labels)
    return survey
  }

  /// Makes the maps that are missing or out of date.
  private func make(in folder: String) throws -> PreparedMaps {
    var (outcome, problems) = (Preprocessing.Outcome(), [Preprocessing.Problem]())
    ProgressLine.shared.begin("preparing images", of: 1000, unit: "%")
    do throws(PreprocessingError) {
      outcome = try preprocessing(folder).run(threads: threads, cancelled: cancelled, progress: Self.show)
    } catch {
      problems = error.problems
    }
    // Later every rank reads files that other ranks wrote here.
    communicator.sleepingBarrier()
    ProgressLine.shared.end()
    try requireUsable(problems)
    // Hosts with disks of their own make the maps of the same sample.
    var writers = [Int](repeating: 0, count: samples.count) + [outcome.skipped]
    for sample in outcome.written { writers[sample] = 1 }
    communicator.allReduceSum(&writers)
    guard writers.removeLast() == 0 else { throw PreparingStopped() }
    return PreparedMaps(folder: folder, written: writers.count { $0 > 0 }, labels: sum(outcome.labels), table: table)
  }

  /// - Parameter share: of this rank's samples that is done.
  private static func show(_ share: Double) { ProgressLine.shared.update { $0.done = Int(1000 * share) } }

  private func sum(_ labels: LabelsOfSplits) -> LabelsOfSplits {
    communicator.allGather(labels).reduce(into: LabelsOfSplits(), +=)
  }

  /// What keeps a host from writing to a folder; nil if all can.
  private func obstacle(to folder: String) -> String? {
    let own = communicator.localRank == 0 ? PreparedMaps.whyNotWritable(folder) : nil
    let all = communicator.allGather(own.map { [communicator.host, $0] } ?? [])
    return all.first { !$0.isEmpty }.map { hosts.count > 1 ? "on \($0[0]): \($0[1])" : $0[1] }
  }

  /// Throws if a rank has found a file that cannot be used.
  private func requireUsable(_ problems: [Preprocessing.Problem], unlabeled: [Int] = []) throws {
    struct Report: Codable {
      var host: String
      var problems: [Preprocessing.Problem]
      var unlabeled: [Int]
    }
    let reports = communicator.allGather(Report(host: communicator.host, problems: problems, unlabeled: unlabeled))
    guard reports.contains(where: { !$0.problems.isEmpty || !$0.unlabeled.isEmpty }) else { return }
    var (lines, affected) = ([String](), [String: [String]]())
    for host in hosts {
      let own = reports.filter { $0.host == host }
      let unlabeled = Set(own.flatMap(\.unlabeled))
      let missing = Split.allCases.flatMap { split in
        let indices = samples.indices.filter { samples[$0].split == split }
        return MissingLabels(
          indices.filter(unlabeled.contains).map { samples[$0] }, of: indices.map { samples[$0] }, root: root
        ).problems
      }
      for line in missing + own.flatMap(\.problems).sorted(by: { $0.sample < $1.sample }).map(\.line) {
        if affected[line] == nil { lines.append(line) }
        affected[line, default: []].append(host)
      }
    }
    guard !lines.isEmpty else { return }
    throw UnusableData(
      root: root,
      problems: lines.map { line in
        let affected = affected[line] ?? []
        return affected.count == hosts.count ? line : "on \(affected.joined(separator: ", ")): \(line)"
      })
  }

  private func say(_ line: String) {
    if communicator.rank == 0 { StandardError.write("gscnn: \(line)\n") }
  }
}

/// Files of a data set that cannot be used, found by any rank and thrown on all of them.
private struct UnusableData: CollectiveError, CustomStringConvertible {
  let root: String
  /// A line for each.
  let problems: [String]

  var findings: [String] { problems.count > 1 ? problems : [] }

  var description: String {
    problems.count > 1
      ? "\(root): \(problems.count) problems; correct what is named above, then start again" : problems.joined()
  }
}
