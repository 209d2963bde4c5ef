import ImageFixtures
import Images
import Tensors
import Testing

@Suite("Color changes") struct ColorChangeTests {
  private func change(_ kind: String, _ amount: Double) throws -> ColorChange {
    switch kind {
    case "brightness": .brightness(Float(amount))
    case "contrast": .contrast(Float(amount))
    case "saturation": .saturation(Float(amount))
    default: try #require(kind == "hue" ? .hue(amount) : nil)
    }
  }

  /// Each of the 2²⁴ colors once.
  private func everyColor() -> Image {
    let pixels = [UInt8](unsafeUninitializedCapacity: 3 << 24) { pixels, count in
      for color in 0..<1 << 24 {
        pixels[3 * color] = UInt8(color >> 16)
        pixels[3 * color + 1] = UInt8(color >> 8 & 255)
        pixels[3 * color + 2] = UInt8(color & 255)
      }
      count = 3 << 24
    }
    return Image(Size(4096, 4096), channels: 3, pixels: pixels)
  }

  @Test("Each change of a photograph and of all 2^24 colors has Pillow's bits")
  func references() throws {
    let references = try AugmentationReferences.shared.get().colors
    #expect(references.count == 28)
    let (photograph, every) = (try ImageFixtures.rgb("image"), everyColor())
    for reference in references {
      let change = try change(reference.kind, reference.amount)
      var image = photograph
      image.apply(change)
      #expect(image.digest == reference.image, "\(change)")
      image = every
      image.apply(change)
      #expect(image.digest == reference.every, "\(change) of every color")
    }
  }

  @Test("Changes one after another have Pillow's bits, and their order matters")
  func chain() throws {
    let chain = try AugmentationReferences.shared.get().chain
    let changes = try chain.steps.map { try change($0.kind, $0.amount) }
    var (image, other) = (try ImageFixtures.rgb("image"), try ImageFixtures.rgb("image"))
    for change in changes { image.apply(change) }
    for change in changes.reversed() { other.apply(change) }
    #expect(image.digest == chain.image)
    #expect(image != other)
  }

  @Test("Factor 1 changes nothing, factor 0 gives black, mean gray, or gray")
  func limits() {
    let image = Image.noise(9, 14, channels: 3, seed: 4)
    for change in [ColorChange.brightness(1), .contrast(1), .saturation(1)] {
      var same = image
      same.apply(change)
      #expect(same == image, "\(change)")
    }
    var black = image
    black.apply(.brightness(0))
    #expect(black.pixels.allSatisfy { $0 == 0 })
    var gray = image
    gray.apply(.contrast(0))
    #expect(Set(gray.pixels).count == 1)
    gray = image
    gray.apply(.saturation(0))
    for pixel in 0..<9 * 14 { #expect(Set(gray.pixels[3 * pixel..<3 * pixel + 3]).count == 1) }
    #expect(Set(gray.pixels).count > 20)
  }
}
