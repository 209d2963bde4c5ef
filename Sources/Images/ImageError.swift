/// An image file that cannot be read or written: one line with the file, the problem and the remedy.
package struct ImageError: Error, Equatable, CustomStringConvertible {
  package let path: String
  package let problem: String
  package let remedy: String

  package init(path: String, problem: String, remedy: String) {
    self.path = path
    self.problem = problem
    self.remedy = remedy
  }

  package var description: String { "\(path): \(problem); \(remedy)" }
}
