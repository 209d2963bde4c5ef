import Foundation
import Images
import Synchronization
import Tensors

/// Made-up streets with exact labels in Cityscapes' layout, so that everything runs without the licensed data.
///
/// All 19 classes appear, with colors and shapes of their own that a network can learn.
package struct SyntheticStreets: Sendable {
  /// Images of each split.
  package var train = 16
  package var val = 4
  package var test = 4
  /// Size of each image in pixels; at least 32.
  package var height = 256
  package var width = 512
  package var seed: UInt64 = 0

  package init(train: Int = 16, val: Int = 4, test: Int = 4, height: Int = 256, width: Int = 512, seed: UInt64 = 0) {
    self.train = train
    self.val = val
    self.test = test
    self.height = height
    self.width = width
    self.seed = seed
  }

  /// The made-up city that all images are of.
  static let city = "synthetica"

  /// Writes images, label ids and labels in color; images that this has written before are replaced.
  /// - Parameters:
  ///   - root: the data set's folder; made where it is missing.
  ///   - threads: how many images are painted at once.
  /// - Throws: `SyntheticStreetsError`, also where the folder holds other images; `ImageError`.
  package func write(to root: String, threads: Int = 1) throws {
    guard height >= 32, width >= 32 else { throw SyntheticStreetsError.tooSmall(width: width, height: height) }
    let counts = [(Split.train, train), (.val, val), (.test, test)]
    for (split, count) in counts where count < 0 { throw SyntheticStreetsError.negative(split, count) }
    let root = CityscapesDirectory(root: root).root
    let jobs = counts.flatMap { split, count in (0..<count).map { (split, $0, Self.paths(root, split, $0)) } }
    try refuseToMix(with: Set(jobs.map { $0.2.image }), root)
    for folder in Set(
      jobs.flatMap { [$0.2.image, $0.2.labelIds] }.map { ($0 as NSString).deletingLastPathComponent })
    {
      do {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      } catch {
        throw SyntheticStreetsError.folder(folder, error.reason)
      }
    }
    let failure = Mutex<ImageError?>(nil)
    WorkerPool(threads: threads).parallelFor(jobs.count) { job, _ in
      if failure.withLock({ $0 != nil }) { return }
      let (split, index, paths) = jobs[job]
      do throws(ImageError) {
        let (image, labelIds) = StreetScene.painted(
          seed: seed, split: split, index: index, width: width, height: height)
        try PNG.write(image, to: paths.image)
        try PNG.write(labelIds, to: paths.labelIds)
        try PNG.write(Palette.colored(labelIds, by: Label.idPalette), to: paths.color)
      } catch {
        failure.withLock { $0 = $0 ?? error }
      }
    }
    if let error = failure.withLock({ $0 }) { throw error }
  }

  private static func paths(_ root: String, _ split: Split, _ index: Int) -> SamplePaths {
    let digits = String(index)
    let sequence = String(repeating: "0", count: max(6 - digits.count, 0)) + digits
    return SamplePaths(root: root, split: split, city: city, name: "\(city)_\(sequence)_000019")
  }

  /// Real and made-up images in one split would spoil a training without a word; so would leftovers of a larger set.
  private func refuseToMix(with ours: Set<String>, _ root: String) throws {
    for split in Split.allCases {
      let there = (try? CityscapesDirectory(root: root).samples(of: split)) ?? []
      if let stranger = there.first(where: { !ours.contains($0.image) }) {
        throw SyntheticStreetsError.otherImages(stranger.image)
      }
    }
  }
}

/// Why no streets were made.
package enum SyntheticStreetsError: Error, Equatable, CustomStringConvertible {
  case tooSmall(width: Int, height: Int)
  case negative(Split, Int)
  case otherImages(String)
  case folder(String, String)

  package var description: String {
    switch self {
    case .tooSmall(let width, let height): "\(width)×\(height) pixels are too few: a street needs at least 32×32"
    case .negative(let split, let count): "\(count) images of \(split.rawValue) cannot be made"
    case .otherImages(let path):
      "\(path): is there already and not one of the images to be made; choose an empty folder or remove it"
    case .folder(let path, let cause): "\(path): cannot be made (\(cause)); check permissions and room"
    }
  }
}
