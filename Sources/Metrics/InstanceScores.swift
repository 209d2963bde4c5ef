import Cityscapes

/// How much of one instance, such as one car, is predicted correctly.
package struct InstanceOverlap: Equatable, Codable, Sendable {
  /// Label id · 1000 + number, as in `…_gtFine_instanceIds.png`.
  package let id: Int
  /// Pixels.
  package let size: Int
  /// Pixels predicted as the instance's class.
  package let classPixels: Int
  /// Pixels predicted as any class of its category.
  package let categoryPixels: Int

  /// The train id of the instance's class.
  var trainId: Int { Int(Label.trainIds[id / 1000]) }
}

extension InstanceOverlap {
  /// An instance map holds an id that cannot be evaluated.
  package struct InvalidId: Error, Equatable {
    package let id: Int

    package init(id: Int) { self.id = id }
  }

  /// The instances of an image, by ascending id; those of labels that evaluation ignores are left out.
  ///
  /// - Parameters:
  ///   - map: instance ids; values up to 1000 belong to no instance.
  ///   - prediction: train ids, one for each pixel.
  /// - Throws: `InvalidId` for an instance of a label that has none.
  package static func measure(map: [UInt16], prediction: [UInt8]) throws(InvalidId) -> [InstanceOverlap] {
    precondition(map.count == prediction.count, "one prediction for each pixel")
    // Pixels by instance id and predicted train id; most ids do not occur.
    let columns = 32
    var rows = [Int32](repeating: -1, count: 1 << 16)
    var counts: [Int] = []
    for pixel in map.indices where map[pixel] > 1000 {
      let id = Int(map[pixel])
      if rows[id] < 0 {
        rows[id] = Int32(counts.count / columns)
        counts += [Int](repeating: 0, count: columns)
      }
      counts[Int(rows[id]) * columns + Int(prediction[pixel] & 31)] += 1
    }
    var instances: [InstanceOverlap] = []
    for id in 1001..<rows.count where rows[id] >= 0 {
      guard let label = Label.table.first(where: { $0.id == id / 1000 }) else { throw InvalidId(id: id) }
      if label.ignoredInEvaluation { continue }
      guard InstanceScores.averageSizes[label.trainId] != nil else { throw InvalidId(id: id) }
      let row = counts[Int(rows[id]) * columns..<(Int(rows[id]) + 1) * columns]
      let category = Label.categoryOfClass[label.trainId]
      instances.append(
        InstanceOverlap(
          id: id, size: row.reduce(0, +), classPixels: row[row.startIndex + label.trainId],
          categoryPixels: Label.categoryOfClass.indices.filter { Label.categoryOfClass[$0] == category }
            .reduce(0) { $0 + row[row.startIndex + $1] }))
    }
    return instances
  }
}

/// The sums behind cityscapesScripts' instance-level IoU (iIoU): true positives and false negatives, weighted so that
/// each instance counts as one of average size.
package struct InstanceScores: Equatable, Codable, Sendable {
  /// The average pixels of an instance in Cityscapes' training split, by train id; from cityscapesScripts'
  /// `evalPixelLevelSemanticLabeling`. Other classes have no instances.
  package static let averageSizes: [Int: Double] = [
    11: 3462.4756337644, 12: 3930.4788056518, 13: 12794.0202738185, 14: 27855.1264367816, 15: 35732.1511111111,
    16: 67583.7075812274, 17: 6298.7200839748, 18: 4672.3249222261,
  ]

  /// Weighted pixels, by train id.
  private var truePositives = [Double](repeating: 0, count: Label.classCount)
  private var falseNegatives = [Double](repeating: 0, count: Label.classCount)
  /// Weighted pixels, by index in `Label.Category.evaluated`.
  private var categoryTruePositives = [Double](repeating: 0, count: Label.Category.evaluated.count)
  private var categoryFalseNegatives = [Double](repeating: 0, count: Label.Category.evaluated.count)

  package init() {}

  /// Adds the instances of the next image. The sums depend on the order of images and instances in their last digits:
  /// they are added one by one, as cityscapesScripts does.
  package mutating func add(_ instances: [InstanceOverlap]) {
    for instance in instances {
      let trainId = instance.trainId
      guard let average = Self.averageSizes[trainId] else { continue }
      let weight = average / Double(instance.size)
      truePositives[trainId] += Double(instance.classPixels) * weight
      falseNegatives[trainId] += Double(instance.size - instance.classPixels) * weight
      let category = Label.categoryOfClass[trainId]
      categoryTruePositives[category] += Double(instance.categoryPixels) * weight
      categoryFalseNegatives[category] += Double(instance.size - instance.categoryPixels) * weight
    }
  }

  /// The iIoU of these instances.
  ///
  /// - Parameter confusion: of the same images.
  package func metrics(_ confusion: ConfusionMatrix) -> InstanceMetrics {
    InstanceMetrics(classIoU: classIoU(confusion), categoryIoU: categoryIoU(confusion))
  }

  private func classIoU(_ confusion: ConfusionMatrix) -> [Double?] {
    let classes = 0..<Label.classCount
    return classes.map { predicted in
      guard Self.averageSizes[predicted] != nil else { return nil }
      let others = classes.reduce(Int64(0)) { $0 + ($1 == predicted ? 0 : confusion[$1, predicted]) }
      return Self.ratio(truePositives[predicted], others, falseNegatives[predicted])
    }
  }

  private func categoryIoU(_ confusion: ConfusionMatrix) -> [Double?] {
    let category = Label.categoryOfClass
    return Label.Category.evaluated.indices.map { index in
      let members = category.indices.filter { category[$0] == index }
      guard members.allSatisfy({ Self.averageSizes[$0] != nil }) else { return nil }
      let others = category.indices.filter { category[$0] != index }.reduce(Int64(0)) { sum, truth in
        members.reduce(sum) { $0 + confusion[truth, $1] }
      }
      return Self.ratio(categoryTruePositives[index], others, categoryFalseNegatives[index])
    }
  }

  private static func ratio(_ truePositives: Double, _ falsePositives: Int64, _ falseNegatives: Double) -> Double? {
    let union = truePositives + Double(falsePositives) + falseNegatives
    return union == 0 ? nil : truePositives / union
  }
}

/// Instance-level IoU (iIoU): TP / (TP + FP + FN), where true positives and false negatives are weighted by the size of
/// their instance and false positives are plain pixels.
package struct InstanceMetrics: Equatable, Sendable {
  /// By train id; nil for a class without instances, or in neither ground truth nor prediction.
  package let classIoU: [Double?]
  /// By index in `Label.Category.evaluated`; nil unless all labels of the category have instances (human and vehicle).
  package let categoryIoU: [Double?]
  /// Over the classes that are not nil.
  package var meanClassIoU: Double? { classIoU.mean }
  package var meanCategoryIoU: Double? { categoryIoU.mean }
}

extension [Double?] {
  /// The mean of the values that are not nil; nil if there are none.
  var mean: Double? {
    let present = compactMap(\.self)
    return present.isEmpty ? nil : present.reduce(0, +) / Double(present.count)
  }
}
