import Foundation
import Jobs
import Testing

extension CommandLine {
  @Suite("Files of options")
  struct ConfigFileTests {
    private let work: Workplace

    init() throws { work = try Workplace() }

    /// Every option of a training, with a value that is not its default, as the program writes it.
    private static let all = [
      ("data-path", "data"), ("classes", "classes.json"), ("prepared", "maps"), ("save-path", "results"),
      ("backbone-type", "resnet101"), ("crop-h", "32"), ("crop-w", "48"), ("batch-size", "4"), ("max-steps", "7"),
      ("seed", "5"), ("learning-rate", "0.02"), ("momentum", "0.8"), ("weight-decay", "0.0002"), ("power", "0.9"),
      ("augment", "random"), ("batch-norm", "sync"), ("normalize", "half"), ("save-best", "loss"),
      ("precision", "bfloat16"), ("reduce", "bfloat16"),
      ("batch-norm-group", "2"), ("early-stop", "3"), ("schedule", "step"), ("final-learning-rate", "0.001"),
      ("warmup-steps", "2"), ("warmup-start-lr", "0.003"), ("base-batch-size", "8"), ("optimizer", "lars"),
      ("trust-coefficient", "0.02"), ("clip-norm", "3.5"), ("no-decay", "norm,bias"), ("backbone-lr-factor", "0.5"),
      ("head-lr-factor", "2"), ("accumulate", "2"), ("ema-decay", "0.9"), ("scale", "0.5..2:0.25"),
      ("distort", "brightness=0.4,hue=18,probability=0.8"), ("blur", "0.15..1.3"), ("class-uniform", "0.5"),
      ("loss", "full"), ("class-weights", "split"), ("ohem", "0.7,100"), ("dual-task", "paper"),
      ("dual-task-temperature", "0.75"), ("dual-task-weight", "2"), ("on-nonfinite", "skip"), ("validate-on", "rank0"),
      ("validate-every", "2"), ("test", "never"), ("checkpoint-every", "4"), ("checkpoint-minutes", "12"),
      ("keep", "2"),
      ("cache-gb", "0.5"), ("threads", "2"), ("log-every", "3"),
      ("tensorboard-images-every", "5"), ("tensorboard-histograms", "true"),
    ]

    /// Those of a single call, and those whose place another one takes.
    private static let others: Set = [
      "resume", "stop-after", "dry-run", "config", "timeline", "stall-timeout", "epochs", "pretrained", "version",
      "help", "tensorboard/--no-tensorboard",
    ]

    /// Two of Cityscapes' classes: enough pixels of each to draw by class from few images.
    private static let classes = """
      {"name": "two", "classes": [{"name": "road", "id": 7}, {"name": "sky", "id": 23}],
       "ignored": \((0...33).filter { $0 != 7 && $0 != 23 }),
       "images": "leftImg8bit/{split}/{name}_leftImg8bit.png", "labels": "gtFine/{split}/{name}_gtFine_labelIds.png"}
      """

    private func write(_ options: [(String, String)], to name: String = "options.yaml") throws {
      let lines = options.map { "\($0): \($1)\n" }.joined()
      try work.write(Data(("# A comment.\n\n" + lines).utf8), to: name)
    }

    @Test("A run writes every option that a file has given it, and train has no other options")
    func everyOption() throws {
      try work.makeStreets(train: 8)
      try work.write(Data(Self.classes.utf8), to: "classes.json")
      try write(Self.all)
      let job = try work.gscnn("train", "@options.yaml", "--stop-after", "1", ranks: 2)
      #expect(job.status == 0, "\(job.errors)")
      let written = try work.text("results/resnet101_32_48_options.yaml").split(separator: "\n").map(String.init)
      #expect(
        Set(written.dropFirst()) == Set(Self.all.map { "\($0): \($1)" }))
      let printed = job.errors.drop { !$0.hasPrefix("options:") }.prefix {
        $0.hasPrefix("options:") || $0.hasPrefix("   ")
      }
      for (option, value) in Self.all {
        #expect(printed.contains { $0.contains(" \(option) \(value)") }, "\(option)")
      }

      let help = try work.gscnn("train", "--help").output
      let names = help.filter { $0.hasPrefix("  --") }.map { String($0.dropFirst(4).prefix { $0 != " " && $0 != "," }) }
      #expect(names.count > 50)
      for name in names {
        #expect(Self.all.contains { $0.0 == name } || Self.others.contains(name), "\(name)")
      }
    }

    @Test("Windows line ends, quotes, comments and paths that look like something else are read as they are written")
    func awkwardValues() throws {
      try write([("data-path", "one\r"), ("crop-h", "32\r")])
      try work.expectRefusal(["train", "@options.yaml"], status: 1, saying: "one: holds no images")
      for (written, path) in [
        ("'it''s'", "it's"), ("\"a \\\"b\\\" # c\"  # comment", "a \"b\" # c"), ("\"true\"", "true"),
        ("a#b # c", "a#b"),
      ] {
        try write([("data-path", written)])
        try work.expectRefusal(["train", "@options.yaml"], status: 1, saying: "\(path): holds no images")
      }
      // A byte order mark, as Windows editors write it, and a file that is no regular one.
      try work.write(Data([0xEF, 0xBB, 0xBF] + "data-path: marked".utf8), to: "options.yaml")
      try work.expectRefusal(["train", "@options.yaml"], status: 1, saying: "marked: holds no images")
      try work.expectRefusal(
        ["train", "@/dev/null", "--data-path", "none"], status: 1, saying: "none: holds no images")
      try work.expectRefusal(["train", "@/dev/zero"], status: 2, saying: "/dev/zero: is not text")
      // What a run writes is read back, whatever the names of its folders.
      try work.makeStreets("v 1.0", train: 2)
      let small = ["--crop-h", "32", "--crop-w", "32", "--batch-size", "2", "--threads", "1", "--stop-after", "1"]
      let folder = "\tresults # 2.0\r\n\u{2028}\u{A0}"
      let first = try work.gscnn(["train", "--data-path", "v 1.0", "--save-path", folder] + small)
      #expect(first.status == 0, "\(first.errors)")
      let again = try work.gscnn(
        "train", "--config", "\(folder)/resnet50_32_32_options.yaml", "--resume", "auto", "--dry-run")
      #expect(again.status == 0, "\(again.errors)")
      #expect(again.errors.contains { $0.contains("2.0") && $0.contains("/resnet50_32_32/checkpoints/step-") })
    }

    @Test("The recipes are accepted, and that of the seed is the default")
    func recipes() throws {
      let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "../../launch/recipes")
      let recipes = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
      #expect(recipes == ["paddle-80k.yaml", "paper.yaml", "seed.yaml"])
      for recipe in recipes {
        let call = ["train", "--config", folder.path + "/" + recipe, "--data-path", "nowhere"]
        try work.expectRefusal(call, status: 1, saying: "nowhere: holds no images")
      }
      try work.makeStreets(train: 4)
      let size = ["--crop-h", "32", "--crop-w", "32", "--batch-size", "2", "--dry-run", "--threads", "1"]
      func options(_ words: [String]) throws -> [String] {
        let job = try work.gscnn(["train"] + words + size)
        #expect(job.status == 0, "\(job.errors)")
        return job.errors.drop { !$0.hasPrefix("options:") }.prefix { $0.hasPrefix("options:") || $0.hasPrefix("   ") }
          .map { $0 }
      }
      let defaults = try options([])
      #expect(defaults.count > 3)
      #expect(try options(["@" + folder.path + "/seed.yaml"]) == defaults)
    }

    @Test("Options of the command line win over a file's in either spelling, and a later file over an earlier one")
    func precedence() throws {
      try write([("crop-h", "48"), ("crop_w", "64"), ("max-steps", "9"), ("data-path", "first")], to: "one.yaml")
      try write([("crop_h", "40"), ("data-path", "'second'  # a comment")], to: "two.yaml")
      try work.expectRefusal(
        ["train", "--config", "one.yaml", "--config=two.yaml"], status: 1, saying: "second: holds no images")
      try work.expectRefusal(
        ["train", "--data_path", "third", "@one.yaml", "@two.yaml"], status: 1, saying: "third: holds no images")
      try work.expectRefusal(
        ["train", "@two.yaml", "@one.yaml", "--crop-h", "0"], status: 2, saying: "'0' is invalid for '--crop-h <")
    }

    @Test(
      "A file that is wrong is refused with its name, the line and the remedy",
      arguments: [
        ("crop-x: 3\n", "options.yaml, line 1: unknown option '--crop-x'", "see gscnn train --help"),
        ("\ncrop-h 32\n", "options.yaml, line 2: 'crop-h 32' is not of the form", "option: value"),
        ("crop-h: 32\ncrop_h: 48\n", "options.yaml, line 2: crop-h is given twice", "leave one out"),
        ("--crop-h: 32\n", "options.yaml, line 1: '--crop-h' is no option's name", "leave out its dashes"),
        ("crop-h:\n", "options.yaml, line 1: crop-h has no value", "give one"),
        ("crop-h: -1\n", "options.yaml, line 1: the value '-1' is invalid for '--crop-h <", "from 1 to 16384"),
        ("crop-h: false\n", "options.yaml, line 1: the value 'false' is invalid for '--crop-h <", "from 1 to 16384"),
        (
          "# A comment.\nmax_iters: 4\n", "options.yaml, line 2: unknown option '--max-iters'", "it is --max-steps here"
        ),
        ("ema-decay: true\n", "options.yaml, line 1: the value 'true' is invalid for '--ema-decay <", "from 0 to"),
        ("help: true\n", "options.yaml, line 1: help is for the command line", "leave the line out"),
        ("epochs: 2\nmax-steps: 3\n", "options.yaml: --epochs and --max-steps both", "give one of them"),
        ("data-path: \"\\u00\"\n", "options.yaml, line 1: the quoted value of data-path does not end", "follows it"),
        (
          "dry-run: maybe\n", "options.yaml, line 1: the option '--dry-run' does not take any value",
          "see gscnn train --help"
        ),
        ("config: other.yaml\n", "options.yaml, line 1: a file cannot name another one", "on the command line"),
      ])
    func wrong(text: String, problem: String, remedy: String) throws {
      try work.write(Data(text.utf8), to: "options.yaml")
      try work.expectRefusal(["train", "--config", "options.yaml"], status: 2, saying: problem, remedy)
      try work.expectRefusal(["plan", "--config", "options.yaml"], status: 2, saying: problem, remedy)
    }

    @Test("A file that cannot be read, or is not text, is named")
    func unreadable() throws {
      for call in [["train", "--config", "none.yaml"], ["train", "@none.yaml"]] {
        try work.expectRefusal(call, status: 2, saying: "none.yaml: cannot be read (No such file", "launch/recipes")
      }
      try work.expectRefusal(["train", "--config", "."], status: 2, saying: ".: cannot be read (Is a directory)")
      try work.write(Data([0xFF, 0xFE, 0]), to: "options.yaml")
      try work.expectRefusal(["train", "@options.yaml"], status: 2, saying: "options.yaml: is not text")
      try work.expectRefusal(["train", "--config"], status: 2, saying: "--config: the value is missing; give a file")
      try work.expectRefusal(["train", "@"], status: 2, saying: "@: the name is missing; give @FILE")
      try work.expectRefusal(["train", "--data-path", "@none"], status: 1, saying: "@none: holds no images")
    }

    @Test("Of several ranks, rank 0's file counts, and one line reports a wrong one")
    func ranks() throws {
      try work.write(Data("crop-x: 3\n".utf8), to: "options.yaml")
      let job = try work.gscnn(["train", "--config", "options.yaml"], ranks: 2)
      #expect(job.status == 2)
      #expect(job.errors.filter { $0.contains("unknown option '--crop-x'") }.count == 1, "\(job.errors)")
    }
  }
}
