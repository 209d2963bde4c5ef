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

/// Finds out which activations one forward pass saves for its backward pass.
struct ActivationMemoryRecorder {
  /// An output, watched without being retained.
  private struct Watched {
    weak var saved: SavedTensor?
    let name: String?
    let part: Profile.Part
  }

  private let profile: Profile
  private let before: Int
  private var outputs: [Watched] = []

  /// As the forward pass begins.
  init(_ profile: Profile) {
    self.profile = profile
    before = profile.memory.liveBytes
  }

  /// Watches the output of an operation of the forward pass.
  mutating func watch(_ saved: SavedTensor, part: Profile.Part, name: String?) {
    outputs.append(Watched(saved: saved, name: name, part: part))
  }

  /// As the backward pass begins: reports to the profile what is still there.
  mutating func willBeginBackward() {
    profile.activations = ActivationMemory()
    profile.activations.before = before
    profile.activations.atBackwardStart = profile.memory.liveBytes
    profile.activations.outputs = outputs.compactMap { output in
      guard let bytes = output.saved?.bytes, bytes > 0 else { return nil }
      return ActivationMemory.Output(name: output.name, part: output.part, bytes: bytes)
    }
    outputs = []
  }
}
