// swift-tools-version:6.0
import PackageDescription

/// The inner loops are compiled once for every instruction set from the same source, which `MicrokernelsAVX2` and `MicrokernelsAVX512`
/// are links to; the program chooses when it starts. Nothing else may be compiled for more than the plain processor.
#if arch(x86_64)
  let widerLoops: [Target] = [
    .target(
      name: "MicrokernelsAVX2", dependencies: ["CIntrinsics", "Microkernels"],
      swiftSettings: [.define("FUSED"), .unsafeFlags(["-Xcc", "-march=x86-64-v3"])]),
    .target(
      name: "MicrokernelsAVX512", dependencies: ["CIntrinsics", "Microkernels"],
      swiftSettings: [.define("FUSED"), .define("AVX512"), .unsafeFlags(["-Xcc", "-march=x86-64-v4"])]),
  ]
#else
  let widerLoops: [Target] = []
#endif
let microkernels: [Target.Dependency] = ["Microkernels", "MicrokernelsPlain"] + widerLoops.map { .byName(name: $0.name) }

let package = Package(
  name: "gscnn",
  products: [.executable(name: "gscnn", targets: ["gscnn"])],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0")
  ],
  targets: [
    // MARK: - C libraries
    .systemLibrary(name: "CIntrinsics"),
    .systemLibrary(name: "CLinux"),
    .systemLibrary(name: "COpenMPI", pkgConfig: "ompi-c", providers: [.apt(["libopenmpi-dev"])]),
    .systemLibrary(name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
    .systemLibrary(name: "CPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"])]),

    // MARK: - The operating system
    .target(name: "System"),

    // MARK: - Numbers
    .target(name: "Tensors", dependencies: ["System"]),
    .target(name: "Microkernels"),
    .target(name: "MicrokernelsPlain", dependencies: ["COpenBLAS", "Microkernels"], swiftSettings: [.define("OPENBLAS")]),
    .target(name: "Kernels", dependencies: ["System", "Tensors"] + microkernels),

    // MARK: - The network
    .target(name: "Layers", dependencies: ["System", "Tensors", "Kernels"]),
    .target(name: "GatedSCNN", dependencies: ["Tensors", "Kernels", "Layers"]),

    // MARK: - The data
    .target(name: "Images", dependencies: ["CPNG"]),
    .target(name: "Cityscapes", dependencies: ["System", "Tensors", "Images"]),

    // MARK: - Ranks and files
    .target(name: "Machine", dependencies: ["CLinux", "System"]),
    .target(name: "Distributed", dependencies: ["COpenMPI", "System", "Tensors", "Layers", "Machine"]),
    .target(name: "Weights", dependencies: ["System", "Tensors", "Layers"]),

    // MARK: - The trainer
    .target(
      name: "Training",
      dependencies: [
        "System", "Tensors", "Kernels", "Layers", "GatedSCNN", "Images", "Cityscapes", "Machine", "Distributed",
        "Weights",
      ]),
    .executableTarget(
      name: "gscnn",
      dependencies: ["Kernels", "Machine", "System", "Training", .product(name: "ArgumentParser", package: "swift-argument-parser")]),

    // MARK: - Tests, a bundle a target
    .target(name: "Jobs", path: "Tests/Jobs"),
    .testTarget(name: "SystemTests", dependencies: ["Jobs", "System"]),
    .testTarget(name: "TensorsTests", dependencies: ["Tensors"]),
    .testTarget(name: "MicrokernelsTests", dependencies: ["Kernels", "Microkernels", "Tensors"]),
    .testTarget(name: "KernelsTests", dependencies: ["Kernels"]),
    .testTarget(name: "LayersTests", dependencies: ["Kernels", "Layers", "Tensors"]),
    .testTarget(
      name: "GatedSCNNTests", dependencies: ["GatedSCNN", "Layers", "System", "Tensors", "Training", "Weights"],
      exclude: ["Fixtures"]),
    .testTarget(name: "ImagesTests", dependencies: ["Images"], exclude: ["Fixtures"]),
    .testTarget(name: "CityscapesTests", dependencies: ["Cityscapes"], exclude: ["Fixtures"]),
    .executableTarget(
      name: "RankProgram", dependencies: ["COpenMPI", "Distributed", "Layers", "Machine", "System", "Tensors"],
      path: "Tests/RankProgram"),
    .testTarget(name: "MachineTests", dependencies: ["Jobs", "Machine"]),
    .testTarget(
      name: "DistributedTests", dependencies: ["Distributed", "Jobs", "Machine", "RankProgram", "System", "Tensors"]),
    .testTarget(
      name: "WeightsTests", dependencies: ["Layers", "System", "Tensors", "Weights"], exclude: ["Fixtures", "pytorch_reads.py"]),
    .testTarget(
      name: "TrainingTests",
      dependencies: [
        "Cityscapes", "Distributed", "GatedSCNN", "Jobs", "Layers", "Images", "System", "Tensors", "Training",
        "Weights", "gscnn",
      ]),
    .testTarget(name: "ClusterTests", dependencies: ["Jobs", "gscnn"], exclude: ["hosts"]),
    .testTarget(name: "CommandLineTests", dependencies: ["Jobs", "Kernels", "gscnn"], exclude: ["Fixtures"]),
  ] + widerLoops
)
