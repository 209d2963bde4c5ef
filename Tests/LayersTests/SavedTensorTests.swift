import Layers
import Tensors
import Testing

@Suite("Saved tensors")
struct SavedTensorTests {
  private let shape = Shape(1, 2, 3, 8)

  @Test("A recomputed value is computed once, on first use, and freed with its last user")
  func recomputedOnce() {
    var computations = 0
    weak var buffer: Buffer?
    var first: SavedTensor? = SavedTensor { [shape] in
      computations += 1
      return .zeros(shape)
    }
    var second = first
    #expect(first?.bytes == 0)
    buffer = first?.value.buffer
    #expect(first?.bytes == shape.count * 4)
    first = nil
    #expect(second?.value.buffer === buffer && buffer != nil)
    #expect(computations == 1)
    second = nil
    #expect(buffer == nil)
  }

  @Test("After recomputation the source tensors are released")
  func chain() {
    weak var source: Buffer?
    func product() -> SavedTensor {
      let stored = SavedTensor(Tensor.zeros(shape))
      source = stored.value.buffer
      let intermediate = SavedTensor { stored.value }
      return SavedTensor { [shape] in
        _ = intermediate.value
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
