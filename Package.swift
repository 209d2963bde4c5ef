// swift-tools-version:6.0
import PackageDescription

/// Compiles a target for a level of x86-64; other architectures are not affected.
///
/// `-Xarch_x86_64` passes the next flag to the compiler only if the *target* is x86-64, so that a cross-build sets nothing. The
/// clang of Swift 6.0 to 6.2 knows it for Apple's systems only; there the architecture of the building machine decides.
func march(_ level: String) -> [SwiftSetting] {
  #if compiler(>=6.3)
    [.unsafeFlags(["-Xcc", "-Xarch_x86_64", "-Xcc", "-march=\(level)", "-Xcc", "-Qunused-arguments"])]
  #elseif arch(x86_64)
    [.unsafeFlags(["-Xcc", "-march=\(level)"])]
  #else
    []
  #endif
}

/// Targets are listed bottom-up: each may import only targets above it, and only those it declares.
/// `launch/test` checks both. The dependency is pinned: the same commit of this repository builds the same program.
let package = Package(
  name: "gscnn",
  products: [.executable(name: "gscnn", targets: ["gscnn"])],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2")
  ],
  targets: [
    // MARK: - C libraries
    .systemLibrary(name: "CIntrinsics"),
    .systemLibrary(name: "CLinux"),
    .systemLibrary(name: "COpenMPI", pkgConfig: "ompi-c", providers: [.apt(["libopenmpi-dev"])]),
    .systemLibrary(name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
    .systemLibrary(name: "CPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"])]),

    // MARK: - Numbers
    .target(name: "Tensors"),

    // MARK: - Microkernels, one target per instruction set; `InstructionSet` chooses at run time
    // Shared sources are linked into each folder. Code for more than the plain processor belongs here only.
    .target(name: "Microkernels"),
    .target(name: "MicrokernelsPlain", dependencies: ["COpenBLAS", "Microkernels"]),
    .target(
      name: "MicrokernelsAVX2", dependencies: ["CIntrinsics", "Microkernels"], swiftSettings: march("x86-64-v3")),
    .target(
      name: "MicrokernelsAVX512", dependencies: ["CIntrinsics", "Microkernels"], swiftSettings: march("x86-64-v4")),
    .target(
      name: "Kernels",
      dependencies: ["Tensors", "Microkernels", "MicrokernelsPlain", "MicrokernelsAVX2", "MicrokernelsAVX512"]),

    // MARK: - The network
    .target(name: "Layers", dependencies: ["Tensors", "Kernels"]),
    .target(name: "GatedSCNN", dependencies: ["Tensors", "Kernels", "Layers"]),

    // MARK: - The data
    .target(name: "Images", dependencies: ["CPNG"]),
    .target(name: "Cityscapes", dependencies: ["Tensors", "Images"]),

    // MARK: - Ranks and files
    .target(name: "Distributed", dependencies: ["CLinux", "COpenMPI", "Tensors", "Layers"]),
    .target(name: "Weights", dependencies: ["Tensors", "Layers"]),

    // MARK: - The trainer
    .target(
      name: "Training",
      dependencies: [
        "Tensors", "Kernels", "Layers", "GatedSCNN", "Images", "Cityscapes", "Distributed", "Weights",
      ]),
    .executableTarget(
      name: "gscnn",
      dependencies: ["Kernels", "Training", .product(name: "ArgumentParser", package: "swift-argument-parser")]),

    // MARK: - Tests, a bundle a target
    .target(name: "Jobs", path: "Tests/Jobs"),
    .testTarget(name: "TensorsTests", dependencies: ["Tensors"]),
    .testTarget(name: "MicrokernelsTests", dependencies: ["Kernels", "Microkernels", "Tensors"]),
    .testTarget(name: "KernelsTests", dependencies: ["Kernels", "Microkernels", "Tensors"]),
    .testTarget(name: "LayersTests", dependencies: ["Kernels", "Layers", "Tensors"]),
    .testTarget(name: "GatedSCNNTests", dependencies: ["GatedSCNN", "Training", "Weights"], exclude: ["Fixtures"]),
    .testTarget(name: "ImagesTests", dependencies: ["Images"], exclude: ["Fixtures"]),
    .testTarget(name: "CityscapesTests", dependencies: ["Cityscapes"], exclude: ["Fixtures"]),
    .executableTarget(
      name: "RankProgram", dependencies: ["COpenMPI", "Distributed", "Layers", "Tensors"], path: "Tests/RankProgram"),
    .testTarget(name: "DistributedTests", dependencies: ["Distributed", "Jobs", "RankProgram", "Tensors"]),
    .testTarget(name: "WeightsTests", dependencies: ["Weights"], exclude: ["Fixtures", "pytorch_reads.py"]),
    .testTarget(
      name: "TrainingTests",
      dependencies: [
        "Cityscapes", "Distributed", "GatedSCNN", "Jobs", "Layers", "Images", "Tensors", "Training", "Weights",
        "gscnn",
      ]),
    .testTarget(name: "ClusterTests", dependencies: ["Jobs", "gscnn"], exclude: ["hosts"]),
    .testTarget(name: "CommandLineTests", dependencies: ["Jobs", "Kernels", "gscnn"], exclude: ["Fixtures"]),
  ]
)
