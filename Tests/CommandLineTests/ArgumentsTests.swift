import Jobs
import Testing

extension CommandLine {
  @Suite("Arguments")
  struct ArgumentsTests {
    let work: Workplace

    init() throws { work = try Workplace() }

    @Test(
      "Without arguments, and on request, the program prints its help", arguments: [[], ["--help"], ["-h"], ["help"]])
    func help(words: [String]) throws {
      let job = try work.gscnn(words)
      #expect(job.status == 0)
      #expect(job.errors == [])
      let text = job.output.joined(separator: "\n")
      for command in ["synthesize", "prepare", "train", "evaluate", "view", "info", "bench"] {
        #expect(text.contains("\n  \(command) "))
      }
      #expect(text.contains("75 stopped by a signal"))
    }

    @Test("The version is one line, printed once for all ranks", arguments: [nil, 2])
    func version(ranks: Int?) throws {
      let job = try work.gscnn("--version", ranks: ranks)
      #expect(job.status == 0)
      #expect(job.output.count == 1)
      #expect(job.output.first?.hasPrefix("gscnn ") == true)
    }

    @Test("A path on the command line that is not UTF-8 is refused as the shell takes it")
    func notUTF8() throws {
      let call = ["sh", "-c", #"exec "$0" prepare --data-path "$(printf 'k\366ln')""#]
      let job = try Job.run("gscnn", [], under: ["env", "-C", work.folder] + call)
      #expect(job.status == 2)
      #expect(
        job.errors == [#"gscnn: 'k\xf6ln' is not UTF-8; rename it, or give a symbolic link to it whose name is"#])
    }

    @Test(
      "A call that cannot be parsed is refused with status 2 and the command that prints the help",
      arguments: [
        ("frobnicate", "'frobnicate'", "see gscnn --help"),
        ("translate in.pth out.safetensors", "'translate'", "see gscnn --help"),
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
        ("train --loss seed", "'--loss <kind>'", "'standard' and 'full'; see"),
        ("train --loss full --dual-task none", "'--dual-task <variant>'", "'released', 'paddle' or 'paper'; see"),
        (
          "train --loss full --dual-task-temperature 0", "'0' is invalid for '--dual-task-temperature",
          "from 0.01 to 100"
        ),
        ("train --class-weights 1,x", "'1,x' is invalid for '--class-weights <weights>'", "or split"),
        ("train --class-weights 1,-1", "'1,-1' is invalid for '--class-weights <weights>'", "from 0.000001 to 1000000"),
        ("train --class-weights 1,1e-320", "'1,1e-320' is invalid for '--class-weights <weights>'", "give 0 or"),
        ("train --lr 0.1", "unknown option '--lr': it is --learning-rate here", "see gscnn train --help"),
        ("train --epochs 2 --max_steps=3", "--epochs and --max-steps both give the length", "give one of them"),
        ("train --class-weights 0,0", "'0,0' is invalid for '--class-weights <weights>'", "not all 0"),
        ("train --class-weights 1,nan", "'1,nan' is invalid for '--class-weights <weights>'", "or split"),
        ("train --ohem 0", "'0' is invalid for '--ohem", "for example 0.7,100000"),
        ("train --ohem 1.5", "'1.5' is invalid for '--ohem", "above 0, up to 1"),
        ("train --ohem 0.7,-1", "'0.7,-1' is invalid for '--ohem", "for example 0.7,100000"),
        ("train --ohem 0.7,5,5", "'0.7,5,5' is invalid for '--ohem", "for example 0.7,100000"),
        ("bench step --class-weights split", "--class-weights split: ", "give a weight for each class"),
        ("train --augment some", "'--augment <kind>'", "'random' and 'none'; see"),
        ("evaluate", "'--model-weight <file>'", "see gscnn evaluate --help"),
        ("evaluate --model-weight m --split all", "'--split <name>'", "'train', 'val' or 'test'; see"),
        ("evaluate --model-weight m --boundary", "'--boundary'", "see gscnn evaluate --help"),
        ("evaluate --model-weight m --boundary-thresholds 3,1.5", "'3,1.5' is invalid", "whole pixels up to 100"),
        ("evaluate --model-weight m --boundary-thresholds 0", "'0' is invalid", "give up to 8 fractions below 1"),
        (
          "evaluate --model-weight m --boundary-thresholds 3,,5", "'3,,5' is invalid",
          "for example 0.00088,0.005 or 3,12"
        ),
        ("view --model-weight m", "'--input-pic <image>'", "see gscnn view --help"),
        ("info", "'<file>'", "see gscnn info --help"),
      ])
    func refused(call: String, what: String, remedy: String) throws {
      try work.expectRefusal(call.split(separator: " ").map(String.init), status: 2, saying: what, remedy)
    }

    @Test(
      "A number out of range is refused with the option and its range",
      arguments: [
        ("train --crop-h 0", "'0' is invalid for '--crop-h <", "1 to 16384"),
        ("train --crop-h -5", "'-5' is invalid for '--crop-h <", "1 to 16384"),
        ("train --crop_w=-5", "'-5' is invalid for '--crop_w <", "1 to 16384"),
        ("train --crop-w 16385", "'16385' is invalid for '--crop-w <", "1 to 16384"),
        ("train --batch-size=-1", "'-1' is invalid for '--batch-size <", "from 1 to"),
        ("train --batch-size 0", "'0' is invalid for '--batch-size <", "from 1 to"),
        ("train --batch-size 1", "--batch-size 1: ", "no variance; give --batch-size 2 or more"),
        ("train --batch-norm-group 1", "'1' is invalid for '--batch-norm-group <", "from 2 to"),
        ("train --batch-norm-group 3", "--batch-norm-group 3: ", "give 2, 4, or leave it out"),
        ("bench step --batch-size 4 --batch-norm-group 8", "--batch-norm-group 8: ", "give 2, 4, or leave it out"),
        ("train --epochs 0", "'0' is invalid for '--epochs <", "from 1 to"),
        ("train --epochs 9223372036854775807", "'9223372036854775807' is invalid for '--epochs <", "from 1 to"),
        ("train --threads 0", "'0' is invalid for '--threads <", "1 to 1024"),
        ("train --keep 0", "'0' is invalid for '--keep <", "from 1 to"),
        ("train --stop-after 0", "'0' is invalid for '--stop-after <", "from 1 to"),
        ("train --checkpoint-every -1", "'-1' is invalid for '--checkpoint-every <", "from 1 to"),
        ("train --validate-every 0", "'0' is invalid for '--validate-every <", "from 1 to"),
        ("train --log-every 0", "'0' is invalid for '--log-every <", "from 1 to"),
        ("train --learning-rate nan", "'nan' is invalid for '--learning-rate <", "from 0 to 1000"),
        ("train --learning-rate -0.01", "'-0.01' is invalid for '--learning-rate <", "from 0 to 1000"),
        ("train --learning-rate inf", "'inf' is invalid for '--learning-rate <", "from 0 to 1000"),
        ("train --momentum 1", "'1' is invalid for '--momentum <", "from 0 to 0.999999"),
        ("train --weight-decay -1e-4", "'-1e-4' is invalid for '--weight-decay <", "from 0 to 1"),
        ("train --power nan", "'nan' is invalid for '--power <", "from 0 to 100"),
        ("prepare --threads -2", "'-2' is invalid for '--threads <", "1 to 1024"),
        ("synthesize --train -1", "'-1' is invalid for '--train <", "0 to 1000000"),
        ("synthesize --height 31", "'31' is invalid for '--height <", "32 to 16384"),
        ("bench step --steps 0", "'0' is invalid for '--steps <", "from 1 to"),
        ("bench step --crop-h 0", "'0' is invalid for '--crop-h <", "from 1 to"),
        ("bench evaluate --width 0", "'0' is invalid for '--width <", "1 to 16384"),
        ("bench loader --batch-size 0", "'0' is invalid for '--batch-size <", "from 1 to"),
        ("bench allreduce --bytes 0", "'0' is invalid for '--bytes <", "from 4 to"),
      ])
    func outOfRange(call: String, what: String, remedy: String) throws {
      try work.expectRefusal(call.split(separator: " ").map(String.init), status: 2, saying: what, remedy)
    }

    @Test("--augment seed, the earlier word for random, is accepted")
    func augmentSeed() throws {
      let call = ["train", "--augment", "seed", "--data-path", "nowhere"]
      try work.expectRefusal(call, status: 1, saying: "nowhere: holds no images")
    }

    @Test("An empty value is refused: as a path it would mean the root of the file system")
    func emptyValue() throws {
      try work.expectRefusal(["train", "--save-path", ""], status: 2, saying: "--save-path: ", "give one")
      try work.expectRefusal(["train", "--data_path="], status: 2, saying: "--data_path: ", "give one")
      try work.expectRefusal(["info", ""], status: 2, saying: "the value is empty")
    }

    @Test("Output that cannot be written is a failure")
    func fullOutput() throws {
      let job = try Job.run("gscnn", [], under: ["sh", "-c", "exec \"$@\" >/dev/full", "sh"])
      #expect(job.status == 1)
      #expect(job.errors.count == 1)
      #expect(job.errors.first?.hasPrefix("gscnn: standard output: cannot be written (No space left") == true)
    }
  }
}
