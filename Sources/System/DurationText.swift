extension String {
  /// A duration in its two largest units: 75 s → "1 min 15 s"; 7300 s → "2 h 1 min"; 200,000 s → "2 d 7 h".
  package init(duration seconds: Double) {
    guard seconds.isFinite, seconds < 1e9 else {
      self = "?"
      return
    }
    let total = Swift.max(0, Int(seconds.rounded()))
    self =
      switch total {
      case ..<60: "\(total) s"
      case ..<3600: "\(total / 60) min \(total % 60) s"
      case ..<172_800: "\(total / 3600) h \(total / 60 % 60) min"
      default: "\(total / 86_400) d \(total / 3600 % 24) h"
      }
  }

  /// What is left of a duration that is an estimate: seconds only below ten minutes.
  package init(timeLeft seconds: Double) {
    self = 600..<3600 ~= seconds ? "\(Int(seconds.rounded()) / 60) min" : String(duration: seconds)
  }
}
