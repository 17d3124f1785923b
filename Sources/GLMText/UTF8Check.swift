// Validity of UTF-8. Knows no text.

/// Where UTF-8 stops being valid.
package enum UTF8Check {
    /// The length of the sequence at `offset`, judged by the bytes present.
    package enum Sequence: Equatable {
        /// A whole scalar of this many bytes.
        case scalar(Int)
        /// No scalar: this many bytes (1...3) count as one error, as in Python's `errors="replace"` and in
        /// Unicode's "maximal subpart" practice.
        case invalid(Int)
        /// The text ends inside what could still become a scalar.
        case cut
    }

    /// Reads one sequence.
    ///
    /// - Precondition: `offset < bytes.count`.
    package static func sequence(at offset: Int, in bytes: Span<UInt8>) -> Sequence {
        let first = bytes[offset]
        let length: Int
        var allowed: ClosedRange<UInt8> = 0x80...0xbf
        switch first {
        case 0..<0x80: return .scalar(1)
        case 0xc2...0xdf: length = 2
        case 0xe0: (length, allowed) = (3, 0xa0...0xbf)
        case 0xed: (length, allowed) = (3, 0x80...0x9f)
        case 0xe1...0xef: length = 3
        case 0xf0: (length, allowed) = (4, 0x90...0xbf)
        case 0xf1...0xf3: length = 4
        case 0xf4: (length, allowed) = (4, 0x80...0x8f)
        default: return .invalid(1)
        }
        for count in 1..<length {
            guard offset + count < bytes.count else { return .cut }
            guard allowed.contains(bytes[offset + count]) else { return .invalid(count) }
            allowed = 0x80...0xbf
        }
        return .scalar(length)
    }

    /// Offset of the first byte that is not part of a whole scalar, or nil.
    package static func firstError(in bytes: Span<UInt8>) -> Int? {
        var offset = 0
        while offset < bytes.count {
            guard case .scalar(let length) = sequence(at: offset, in: bytes) else { return offset }
            offset += length
        }
        return nil
    }
}
