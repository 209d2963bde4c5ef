/// Why a weights file or a checkpoint cannot be used: which file, what is wrong, what to do.
package struct WeightsError: Error, Equatable, CustomStringConvertible {
  package let file: String
  package let problem: Problem

  package init(_ file: String, _ problem: Problem) {
    self.file = file
    self.problem = problem
  }

  package var description: String { "\(file): \(problem); \(problem.remedy)" }

  package enum Problem: Equatable, Sendable {
    // A file that is not valid safetensors.
    case tooShort(bytes: Int)
    case headerTooLong(UInt64)
    case headerPastEnd(header: UInt64, file: Int)
    case notSafetensors
    case malformed(String, at: Int)
    case duplicateName(String)
    case unknownType(String, of: String)
    case shapeTooLarge(String)
    case wrongLength(String, bytes: Int, needed: Int)
    case gap(before: String)
    case overlap(String)
    case wrongFileLength(bytes: Int, needed: Int)

    // A file of another format that cannot be read.
    case damaged(String)
    case unsupported(String, remedy: String)

    // A valid file that does not match what is needed.
    case noSuchTensor(String)
    case notNumbers(String, type: String)
    case mismatch(String)
    case nothingFits(String)
    case notFinite(String, values: Int, otherTensors: Int)

    // A checkpoint that cannot be used.
    case noCheckpoint
    case missingCheckpoint(instead: String?)
    case severalFolders([String])
    case incomplete(String)
    case wrongChecksum(String)
    case unreadableState(String)
  }
}

extension WeightsError.Problem: CustomStringConvertible {
  package var description: String {
    switch self {
    case .tooShort(let bytes): "is too short for a safetensors file (\(bytes) bytes)"
    case .headerTooLong(let length):
      "claims a header of \(length) bytes, but safetensors allows at most \(Safetensors.maximumHeader)"
    case .headerPastEnd(let header, let file): "claims a header of \(header) bytes but is \(file) bytes long"
    case .notSafetensors: "is no file of weights: neither safetensors nor a file of PyTorch or Paddle"
    case .malformed(let what, let position): "has a damaged header: \(what) at byte \(position)"
    case .duplicateName(let name): "holds \(name) twice"
    case .unknownType(let type, let name): "holds \(name) as \(type), an unknown type"
    case .shapeTooLarge(let name): "gives \(name) a shape too large to count"
    case .wrongLength(let name, let bytes, let needed): "gives \(name) \(bytes) bytes, but its shape needs \(needed)"
    case .gap(let name): "has bytes before \(name) that belong to no tensor"
    case .overlap(let name): "has \(name) overlapping the tensor before it"
    case .wrongFileLength(let bytes, let needed): "is \(bytes) bytes long, but its header needs \(needed)"
    case .damaged(let what): "is damaged: \(what)"
    case .unsupported(let what, _): what
    case .noSuchTensor(let name): "holds no tensor \(name)"
    case .notNumbers(let name, let type): "holds \(name) as \(type), not as floating-point numbers"
    case .mismatch(let what): "does not fit this network: \(what)"
    case .nothingFits(let example): "holds nothing that fits this network (its first tensor is \(example))"
    case .notFinite(let name, let values, let others):
      "\(values == 1 ? "1 value" : "\(values) values") of \(name) \(values == 1 ? "is" : "are") infinite or not a number"
        + (others == 0 ? "" : ", and so are values of \(others) more \(others == 1 ? "tensor" : "tensors")")
    case .noCheckpoint: "holds no checkpoint"
    case .missingCheckpoint: "does not exist"
    case .severalFolders(let folders): "holds the checkpoints of several runs (\(folders.joined(separator: ", ")))"
    case .incomplete(let what): "is not a complete checkpoint: \(what)"
    case .wrongChecksum(let file): "is damaged: \(file) does not match its checksum"
    case .unreadableState(let why): "holds a state that cannot be decoded: \(why)"
    }
  }

  /// What to do about it.
  package var remedy: String {
    switch self {
    case .notSafetensors, .headerTooLong:
      "give a .safetensors, .pth or .pdparams file; torch.save(model.state_dict(), FILE) writes one"
    case .unsupported(_, let remedy): remedy
    case .tooShort, .headerPastEnd, .wrongFileLength, .damaged: "copy it again: it is truncated or another kind of file"
    case .unknownType: "convert it to F32, or copy it again if it is damaged"
    case .malformed, .duplicateName, .shapeTooLarge, .wrongLength, .gap, .overlap:
      "copy it again or write it anew"
    case .noSuchTensor, .notNumbers: "check that it is the right file"
    case .mismatch: "give a file that was written for this network"
    case .nothingFits: "give the whole network, or a ResNet-D of timm, mmsegmentation, mmpretrain or Paddle"
    case .notFinite: "give weights or a checkpoint from before the training diverged"
    case .missingCheckpoint(let newest): newest.map { "the newest there is \($0)" } ?? "give another"
    case .noCheckpoint: "give a step-… folder or the results folder of a run"
    case .severalFolders: "give one of them"
    case .incomplete, .wrongChecksum: "use an earlier checkpoint"
    case .unreadableState: "resume with the program that wrote it"
    }
  }
}
