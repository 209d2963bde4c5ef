import Tensors

/// Draws a part of each epoch class by class, so that rare classes are seen more often, each time with a pixel in their
/// midst that the crop must contain. The rule is that of NVIDIA's semantic-segmentation and nv-tlabs' GSCNN, except that an
/// epoch keeps its length where a class occurs nowhere.
package struct ClassUniformSampling: Sendable, Equatable {
  private let seed: UInt64
  /// The draws of an epoch for each class that occurs.
  package let drawsPerClass: Int
  private let centroids: ClassCentroids

  package init(seed: UInt64, drawsPerClass: Int, centroids: ClassCentroids) {
    self.seed = seed
    self.drawsPerClass = drawsPerClass
    self.centroids = centroids
  }

  /// - Parameters:
  ///   - fraction: of the epoch, 0 … 1, divided among all classes.
  ///   - samples: in an epoch.
  package static func drawsPerClass(fraction: Double, samples: Int, classes: Int) -> Int {
    Int(Double(samples) * fraction / Double(classes))
  }

  /// An epoch: `drawsPerClass` of the centroids of each class, in random order and each once before one comes again; the
  /// rest from all samples, the first ones of the order that the epoch would have otherwise; all of them shuffled.
  func draws(epoch: Int, count: Int) -> [SampleDraw] {
    func stream(_ purpose: String, _ further: UInt64 = 0) -> RandomNumbers {
      RandomNumbers(seed, RandomNumbers.hash(purpose), UInt64(epoch), further)
    }
    var draws: [SampleDraw] = []
    for (trainId, places) in centroids.places.enumerated() where !places.isEmpty {
      var random = stream("class-uniform", UInt64(trainId))
      let order = random.permutation(of: places.count)
      for number in 0..<drawsPerClass {
        let place = places[order[number % order.count]]
        draws.append(SampleDraw(index: place.sample, centroid: place.centroid))
      }
    }
    precondition(draws.count <= count, "at most the whole epoch is drawn by class")
    let others = Shuffle.permutation(seed: seed, epoch: epoch, count: count).prefix(count - draws.count)
    draws += others.map { SampleDraw(index: $0) }

    var random = stream("class-uniform order")
    var drawn = [Int](repeating: 0, count: count)
    return random.permutation(of: count).map { place in
      var draw = draws[place]
      draw.occurrence = drawn[draw.index]
      drawn[draw.index] += 1
      return draw
    }
  }
}
