// The pass over all weights before the first token: pages in, and no FP8 code that is NaN.

package import GLMFiles
package import GLMKernels
import Synchronization

extension Checkpoint {
    /// Bytes that one thread reads at a time.
    private static let pieceSize = 4 << 20

    /// Bytes of all tensors: what `scan` reads.
    package var byteCount: Int { tensors.reduce(0) { unsafe $0 + $1.bytes.count } }

    /// Reads every byte of every tensor once, so that the pages are in memory, and refuses NaN among FP8 codes; of what was copied the
    /// codes alone.
    ///
    /// Memory speed when the file is in the page cache, else the speed of the disk.
    /// - Parameters:
    ///   - copied: places of tensors that nobody will read again: only their codes are looked at, and their pages let go.
    ///   - progress: called with the bytes done so far, from one thread at a time, never with fewer than before.
    /// - Throws: `badInput` naming tensor, row and column of the first NaN code, in the order of `tensors`.
    package func scan(
        pool: ThreadPool, copied: Set<Int> = [], progress: (@Sendable (_ done: Int) -> Void)? = nil
    ) throws(InputError) {
        let pieces = scanPieces()
        let done = Mutex(0)
        // The least piece with a NaN, and its place in the tensor.
        let firstBad = Mutex<(piece: Int, offset: Int)?>(nil)
        pool.parallel(pieces.count) { number in
            let piece = pieces[number]
            if let bad = firstBad.withLock({ $0 }), bad.piece < number { return }
            let tensor = tensors[piece.tensor], isCopied = copied.contains(piece.tensor)
            if isCopied && tensor.type != .float8E4M3 {
                // Read already, and no number of these types is refused.
            } else if let offset = tensor.prefault(piece.range) {
                firstBad.withLock { first in
                    if number < first?.piece ?? .max { first = (number, offset) }
                }
            }
            if isCopied { tensor.release(piece.range) }
            guard let progress else { return }
            done.withLock {
                $0 += piece.range.count
                progress($0)
            }
        }
        if let bad = firstBad.withLock({ $0 }) {
            throw tensors[pieces[bad.piece].tensor].nanRefusal(at: bad.offset)
        }
    }

    /// Lets go of the pages of tensors that were copied; whoever reads there after all reads the file again.
    package func release(_ copied: Set<Int>) {
        for place in copied { unsafe PageRange(of: tensors[place].bytes).release() }
    }

    private func scanPieces() -> [(tensor: Int, range: Range<Int>)] {
        var pieces: [(tensor: Int, range: Range<Int>)] = []
        for (number, tensor) in tensors.enumerated() {
            let size = unsafe tensor.bytes.count
            for start in stride(from: 0, to: size, by: Self.pieceSize) {
                pieces.append((number, start..<min(size, start + Self.pieceSize)))
            }
        }
        return pieces
    }
}

extension StoredTensor {
    /// Brings a part of the bytes into memory; for FP8 the offset of the first NaN code in it.
    fileprivate func prefault(_ range: Range<Int>) -> Int? {
        let part = unsafe UnsafeRawBufferPointer(rebasing: bytes[range])
        unsafe PageRange(of: part).willBeNeeded()
        if type == .float8E4M3 {
            return unsafe NaNCodes.first(in: part).map { range.lowerBound + $0 }
        }
        unsafe PageRange(of: part).touch()
        return nil
    }

    /// Lets go of the pages of a part of the bytes.
    fileprivate func release(_ range: Range<Int>) {
        unsafe PageRange(of: UnsafeRawBufferPointer(rebasing: bytes[range])).release()
    }

    fileprivate func nanRefusal(at offset: Int) -> InputError {
        let columns = shape.last ?? 1
        return refusal(
            found: "a NaN code at row \(offset / max(1, columns)), column \(offset % max(1, columns))",
            expected: "finite F8_E4M3 codes", remedy: "download the file again")
    }
}

/// Looks for the codes 0x7f and 0xff: seven set bits under any sign.
enum NaNCodes {
    /// Bytes whose findings are gathered before they are looked at.
    private static let block = 1 << 12

    /// Offset of the first NaN code.
    static func first(in bytes: UnsafeRawBufferPointer) -> Int? {
        guard let base = bytes.baseAddress else { return nil }
        var start = 0
        while start + block <= bytes.count {
            if unsafe hasNaN(base + start) {
                return (start..<start + block).first { unsafe bytes[$0] & 0x7f == 0x7f }
            }
            start += block
        }
        return (start..<bytes.count).first { unsafe bytes[$0] & 0x7f == 0x7f }
    }

    /// Adding 1 to the low seven bits of a byte reaches its top bit exactly for 0x7f; no carry leaves the byte.
    private static func hasNaN(_ base: UnsafeRawPointer) -> Bool {
        var found: UInt64 = 0
        var offset = 0
        while offset < block {
            let word = unsafe base.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            found |= (word & 0x7f7f_7f7f_7f7f_7f7f) &+ 0x0101_0101_0101_0101
            offset &+= 8
        }
        return found & 0x8080_8080_8080_8080 != 0
    }
}
