/// Counts how often each pair of a ground-truth byte and a predicted byte occurs.
enum PixelPairs {
  /// - Parameters:
  ///   - truth: any bytes.
  ///   - prediction: bytes below `classes`, as many.
  ///   - classes: few make it faster.
  ///   - body: called with each pair that occurs and its number of pixels.
  static func count(
    truth: [UInt8], prediction: [UInt8], classes: Int, _ body: (_ truth: Int, _ prediction: Int, _ count: Int64) -> Void
  ) {
    precondition(prediction.count == truth.count, "one prediction for each pixel")
    precondition(prediction.count < Int(UInt32.max))
    prediction.withUnsafeBufferPointer { prediction in
      truth.withUnsafeBufferPointer { truth in
        if let prediction = prediction.baseAddress, let base = truth.baseAddress {
          // The number of columns is a constant in each of the two loops.
          if classes <= 32 {
            count(base, prediction, truth.count, columns: 32, body)
          } else {
            count(base, prediction, truth.count, columns: 256, body)
          }
        }
      }
    }
  }

  @inline(__always)
  private static func count(
    _ truth: UnsafePointer<UInt8>, _ prediction: UnsafePointer<UInt8>, _ pixels: Int, columns: Int,
    _ body: (Int, Int, Int64) -> Void
  ) {
    // A table with a row for each byte needs no branch for ignored pixels. Adjacent pixels mostly count in the same cell;
    // four tables in turn avoid the latency of repeated increments of one cell.
    let mask = UInt8(columns - 1)
    let size = 256 * columns
    withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 4 * size) { tables in
      tables.initialize(repeating: 0)
      guard let table = tables.baseAddress else { return }
      var invalidBits: UInt8 = 0
      var pixel = 0
      while pixel + 4 <= pixels {
        for lane in 0..<4 {
          let predicted = prediction[pixel + lane]
          invalidBits |= predicted & ~mask
          table[lane * size + Int(truth[pixel + lane]) * columns + Int(predicted & mask)] &+= 1
        }
        pixel += 4
      }
      while pixel < pixels {
        invalidBits |= prediction[pixel] & ~mask
        table[Int(truth[pixel]) * columns + Int(prediction[pixel] & mask)] &+= 1
        pixel += 1
      }
      precondition(invalidBits == 0, "predictions are train ids")
      for cell in 0..<size {
        let count = (0..<4).reduce(Int64(0)) { $0 + Int64(table[$1 * size + cell]) }
        if count > 0 { body(cell / columns, cell % columns, count) }
      }
    }
  }
}
