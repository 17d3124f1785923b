import GLMKernels
import GLMSynthesis
import GLMTestSupport

/// A model with random weights, as a folder that all tests share: wide enough to be sparse beyond 16 keys.
enum NoiseModel {
    static func directory() throws -> String { try made.get().path }

    private static let made = Result {
        let folder = try TemporaryDirectory()
        try CheckpointWriter(SyntheticModel(.nano, format: .bfloat16, seed: 5), shards: 1).write(
            to: folder.path, replaces: true, pool: ThreadPool(threads: 1))
        return folder
    }
}
