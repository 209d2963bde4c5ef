import Foundation
import ImageFixtures
import Images
import Tensors
import Testing

@Suite("Gaussian blur") struct GaussianBlurTests {
  @Test("The result is SciPy's, for radii of 0 to 20 pixels")
  func references() throws {
    let tiles = try ImageFixtures.rgb("tiles")
    let references = try AugmentationReferences.shared.get().blurs
    #expect(references.map { GaussianBlur.radius(sigma: $0.sigma) } == [0, 1, 2, 3, 5, 20])
    for reference in references {
      let blurred = GaussianBlur.blurred(tiles, sigma: reference.sigma)
      #expect(blurred.pixels == [UInt8](reference.pixels), "sigma \(reference.sigma)")
    }
  }

  @Test(
    "A mirrored image gives the mirrored result, one color stays, and one channel is blurred as three",
    arguments: [(1, 1), (1, 9), (7, 2), (12, 31)])
  func symmetry(height: Int, width: Int) {
    for sigma in [0.2, 1, 3.3] {
      let image = Image.noise(height, width, channels: 3, seed: 6)
      let blurred = GaussianBlur.blurred(image, sigma: sigma)
      #expect(GaussianBlur.blurred(image.mirrored, sigma: sigma) == blurred.mirrored)
      for value: UInt8 in [0, 127, 255] {
        let plain = Image(image.size, channels: 3, filledWith: value)
        #expect(GaussianBlur.blurred(plain, sigma: sigma) == plain)
      }
      let green = Image(
        image.size, channels: 1, pixels: (0..<height * width).map { image.pixels[3 * $0 + 1] })
      #expect(
        GaussianBlur.blurred(green, sigma: sigma).pixels == (0..<height * width).map { blurred.pixels[3 * $0 + 1] })
    }
  }
}
