import Cityscapes
import Images
import Inference
import Metrics
import System
import Tensors

/// One of the images with the lowest mean class IoU, with what was predicted.
package struct WorstImage {
  let name: String
  let meanClassIoU: Double
  let panels: Result<Panels, MissingFigures>

  /// Maps of train ids, of the size of the photograph.
  struct Panels {
    let photograph: Image
    let truth: Image
    let prediction: Image

    var size: Size { photograph.size }

    /// Pixels that evaluation counts, and those of them that are wrong.
    var pixels: (labeled: Int, wrong: Int) {
      zip(truth.pixels, prediction.pixels).reduce(into: (0, 0)) { sum, pixel in
        guard pixel.0 != Label.ignored else { return }
        sum.labeled += 1
        if pixel.0 != pixel.1 { sum.wrong += 1 }
      }
    }

    /// The pair of classes with the most wrong pixels.
    func mostConfused(_ classes: Int) -> ConfusedClasses? {
      var confusion = ConfusionMatrix(classes: classes)
      confusion.add(prediction: prediction.pixels, target: truth.pixels)
      return confusion.mostConfused(1).first
    }

    /// 0 where the prediction is right, 1 where it is wrong, 2 where the ground truth has no class.
    var errors: Image {
      Image(
        size, channels: 1,
        pixels: zip(truth.pixels, prediction.pixels).map { $0 == Label.ignored ? 2 : $0 == $1 ? 0 : 1 })
    }
  }

  /// Reads the files of an image.
  ///
  /// - Parameters:
  ///   - name: shown.
  ///   - prediction: gives the train ids of each pixel.
  package init(
    _ name: String, meanClassIoU: Double, of sample: SamplePaths, _ table: LabelTable,
    prediction: (Size) throws -> Image
  ) {
    (self.name, self.meanClassIoU) = (name, meanClassIoU)
    panels = Self.reporting {
      let photograph = try Photograph.read(sample.image)
      let ids = try PNG.read(sample.labelIds, as: .gray)
      let truth = Image(ids.size, channels: 1, pixels: ids.pixels.map { table.trainIds[Int($0)] })
      let prediction = try prediction(photograph.size)
      for (map, path) in [(truth, sample.labelIds), (prediction, "its prediction")] where map.size != photograph.size {
        throw MissingFigures(
          "\(path) is \(map.size.widthByHeight), but \(sample.image) \(photograph.size.widthByHeight); restore the files."
        )
      }
      let classes = table.classes.count
      guard prediction.pixels.allSatisfy({ $0 < classes }) else {
        throw MissingFigures("its prediction holds other classes than the data set; evaluate the model again.")
      }
      return Panels(photograph: photograph, truth: truth, prediction: prediction)
    }
  }

  /// The worst images of an evaluation.
  ///
  /// - Parameters:
  ///   - samples: of the whole split, and `names` theirs.
  ///   - predictions: kept by the evaluation.
  package static func list(
    _ evaluation: Evaluation, _ samples: [SamplePaths], _ names: [String], _ predictions: WorstPredictions
  ) -> [WorstImage] {
    (evaluation.details?.worst(EvaluationReport.named) ?? []).map { entry in
      WorstImage(
        names[entry.index].printable, meanClassIoU: entry.meanClassIoU, of: samples[entry.index], evaluation.table
      ) { size in
        guard let trainIds = predictions.trainIds[entry.index], trainIds.count == size.width * size.height else {
          throw MissingFigures("its prediction was not kept.")
        }
        return Image(size, channels: 1, pixels: trainIds)
      }
    }
  }

  /// An image that cannot be shown.
  init(_ name: String, meanClassIoU: Double, missing: MissingFigures) {
    (self.name, self.meanClassIoU, panels) = (name, meanClassIoU, .failure(missing))
  }

  private static func reporting(_ body: () throws -> Panels) -> Result<Panels, MissingFigures> {
    do {
      return .success(try body())
    } catch let missing as MissingFigures {
      return .failure(missing)
    } catch {
      return .failure(MissingFigures("\(error)."))
    }
  }
}
