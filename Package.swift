// swift-tools-version: 6.2
import PackageDescription

// Dependencies point upwards in this list only; Sources/GLMInference/Documentation.docc/MapOfTheHouse.md explains each room.

let collections: Target.Dependency = .product(name: "Collections", package: "swift-collections")
let heap: Target.Dependency = .product(name: "HeapModule", package: "swift-collections")
let arguments: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")

/// What every Swift target is compiled with.
let house: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]
/// Rooms above the kernels and the file mapping say `unsafe` where they touch a pointer.
let strict: [SwiftSetting] = house + [.strictMemorySafety()]

let package = Package(
    name: "glm-infer",
    platforms: [.macOS(.v15)],
    products: [
        .library(name: "GLMInference", targets: ["GLMInference"]),
        // Unstable: exists so that the nested Benchmarks package can time the loops; no promise of source stability.
        .library(name: "GLMKernels", targets: ["GLMKernels"]),
        .executable(name: "glm-infer", targets: ["glm-infer"]),
        .executable(name: "weights-tools", targets: ["weights-tools"]),
    ],
    traits: [
        .trait(
            name: "MPI",
            description:
                "Devices as processes over MPI; needs Open MPI or MPICH (Debian: libopenmpi-dev openmpi-bin)."
        )
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    ],
    targets: [
        .target(name: "CVector"),
        .target(name: "GLMKernels", dependencies: ["CVector"], swiftSettings: house),
        .target(name: "GLMFiles", swiftSettings: house),
        .target(name: "GLMTensor", dependencies: ["GLMKernels"], swiftSettings: strict),
        .target(
            name: "GLMWeights", dependencies: ["GLMKernels", "GLMFiles", "GLMTensor"], swiftSettings: strict),
        .target(
            name: "GLMParallel", dependencies: ["GLMKernels", "GLMFiles", "GLMTensor", "GLMWeights"],
            swiftSettings: strict),
        .systemLibrary(
            name: "CMPI", pkgConfig: "mpi", providers: [.apt(["libopenmpi-dev"]), .brew(["open-mpi"])]),
        .target(
            name: "GLMMPI",
            dependencies: [
                "GLMFiles", "GLMParallel", .target(name: "CMPI", condition: .when(traits: ["MPI"])),
            ],
            swiftSettings: strict),
        .target(
            name: "GLMModel",
            dependencies: ["GLMKernels", "GLMFiles", "GLMTensor", "GLMWeights", "GLMParallel"],
            swiftSettings: strict),
        .target(
            name: "GLMDecoding", dependencies: ["GLMFiles", "GLMTensor", "GLMModel"], swiftSettings: strict),
        .target(name: "GLMText", dependencies: ["GLMFiles", heap], swiftSettings: strict),
        .target(
            name: "GLMSynthesis",
            dependencies: ["GLMKernels", "GLMFiles", "GLMTensor", "GLMWeights", "GLMModel"],
            swiftSettings: strict),
        // The files of Toy/ are no resources: the compiler puts their bytes into the object file.
        .target(name: "CToyModel", exclude: ["Toy"]),
        .target(name: "GLMToy", dependencies: ["CToyModel", "GLMFiles"], swiftSettings: strict),
        .target(
            name: "GLMConversion",
            dependencies: ["GLMKernels", "GLMFiles", "GLMWeights", "GLMModel", "GLMSynthesis"],
            swiftSettings: strict),
        .target(
            name: "GLMEngine",
            dependencies: ["GLMFiles", "GLMParallel", "GLMModel", "GLMDecoding", collections],
            swiftSettings: strict),
        .target(
            name: "GLMInference",
            dependencies: [
                "GLMKernels", "GLMFiles", "GLMTensor", "GLMWeights", "GLMParallel", "GLMModel", "GLMDecoding",
                "GLMText", "GLMEngine",
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "glm-infer",
            dependencies: [
                "GLMInference", "GLMKernels", "GLMFiles", "GLMTensor", "GLMWeights", "GLMParallel", "GLMMPI",
                "GLMModel", "GLMDecoding", "GLMText",
                "GLMEngine", "GLMToy", arguments,
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "weights-tools",
            dependencies: [
                "GLMKernels", "GLMFiles", "GLMTensor", "GLMWeights", "GLMModel", "GLMSynthesis",
                "GLMConversion", arguments,
            ],
            path: "weights-tools", exclude: ["toy"], swiftSettings: strict),

        .target(
            name: "GLMTestSupport", dependencies: ["GLMFiles", "GLMTensor", "GLMKernels"],
            path: "Tests/GLMTestSupport",
            swiftSettings: house),
        .testTarget(
            name: "GLMKernelsTests", dependencies: ["GLMKernels", "GLMTestSupport"], swiftSettings: house),
        .testTarget(
            name: "GLMFilesTests", dependencies: ["GLMFiles", "GLMTestSupport"], swiftSettings: house),
        .testTarget(
            name: "GLMTensorTests", dependencies: ["GLMTensor", "GLMTestSupport"], swiftSettings: house),
        .testTarget(
            name: "GLMWeightsTests",
            dependencies: ["GLMKernels", "GLMFiles", "GLMTensor", "GLMWeights", "GLMTestSupport"],
            swiftSettings: house),
        .testTarget(
            name: "GLMParallelTests",
            dependencies: [
                "GLMKernels", "GLMFiles", "GLMTensor", "GLMWeights", "GLMParallel", "GLMTestSupport",
            ],
            swiftSettings: house),
        .testTarget(
            name: "GLMModelTests",
            dependencies: [
                "GLMKernels", "GLMFiles", "GLMTensor", "GLMWeights", "GLMParallel", "GLMModel",
                "GLMTestSupport",
            ],
            exclude: ["Golden"], swiftSettings: house),
        .testTarget(
            name: "GLMDecodingTests",
            dependencies: ["GLMFiles", "GLMTensor", "GLMModel", "GLMDecoding", "GLMTestSupport"],
            swiftSettings: house),
        .testTarget(
            name: "GLMTextTests", dependencies: ["GLMFiles", "GLMText", "GLMTestSupport"],
            resources: [.copy("Fixtures")], swiftSettings: house),
        .testTarget(
            name: "GLMSynthesisTests",
            dependencies: [
                "GLMKernels", "GLMFiles", "GLMTensor", "GLMWeights", "GLMModel", "GLMText", "GLMSynthesis",
                "GLMTestSupport",
            ],
            swiftSettings: house),
        .testTarget(
            name: "GLMToyTests", dependencies: ["GLMFiles", "GLMToy", "GLMTestSupport"], swiftSettings: house),
        .testTarget(
            name: "GLMConversionTests",
            dependencies: [
                "GLMKernels", "GLMFiles", "GLMTensor", "GLMWeights", "GLMModel", "GLMSynthesis",
                "GLMConversion", "GLMTestSupport",
            ],
            exclude: ["Fixtures"], swiftSettings: house),
        .testTarget(
            name: "GLMInferenceTests",
            dependencies: [
                "GLMInference", "GLMKernels", "GLMFiles", "GLMTensor", "GLMWeights", "GLMParallel",
                "GLMModel",
                "GLMDecoding", "GLMText",
                "GLMEngine", "GLMSynthesis", "GLMTestSupport",
            ],
            swiftSettings: house),
    ],
    swiftLanguageModes: [.v6]
)

// Measurements of package-only code; the nested Benchmarks package sees only public products.
if Context.environment["GLM_BENCH"] == "1" {
    package.targets += [
        .executableTarget(
            name: "json-bench", dependencies: ["GLMFiles"], path: "Benchmarks/json-bench",
            swiftSettings: house),
        .executableTarget(
            name: "scan-bench", dependencies: ["GLMKernels", "GLMWeights"], path: "Benchmarks/scan-bench",
            swiftSettings: house),
        .executableTarget(
            name: "sampling-bench", dependencies: ["GLMTensor", "GLMDecoding"],
            path: "Benchmarks/sampling-bench", swiftSettings: house),
    ]
}

// One fuzz target per parser: Tests/Fuzz/<name> becomes the executable fuzz-<name>, which links only with
// --sanitize=fuzzer. Tests/Fuzz/run.sh builds and runs them all.
let fuzzed: [String: [Target.Dependency]] = [
    "json": ["GLMFiles"],
    "safetensors": ["GLMFiles", "GLMWeights"],
    "index": ["GLMFiles", "GLMWeights"],
    "config": ["GLMFiles", "GLMKernels", "GLMModel"],
    "tokenizer": ["GLMFiles", "GLMText"],
    "encode": ["GLMFiles", "GLMText"],
    "messages": ["GLMFiles", "GLMText"],
    "toolcalls": ["GLMFiles", "GLMText"],
    "settings": ["GLMFiles", "GLMInference"],
]
if Context.environment["GLM_FUZZ"] == "1" {
    package.targets.append(
        .target(
            name: "FuzzSupport", dependencies: ["GLMFiles"], path: "Tests/Fuzz/Support", swiftSettings: house)
    )
    package.targets += fuzzed.sorted { $0.key < $1.key }.map { name, parsers in
        .executableTarget(
            name: "fuzz-\(name)", dependencies: ["FuzzSupport"] + parsers, path: "Tests/Fuzz/\(name)",
            exclude: ["seeds", "dictionary"], swiftSettings: house)
    }
    // A copy of GLMFiles with a bug planted in it, to prove that a bug there is found.
    if let planted = Context.environment["GLM_FUZZ_PLANTED"] {
        package.targets.first { $0.name == "GLMFiles" }?.path = planted
    }
}
