/// The objects that a pickle describes, as inert data: nothing in it is ever called.
///
/// Containers are entries of one flat array that refer to each other by index, so that neither a cycle nor any depth of
/// nesting matters. Texts and bytes are ranges of the pickle itself.
struct Pickle {
  enum Value: Equatable {
    case none
    case boolean(Bool)
    case integer(Int)
    case float(Double)
    case text(Range<Int>)
    case bytes(Range<Int>)
    /// Index of a `Node`.
    case node(Int)
    /// An integer of more than 64 bits, an extension code, ….
    case opaque
  }

  struct Node {
    enum Kind {
      case tuple, list, set
      /// Keys and values in turn.
      case dictionary
      /// Two texts: the module and the name in it.
      case global
      /// What calling `elements[0]` with the tuple `elements[1]` would give: items and state are kept aside.
      case object
      /// What the persistent id `elements[0]` stands for: a storage.
      case persistent
    }
    let kind: Kind
    var elements: [Value] = []
    /// Of an object: keys and values that are set in it, in turn.
    var items: [Value] = []
    /// Of an object: what BUILD gives it.
    var state = Value.none
  }

  let bytes: UnsafeRawBufferPointer
  let nodes: [Node]
  let root: Value
  /// Bytes that the pickle takes.
  let count: Int

  /// A text; nil for any other value, and for one of more bytes than `limit`: the same text may be referred to millions of
  /// times.
  func text(_ value: Value, limit: Int = 256) -> String? {
    guard case .text(let range) = value, range.count <= limit else { return nil }
    return String(validating: bytes[range], as: UTF8.self)
  }

  /// Whether a value is this text.
  func isText(_ value: Value, _ text: String) -> Bool {
    guard case .text(let range) = value, range.count == text.utf8.count else { return false }
    return bytes[range].elementsEqual(text.utf8)
  }

  func integer(_ value: Value) -> Int? {
    switch value {
    case .integer(let value): value
    case .boolean(let value): value ? 1 : 0
    default: nil
    }
  }

  func node(_ value: Value) -> Node? {
    guard case .node(let index) = value else { return nil }
    return nodes[index]
  }

  /// The elements of a tuple or a list.
  func elements(_ value: Value) -> [Value]? {
    guard let node = node(value), node.kind == .tuple || node.kind == .list else { return nil }
    return node.elements
  }

  /// A tuple of sizes, as `torch.Size` as well.
  func integers(_ value: Value) -> [Int]? {
    if let call = call(value), call.name == "torch.Size", call.arguments.count == 1 {
      return elements(call.arguments[0]).flatMap(integers)
    }
    return elements(value).flatMap(integers)
  }

  private func integers(_ values: [Value]) -> [Int]? {
    guard values.count <= TensorView.maximumRank else { return nil }
    let integers = values.compactMap(integer)
    return integers.count == values.count ? integers : nil
  }

  /// The dotted name of a global.
  func global(_ value: Value) -> String? {
    guard let node = node(value), node.kind == .global, let module = text(node.elements[0]),
      let name = text(node.elements[1])
    else { return nil }
    return module + "." + name
  }

  /// The name and the arguments of what would be called for an object.
  func call(_ value: Value) -> (name: String, arguments: [Value], node: Node)? {
    guard let node = node(value), node.kind == .object, let name = global(node.elements[0]) else { return nil }
    return (name, elements(node.elements[1]) ?? [], node)
  }

  /// The pairs of a dictionary, an `OrderedDict` or another object with items; nil for any other value.
  func pairs(_ value: Value) -> [(key: Value, value: Value)]? {
    guard let node = node(value) else { return nil }
    let flat: [Value]
    switch node.kind {
    case .dictionary: flat = node.elements
    case .object:
      // Python 2 writes the pairs of an OrderedDict as its argument.
      if node.items.isEmpty, let call = call(value), call.name == "collections.OrderedDict",
        let list = call.arguments.first.flatMap(elements)
      {
        return list.compactMap { elements($0).flatMap { $0.count == 2 ? ($0[0], $0[1]) : nil } }
      }
      guard !node.items.isEmpty || global(node.elements[0]) == "collections.OrderedDict" else { return nil }
      flat = node.items
    default: return nil
    }
    return stride(from: 0, to: flat.count - 1, by: 2).map { (flat[$0], flat[$0 + 1]) }
  }
}
