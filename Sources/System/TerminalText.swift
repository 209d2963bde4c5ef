extension String {
  /// The columns that a terminal shows this in: two for a character of East Asian scripts or an emoji.
  package var terminalColumns: Int { reduce(0) { $0 + $1.terminalColumns } }

  /// The beginning that fits into so many columns of a terminal, without control characters.
  package func prefix(terminalColumns limit: Int) -> String {
    var (text, width) = ("", 0)
    for character in self where !character.unicodeScalars.contains(where: \.isControl) {
      width += character.terminalColumns
      guard width <= limit else { break }
      text.append(character)
    }
    return text
  }
}

extension Character {
  fileprivate var terminalColumns: Int {
    guard let scalar = unicodeScalars.first else { return 0 }
    switch scalar.properties.generalCategory {
    case .nonspacingMark, .enclosingMark, .format: return 0
    default: break
    }
    let wide: [ClosedRange<UInt32>] = [
      0x1100...0x115F, 0x2E80...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF00...0xFF60,
      0xFFE0...0xFFE6, 0x1F300...0x1FAFF, 0x20000...0x3FFFD,
    ]
    return scalar.value >= 0x1100 && wide.contains { $0.contains(scalar.value) } ? 2 : 1
  }
}
