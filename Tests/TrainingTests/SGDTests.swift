import Layers
import Tensors
import Testing
import Training

@Suite("Optimizer and schedule")
struct SGDTests {
  @Test(
    "Updates match torch.optim.SGD: decay is added to the gradient, the first velocity is the gradient, the learning rate scales the update"
  )
  func sequence() {
    let store = ParameterStore()
    // 21 values: full vectors and a remainder.
    let parameter = store.root.vector("weight", 21, initial: .constant(1))
    store.allocate(seed: 0)
    store.allocateGradients()
    let optimizer = SGD(store, momentum: 0.9, weightDecay: 0.01)
    // torch.optim.SGD([1.], momentum=0.9, weight_decay=0.01): learning rate 0.1 twice, then 0.05.
    let steps: [(gradient: Float, learningRate: Float, velocity: Float, value: Float)] = [
      (0.5, 0.1, 0.51, 0.949),
      (-0.2, 0.1, 0.26849, 0.922151),
      (0, 0.05, 0.25086251, 0.9096078745),
    ]
    for step in steps {
      for index in 0..<21 { parameter.gradient[index] = step.gradient }
      optimizer.step(learningRate: Double(step.learningRate), on: WorkerPool(threads: 1))
      for index in 0..<21 {
        #expect(abs(parameter.value[index] - step.value) < 3e-7)
        #expect(abs(optimizer.velocities[parameter.offset + index] - step.velocity) < 3e-7)
        #expect(parameter.gradient[index] == step.gradient)
      }
    }
  }

  @Test(
    "An update that makes a parameter infinite or NaN is reported, wherever the parameter lies",
    arguments: InstructionSet.supported)
  func overflow(instructionSet: InstructionSet) {
    let workers = WorkerPool(threads: 2, instructionSet: instructionSet)
    let store = ParameterStore()
    let parameter = store.root.vector("weight", 70_021, initial: .constant(1))
    store.allocate(seed: 0)
    store.allocateGradients()
    let optimizer = SGD(store, momentum: 0.9, weightDecay: 0)
    #expect(optimizer.step(learningRate: 1, on: workers))
    for place in [0, 7, 15, 65_535, 65_536, 70_020] {
      parameter.gradient[place] = 3e38
      #expect(optimizer.step(learningRate: 1, on: workers), "large and finite")
      #expect(!optimizer.step(learningRate: 10, on: workers), "at \(place)")
      parameter.gradient[place] = 0
      parameter.value[place] = 1
      optimizer.velocities[parameter.offset + place] = 0
    }
    optimizer.velocities[parameter.offset + 3] = .infinity
    #expect(!optimizer.step(learningRate: 0, on: workers), "a velocity, which the learning rate hides")
  }

  @Test("The learning rate decays from its start as (1 − epoch / epochs)^power, once an epoch")
  func schedule() {
    let length = TrainingLength(stepsPerEpoch: 3, epochs: 60)
    let linear = LearningRateSchedule(start: 0.01, length)
    #expect(linear.learningRate(step: 2) == 0.01)
    #expect(linear.learningRate(step: 90) == 0.005)
    #expect(abs(linear.learningRate(step: 179) - 0.01 / 60) < 1e-15)
    let square = LearningRateSchedule(start: 0.4, power: 2, TrainingLength(stepsPerEpoch: 1, epochs: 10))
    #expect(abs(square.learningRate(step: 5) - 0.1) < 1e-15)
    let constant = LearningRateSchedule(start: 0.4, power: 0, length)
    #expect(constant.learningRate(step: 179) == 0.4)
    var options = ScheduleOptions()
    options.finalRate = 0.1
    #expect(abs(LearningRateSchedule(start: 0.3, length, options).learningRate(step: 90) - 0.2) < 1e-15)
  }

  @Test("A length in steps ends in the middle of an epoch, which then counts as one")
  func length() {
    let length = TrainingLength(stepsPerEpoch: 3, steps: 7)
    #expect(length.epochs == 3)
    var options = ScheduleOptions()
    options.unit = .step
    let schedule = LearningRateSchedule(start: 0.7, length, options)
    for step in 0..<7 { #expect(abs(schedule.learningRate(step: step) - 0.1 * Double(7 - step)) < 1e-15) }
  }
}
