import Cityscapes
import Images

/// Where a prediction differs from the ground truth: the image in light gray where both are the same, in dark gray where
/// the ground truth has no class, and red where the prediction is wrong.
package struct ErrorMap {
  /// RGB.
  package let image: Image
  /// Pixels of each kind.
  package private(set) var correct = 0
  package private(set) var wrong = 0
  package private(set) var ignored = 0

  package static let wrongColor: Palette.Color = (red: 228, green: 16, blue: 32)

  /// - Parameters:
  ///   - image: RGB.
  ///   - target: train ids of the ground truth, `Label.ignored` where there is no class.
  ///   - prediction: train ids.
  package init(of image: Image, target: [UInt8], prediction: [UInt8]) {
    let pixels = image.size.height * image.size.width
    precondition(image.channels == 3 && target.count == pixels && prediction.count == pixels)
    var map: [UInt8] = []
    map.reserveCapacity(3 * pixels)
    for pixel in 0..<pixels {
      let (red, green, blue) = (
        UInt(image.pixels[3 * pixel]), UInt(image.pixels[3 * pixel + 1]), UInt(image.pixels[3 * pixel + 2])
      )
      // The luma of Rec. 601, in 256ths.
      let gray = (77 * red + 150 * green + 29 * blue) / 256
      if target[pixel] == Label.ignored {
        ignored += 1
        map += repeatElement(UInt8(gray / 4), count: 3)
      } else if target[pixel] == prediction[pixel] {
        correct += 1
        map += repeatElement(UInt8(128 + gray / 2), count: 3)
      } else {
        wrong += 1
        map += [Self.wrongColor.red, Self.wrongColor.green, Self.wrongColor.blue]
      }
    }
    self.image = Image(image.size, channels: 3, pixels: map)
  }

  /// What its colors mean, with the share of each in all pixels.
  var legend: [Legend.Entry] {
    let total = correct + wrong + ignored
    func entry(_ name: String, _ color: Palette.Color, _ count: Int) -> Legend.Entry {
      Legend.Entry(color, "\(name)  \(LabelCounts.percent(count, of: total))")
    }
    return [
      entry("correct", (red: 192, green: 192, blue: 192), correct), entry("wrong", Self.wrongColor, wrong),
      entry("ignored", (red: 32, green: 32, blue: 32), ignored),
    ]
  }
}
