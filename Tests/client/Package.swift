// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "client",
    platforms: [.macOS(.v15)],
    dependencies: [.package(url: Context.environment["GLM_INFER_URL"] ?? "../..", from: "0.0.1")],
    targets: [
        .executableTarget(
            name: "client", dependencies: [.product(name: "GLMInference", package: "glm-infer")])
    ]
)
