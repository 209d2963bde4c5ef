import System

/// Records which activations a forward pass saves for its backward pass.
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

  /// Call as the forward pass begins.
  init(_ profile: Profile) {
    self.profile = profile
    before = profile.memory.liveBytes
  }

  /// Watches the output of an operation of the forward pass.
  mutating func watch(_ saved: SavedTensor, part: Profile.Part, name: String?) {
    outputs.append(Watched(saved: saved, name: name, part: part))
  }

  /// Call as the backward pass begins: reports the outputs that are still in memory to the profile.
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
