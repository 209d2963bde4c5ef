import Layers
import Tensors

/// A network with every kind of entry: two convolutions, a batch norm, a bias.
func smallNetwork(seed: UInt64, outputs: Int = 5) -> ParameterStore {
  let store = ParameterStore()
  let backbone = store.root / "regular_stream" / "backbone"
  _ = (backbone / "conv1").weight(kernel: 3, from: 2, to: 3)
  _ = (backbone / "bn1").vector("weight", 3, initial: .constant(1))
  _ = (backbone / "bn1").vector("bias", 3, initial: .constant(0))
  let mean = (backbone / "bn1").statistic("running_mean", 3, initial: 0)
  _ = (backbone / "bn1").statistic("running_var", 3, initial: 1)
  let counter = (backbone / "bn1").counter("num_batches_tracked")
  let head = store.root / "seg"
  _ = head.weight(kernel: 1, from: 3, to: outputs)
  _ = head.vector("bias", outputs, initial: .uniform(bound: 1))
  store.allocate(seed: seed)
  for index in 0..<3 { mean.value[index] = Float(seed) + Float(index) / 3 }
  counter.value = Int64(seed) << 33
  return store
}

/// Momentum of a network, all values different.
func smallVelocities(_ store: ParameterStore, seed: UInt64) -> FloatSlice {
  let velocities = FloatSlice([Float](repeating: 0, count: store.values.count))
  var random = RandomNumbers(seed, 77)
  for parameter in store.parameters {
    for index in 0..<parameter.layout.count { velocities[parameter.offset + index] = random.normal() }
  }
  return velocities
}

/// The bits of every number of a network.
func contents(_ store: ParameterStore) -> [String: [UInt64]] {
  var contents: [String: [UInt64]] = [:]
  for entry in store.entries {
    contents[entry.name] =
      switch entry {
      case .parameter(let parameter): parameter.value.values.map { UInt64($0.bitPattern) }
      case .statistic(let statistic): statistic.value.values.map { UInt64($0.bitPattern) }
      case .counter(let counter): [UInt64(bitPattern: counter.value)]
      }
  }
  return contents
}
