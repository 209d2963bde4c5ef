import COpenMPI
import Microkernels
import Tensors

/// A type of numbers that messages carry for floats.
protocol MessageNumber {
  /// Of the memory of one number.
  static var type: MPI_Datatype? { get }

  init(_ value: Float)
  /// The same number.
  var float: Float { get }
}

extension Float: MessageNumber {
  static var type: MPI_Datatype? { mpiFloat() }

  var float: Float { self }
}

extension BFloat16: MessageNumber {
  static var type: MPI_Datatype? { mpiUInt16() }

  var float: Float { Float(self) }
}

extension MessageNumber {
  /// Rounds floats to what messages carry of them; nothing if both are the same memory.
  static func round(
    _ values: UnsafeMutablePointer<Float>, to contents: UnsafeMutablePointer<Self>, _ range: Range<Int>
  ) {
    guard UnsafeRawPointer(values) != UnsafeRawPointer(contents) else { return }
    for index in range { contents[index] = Self(values[index]) }
  }

  /// Writes what messages carried as floats; nothing if both are the same memory.
  static func widen(
    _ contents: UnsafeMutablePointer<Self>, to values: UnsafeMutablePointer<Float>, _ range: Range<Int>
  ) {
    guard UnsafeRawPointer(values) != UnsafeRawPointer(contents) else { return }
    for index in range { values[index] = contents[index].float }
  }

  /// Adds what a message carried to sums.
  static func add(_ contents: UnsafeMutablePointer<Self>, to sums: UnsafeMutablePointer<Float>, count: Int) {
    for index in 0..<count { sums[index] += contents[index].float }
  }
}

/// Uninitialized memory for numbers.
struct MessageBuffer<Number: MessageNumber> {
  private let buffer: Buffer
  private let count: Int

  init(count: Int) {
    self.count = count
    buffer = Buffer(count: (count * MemoryLayout<Number>.stride).dividedRoundingUp(by: MemoryLayout<Float>.stride))
  }

  var start: UnsafeMutablePointer<Number> {
    UnsafeMutableRawPointer(buffer.start).assumingMemoryBound(to: Number.self)
  }

  /// The numbers as floats: this memory, if they are floats.
  var floats: Buffer {
    if Number.self == Float.self { return buffer }
    let floats = Buffer(count: count)
    Number.widen(start, to: floats.start, 0..<count)
    return floats
  }
}
