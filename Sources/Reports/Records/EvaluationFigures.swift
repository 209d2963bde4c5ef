import Foundation
import System

/// The figures of an evaluation, as `gscnn evaluate --json` and a training's validation write them: fractions from 0 to 1,
/// nil for what does not exist.
package struct EvaluationFigures: Decodable, Sendable {
  struct Class: Decodable, Sendable {
    let iou: Double?
    let accuracy: Double?
  }

  struct Category: Decodable, Sendable {
    let iou: Double?
  }

  struct ConfusedPair: Decodable, Sendable {
    let truth: String
    let prediction: String
    let pixels: Int64
    let share: Double
  }

  struct WorstImage: Decodable, Sendable {
    let image: String
    let meanClassIoU: Double

    private enum CodingKeys: String, CodingKey {
      case image
      case meanClassIoU = "mean_class_iou"
    }
  }

  struct Boundary: Decodable, Sendable {
    struct Class: Decodable, Sendable {
      let f: [Double?]
      let iou: Double?
    }

    /// Fractions of the diagonal below 1, otherwise pixels.
    let thresholds: [Double]
    /// The smallest and the largest of the images, in pixels.
    let radii: [[Int]]
    let distance: [Int]?
    let meanF: [Double?]
    let meanIoU: Double?
    let classes: [String: Class]

    private enum CodingKeys: String, CodingKey {
      case thresholds, classes
      case radii = "f_radius_min_max"
      case distance = "iou_distance_min_max"
      case meanF = "mean_f"
      case meanIoU = "mean_iou"
    }
  }

  let split: String
  let images: Int
  let imagesPerSecond: Double?
  let loss: Double?
  let pixels: Int64
  let pixelAccuracy: Double
  let meanAccuracy: Double
  let meanClassIoU: Double
  let meanCategoryIoU: Double?
  let classes: [String: Class]
  let categories: [String: Category]?
  /// Pixels; rows are the ground truth, columns the prediction, both by train id.
  let confusion: [[Int64]]
  let mostConfused: [ConfusedPair]
  let boundary: Boundary?
  let worstImages: [WorstImage]?

  private enum CodingKeys: String, CodingKey {
    case split, images, loss, pixels, classes, categories, confusion, boundary
    case imagesPerSecond = "images_per_second"
    case pixelAccuracy = "pixel_accuracy"
    case meanAccuracy = "mean_accuracy"
    case meanClassIoU = "mean_class_iou"
    case meanCategoryIoU = "mean_category_iou"
    case mostConfused = "most_confused_classes"
    case worstImages = "worst_images"
  }

  /// - Throws: an error of Foundation if the text is no such file, or its parts contradict each other.
  package init(_ data: Data) throws {
    let decoder = JSONDecoder()
    // The figures of cityscapesScripts beside ours hold NaN, as Python writes it.
    decoder.allowsJSON5 = true
    // With JSON5 Foundation traps on bytes that are not UTF-8.
    guard String(validating: data, as: UTF8.self) != nil else { throw CocoaError(.coderReadCorrupt) }
    self = try decoder.decode(Self.self, from: data)
    let isConsistent =
      confusion.count == classes.count
      && confusion.allSatisfy { $0.count == classes.count && $0.allSatisfy { $0 >= 0 } }
      && (boundary.map { boundary in
        [boundary.radii.count, boundary.meanF.count].allSatisfy { $0 == boundary.thresholds.count }
          && boundary.radii.allSatisfy { $0.count == 2 } && boundary.distance.map { $0.count == 2 } ?? true
          && boundary.classes.values.allSatisfy { $0.f.count == boundary.thresholds.count }
      } ?? true)
    guard isConsistent else {
      throw DecodingError.dataCorrupted(.init(codingPath: [], debugDescription: "its figures contradict each other"))
    }
  }
}
