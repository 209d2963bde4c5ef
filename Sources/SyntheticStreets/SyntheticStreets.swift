import Cityscapes
import Foundation
import Images
import Synchronization
import System
import Tensors

/// Synthetic street images with exact labels in the directory layout of Cityscapes, for use without the licensed data.
///
/// All classes occur, each with colors and shapes that a network can learn.
package struct SyntheticStreets: Sendable {
  /// Images of each split.
  package var train = 16
  package var val = 4
  package var test = 4
  /// Size of each image; at least 32×32.
  package var size = Size(256, 512)
  package var seed: UInt64 = 0

  package init(train: Int = 16, val: Int = 4, test: Int = 4, size: Size = Size(256, 512), seed: UInt64 = 0) {
    self.train = train
    self.val = val
    self.test = test
    self.size = size
    self.seed = seed
  }

  /// Writes images, label ids and colored labels, replacing those of an earlier call.
  /// - Parameters:
  ///   - root: the folder of the data set; created if it is missing.
  ///   - threads: how many images are painted at once.
  /// - Throws: `SyntheticStreetsError`, also if the folder holds other images; `ImageError`.
  package func write(to root: String, threads: Int = 1) throws {
    guard size.height >= 32, size.width >= 32 else {
      throw SyntheticStreetsError.tooSmall(width: size.width, height: size.height)
    }
    let counts = [(Split.train, train), (.val, val), (.test, test)]
    for (split, count) in counts where count < 0 { throw SyntheticStreetsError.negative(split, count) }
    let root = CityscapesDirectory(root: root).root
    let jobs = counts.flatMap { split, count in (0..<count).map { (split, $0, Self.paths(root, split, $0)) } }
    try refuseToMix(with: Set(jobs.map { $0.2.image }), root)
    for folder in Set(jobs.flatMap { [$0.2.image, $0.2.labelIds] }.map(FileSystem.parent)) {
      do {
        try FileSystem().createDirectory(folder)
      } catch {
        throw SyntheticStreetsError.folder(folder, error.posixMessage)
      }
    }
    let failure = Mutex<ImageError?>(nil)
    ProgressLine.shared.begin("painting streets", of: jobs.count, unit: "images")
    defer { ProgressLine.shared.end() }
    WorkerPool(threads: threads).parallelFor(jobs.count) { job, _ in
      if failure.withLock({ $0 != nil }) { return }
      defer { ProgressLine.shared.advance() }
      let (split, index, paths) = jobs[job]
      do throws(ImageError) {
        let (image, labelIds) = StreetScene.painted(seed: seed, split: split, index: index, size: size)
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
    let city = SamplePaths.syntheticCity
    return SamplePaths(root: root, split: split, city: city, name: city + String(format: "_%06d_000019", index))
  }

  /// Real and synthetic images in one split would spoil a training unnoticed; so would leftovers of a larger set.
  private func refuseToMix(with ours: Set<String>, _ root: String) throws {
    for split in Split.allCases {
      let existing = (try? CityscapesDirectory(root: root).samples(of: split)) ?? []
      if let other = existing.first(where: { !ours.contains($0.image) }) {
        throw SyntheticStreetsError.otherImages(other.image)
      }
    }
  }
}

/// Why no images were written.
package enum SyntheticStreetsError: Error, Equatable, CustomStringConvertible {
  case tooSmall(width: Int, height: Int)
  case negative(Split, Int)
  case otherImages(String)
  case folder(String, String)

  package var description: String {
    switch self {
    case .tooSmall(let width, let height): "\(width)×\(height) pixels are too few: a street needs at least 32×32"
    case .negative(let split, let count): "\(count) images of \(split.rawValue) cannot be synthesized"
    case .otherImages(let path):
      "\(path): exists and is not one of the images to be written; choose an empty folder or remove it"
    case .folder(let path, let cause): "\(path): cannot be created (\(cause)); check permissions and room"
    }
  }
}
