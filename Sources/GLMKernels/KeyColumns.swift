import CVector

/// Index keys of one sequence in pages of 64, turned on their side 32 by 32: element d of 32 keys, then element d + 1,
/// so that the lanes of a vector are keys; then the other 32 keys of the page. One pass over a block reads memory in
/// order.
///
/// In FP8 the multipliers follow the codes, those of all 64 keys for the first 128 elements, then the next.
public struct KeyColumns: @unchecked Sendable {
    /// Keys of a page.
    public static let pageKeys = KeyRows.pageTokens
    /// Keys that lie side by side.
    static let blockKeys = 32

    /// First byte of each page for the layer at hand.
    public var pages: UnsafePointer<UnsafeRawPointer>
    /// How one key is stored; it has no rope part of its own.
    public var row: CacheRow
    /// Keys that are there.
    public var count: Int

    /// - Precondition: every key below `count` lies in a page; `row.rope` is 0.
    public init(pages: UnsafePointer<UnsafeRawPointer>, row: CacheRow, count: Int) {
        precondition(count >= 0 && row.rope == 0, "\(count) keys of \(row.latent) + \(row.rope)")
        self.pages = pages
        self.row = row
        self.count = count
    }
}

extension CacheRow {
    /// Bytes of one element's code.
    var codeBytes: Int {
        switch format {
        case .float32: 4
        case .bfloat16: 2
        case .fp8: 1
        }
    }

    /// Byte of element `d` of key `slot` in a page turned on its side.
    @inline(__always)
    func columnOffset(_ d: Int, slot: Int) -> Int {
        let (block, lane) = slot.quotientAndRemainder(dividingBy: KeyColumns.blockKeys)
        return ((block * latent + d) * KeyColumns.blockKeys + lane) * codeBytes
    }

    /// Byte of the multiplier of block `block` of key `slot`.
    @inline(__always)
    func columnScaleOffset(_ block: Int, slot: Int) -> Int {
        latent * KeyColumns.pageKeys + (block * KeyColumns.pageKeys + slot) * 4
    }
}

extension Kernels {
    /// Writes one key of `row.latent` floats into its slot of a page, 0 to 63, in the cache's format.
    public func storeColumn(
        _ x: UnsafePointer<Float>, as row: CacheRow, page: UnsafeMutableRawPointer, slot: Int
    ) {
        withTemporaryMemory(of: UInt32.self, count: (row.bytes + 3) / 4) { stored in
            guard let base = UnsafeMutableRawPointer(stored.baseAddress) else { return }
            store(x, as: row, to: base)
            let first = page + row.columnOffset(0, slot: slot)
            switch row.format {
            case .float32: Kernels.spread(UInt32.self, base, row.latent, to: first)
            case .bfloat16: Kernels.spread(UInt16.self, base, row.latent, to: first)
            case .fp8: Kernels.spread(UInt8.self, base, row.latent, to: first)
            }
            guard row.format == .fp8 else { return }
            for block in 0..<(row.latent + CacheRow.block - 1) / CacheRow.block {
                (page + row.columnScaleOffset(block, slot: slot))
                    .copyMemory(from: base + row.latent + block * 4, byteCount: 4)
            }
        }
    }

    /// Writes `count` codes that follow one another to the same lane of as many rows of keys.
    @inline(__always)
    private static func spread<Code: BitwiseCopyable>(
        _ type: Code.Type, _ codes: UnsafeRawPointer, _ count: Int, to first: UnsafeMutableRawPointer
    ) {
        let size = MemoryLayout<Code>.size
        for d in 0..<count {
            first.storeBytes(
                of: codes.loadUnaligned(fromByteOffset: d &* size, as: type),
                toByteOffset: d &* size &* KeyColumns.blockKeys, as: type)
        }
    }

    /// Reads the key in `slot` of a page as `row.latent` floats.
    public func loadColumn(
        _ page: UnsafeRawPointer, as row: CacheRow, slot: Int, into target: UnsafeMutablePointer<Float>
    ) {
        for d in 0..<row.latent {
            let code = page + row.columnOffset(d, slot: slot)
            switch row.format {
            case .float32: target[d] = code.loadUnaligned(as: Float.self)
            case .bfloat16: target[d] = BFloat16.decode(code.loadUnaligned(as: UInt16.self))
            case .fp8:
                let scale = page + row.columnScaleOffset(d / CacheRow.block, slot: slot)
                target[d] =
                    Float8E4M3.decodeFinite(code.load(as: UInt8.self)) * scale.loadUnaligned(as: Float.self)
            }
        }
    }

    /// Copies the key in `source` to `target`, slots of pages that may be one and the same.
    public func copyColumn(
        as row: CacheRow, from page: UnsafeRawPointer, slot source: Int, to target: UnsafeMutableRawPointer,
        slot: Int
    ) {
        for d in 0..<row.latent {
            (target + row.columnOffset(d, slot: slot))
                .copyMemory(from: page + row.columnOffset(d, slot: source), byteCount: row.codeBytes)
        }
        guard row.format == .fp8 else { return }
        for block in 0..<(row.latent + CacheRow.block - 1) / CacheRow.block {
            (target + row.columnScaleOffset(block, slot: slot))
                .copyMemory(from: page + row.columnScaleOffset(block, slot: source), byteCount: 4)
        }
    }
}
