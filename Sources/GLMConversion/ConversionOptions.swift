// What a conversion is asked for. Knows no file.

package import GLMSynthesis

/// How tensors are spread over files.
package enum Sharding: Sendable, Equatable {
    /// So many files, about equal in bytes.
    case count(Int)
    /// As few files as can be filled in order with at most so many bytes of tensors; one larger tensor fills a file alone.
    case bytes(Int)

    /// Files of 5 GB, as the Hugging Face libraries write them.
    package static let standard = Sharding.bytes(5_000_000_000)
}

/// The target of a conversion.
package struct ConversionOptions: Sendable {
    /// nil leaves every tensor as it is stored.
    package var format: CheckpointFormat?
    /// For FP8; nil leaves scales that are there and makes `float32` ones.
    package var scaleFormat: ScaleFormat?
    package var sharding: Sharding

    package init(
        format: CheckpointFormat? = nil, scaleFormat: ScaleFormat? = nil, sharding: Sharding = .standard
    ) {
        self.format = format
        self.scaleFormat = scaleFormat
        self.sharding = sharding
    }
}
