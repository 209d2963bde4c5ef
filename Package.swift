// swift-tools-version:6.0
import PackageDescription

/// Compiles a target for a level of x86-64; other architectures are not affected.
///
/// `-Xarch_x86_64` passes the next flag to clang only if the *target* is x86-64, so a cross-build needs no setting. Swift
/// before 6.3 is not known to support it on Linux; there the architecture of the building machine decides.
func march(_ level: String) -> [SwiftSetting] {
  #if compiler(>=6.3)
    [.unsafeFlags(["-Xcc", "-Xarch_x86_64", "-Xcc", "-march=\(level)", "-Xcc", "-Qunused-arguments"])]
  #elseif arch(x86_64)
    [.unsafeFlags(["-Xcc", "-march=\(level)"])]
  #else
    []
  #endif
}

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

    // MARK: - Numbers
    .target(name: "Tensors"),

    // MARK: - Microkernels, one target per instruction set; `InstructionSet` chooses at run time
    // `Sources/MicrokernelsShared` and `MicrokernelsGEMM` (blocked GEMM) are not targets: relative links in the folder of
    // each instruction set compile them into it. Nothing else may be compiled for more than the plain processor. A new
    // instruction set is a folder with `Backend.swift`, a GEMM microkernel and the two links, a target here and a case of
    // `InstructionSet`.
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
