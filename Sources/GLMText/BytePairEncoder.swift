// Byte pair merging of one pre-token. Knows no text beyond its bytes, and no file.

import HeapModule

/// The merge rules of a byte-level BPE model, and the merging itself.
///
/// Exactly the order of tokenizers' `Word::merge_all`: always the applicable merge of the lowest rank, of
/// equal ranks the leftmost; a queued merge whose pair has changed meanwhile is still taken when the pair now
/// there makes the same token.
///
/// Source: huggingface/tokenizers, `models/bpe/word.rs` and `model.rs`.
struct BytePairEncoder: Sendable {
    /// Rank of the merge of two ids. Of a pair listed twice the later rank holds, as in tokenizers.
    private var ranks: PairTable
    /// The token each rank makes.
    private var results: [Int32] = []

    init(capacity: Int) {
        ranks = PairTable(capacity: capacity)
        results.reserveCapacity(capacity)
    }

    /// Adds the next rank: `left` and `right` become `result`.
    mutating func addMerge(_ left: Int32, _ right: Int32, result: Int32) {
        ranks.set(left, right, Int32(truncatingIfNeeded: results.count))
        results.append(result)
    }

    /// Merges what `workspace` holds until no rule applies, and appends the ids that remain.
    ///
    /// O(n log n) in the number of symbols.
    func merge(_ workspace: inout MergeWorkspace, into ids: inout [Int32]) {
        guard workspace.count > 1 else {
            workspace.appendIDs(to: &ids)
            return
        }
        var queue = initialQueue(workspace)
        while let entry = queue.popMin() {
            let position = Int(entry & 0xffff_ffff)
            let result = results[Int(entry >> 32)]
            guard let next = workspace.rightNeighbour(of: position),
                let rank = ranks[workspace.id(position), workspace.id(next)], results[Int(rank)] == result
            else { continue }
            workspace.join(position, next, id: result)
            if let previous = workspace.leftNeighbour(of: position) {
                enqueue(previous, position, workspace, &queue)
            }
            if let next = workspace.rightNeighbour(of: position) {
                enqueue(position, next, workspace, &queue)
            }
        }
        workspace.appendIDs(to: &ids)
    }

    private func initialQueue(_ workspace: borrowing MergeWorkspace) -> Heap<UInt64> {
        var entries: [UInt64] = []
        entries.reserveCapacity(workspace.count)
        for position in 1..<workspace.count {
            if let rank = ranks[workspace.id(position), workspace.id(position + 1)] {
                entries.append(BytePairEncoder.entry(rank, position))
            }
        }
        return Heap(entries)
    }

    private func enqueue(
        _ left: Int, _ right: Int, _ workspace: borrowing MergeWorkspace, _ queue: inout Heap<UInt64>
    ) {
        if let rank = ranks[workspace.id(left), workspace.id(right)] {
            queue.insert(BytePairEncoder.entry(rank, left))
        }
    }

    /// Ordered by rank, then by position.
    private static func entry(_ rank: Int32, _ position: Int) -> UInt64 {
        UInt64(UInt32(bitPattern: rank)) << 32 | UInt64(truncatingIfNeeded: position)
    }
}

/// The symbols of a pre-token while they are merged: a doubly linked circle through positions `1...count` and
/// the head at 0. A symbol that was joined to its left neighbour points at itself.
///
/// One workspace serves all pre-tokens of a text, so that nothing is allocated per pre-token.
struct MergeWorkspace: ~Copyable {
    private var symbols: [Symbol] = []

    private struct Symbol {
        var id: Int32
        var previous: Int32
        var next: Int32
    }

    /// Number of symbols before any merge.
    private(set) var count = 0

    /// Starts over with the byte symbols `byteIDs` maps the bytes `text[range]` to; bytes without a symbol
    /// drop out, as in tokenizers (the loader lets only such bytes be without one that UTF-8 cannot hold).
    mutating func load(_ range: Range<Int>, of text: Span<UInt8>, byteIDs: [Int32?]) {
        symbols.removeAll(keepingCapacity: true)
        symbols.append(Symbol(id: 0, previous: 0, next: 1))
        for offset in range {
            guard let id = byteIDs[Int(text[offset])] else { continue }
            let position = Int32(truncatingIfNeeded: symbols.count)
            symbols.append(Symbol(id: id, previous: position - 1, next: position + 1))
        }
        count = symbols.count - 1
        symbols[count].next = 0
        symbols[0].previous = Int32(truncatingIfNeeded: count)
    }

    func id(_ position: Int) -> Int32 { symbols[position].id }

    /// The position to the right, nil at the end and for a symbol that is gone.
    func rightNeighbour(of position: Int) -> Int? {
        let next = Int(symbols[position].next)
        return next == 0 || next == position ? nil : next
    }

    /// The position to the left, nil at the beginning.
    func leftNeighbour(of position: Int) -> Int? {
        let previous = Int(symbols[position].previous)
        return previous == 0 ? nil : previous
    }

    /// Makes one symbol `id` of a symbol and its right neighbour.
    mutating func join(_ position: Int, _ next: Int, id: Int32) {
        let after = Int(symbols[next].next)
        symbols[position].id = id
        symbols[position].next = Int32(truncatingIfNeeded: after)
        symbols[after].previous = Int32(truncatingIfNeeded: position)
        symbols[next].next = Int32(truncatingIfNeeded: next)
    }

    func appendIDs(to ids: inout [Int32]) {
        var position = Int(symbols.first?.next ?? 0)
        while position != 0, position < symbols.count {
            ids.append(symbols[position].id)
            position = Int(symbols[position].next)
        }
    }
}
