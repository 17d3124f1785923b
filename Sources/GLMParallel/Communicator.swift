/// What one device of a group needs of the others.
///
/// A conformer knows two things: how every rank's part reaches every rank, and how every rank gets its pieces of a sum.
/// The five collectives are made of them in an extension. No two transports can differ in a bit: whoever adds, does it
/// with ``addInOrder(_:into:)``, in Float32, in the order of the ranks. `MPI_Allreduce` promises no order and is not
/// used.
///
/// Calls block, and all ranks of a group make the same calls in the same order: devices are threads or processes,
/// never tasks.
package protocol Communicator: Sendable {
    /// This device's number in its group.
    var rank: Int { get }
    /// Devices of the group.
    var size: Int { get }

    /// Hands this rank's part to all ranks, and all ranks' parts to `body`, in the order of the ranks.
    ///
    /// - Parameters:
    ///   - part: `counts[rank]` values; may be changed as soon as `exchange` returns.
    ///   - counts: values of each rank's part, the same array on every rank. A rank that gives nothing is not waited for.
    ///   - body: reads the parts, which are gone when it returns.
    /// - Throws: a failure that all ranks of the group get.
    func exchange(
        _ part: UnsafeBufferPointer<Float>, counts: [Int], _ collective: Collective, at site: CollectiveSite,
        _ body: ([UnsafeBufferPointer<Float>]) -> Void
    ) throws(CollectiveFailure)

    /// Hands this rank its pieces of the sum over all ranks: ((x₀ + x₁) + x₂) + …, element by element.
    ///
    /// - Parameters:
    ///   - part: this rank's summand, as many values on every rank; stays as it is until `add` returns.
    ///   - pieces: for each rank the elements of the sum that it wants, the same array on every rank.
    ///   - share: receives this rank's pieces, one behind the other; it may be `part`.
    /// - Throws: a failure that all ranks of the group get.
    func add(
        _ part: UnsafeBufferPointer<Float>, pieces: [[Range<Int>]],
        into share: UnsafeMutableBufferPointer<Float>, _ collective: Collective, at site: CollectiveSite
    ) throws(CollectiveFailure)

    /// Ends the group's work on every rank: whoever waits or comes later gets `failure`.
    func abort(_ failure: CollectiveFailure)

    /// The devices `ranks` of this group as a group of their own, numbered from 0, for collectives without the others.
    ///
    /// Failures name devices by their numbers in the largest group.
    /// - Precondition: this device is one of them; all of them ask for the same ranks.
    func subgroup(_ ranks: Range<Int>) -> any Communicator
}

extension Communicator {
    /// The sum over the ranks, on every rank.
    ///
    /// - Parameters:
    ///   - part: as many values on every rank.
    ///   - sum: receives as many; it may be `part`.
    package func allReduce(
        _ part: UnsafeBufferPointer<Float>, into sum: UnsafeMutableBufferPointer<Float>,
        at site: CollectiveSite
    ) throws(CollectiveFailure) {
        let pieces = [[Range<Int>]](repeating: [0..<part.count], count: size)
        unsafe try add(part, pieces: pieces, into: sum, .allReduce, at: site)
    }

    /// All parts, one behind the other in the order of the ranks: Σ `counts` values in `whole`.
    package func allGather(
        _ part: UnsafeBufferPointer<Float>, counts: [Int], into whole: UnsafeMutableBufferPointer<Float>,
        at site: CollectiveSite
    ) throws(CollectiveFailure) {
        var first = 0
        let places = counts.map { count in
            defer { first += count }
            return [first..<first + count]
        }
        unsafe try allGather(part, places: places, into: whole, at: site)
    }

    /// All parts, each in the places of its rank: together all of `whole`.
    ///
    /// - Parameter places: for each rank the pieces of `whole` that its part fills, one behind the other.
    package func allGather(
        _ part: UnsafeBufferPointer<Float>, places: [[Range<Int>]],
        into whole: UnsafeMutableBufferPointer<Float>, at site: CollectiveSite
    ) throws(CollectiveFailure) {
        let counts = places.map { $0.reduce(0) { $0 + $1.count } }
        precondition(
            whole.count == counts.reduce(0, +), "\(whole.count) values for parts of \(counts)")
        unsafe try exchange(part, counts: counts, .allGather, at: site) { parts in
            for rank in unsafe parts.indices {
                var first = 0
                for place in places[rank] {
                    let piece = unsafe UnsafeBufferPointer(
                        rebasing: parts[rank][first..<first + place.count])
                    unsafe copy(piece, to: whole, first: place.lowerBound)
                    first += place.count
                }
            }
        }
    }

    /// This rank's share of the sum over the ranks.
    ///
    /// - Parameters:
    ///   - whole: as many values on every rank.
    ///   - pieces: for each rank the elements of the sum that it wants, which others may want too.
    ///   - share: receives those of this rank, one piece behind the other.
    package func reduceScatter(
        _ whole: UnsafeBufferPointer<Float>, pieces: [[Range<Int>]],
        into share: UnsafeMutableBufferPointer<Float>, at site: CollectiveSite
    ) throws(CollectiveFailure) {
        unsafe try add(whole, pieces: pieces, into: share, .reduceScatter, at: site)
    }

    /// Every rank's values become those of rank `root`.
    package func broadcast(
        _ values: UnsafeMutableBufferPointer<Float>, from root: Int, at site: CollectiveSite
    ) throws(CollectiveFailure) {
        var counts = [Int](repeating: 0, count: size)
        counts[root] = values.count
        let part = unsafe UnsafeBufferPointer(rebasing: values.prefix(rank == root ? values.count : 0))
        unsafe try exchange(part, counts: counts, .broadcast, at: site) { parts in
            unsafe copy(parts[root], to: values, first: 0)
        }
    }

    /// Returns when every rank has come.
    package func barrier(at site: CollectiveSite) throws(CollectiveFailure) {
        let token: [Float] = [0]
        var failure: CollectiveFailure?
        unsafe token.withUnsafeBufferPointer { token in
            do throws(CollectiveFailure) {
                let counts = [Int](repeating: 1, count: size)
                unsafe try exchange(token, counts: counts, .barrier, at: site) { _ in }
            } catch { failure = error }
        }
        if let failure { throw failure }
    }
}

/// Values that are added at a time, so that they stay in the first cache.
private let strip = 2048

/// The sum of `parts`, first to last, in `sum`, which may be none of them.
///
/// Every sum over devices is made here.
package func addInOrder(
    _ parts: [UnsafeBufferPointer<Float>], into sum: UnsafeMutableBufferPointer<Float>
) {
    guard let target = sum.baseAddress, let first = unsafe parts.first?.baseAddress else { return }
    var start = 0
    while start < sum.count {
        let end = min(start + strip, sum.count)
        unsafe (target + start).update(from: first + start, count: end - start)
        for rank in unsafe parts.indices.dropFirst() {
            guard let source = unsafe parts[rank].baseAddress else { continue }
            for index in start..<end { unsafe target[index] += source[index] }
        }
        start = end
    }
}

/// Pieces of `whole` become `share`, one behind the other.
package func copy(
    _ pieces: [Range<Int>], of whole: UnsafeBufferPointer<Float>,
    to share: UnsafeMutableBufferPointer<Float>
) {
    var first = 0
    for piece in pieces {
        unsafe copy(UnsafeBufferPointer(rebasing: whole[piece]), to: share, first: first)
        first += piece.count
    }
}

private func copy(
    _ part: UnsafeBufferPointer<Float>, to whole: UnsafeMutableBufferPointer<Float>, first: Int
) {
    guard let source = part.baseAddress, let target = whole.baseAddress, part.count > 0 else { return }
    unsafe (target + first).update(from: source, count: part.count)
}
