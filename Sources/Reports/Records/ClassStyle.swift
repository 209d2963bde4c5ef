import Cityscapes
import Training

/// The name and the color of a class.
package struct ClassStyle: Sendable, Equatable {
  let name: String
  /// As CSS writes it: "#804080".
  let color: String

  package init(name: String, red: UInt8, green: UInt8, blue: UInt8) {
    self.name = name
    let digits = [red, green, blue].map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }
    color = "#" + digits.joined()
  }

  /// The classes of a table, by train id.
  package static func list(_ table: LabelTable) -> [ClassStyle] {
    table.classes.map { ClassStyle(name: $0.name, red: $0.color.red, green: $0.color.green, blue: $0.color.blue) }
  }

  static func list(_ description: RunDescriptionFile) -> [ClassStyle] {
    description.classes.map { entry in
      let color = entry.color.count == 3 ? entry.color : [128, 128, 128]
      return ClassStyle(name: entry.name, red: color[0], green: color[1], blue: color[2])
    }
  }
}
