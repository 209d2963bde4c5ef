/// Finds tensors among the objects of a pickle: PyTorch's, whose numbers are elsewhere in the file, and NumPy's, which hold
/// their own.
struct PickledTensors {
  /// The bytes of a storage of PyTorch.
  struct Storage {
    let data: FileBytes
    let isSwapped: Bool
  }

  /// What a persistent id says about a storage.
  struct StorageID {
    let key: String
    let type: ElementType
    /// Elements of this type.
    let count: Int
    /// Of a view of another storage: where it begins there, in elements.
    let offset: Int
  }

  let pickle: Pickle
  let path: String
  /// Finds the bytes of a storage; throws if they are not there.
  private let storage: (StorageID) throws -> Storage
  private var latin: [Int: FileBytes] = [:]
  private let owner: AnyObject & Sendable

  /// - Parameter owner: of the bytes of the pickle.
  init(
    _ pickle: Pickle, path: String, owner: AnyObject & Sendable, storage: @escaping (StorageID) throws -> Storage
  ) {
    self.pickle = pickle
    self.path = path
    self.owner = owner
    self.storage = storage
  }

  /// The most calls around a tensor: a parameter, a subclass.
  private static let mostCalls = 4

  /// Whether a value is a tensor or says to be one.
  func isTensor(_ value: Pickle.Value) -> Bool {
    guard let call = tensorCall(value) else { return false }
    return Self.rebuilders.contains(call.name) || call.name.hasSuffix(".multiarray._reconstruct")
      || call.name.hasSuffix(".numeric._frombuffer")
  }

  private static let rebuilders: Set = [
    "torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor_v3",
  ]

  /// The innermost call that makes a tensor.
  private func tensorCall(_ value: Pickle.Value) -> (name: String, arguments: [Pickle.Value], node: Pickle.Node)? {
    var value = value
    for _ in 0..<Self.mostCalls {
      // Paddle: a pair of name and array.
      if let pair = pickle.elements(value), pair.count == 2, case .text = pair[0] { value = pair[1] }
      guard let call = pickle.call(value) else { return nil }
      switch call.name {
      case "torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state":
        guard let data = call.arguments.first else { return nil }
        value = data
      case "torch._tensor._rebuild_from_type_v2":
        guard call.arguments.count >= 3, let name = pickle.global(call.arguments[0]) else { return nil }
        return (name, pickle.elements(call.arguments[2]) ?? [], call.node)
      // Paddle writes tensors as calls of `tuple` and of `eval("data", {"data": array})`.
      case "builtins.tuple", "__builtin__.tuple":
        guard call.arguments.count == 1 else { return nil }
        value = call.arguments[0]
      case "builtins.eval", "__builtin__.eval":
        guard call.arguments.count == 2, pickle.isText(call.arguments[0], "data"),
          let node = pickle.node(call.arguments[1]), node.kind == .dictionary, node.elements.count == 2,
          pickle.isText(node.elements[0], "data")
        else { return nil }
        value = node.elements[1]
      default: return call
      }
    }
    return nil
  }

  /// The tensor that a value describes; nil if it is none that can be read (quantized, sparse, complex).
  ///
  /// - Throws: `WeightsError` if its description is damaged.
  mutating func tensor(_ value: Pickle.Value, name: String) throws -> TensorView? {
    guard isTensor(value), let call = tensorCall(value) else { return nil }
    return Self.rebuilders.contains(call.name)
      ? try torchTensor(call.name, call.arguments, name) : try array(call, name)
  }

  private func damaged(_ name: String, _ what: String) -> WeightsError {
    WeightsError(path, .damaged("\(name) \(what)"))
  }

  // MARK: - PyTorch

  private static let storageTypes: [String: ElementType] = [
    "DoubleStorage": .float64, "FloatStorage": .float32, "HalfStorage": .float16, "BFloat16Storage": .bfloat16,
    "LongStorage": .int64, "IntStorage": .int32, "ShortStorage": .int16, "CharStorage": .int8, "ByteStorage": .uint8,
    "BoolStorage": .bool, "UntypedStorage": .uint8,
  ]

  private static let dataTypes: [String: ElementType] = [
    "torch.float64": .float64, "torch.float32": .float32, "torch.float16": .float16, "torch.bfloat16": .bfloat16,
    "torch.int64": .int64, "torch.int32": .int32, "torch.int16": .int16, "torch.int8": .int8, "torch.uint8": .uint8,
    "torch.bool": .bool, "torch.uint16": .uint16, "torch.uint32": .uint32, "torch.uint64": .uint64,
    "torch.float8_e4m3fn": .float8e4m3, "torch.float8_e5m2": .float8e5m2,
  ]

  /// What a persistent id says; nil if it stands for something else, or for numbers of another type.
  static func storageID(_ value: Pickle.Value, in pickle: Pickle) -> StorageID? {
    guard let node = pickle.node(value), node.kind == .persistent, let parts = pickle.elements(node.elements[0]),
      parts.count >= 5, pickle.isText(parts[0], "storage"), let type = pickle.global(parts[1]),
      let key = pickle.text(parts[2]), let count = pickle.integer(parts[4]), count >= 0,
      let elementType = storageTypes[String(type.split(separator: ".").last ?? "")]
    else { return nil }
    // In the legacy format: the view's own key, where it begins and how long it is.
    let view = parts.count > 5 ? pickle.elements(parts[5]) : nil
    return StorageID(
      key: key, type: elementType, count: count,
      offset: view.flatMap { $0.count == 3 ? pickle.integer($0[1]) : nil } ?? 0)
  }

  private func torchTensor(_ call: String, _ arguments: [Pickle.Value], _ name: String) throws -> TensorView? {
    guard arguments.count >= 4, let offset = pickle.integer(arguments[1]), let shape = pickle.integers(arguments[2]),
      let strides = pickle.integers(arguments[3])
    else { throw damaged(name, "is described incompletely") }
    guard let id = Self.storageID(arguments[0], in: pickle) else { return nil }
    var type = id.type
    if call.hasSuffix("_v3") {
      guard arguments.count >= 7, let global = pickle.global(arguments[6]), let named = Self.dataTypes[global] else {
        return nil
      }
      type = named
    }
    let storage = try self.storage(id)
    let (bytes, overflow) = id.count.multipliedReportingOverflow(by: id.type.size)
    guard !overflow, bytes <= storage.data.bytes.count else {
      throw damaged(
        name, "needs a storage of \(id.count) elements, but that in the file has \(storage.data.bytes.count) bytes")
    }
    let (start, startOverflow) = offset.addingReportingOverflow(id.offset)
    guard !startOverflow, strides.count == shape.count,
      let view = TensorView(
        type, shape, strides: strides, offset: start, storage: storage.data.bytes, isSwapped: storage.isSwapped,
        owner: storage.data.owner)
    else {
      throw damaged(name, "has the shape \(shape) and strides \(strides), which do not fit its storage of \(id.count)")
    }
    return view
  }

  // MARK: - NumPy

  /// The letter and size of NumPy's types. Paddle stores bfloat16 as 16-bit integers without sign.
  private static let arrayTypes: [String: ElementType] = [
    "f8": .float64, "f4": .float32, "f2": .float16, "u2": .bfloat16, "i8": .int64, "i4": .int32, "i2": .int16,
    "i1": .int8, "u1": .uint8, "b1": .bool,
  ]

  private mutating func array(
    _ call: (name: String, arguments: [Pickle.Value], node: Pickle.Node), _ name: String
  ) throws -> TensorView? {
    // (version, shape, type, whether columns come first, data), or the arguments (data, type, shape, order).
    var shapeValue, typeValue, data: Pickle.Value
    let isColumnMajor: Bool
    if call.name.hasSuffix("._frombuffer") {
      guard call.arguments.count >= 4 else { throw damaged(name, "is described incompletely") }
      (data, typeValue, shapeValue) = (call.arguments[0], call.arguments[1], call.arguments[2])
      isColumnMajor = pickle.text(call.arguments[3]) == "F"
    } else {
      guard let state = pickle.elements(call.node.state), state.count == 5 else {
        throw damaged(name, "is described incompletely")
      }
      (shapeValue, typeValue, data) = (state[1], state[2], state[4])
      isColumnMajor = state[3] == .boolean(true)
    }
    guard let shape = pickle.integers(shapeValue) else { throw damaged(name, "has no shape") }
    guard let dtype = pickle.call(typeValue), dtype.name == "numpy.dtype",
      let code = dtype.arguments.first.flatMap({ pickle.text($0) }), let type = Self.arrayTypes[code]
    else { return nil }
    let order = pickle.elements(dtype.node.state).flatMap { $0.count > 1 ? pickle.text($0[1]) : nil }
    guard let bytes = bytes(data), let needed = type.bytes(of: shape) else {
      throw damaged(name, "has data that cannot be read")
    }
    guard bytes.bytes.count == needed else {
      throw damaged(name, "has \(bytes.bytes.count) bytes, but its shape \(shape) needs \(needed)")
    }
    let strides = isColumnMajor ? Array(TensorView.denseStrides(shape.reversed()).reversed()) : nil
    guard
      let view = TensorView(
        type, shape, strides: strides, storage: bytes.bytes, isSwapped: order == ">", owner: bytes.owner)
    else { throw damaged(name, "has the impossible shape \(shape)") }
    return view
  }

  /// The data of an array: bytes, or in protocol 2 a text that stands for bytes in Latin-1.
  private mutating func bytes(_ value: Pickle.Value) -> FileBytes? {
    switch value {
    case .bytes(let range): return FileBytes(UnsafeRawBufferPointer(rebasing: pickle.bytes[range]), owner: owner)
    case .text(let range):
      // Python 2's strings are bytes.
      return FileBytes(UnsafeRawBufferPointer(rebasing: pickle.bytes[range]), owner: owner)
    default:
      guard let call = pickle.call(value), call.name == "_codecs.encode", call.arguments.count == 2,
        case .text(let range) = call.arguments[0], pickle.text(call.arguments[1]) == "latin1"
      else { return nil }
      if let known = latin[range.lowerBound] { return known }
      guard let decoded = Self.latin1(UnsafeRawBufferPointer(rebasing: pickle.bytes[range])) else { return nil }
      latin[range.lowerBound] = decoded
      return decoded
    }
  }

  /// The characters of a UTF-8 text as bytes; nil if one is above 255.
  private static func latin1(_ text: UnsafeRawBufferPointer) -> FileBytes? {
    guard let decoded = OwnedBytes(count: text.count) else { return nil }
    var (count, index) = (0, 0)
    while index < text.count {
      let byte = text[index]
      if byte < 0x80 {
        decoded.buffer[count] = byte
        index += 1
      } else {
        guard byte == 0xC2 || byte == 0xC3, index + 1 < text.count, text[index + 1] & 0xC0 == 0x80 else { return nil }
        decoded.buffer[count] = (byte & 0x03) << 6 | text[index + 1] & 0x3F
        index += 2
      }
      count += 1
    }
    return FileBytes(UnsafeRawBufferPointer(rebasing: decoded.buffer[..<count]), owner: decoded)
  }
}
