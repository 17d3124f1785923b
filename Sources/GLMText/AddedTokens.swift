// Finding added tokens in text. Knows no vocabulary and no merges.

/// Finds the added tokens of one set: the leftmost match, and of several that start there the longest.
///
/// A byte trie, walked from each place where a token may begin: linear in the text, with the length of the
/// longest token (at most ``Tokenizer/longestAddedToken``) as the factor.
///
/// Source: huggingface/tokenizers, `tokenizer/added_vocabulary.rs` (`MatchKind::LeftmostLongest`).
struct AddedTokenMatcher: Sendable {
    /// Child of (node, byte); node 0 is the root.
    private var edges = PairTable()
    /// The token that ends at each node.
    private var accepted: [Int32?] = [nil]
    /// Which bytes some token begins with.
    private var begins = [Bool](repeating: false, count: 256)

    var isEmpty: Bool { accepted.count == 1 }

    /// - Precondition: `content` is not empty.
    mutating func add(_ content: [UInt8], id: Int32) {
        var node: Int32 = 0
        begins[Int(content[0])] = true
        for byte in content {
            if let child = edges[node, Int32(byte)] {
                node = child
            } else {
                let child = Int32(truncatingIfNeeded: accepted.count)
                accepted.append(nil)
                edges.set(node, Int32(byte), child)
                node = child
            }
        }
        accepted[Int(node)] = id
    }

    /// The token whose name is exactly `bytes`.
    func token(named bytes: [UInt8]) -> Int32? {
        guard let first = bytes.first, begins[Int(first)] else { return nil }
        var node: Int32 = 0
        for byte in bytes {
            guard let child = edges[node, Int32(byte)] else { return nil }
            node = child
        }
        return accepted[Int(node)]
    }

    /// Appends the matches inside `range`, from left to right, none overlapping another.
    func find(in range: Range<Int>, of text: Span<UInt8>, into matches: inout [AddedTokenMatch]) {
        guard !isEmpty else { return }
        var offset = range.lowerBound
        while offset < range.upperBound {
            if begins[Int(text[offset])], let match = longest(at: offset, before: range.upperBound, in: text)
            {
                matches.append(match)
                offset = match.range.upperBound
            } else {
                offset += 1
            }
        }
    }

    private func longest(at start: Int, before limit: Int, in text: Span<UInt8>) -> AddedTokenMatch? {
        var best: AddedTokenMatch?
        var node: Int32 = 0
        var offset = start
        while offset < limit, let child = edges[node, Int32(text[offset])] {
            node = child
            offset += 1
            if let id = accepted[Int(node)] {
                best = AddedTokenMatch(range: start..<offset, id: id)
            }
        }
        return best
    }
}

/// An added token found in text.
struct AddedTokenMatch: Equatable {
    /// Byte offsets.
    var range: Range<Int>
    var id: Int32
}
