import System
import Tensors

extension BufferPool: MemoryMeter {}

extension Profile {
  /// A profile of the memory of all tensors.
  package convenience init() { self.init(memory: BufferPool.shared) }
}

/// The parts of a step, which differ in what limits their speed.
extension Profile.Part: CaseIterable {
  package static let conv1x1 = Profile.Part(rawValue: "1×1 convolutions")
  package static let winograd = Profile.Part(rawValue: "3×3 convolutions")
  package static let atrous = Profile.Part(rawValue: "atrous convolutions (dilation > 4)")
  package static let strided = Profile.Part(rawValue: "3×3 convolutions, stride 2")
  package static let batchNorm = Profile.Part(rawValue: "batch norm, ReLU, residuals")
  package static let resampling = Profile.Part(rawValue: "interpolation and pooling")
  package static let elementwise = Profile.Part(rawValue: "sigmoid, gates, concatenation")
  package static let losses = Profile.Part(rawValue: "losses and predictions")
  package static let communication = Profile.Part(rawValue: "all-reduce")
  package static let update = Profile.Part(rawValue: "optimizer")

  /// In the order of a table.
  package static let allCases: [Profile.Part] = [
    .conv1x1, .winograd, .atrous, .strided, .batchNorm, .resampling, .elementwise, .losses, .communication, .update,
  ]
}
