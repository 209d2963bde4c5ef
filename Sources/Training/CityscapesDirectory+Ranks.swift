import Cityscapes
import Distributed
import System

extension CityscapesDirectory {
  /// Lists splits on every rank. The ranks must see the same images, in names and sizes, and labels of the same sizes: on
  /// hosts with a copy each, one may be incomplete or of another version. Rank 0 warns of what looks like a mistake.
  /// Collective.
  ///
  /// - Parameter splits: if nil all that hold images.
  /// - Returns: the samples of each of the splits.
  /// - Throws: `CityscapesDirectoryError`; `ListsDiffer`, the same on all ranks.
  package func listOnAllRanks(_ splits: [Split]?, communicator: Communicator) throws -> [[SamplePaths]] {
    let listings = try ProgressLine.shared.during("listing images") {
      try communicator.collectively { try (splits ?? nonEmptySplits()).map(list) }
    }
    if let shared = Self.sharedImage(listings) { throw shared }
    try ListComparison(listings.flatMap(\.samples), root: root, communicator).requireEqual()
    if communicator.rank == 0 {
      for warning in listings.flatMap(\.warnings) { StandardError.write("gscnn: warning: \(warning)\n") }
    }
    return listings.map(\.samples)
  }

  /// An image that two splits list, as patterns of other data sets may have it.
  private static func sharedImage(_ listings: [SplitListing]) -> CityscapesDirectoryError? {
    var splits: [String: Split] = [:]
    for listing in listings {
      for sample in listing.samples {
        if let other = splits.updateValue(listing.split, forKey: sample.image), other != listing.split {
          return .inTwoSplits(sample.image, other, listing.split)
        }
      }
    }
    return nil
  }

  private func nonEmptySplits() throws -> [Split] {
    let splits = Split.allCases.filter { (try? list($0)) != nil }
    // Without any, listing one says why.
    return splits.isEmpty ? [try list(.train).split] : splits
  }
}

/// The lists of all ranks, compared.
private struct ListComparison {
  /// A file of the list.
  private struct File: Equatable {
    /// In the data set's folder.
    let path: Substring
    /// Bytes, or `none`.
    let size: Substring
  }

  private let communicator: Communicator
  private let root: String
  /// Each file's path in the data set's folder and its size, with a zero byte after each: names hold none.
  private let text: String

  init(_ samples: [SamplePaths], root: String, _ communicator: Communicator) {
    self.communicator = communicator
    self.root = root
    // Only in a job of several ranks: on a network file system each size may take a millisecond.
    guard communicator.size > 1 else {
      text = ""
      return
    }
    text = samples.flatMap { [$0.image, $0.labelIds] }.map { path in
      "\(path.dropFirst(root.count + 1))\0\(FileSystem.size(of: path).map(String.init) ?? "none")\0"
    }.joined()
  }

  /// Collective.
  func requireEqual() throws {
    let hashes = communicator.allGather(Array(text.utf8).withUnsafeBytes(XXH64.hash))
    guard let other = hashes.firstIndex(where: { $0 != hashes[0] }) else { return }
    let reference = Self.files(String(decoding: communicator.broadcast(Array(text.utf8)), as: UTF8.self))
    let difference = communicator.rank == other ? difference(from: reference) : ""
    let hosts = communicator.allGather(communicator.host)
    throw ListsDiffer(
      root: root, place: "rank \(other) on \(hosts[other])",
      difference: String(decoding: communicator.broadcast(Array(difference.utf8), from: other), as: UTF8.self))
  }

  private static func files(_ text: String) -> [File] {
    let words = text.split(separator: "\0", omittingEmptySubsequences: false)
    return stride(from: 0, to: words.count - 1, by: 2).map { File(path: words[$0], size: words[$0 + 1]) }
  }

  /// How this rank's list differs from that of rank 0, in words.
  private func difference(from reference: [File]) -> String {
    let own = Self.files(text)
    let paths = (own: Set(own.map(\.path)), reference: Set(reference.map(\.path)))
    if let missing = reference.first(where: { !paths.own.contains($0.path) })?.path {
      return counts(own, reference, in: missing) + "\(missing) is missing there"
    }
    if let extra = own.first(where: { !paths.reference.contains($0.path) })?.path {
      return counts(own, reference, in: extra) + "\(extra) is missing on rank 0's host"
    }
    func size(_ file: File) -> String { file.size == "none" ? "missing" : "\(file.size) bytes" }
    let differing = zip(own, reference).first { $0 != $1 }
    return differing.map { "has another \($0.path): \(size($0)) there, \(size($1)) on rank 0's host" } ?? "differs"
  }

  /// The numbers of images in the split of `path`.
  private func counts(_ own: [File], _ reference: [File], in path: Substring) -> String {
    let folder = path.split(separator: "/").prefix(2).joined(separator: "/") + "/"
    let (here, there) = (own.count { $0.path.hasPrefix(folder) }, reference.count { $0.path.hasPrefix(folder) })
    return "lists \(here) \(here == 1 ? "image" : "images") in \(folder.dropLast()), "
      + (here == there ? "as many as rank 0" : "rank 0 lists \(there)") + "; first difference: "
  }
}

/// The data sets of two ranks differ.
private struct ListsDiffer: CollectiveError, CustomStringConvertible {
  let root: String
  let place: String
  let difference: String

  var description: String {
    "\(root): \(place) \(difference); make the copies on all hosts the same, for example with rsync -a --delete"
  }
}
