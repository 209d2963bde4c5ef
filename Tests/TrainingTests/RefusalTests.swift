import Foundation
import GatedSCNN
import Jobs
import Kernels
import Microkernels
import Tensors
import Testing
import Training

extension Trainings {
  @Suite("Refused options")
  struct RefusalTests {
    @Test(
      "Starting over an earlier run, or resuming with other options, is refused and changes no file",
      arguments: zip(
        [["--no-test"], ["--resume", "auto", "--seed", "2"]],
        ["gscnn: --save-path ", "gscnn: --seed 2: the checkpoint was made with 1"]))
    func existingRun(options: [String], message: String) throws {
      let straight = try Trainings.straight.get()
      let before = try RunFolder.files(below: straight.folder)
      let job = try straight.train(options)
      #expect(job.status == 2)
      #expect(job.errors.count == 1)
      #expect(job.errors.last?.hasPrefix(message) == true, "\(job.errors)")
      #expect(try RunFolder.files(below: straight.folder) == before)
    }

    @Test("A batch with one image per batch norm is refused in one line", arguments: [nil, 2])
    func batchOfOne(ranks: Int?) throws {
      let run = try TrainingRun("one")
      // With local batch norm each of two ranks has one image.
      let options = ranks == nil ? ["--batch-size", "1"] : ["--batch-size", "2", "--batch-norm", "local"]
      let job = try run.train(ranks: ranks, options)
      #expect(job.status == 2)
      #expect(job.errors.count == 1, "\(job.errors)")
      #expect(job.errors.last?.contains("a single value has no variance; give --batch-") == true)
      #expect(!FileManager.default.fileExists(atPath: run.folder))
    }

    @Test(
      "An error that all ranks throw is reported once, with its remedy",
      arguments: [
        (["--batch-size", "22"], 1, "lower --batch-size"),
        (["--data-path", "/none"], 1, "synthesize --data-path /none"),
        (["--batch-size", "2"], 2, "raise --batch-size to 3"),
      ])
    func reportedOnce(options: [String], status: Int32, remedy: String) throws {
      let run = try TrainingRun("reported-once")
      defer { run.remove() }
      let job = try run.train(ranks: 3, options)
      #expect(job.status == status)
      #expect(job.errors.count == 1, "\(job.errors)")
      #expect(
        job.errors.last?.contains(options[1]) == true && job.errors.last?.contains(remedy) == true, "\(job.errors)")
    }

    @Test("A resumed run must keep every option that shapes the training, and no other")
    func fixedOptions() throws {
      let old = TrainingOptions()
      let state = TrainingState(options: old)
      func refusal(_ change: (inout TrainingOptions) -> Void) -> String? {
        var new = old
        change(&new)
        do {
          try state.requireSameTraining(as: new)
        } catch {
          return (error as? OptionError)?.option
        }
        return nil
      }
      #expect(refusal { $0.backbone = .resnet101 } == "--backbone-type")
      #expect(refusal { $0.cropHeight = 32 } == "--crop-h")
      #expect(refusal { $0.cropWidth = 32 } == "--crop-w")
      #expect(refusal { $0.batchSize = 3 } == "--batch-size")
      #expect(refusal { $0.epochs = 61 } == "--epochs")
      #expect(refusal { $0.seed = 2 } == "--seed")
      #expect(refusal { $0.learningRate = 0.02 } == "--learning-rate")
      #expect(refusal { $0.momentum = 0.8 } == "--momentum")
      #expect(refusal { $0.weightDecay = 0 } == "--weight-decay")
      #expect(refusal { $0.power = 0.9 } == "--power")
      #expect(refusal { $0.augmentation = .none } == "--augment")
      #expect(refusal { $0.batchNorm = .local } == "--batch-norm")
      #expect(refusal { $0.precision = .bfloat16 } == "--precision")
      #expect(refusal { $0.precision = nil } == nil, "checkpoints of earlier versions are of single precision")
      #expect(refusal { $0.normalization = .half } == "--normalize")
      #expect(refusal { $0.normalization = nil } == nil, "as in a checkpoint of an earlier version")
      #expect(refusal { $0.loss.kind = .full } == "--loss")
      #expect(refusal { $0.loss.classWeights = .split } == "--class-weights")
      #expect(refusal { $0.loss.mining = HardExampleMining() } == "--ohem")
      #expect(refusal { $0.loss.dualTask.weight = 2 } == nil, "not used by the standard loss")
      for change in [
        { $0.learningRate = 0.02 }, { $0.momentum = 0.8 }, { $0.weightDecay = 0 }, { $0.power = 0.9 },
      ] as [(inout TrainingOptions) -> Void] {
        #expect(
          refusal {
            change(&$0)
            $0.resume = .auto
          } != nil)
        #expect(
          refusal {
            change(&$0)
            $0.resume = .path("step-00000001")
          } == nil, "the optimizer may change at a checkpoint that is named")
      }
      let named = refusal {
        $0.seed = 2
        $0.resume = .path("step-00000001")
      }
      #expect(named == "--seed")
      let free = refusal {
        $0.dataPath = "elsewhere"
        $0.savePath = "elsewhere"
        $0.threads = 3
        $0.validators = .rank0
        $0.validateEvery = 2
        $0.test = .never
        $0.checkpointEvery = 5
        $0.keep = 1
        $0.resume = .auto
        $0.stopAfter = 7
        $0.pretrained = "weights"
        $0.logEvery = 1
        $0.onNonFinite = .skip
      }
      #expect(free == nil)
    }

    @Test("An option that only one of checkpoint and call has is refused with the words to give it or to leave it out")
    func optionsThatAreOff() throws {
      let plain = TrainingOptions()
      var full = plain
      full.loss.kind = .full
      full.loss.mining = HardExampleMining(threshold: 0.5, minimumKept: 10)
      full.loss.classWeights = .given([1, 0.1, 1e-5])
      #expect(
        full.loss.settings.map { "\($0.option) \($0.value)" } == [
          "--loss full", "--class-weights 1.0,0.1,1e-05", "--ohem 0.5,10", "--dual-task paddle",
          "--dual-task-temperature 0.5", "--dual-task-weight 1.0",
        ])
      #expect(plain.loss.settings.map { "\($0.option) \($0.value)" } == ["--loss standard"])
      func refusal(_ old: TrainingOptions, _ change: (inout TrainingOptions) -> Void) -> String {
        var new = old
        change(&new)
        do {
          try TrainingState(options: old).requireSameTraining(as: new)
        } catch {
          return "\(error)"
        }
        return ""
      }
      #expect(
        refusal(plain) { $0.loss.mining = full.loss.mining }
          == "--ohem 0.5,10: the checkpoint was made without it; leave it out, or start again in another --save-path")
      #expect(
        refusal(full) { $0.loss.mining = nil }
          == "--ohem left out: the checkpoint was made with 0.5,10; give --ohem 0.5,10, or start again in another --save-path"
      )
      #expect(
        refusal(full) { $0.loss.dualTask.variant = .paper }.hasPrefix(
          "--dual-task paper: the checkpoint was made with paddle"))
    }

    #if arch(x86_64)
      @Test("A resume with microkernels whose sums are rounded in another order is warned of, in each precision")
      func otherMicrokernels() throws {
        var state = TrainingState(options: TrainingOptions())
        #expect(state.warning(resumedWith: .plain) == nil, "checkpoints of earlier versions do not say")
        state.instructionSet = "avx512"
        #expect(state.warning(resumedWith: .avx512) == nil && state.warning(resumedWith: .avx2) == nil)
        #expect(state.warning(resumedWith: .avx512bf16) == nil)
        #expect(state.warning(resumedWith: .plain)?.contains("GSCNN_INSTRUCTIONS=avx512") == true)
        state.options.precision = .bfloat16
        #expect(state.warning(resumedWith: .avx2) == nil)
        #expect(state.warning(resumedWith: .avx512bf16)?.contains("other bits") == true)
        func mixed(_ names: String..., in precision: Precision) -> String? {
          TrainingState.warning(microkernels: names, in: precision)
        }
        #expect(mixed("avx512bf16", "avx2", "avx512", in: .float32) == nil)
        #expect(mixed("avx512", "avx2", "avx512", in: .bfloat16) == nil)
        let warning = try #require(mixed("avx512", "avx512", "avx512bf16", in: .bfloat16))
        #expect(warning.contains("rank 2 has avx512bf16 microkernels and rank 0 avx512"))
        #expect(warning.contains("GSCNN_INSTRUCTIONS=avx512 for all ranks"))
        state.instructionSet = "of another processor"
        #expect(state.warning(resumedWith: .avx2) != nil)
      }
    #endif

    @Test(
      "With --reduce bfloat16 a resume on another number of ranks is warned of, and another --reduce refused by name")
    func reduce() throws {
      var state = TrainingState(options: TrainingOptions())
      state.ranks = 2
      #expect(state.warning(resumedOn: 4) == nil, "single precision has the same bits")
      state.options.gradientTransport = .bfloat16
      #expect(state.warning(resumedOn: 2) == nil)
      #expect(state.warning(resumedOn: 4)?.contains("was made on 2 ranks") == true)
      state.ranks = nil
      #expect(state.warning(resumedOn: 4) == nil, "checkpoints of earlier versions do not say")
      #expect(
        throws: OptionError(
          "--reduce", "float32",
          "the checkpoint was made with bfloat16; give --reduce bfloat16, name the checkpoint with --resume to change it "
            + "from there on, or start again in another --save-path")
      ) { try state.requireSameTraining(as: TrainingOptions()) }
      var named = TrainingOptions()
      named.resume = .path("checkpoint")
      #expect(try state.requireSameTraining(as: named) == ["--reduce float32 instead of bfloat16"])
    }

    @Test("A state is encoded for other ranks without loss, including numbers that are not finite")
    func encodedState() throws {
      var state = TrainingState(options: TrainingOptions())
      state.running.lossSum = 0.1 + 0.2
      state.bestScore = -.infinity
      #expect(try TrainingState(encoded: state.encoded()) == state)
      state.running.lossSum = .nan
      #expect(try TrainingState(encoded: state.encoded()).running.lossSum.isNaN)
    }
  }
}
