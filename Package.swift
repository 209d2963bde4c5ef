// swift-tools-version:6.0
import PackageDescription

/// The numerical targets are written for 8-wide vectors with fused multiply-add, which every x86-64 processor
/// of the last decade has; `gscnn` says so and stops where they are missing.
#if arch(x86_64)
  let vectorised: [SwiftSetting] = [.unsafeFlags(["-Xcc", "-march=x86-64-v3"])]
#else
  let vectorised: [SwiftSetting] = []
#endif

let package = Package(
  name: "gscnn",
  products: [.executable(name: "gscnn", targets: ["gscnn"])],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0")
  ],
  targets: [
    // MARK: - C libraries
    .systemLibrary(name: "COpenMPI", pkgConfig: "ompi-c", providers: [.apt(["libopenmpi-dev"])]),
    .systemLibrary(name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
    .systemLibrary(name: "CPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"])]),

    // MARK: - Numbers
    .target(name: "Tensors", swiftSettings: vectorised),
    .target(name: "Kernels", dependencies: ["Tensors"], swiftSettings: vectorised),

    // MARK: - The network
    .target(name: "Layers", dependencies: ["Tensors", "Kernels"]),
    .target(name: "GatedSCNN", dependencies: ["Tensors", "Kernels", "Layers"]),

    // MARK: - The data
    .target(name: "Pictures", dependencies: ["CPNG"]),
    .target(name: "Cityscapes", dependencies: ["Tensors", "Pictures"]),

    // MARK: - Ranks and files
    .target(name: "Distributed", dependencies: ["COpenMPI", "Tensors", "Layers"], swiftSettings: vectorised),
    .target(name: "Weights", dependencies: ["Tensors", "Layers"]),

    // MARK: - The trainer
    .target(
      name: "Training",
      dependencies: [
        "Tensors", "Kernels", "Layers", "GatedSCNN", "Pictures", "Cityscapes", "Distributed", "Weights",
      ]),
    .executableTarget(
      name: "gscnn",
      dependencies: ["Training", .product(name: "ArgumentParser", package: "swift-argument-parser")]),

    // MARK: - Tests, a bundle a target
    .target(name: "Jobs", path: "Tests/Jobs"),
    .testTarget(name: "TensorsTests", dependencies: ["Tensors", "COpenBLAS"]),
    .testTarget(name: "KernelsTests", dependencies: ["Kernels"]),
    .testTarget(name: "LayersTests", dependencies: ["Kernels", "Layers", "Tensors"]),
    .testTarget(name: "GatedSCNNTests", dependencies: ["GatedSCNN", "Training", "Weights"], exclude: ["Fixtures"]),
    .testTarget(name: "PicturesTests", dependencies: ["Pictures"], exclude: ["Fixtures"]),
    .testTarget(name: "CityscapesTests", dependencies: ["Cityscapes"], exclude: ["Fixtures"]),
    .executableTarget(
      name: "RankProgram", dependencies: ["COpenMPI", "Distributed", "Layers", "Tensors"], path: "Tests/RankProgram"),
    .testTarget(name: "DistributedTests", dependencies: ["Distributed", "Jobs", "RankProgram", "Tensors"]),
    .testTarget(name: "WeightsTests", dependencies: ["Weights"], exclude: ["Fixtures", "pytorch_reads.py"]),
    .testTarget(
      name: "TrainingTests",
      dependencies: [
        "Cityscapes", "Distributed", "GatedSCNN", "Jobs", "Layers", "Pictures", "Tensors", "Training", "Weights", "gscnn",
      ]),
    .testTarget(name: "ClusterTests", dependencies: ["Jobs", "gscnn"], exclude: ["hosts"]),
    .testTarget(name: "CommandLineTests", dependencies: ["Jobs", "gscnn"], exclude: ["Fixtures"]),
  ]
)
