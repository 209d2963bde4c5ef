// swift-tools-version:6.0
import PackageDescription

/// Compiles a target for a level of x86-64, and an extension beyond it; other architectures are not affected.
///
/// `-Xarch_x86_64` passes the next flag to clang only if the *target* is x86-64, so a cross-build needs no setting. Swift
/// before 6.3 is not known to support it on Linux; there the architecture of the building machine decides.
func march(_ level: String, _ feature: String? = nil) -> [SwiftSetting] {
  let flags = ["-march=\(level)"] + (feature.map { ["-m\($0)"] } ?? [])
  #if compiler(>=6.3)
    return [
      .unsafeFlags(flags.flatMap { ["-Xcc", "-Xarch_x86_64", "-Xcc", $0] } + ["-Xcc", "-Qunused-arguments"])
    ]
  #elseif arch(x86_64)
    return [.unsafeFlags(flags.flatMap { ["-Xcc", $0] })]
  #else
    return []
  #endif
}

/// Targets are listed bottom-up: each imports only targets above it that it declares (`Tests/check-manifest`).
/// Dependencies are pinned, so that a commit of this repository always builds the same program.
let package = Package(
  name: "gscnn",
  products: [.executable(name: "gscnn", targets: ["gscnn"])],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
    // For `swift package generate-documentation` alone.
    .package(url: "https://github.com/swiftlang/swift-docc-plugin", exact: "1.5.0"),
  ],
  targets: [
    // MARK: - C libraries
    .systemLibrary(name: "CIntrinsics"),
    .systemLibrary(name: "CLinux"),
    .systemLibrary(name: "COpenMPI", pkgConfig: "ompi-c", providers: [.apt(["libopenmpi-dev"])]),
    .systemLibrary(name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
    .systemLibrary(name: "CPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .systemLibrary(name: "CJPEG", pkgConfig: "libjpeg", providers: [.apt(["libjpeg-dev"])]),  // optional

    // MARK: - The operating system
    .target(name: "System", dependencies: ["CZlib"]),

    // MARK: - Numbers
    // What microkernels take: pointers, vectors, precisions.
    .target(name: "Microkernels", dependencies: ["CIntrinsics"]),
    .target(name: "Tensors", dependencies: ["System", "Microkernels"]),

    // MARK: - Microkernels, one target per instruction set; `InstructionSet` chooses at run time
    // `Sources/MicrokernelsShared`, `MicrokernelsGEMM` (blocked GEMM), `MicrokernelsAVX512Shared` and
    // `MicrokernelsWidened` (bfloat16 without an instruction for it) are not targets: relative links in the folder of each
    // instruction set compile them into it. Nothing else may be compiled for more than the plain processor. A new
    // instruction set is a folder with `Backend.swift`, a GEMM microkernel and the links, a target here and a case of
    // `InstructionSet`.
    .target(name: "MicrokernelsPlain", dependencies: ["COpenBLAS", "Microkernels"]),
    .target(
      name: "MicrokernelsAVX2", dependencies: ["CIntrinsics", "Microkernels"], swiftSettings: march("x86-64-v3")),
    .target(
      name: "MicrokernelsAVX512", dependencies: ["CIntrinsics", "Microkernels"], swiftSettings: march("x86-64-v4")),
    .target(
      name: "MicrokernelsAVX512BF16", dependencies: ["CIntrinsics", "Microkernels"],
      swiftSettings: march("x86-64-v4", "avx512bf16")),
    .target(
      name: "Kernels",
      dependencies: [
        "System", "Tensors", "Microkernels", "MicrokernelsPlain", "MicrokernelsAVX2", "MicrokernelsAVX512",
        "MicrokernelsAVX512BF16",
      ]),

    // MARK: - The network
    .target(name: "Layers", dependencies: ["System", "Microkernels", "Tensors", "Kernels"]),
    .target(name: "GatedSCNN", dependencies: ["Microkernels", "Tensors", "Kernels", "Layers"]),

    // MARK: - The data
    .target(name: "Images", dependencies: ["CJPEG", "CPNG", "System", "Tensors"]),
    .target(name: "Cityscapes", dependencies: ["System", "Tensors", "Images"]),
    .target(name: "SyntheticStreets", dependencies: ["System", "Tensors", "Images", "Cityscapes"]),
    .target(name: "Metrics", dependencies: ["Tensors", "Cityscapes"]),

    // MARK: - The machine, ranks and files
    .target(name: "Machine", dependencies: ["CLinux", "System"]),
    .target(name: "Distributed", dependencies: ["COpenMPI", "System", "Microkernels", "Tensors", "Layers", "Machine"]),
    .target(name: "Weights", dependencies: ["CZlib", "System", "Tensors", "Layers"]),
    .target(name: "Protobuf", dependencies: ["System"]),
    .target(name: "ONNX", dependencies: ["System", "Protobuf", "Tensors", "Layers", "GatedSCNN", "Weights"]),
    .target(name: "TensorBoard", dependencies: ["System", "Protobuf"]),

    // MARK: - Inference and training
    .target(
      name: "Inference",
      dependencies: [
        "System", "Microkernels", "Tensors", "Kernels", "Layers", "GatedSCNN", "Images", "Cityscapes", "Metrics",
        "Distributed", "Weights",
      ]),
    .target(
      name: "Training",
      dependencies: [
        "System", "TensorBoard", "Microkernels", "Tensors", "Kernels", "Layers", "GatedSCNN", "Images", "Cityscapes",
        "Metrics", "Machine", "Distributed", "Weights", "Inference",
      ]),
    .target(name: "Watching", dependencies: ["System", "Training"]),

    // MARK: - Reports
    .target(
      name: "Reports",
      dependencies: ["System", "Tensors", "Images", "Cityscapes", "Metrics", "Inference", "Training"]),

    // MARK: - Benchmarks and planning
    .target(
      name: "Benchmarks",
      dependencies: [
        "System", "Microkernels", "Tensors", "Kernels", "Layers", "GatedSCNN", "Images", "Cityscapes",
        "SyntheticStreets", "Metrics", "Distributed", "Weights", "Inference", "Training",
      ]),
    .target(name: "Planning", dependencies: ["System", "Microkernels", "Inference", "Benchmarks"]),

    // MARK: - The command line
    .executableTarget(
      name: "gscnn",
      dependencies: [
        "System", "Microkernels", "Tensors", "Kernels", "Layers", "GatedSCNN", "Images", "Cityscapes",
        "SyntheticStreets", "Metrics", "Machine", "Distributed", "Weights", "ONNX", "Inference", "Training", "Watching",
        "Reports", "Benchmarks",
        "Planning",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),

    // MARK: - Tests, a bundle a target
    .target(name: "Jobs", path: "Tests/Jobs"),
    .target(
      name: "ImageFixtures", dependencies: ["Tensors", "Images"], path: "Tests/ImageFixtures",
      exclude: ["Fixtures", "make_jpegs.py"]),
    .executableTarget(
      name: "RankProgram",
      dependencies: ["COpenMPI", "System", "Tensors", "Layers", "Machine", "Distributed", "Weights"],
      path: "Tests/RankProgram"),
    .executableTarget(
      name: "FuzzProgram",
      dependencies: [
        "CZlib", "System", "Tensors", "Layers", "Images", "Cityscapes", "Metrics", "Machine", "Distributed", "Weights",
        "TensorBoard", "Training", "Reports", "Watching", "ImageFixtures",
      ], path: "Tests/FuzzProgram"),
    .testTarget(name: "FuzzTests", dependencies: ["Jobs", "FuzzProgram", "gscnn"]),
    .testTarget(name: "SystemTests", dependencies: ["System", "Jobs"]),
    .testTarget(
      name: "TensorBoardTests", dependencies: ["System", "TensorBoard", "Jobs"], exclude: ["tensorboard_reads.py"]),
    .testTarget(name: "TensorsTests", dependencies: ["Tensors"]),
    .testTarget(name: "MicrokernelsTests", dependencies: ["Tensors", "Microkernels", "Kernels"]),
    .testTarget(
      name: "KernelsTests", dependencies: ["Tensors", "Microkernels", "Kernels"], exclude: ["Fixtures"]),
    .testTarget(
      name: "LayersTests", dependencies: ["Tensors", "Kernels", "Layers"],
      exclude: ["Fixtures", "make_batch_norm_groups.py"]),
    .testTarget(
      name: "GatedSCNNTests",
      dependencies: [
        "System", "Microkernels", "Tensors", "Kernels", "Layers", "GatedSCNN", "Images", "Weights", "Inference",
        "Training",
      ], exclude: ["Fixtures", "formula.py", "make_augmented_views.py", "make_autocast.py"]),
    .testTarget(
      name: "ImagesTests", dependencies: ["System", "Tensors", "Images", "ImageFixtures"],
      exclude: ["Fixtures", "make_augmentations.py"]),
    .testTarget(
      name: "CityscapesTests",
      dependencies: ["System", "Tensors", "Images", "Cityscapes", "SyntheticStreets", "ImageFixtures"],
      exclude: ["Fixtures", "make_epochs.py"]),
    .testTarget(
      name: "SyntheticStreetsTests",
      dependencies: ["Tensors", "Images", "Cityscapes", "SyntheticStreets", "ImageFixtures"]),
    .testTarget(
      name: "MetricsTests", dependencies: ["Tensors", "Cityscapes", "Metrics", "ImageFixtures"],
      exclude: ["Fixtures", "boundary_figures.py"]),
    .testTarget(name: "MachineTests", dependencies: ["Machine", "Jobs"]),
    .testTarget(
      name: "DistributedTests", dependencies: ["System", "Tensors", "Machine", "Distributed", "Jobs", "RankProgram"]),
    .testTarget(
      name: "WeightsTests",
      dependencies: ["CZlib", "System", "Tensors", "Layers", "GatedSCNN", "Weights", "Jobs", "RankProgram"],
      exclude: ["Fixtures", "make_weight_files.py", "pytorch_reads.py"]),
    .testTarget(
      name: "InferenceTests",
      dependencies: [
        "Tensors", "Kernels", "GatedSCNN", "Images", "Cityscapes", "Metrics", "Inference", "ImageFixtures",
      ],
      exclude: ["Fixtures", "official_figures.py"]),
    .testTarget(
      name: "ONNXTests",
      dependencies: ["System", "Tensors", "Layers", "GatedSCNN", "Weights", "ONNX", "Jobs"],
      exclude: ["Fixtures", "onnx_agrees.py"]),
    .testTarget(
      name: "TrainingTests",
      dependencies: [
        "System", "TensorBoard", "Microkernels", "Tensors", "Kernels", "Layers", "GatedSCNN", "Images", "Cityscapes",
        "SyntheticStreets", "Metrics", "Distributed", "Weights", "Inference", "Training", "Jobs", "gscnn",
      ], exclude: ["Fixtures", "make_optimizer_figures.py"]),
    .testTarget(name: "WatchingTests", dependencies: ["System", "Training", "Watching"]),
    .testTarget(
      name: "ReportsTests",
      dependencies: ["System", "Tensors", "Images", "Cityscapes", "Training", "Reports", "Jobs"]),
    .testTarget(name: "BenchmarksTests", dependencies: ["Tensors", "GatedSCNN", "Benchmarks"]),
    .testTarget(name: "PlanningTests", dependencies: ["Benchmarks", "Planning"]),
    .testTarget(name: "ClusterTests", dependencies: ["Jobs", "gscnn"], exclude: ["hosts"]),
    .testTarget(
      name: "CommandLineTests", dependencies: ["System", "Tensors", "Images", "Jobs", "ImageFixtures", "gscnn"],
      exclude: ["Fixtures"]),
  ]
)
