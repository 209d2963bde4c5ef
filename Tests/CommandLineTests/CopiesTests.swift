import Foundation
import Jobs
import Testing

extension CommandLine {
  @Suite("Copies of the data set that differ")
  struct CopiesTests {
    private static let image = "leftImg8bit/train/synthetica/synthetica_000001_000019_leftImg8bit.png"
    private static let label = "gtFine/train/synthetica/synthetica_000001_000019_gtFine_labelIds.png"
    let work: Workplace

    /// `data0` is the copy of rank 0, `data1` that of rank 1.
    init() throws {
      work = try Workplace()
      try work.makeStreets("data0")
      try FileManager.default.copyItem(atPath: work.place("data0"), toPath: work.place("data1"))
    }

    /// Expects each command that reads the images on several ranks to be refused at once.
    private func expectRefusal(saying problem: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
      let ownCopy = ["sh", "-c", #"exec "$0" "$@" --data-path "data$OMPI_COMM_WORLD_RANK""#]
      for words in [["prepare"], Workplace.training, ["evaluate", "--split", "train", "--model-weight", "none"]] {
        let job = try Job.run(
          "gscnn", words, ranks: 2, under: ["env", "-C", work.folder], mpirun: ["--quiet"] + ownCopy)
        #expect(job.status == 1, sourceLocation: sourceLocation)
        #expect(job.errors.count == 1, "\(job.errors)", sourceLocation: sourceLocation)
        let line = job.errors.first ?? ""
        #expect(line.hasPrefix("gscnn: data0: rank 1 on "), "\(line)", sourceLocation: sourceLocation)
        #expect(line.contains(problem), "\(line)", sourceLocation: sourceLocation)
        #expect(line.contains("; make the copies on all hosts the same"), sourceLocation: sourceLocation)
      }
      #expect(!work.exists("results"), sourceLocation: sourceLocation)
    }

    @Test("A copy that lacks an image is refused before anything is written; the error names rank, counts and image")
    func missing() throws {
      try work.remove("data1/" + Self.image)
      try expectRefusal(
        saying:
          " lists 3 images in leftImg8bit/train, rank 0 lists 4; first difference: \(Self.image) is missing there;")
      #expect(!work.exists("data0/prepared"))
    }

    @Test("A copy with one image too many is refused")
    func extra() throws {
      try work.remove("data0/" + Self.image)
      try expectRefusal(
        saying:
          " lists 4 images in leftImg8bit/train, rank 0 lists 3; first difference: \(Self.image) is missing on rank")
    }

    @Test("A copy in which an image has another name is refused, though the number is the same")
    func renamed() throws {
      let renamed = Self.image.replacingOccurrences(of: "000001", with: "000011")
      try FileManager.default.moveItem(
        atPath: work.place("data1/" + Self.image), toPath: work.place("data1/" + renamed))
      try expectRefusal(
        saying:
          " lists 4 images in leftImg8bit/train, as many as rank 0; first difference: \(Self.image) is missing there")
    }

    @Test("A copy with another version of an image or a label is refused", arguments: [image, label])
    func otherVersion(file: String) throws {
      let size = try Data(contentsOf: URL(fileURLWithPath: work.place("data0/" + file))).count
      try work.truncate("data1/" + file)
      try expectRefusal(saying: " has another \(file): \(size / 2) bytes there, \(size) bytes on rank 0's host")
    }
  }
}
