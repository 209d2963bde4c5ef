/// What went wrong with an image file: one line that names the file, the trouble and what to do.
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
