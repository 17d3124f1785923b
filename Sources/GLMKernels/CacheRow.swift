/// How the caches keep latents, rope keys and index keys.
public enum CacheFormat: String, Sendable, CaseIterable {
    /// As they are computed.
    case float32
    /// Rounded to BF16, ties to even.
    case bfloat16
    /// E4M3 with one Float32 multiplier for each 128 elements, the last group may be short; rope keys in BF16.
    case fp8
}

/// One row of a cache: `latent` elements, then `rope` elements that are never coarser than BF16.
///
/// In FP8 a row is the codes, the multipliers, then the rope part: 656 bytes for 512 + 64 elements.
/// Source: specification §4.2; FlashMLA's FP8 layout.
public struct CacheRow: Sendable, Equatable {
    /// Elements that share a multiplier in FP8.
    public static let block = 128

    /// How elements are stored.
    public let format: CacheFormat
    /// Elements of the first part; an index key has no other.
    public let latent: Int
    /// Elements of the second part.
    public let rope: Int

    /// - Precondition: neither count is negative.
    public init(_ format: CacheFormat, latent: Int, rope: Int = 0) {
        precondition(latent >= 0 && rope >= 0, "a row of \(latent) + \(rope)")
        self.format = format
        self.latent = latent
        self.rope = rope
    }

    /// Elements of a row.
    public var width: Int { latent + rope }

    /// Bytes from one stored row to the next.
    public var bytes: Int {
        switch format {
        case .float32: width * 4
        case .bfloat16: width * 2
        case .fp8: latent + blocks * 4 + rope * 2
        }
    }

    /// Floats from one decoded row to the next: each part may fill its last group of 16.
    public var decodedStride: Int { max((width + 15) / 16 * 16, latent + (rope + 15) / 16 * 16) }

    private var blocks: Int { (latent + CacheRow.block - 1) / CacheRow.block }
    /// Where the multipliers of an FP8 row begin.
    fileprivate var scaleOffset: Int { latent }
    /// Where the rope part of an FP8 row begins.
    fileprivate var ropeOffset: Int { latent + blocks * 4 }
}

extension Kernels {
    /// Writes one row of `row.width` floats in the cache's format; `target` has room for `row.bytes`.
    public func store(_ x: UnsafePointer<Float>, as row: CacheRow, to target: UnsafeMutableRawPointer) {
        switch row.format {
        case .float32: target.copyMemory(from: x, byteCount: row.bytes)
        case .bfloat16: storeBFloat16(x, row.width, target)
        case .fp8:
            storeFloat8(x, row, target)
            storeBFloat16(x + row.latent, row.rope, target + row.ropeOffset)
        }
    }

    private func storeBFloat16(_ x: UnsafePointer<Float>, _ count: Int, _ target: UnsafeMutableRawPointer) {
        for index in 0..<count {
            target.storeBytes(of: BFloat16.encode(x[index]), toByteOffset: index * 2, as: UInt16.self)
        }
    }

    private func storeFloat8(
        _ x: UnsafePointer<Float>, _ row: CacheRow, _ target: UnsafeMutableRawPointer
    ) {
        let padded = (row.latent + 15) / 16 * 16
        let blocks = (row.latent + CacheRow.block - 1) / CacheRow.block
        withTemporaryMemory(of: Float.self, count: padded + blocks + 1) { buffer in
            guard let codes = buffer.baseAddress else { return }
            quantizeActivations(
                x, count: row.latent, block: CacheRow.block, codes: codes, stride: 16,
                scales: codes + padded, scaleStride: 1)
            for index in 0..<row.latent {
                target.storeBytes(
                    of: Float8E4M3.encode(codes[index]), toByteOffset: index, as: UInt8.self)
            }
            (target + row.scaleOffset).copyMemory(from: codes + padded, byteCount: blocks * 4)
        }
    }

    /// Reads one stored row as floats; `target` has room for `row.decodedStride`, the last of which may be
    /// zeros.
    public func load(_ source: UnsafeRawPointer, as row: CacheRow, into target: UnsafeMutablePointer<Float>) {
        switch row.format {
        case .float32: decodePart(.float32, source, row.width, nil, target)
        case .bfloat16: decodePart(.bfloat16, source, row.width, nil, target)
        case .fp8:
            decodePart(.float8E4M3, source, row.latent, source + row.scaleOffset, target)
            decodePart(.bfloat16, source + row.ropeOffset, row.rope, nil, target + row.latent)
        }
    }

    private func decodePart(
        _ format: WeightView.Format, _ source: UnsafeRawPointer, _ count: Int, _ scales: UnsafeRawPointer?,
        _ target: UnsafeMutablePointer<Float>
    ) {
        if count > 0 { decode(format, source, count, scales, CacheRow.block, 0, target, 16) }
    }
}
