// How the regions of a pool are numbered, and their chunks shared out.

/// Regions are numbered in 40 bits, which a million regions a second fill in twelve days.
package struct RegionNumber: Equatable, Sendable {
    private static let mask: UInt64 = 1 << 40 - 1
    /// How old what a thread left behind may grow before it is renewed.
    static let oldest: UInt64 = 1 << 38

    let value: UInt64

    package init(_ value: UInt64) { self.value = value & RegionNumber.mask }

    var next: RegionNumber { RegionNumber(value &+ 1) }

    /// Whether slices have to be renewed: one that nobody used for too long would not look older than the region.
    var renews: Bool { value % RegionNumber.oldest == 0 }

    /// Whether this region came before `other`; of what is further apart than anything that is renewed in time, nothing is said.
    package func isBefore(_ other: RegionNumber) -> Bool {
        let age = (other.value &- value) & RegionNumber.mask
        return age != 0 && age <= RegionNumber.oldest
    }
}

/// The number of a region and how many chunks it has in one word, so that nobody sees the one without the other.
package struct Region: Equatable {
    let word: UInt64

    init(word: UInt64) { self.word = word }
    package init(_ number: RegionNumber, chunks: Int) { word = number.value << 24 | UInt64(chunks) }

    var number: RegionNumber { RegionNumber(word >> 24) }
    var chunks: Int { Int(word & 0xFF_FFFF) }

    /// What the thread at `seat` of `count` starts with.
    package func slice(ofSeat seat: Int, of count: Int) -> Slice {
        Slice(number, seat * chunks / count..<(seat + 1) * chunks / count)
    }
}

/// The chunks of a region that one thread starts with: the region's number in the upper 40 bits, the first of them
/// and the one behind the last below. A chunk is claimed by a compare-exchange of the whole, so a worker that
/// still holds the number of an earlier region claims nothing.
package struct Slice {
    /// The most chunks of a region.
    static let limit = 0xFFF

    let word: UInt64

    init(word: UInt64) { self.word = word }

    package init(_ region: RegionNumber, _ chunks: Range<Int>) {
        word = region.value << 24 | UInt64(chunks.lowerBound) << 12 | UInt64(chunks.upperBound)
    }

    var region: RegionNumber { RegionNumber(word >> 24) }
    package var first: Int { Int(word >> 12 & 0xFFF) }
    package var end: Int { Int(word & 0xFFF) }
    var isEmpty: Bool { first >= end }
    var withoutFirst: UInt64 { word &+ 1 << 12 }
    var withoutLast: UInt64 { word &- 1 }
}
