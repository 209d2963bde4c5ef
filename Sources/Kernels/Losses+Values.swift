import Tensors

extension Losses {
  /// The constants of the losses.
  package struct Options: Sendable {
    /// The label of pixels that do not count (PyTorch's `ignore_index`).
    package let ignoreIndex: UInt8
    /// Above this probability an edge counts as predicted.
    package let edgeThreshold: Float
    /// Weight of the edge loss in the total.
    package let edgeWeight: Double
    /// Weight of each class in the semantic and the task loss; nil: 1.
    package let classWeights: [Double]?
    /// Chooses the pixels of the semantic loss; nil: all.
    package let mining: HardExampleMining?

    package init(
      ignoreIndex: UInt8, edgeThreshold: Float, edgeWeight: Double, classWeights: [Double]? = nil,
      mining: HardExampleMining? = nil
    ) {
      self.ignoreIndex = ignoreIndex
      self.edgeThreshold = edgeThreshold
      self.edgeWeight = edgeWeight
      self.classWeights = classWeights
      self.mining = mining
    }
  }

  /// Numbers and weights of pixels, which divide the losses.
  package struct PixelCounts: Sendable, Equatable {
    /// n: pixels whose label is not ignored. The other counts are of these pixels.
    package let valid: Double
    /// n₊
    package let onBoundary: Double
    /// n₋
    package let offBoundary: Double
    /// s: pixels whose edge probability is above the threshold.
    package let predictedEdge: Double
    /// The class weights of the pixels of the semantic and of the task loss; n and s if every pixel counts with weight 1.
    package let semanticWeight: Double
    package let taskWeight: Double

    /// - Parameters:
    ///   - semanticWeight: nil: as `valid`.
    ///   - taskWeight: nil: as `predictedEdge`.
    package init(
      valid: Double, onBoundary: Double, offBoundary: Double, predictedEdge: Double, semanticWeight: Double? = nil,
      taskWeight: Double? = nil
    ) {
      self.valid = valid
      self.onBoundary = onBoundary
      self.offBoundary = offBoundary
      self.predictedEdge = predictedEdge
      self.semanticWeight = semanticWeight ?? valid
      self.taskWeight = taskWeight ?? predictedEdge
    }
  }

  /// The three losses. Those of the ranks add up to those of the global batch.
  package struct Terms: Sendable, Equatable {
    package let semantic: Double
    package let edge: Double
    package let task: Double

    package init(semantic: Double, edge: Double, task: Double) {
      self.semantic = semantic
      self.edge = edge
      self.task = task
    }
  }

  /// The gradients of the total.
  package struct Gradients {
    /// With respect to the logits, `[N, H, W, C]`.
    package let logits: Tensor
    /// With respect to the edge probabilities, `[N, H, W, 1]`.
    package let edge: Tensor
  }
}
