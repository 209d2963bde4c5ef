import Jobs
import Testing

extension CommandLine {
  @Suite("How the program is called")
  struct CallTests {
    let work: Workplace

    init() throws { work = try Workplace() }

    @Test("Alone it prints its help, and so it does when asked", arguments: [[], ["--help"], ["-h"], ["help"]])
    func help(words: [String]) throws {
      let job = try work.gscnn(words)
      #expect(job.status == 0)
      #expect(job.errors == [])
      let text = job.output.joined(separator: "\n")
      for command in ["synthesize", "prepare", "train", "evaluate", "view", "info", "bench"] {
        #expect(text.contains("\n  \(command) "))
      }
      #expect(text.contains("75 stopped on a"))
    }

    @Test("The version", arguments: [nil, 2])
    func version(ranks: Int?) throws {
      let job = try work.gscnn("--version", ranks: ranks)
      #expect(job.status == 0)
      #expect(job.output.count == 1)
      #expect(job.output.first?.hasPrefix("gscnn ") == true)
    }

    @Test(
      "Words that are no call are refused with status 2 and where to look",
      arguments: [
        ("frobnicate", "'frobnicate'", "see gscnn --help"),
        ("convert in.pth out.safetensors", "'convert'", "see gscnn --help"),
        ("bench frobnicate", "'frobnicate'", "see gscnn bench --help"),
        ("--frobnicate", "'--frobnicate'", "see gscnn --help"),
        ("train --frobnicate", "'--frobnicate'", "see gscnn train --help"),
        ("train data", "'data'", "see gscnn train --help"),
        ("train --crop-h", "'--crop-h <pixels>'", "see gscnn train --help"),
        ("train --data-path", "'--data-path <folder>'", "see gscnn train --help"),
        ("train --crop-h --crop-w 5", "'--crop-h <pixels>'", "see gscnn train --help"),
        ("train --crop-h tall", "'tall' is invalid for '--crop-h", "see gscnn train --help"),
        ("train --epochs 1.5", "'1.5' is invalid for '--epochs", "see gscnn train --help"),
        ("train --seed -5", "'-5' is invalid for '--seed", "see gscnn train --help"),
        ("train --no-test=yes", "'--no-test'", "see gscnn train --help"),
        ("train --backbone-type resnet18", "'--backbone-type <name>'", "'resnet50' and 'resnet101'; see"),
        ("train --batch-norm none", "'--batch-norm <scope>'", "'sync' and 'local'; see"),
        ("train --augment some", "'--augment <kind>'", "'random' and 'none'; see"),
        ("evaluate", "'--model-weight <file>'", "see gscnn evaluate --help"),
        ("evaluate --model-weight m --split all", "'--split <name>'", "'train', 'val' or 'test'; see"),
        ("evaluate --model-weight m --scales 1", "'--scales'", "see gscnn evaluate --help"),
        ("evaluate --model-weight m --flip", "'--flip'", "see gscnn evaluate --help"),
        ("evaluate --model-weight m --boundary", "'--boundary'", "see gscnn evaluate --help"),
        ("view --model-weight m", "'--input-pic <image>'", "see gscnn view --help"),
        ("info", "'<file>'", "see gscnn info --help"),
      ])
    func refused(call: String, what: String, remedy: String) throws {
      try work.expectRefusal(call.split(separator: " ").map(String.init), status: 2, saying: what, remedy)
    }

    @Test(
      "A number out of range is refused with the option and the range",
      arguments: [
        ("train --crop-h 0", "--crop-h 0: ", "1 to 16384"),
        ("train --crop-h -5", "--crop-h -5: ", "1 to 16384"),
        ("train --crop_w=-5", "--crop-w -5: ", "1 to 16384"),
        ("train --crop-w 16385", "--crop-w 16385: ", "1 to 16384"),
        ("train --batch-size=-1", "--batch-size -1: ", "from 1 to"),
        ("train --batch-size 0", "--batch-size 0: ", "from 1 to"),
        ("train --batch-size 1", "--batch-size 1: ", "no variance; give --batch-size 2 or more"),
        ("train --epochs 0", "--epochs 0: ", "from 1 to"),
        ("train --epochs 9223372036854775807", "--epochs 9223372036854775807: ", "from 1 to"),
        ("train --threads 0", "--threads 0: ", "1 to 1024"),
        ("train --keep 0", "--keep 0: ", "from 1 to"),
        ("train --max-steps 0", "--max-steps 0: ", "from 1 to"),
        ("train --checkpoint-every -1", "--checkpoint-every -1: ", "from 1 to"),
        ("train --validate-every 0", "--validate-every 0: ", "from 1 to"),
        ("train --log-every 0", "--log-every 0: ", "from 1 to"),
        ("train --learning-rate nan", "--learning-rate nan: ", "from 0 to 1000"),
        ("train --learning-rate -0.01", "--learning-rate -0.01: ", "from 0 to 1000"),
        ("train --learning-rate inf", "--learning-rate inf: ", "from 0 to 1000"),
        ("train --momentum 1", "--momentum 1.0: ", "from 0 to 0.999999"),
        ("train --weight-decay -1e-4", "--weight-decay -0.0001: ", "from 0 to 1"),
        ("train --power nan", "--power nan: ", "from 0 to 100"),
        ("train --loss full", "--loss full: ", "not there yet; leave it out"),
        ("prepare --threads -2", "--threads -2: ", "1 to 1024"),
        ("synthesize --train -1", "--train -1: ", "0 to 1000000"),
        ("synthesize --height 31", "--height 31: ", "32 to 16384"),
        ("bench step --steps 0", "--steps 0: ", "from 1 to"),
        ("bench step --crop-h 0", "--crop-h 0: ", "from 1 to"),
        ("bench evaluate --width 0", "--width 0: ", "1 to 16384"),
        ("bench loader --batch-size 0", "--batch-size 0: ", "from 1 to"),
        ("bench allreduce --bytes 0", "--bytes 0: ", "from 4 to"),
      ])
    func outOfRange(call: String, what: String, remedy: String) throws {
      try work.expectRefusal(call.split(separator: " ").map(String.init), status: 2, saying: what, remedy)
    }

    @Test("An empty value is refused: as a path it would mean the root of the file system")
    func emptyValue() throws {
      try work.expectRefusal(["train", "--save-path", ""], status: 2, saying: "--save-path: ", "give one")
      try work.expectRefusal(["train", "--data_path="], status: 2, saying: "--data_path: ", "give one")
      try work.expectRefusal(["info", ""], status: 2, saying: "the value is empty")
    }

    @Test("Results that cannot be written are a failure")
    func fullOutput() throws {
      let job = try Job.run("gscnn", [], under: ["sh", "-c", "exec \"$@\" >/dev/full", "sh"])
      #expect(job.status == 1)
      #expect(job.errors.count == 1)
      #expect(job.errors.first?.hasPrefix("gscnn: standard output: cannot be written (No space left") == true)
    }
  }
}
