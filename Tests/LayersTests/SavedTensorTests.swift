import Layers
import Tensors
import Testing

@Suite("Values kept for the backward pass")
struct KeptTests {
  private let shape = Shape(1, 2, 3, 8)

  @Test("A value that is made again is made for the first who asks, and goes with the last who holds it")
  func madeOnce() {
    var made = 0
    weak var buffer: Buffer?
    var first: SavedTensor? = SavedTensor { [shape] in
      made += 1
      return .zeros(shape)
    }
    var second = first
    #expect(first?.bytes == 0)
    buffer = first?.value.buffer
    #expect(first?.bytes == shape.count * 4)
    first = nil
    #expect(second?.value.buffer === buffer && buffer != nil)
    #expect(made == 1)
    second = nil
    #expect(buffer == nil)
  }

  @Test("What a value was made from is let go once it is made")
  func chain() {
    weak var source: Buffer?
    func product() -> SavedTensor {
      let kept = SavedTensor(Tensor.zeros(shape))
      source = kept.value.buffer
      let between = SavedTensor { kept.value }
      return SavedTensor { [shape] in
        _ = between.value
        return .zeros(shape)
      }
    }
    let product = product()
    #expect(source != nil)
    _ = product.value
    #expect(source == nil)
    #expect(product.bytes == shape.count * 4)
  }
}
