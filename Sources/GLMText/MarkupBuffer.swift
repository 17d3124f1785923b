// Finding tags in text that comes in chunks. Knows no tag's meaning.

/// Text that has arrived and is not used yet.
///
/// A tag may be split over chunks anywhere, so the end of the text is held back exactly as long as it may
/// still become one of the tags that are looked for. Every byte is looked at a bounded number of times,
/// whatever the chunks.
struct MarkupBuffer: Sendable {
    private var bytes: [UInt8] = []
    /// What comes before is used; it is thrown away in large steps, so that taking is cheap.
    private var start = 0
    /// Nothing from `start` up to here can be the beginning of a tag.
    private var searched = 0

    /// What a search for tags ends with.
    enum Search: Equatable {
        /// The text before the tag, and which of the tags it is. Both have left the buffer.
        case found(before: [UInt8], tag: Int)
        /// No whole tag. The first `certain` bytes of the buffer are not part of one.
        case none(certain: Int)
    }

    mutating func append(_ text: String) {
        bytes += text.utf8
    }

    /// Looks for the first of `tags`.
    ///
    /// - Precondition: every tag begins with `<` and has no other `<`. Between two calls with other tags the
    ///   buffer was taken from, or nothing before the first `<` was of interest.
    mutating func search(_ tags: [[UInt8]]) -> Search {
        var place = searched
        while place < bytes.count {
            guard bytes[place] == UInt8(ascii: "<") else {
                place += 1
                continue
            }
            let rest = bytes[place...]
            if let tag = tags.firstIndex(where: { rest.starts(with: $0) }) {
                let before = take(place - start)
                drop(tags[tag].count)
                return .found(before: before, tag: tag)
            }
            if tags.contains(where: { $0.starts(with: rest) }) {
                break
            }
            place += 1
        }
        searched = place
        return .none(certain: place - start)
    }

    /// Removes and returns the first `count` bytes.
    mutating func take(_ count: Int) -> [UInt8] {
        let taken = Array(bytes[start..<start + count])
        drop(count)
        return taken
    }

    /// Removes and returns everything.
    mutating func takeAll() -> [UInt8] {
        take(bytes.count - start)
    }

    /// Whether the buffer begins with `tag`; nil while that is open.
    func begins(with tag: [UInt8]) -> Bool? {
        let rest = bytes[start...]
        return rest.starts(with: tag) ? true : tag.starts(with: rest) ? nil : false
    }

    private mutating func drop(_ count: Int) {
        start += count
        if start * 2 > bytes.count {
            bytes.removeFirst(start)
            searched -= min(start, searched)
            start = 0
        }
        searched = max(start, searched)
    }
}
