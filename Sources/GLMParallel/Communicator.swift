/// What one device of a group needs of the others.
///
/// A conformer knows one thing: how every rank's part reaches every rank. The five collectives are made of it in an
/// extension, so that no two transports can differ in a bit: sums are made by each rank on its own, in Float32, in
/// the order of the ranks. `MPI_Allreduce` promises no order and is not used.
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

    /// Ends the group's work on every rank: whoever waits or comes later gets `failure`.
    func abort(_ failure: CollectiveFailure)
}

extension Communicator {
    /// Every rank's values become the sum over the ranks: ((x₀ + x₁) + x₂) + …, element by element.
    package func allReduce(
        _ values: UnsafeMutableBufferPointer<Float>, at site: CollectiveSite
    ) throws(CollectiveFailure) {
        let counts = [Int](repeating: values.count, count: size)
        unsafe try exchange(UnsafeBufferPointer(values), counts: counts, .allReduce, at: site) { parts in
            unsafe addInOrder(parts, into: values)
        }
    }

    /// All parts, one behind the other in the order of the ranks: Σ `counts` values in `whole`.
    package func allGather(
        _ part: UnsafeBufferPointer<Float>, counts: [Int], into whole: UnsafeMutableBufferPointer<Float>,
        at site: CollectiveSite
    ) throws(CollectiveFailure) {
        precondition(
            whole.count == counts.reduce(0, +), "\(whole.count) values for parts of \(counts)")
        unsafe try exchange(part, counts: counts, .allGather, at: site) { parts in
            var first = 0
            for rank in unsafe parts.indices {
                let part = unsafe parts[rank]
                unsafe copy(part, to: whole, first: first)
                first += part.count
            }
        }
    }

    /// This rank's share of the sum over the ranks: `counts[rank]` values, those behind the shares of lower ranks.
    package func reduceScatter(
        _ whole: UnsafeBufferPointer<Float>, counts: [Int], into share: UnsafeMutableBufferPointer<Float>,
        at site: CollectiveSite
    ) throws(CollectiveFailure) {
        precondition(
            whole.count == counts.reduce(0, +) && share.count == counts[rank],
            "\(whole.count) values, a share of \(share.count), shares \(counts)")
        let first = counts[..<rank].reduce(0, +)
        let all = [Int](repeating: whole.count, count: size)
        unsafe try exchange(whole, counts: all, .reduceScatter, at: site) { parts in
            let shares = unsafe parts.map {
                unsafe UnsafeBufferPointer(rebasing: $0[first..<first + share.count])
            }
            unsafe addInOrder(shares, into: share)
        }
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
private func addInOrder(
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

private func copy(
    _ part: UnsafeBufferPointer<Float>, to whole: UnsafeMutableBufferPointer<Float>, first: Int
) {
    guard let source = part.baseAddress, let target = whole.baseAddress, part.count > 0 else { return }
    unsafe (target + first).update(from: source, count: part.count)
}
