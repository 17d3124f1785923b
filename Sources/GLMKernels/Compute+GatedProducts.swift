/// down · (silu(gate · x) ⊙ (up · x)) of one token: three products, the last of which takes what the others gave.
package struct GatedGroup: @unchecked Sendable {
    /// `[inner, columns]`.
    package let gate: WeightView
    /// `[inner, columns]`.
    package let up: WeightView
    /// `[rows, inner]`.
    package let down: WeightView
    /// `[columns]`.
    package let x: UnsafePointer<Float>
    /// `[rows]`.
    package let y: UnsafeMutablePointer<Float>

    /// An MLP whose memory the caller keeps alive until the region has run.
    /// - Precondition: the shapes agree.
    package init(
        gate: WeightView, up: WeightView, down: WeightView, x: UnsafePointer<Float>,
        y: UnsafeMutablePointer<Float>
    ) {
        precondition(
            gate.rows == up.rows && gate.columns == up.columns && down.columns == gate.rows,
            """
            gate \(gate.rows) × \(gate.columns), up \(up.rows) × \(up.columns), \
            down \(down.rows) × \(down.columns)
            """)
        self.gate = gate
        self.up = up
        self.down = down
        self.x = x
        self.y = y
    }

    /// Bytes and operations of the three products.
    var work: Work { gate.work(tokens: 1) + up.work(tokens: 1) + down.work(tokens: 1) }
}

extension Compute {
    /// Bytes of weights with which one thread may be left alone. Nobody can help it before it is through, and with more the last
    /// thread would be later than threads that meet between the products.
    private static let mostGatedBytes = 4 << 20
    /// Pieces for each thread of what is made beside: who is done with its groups first takes more of them.
    private static let piecesBeside = 4

    /// Whether `count` MLPs of one token, each with weights of `bytes` bytes, are better made by one thread each than product by product
    /// by all threads: every thread gets as many, none waits for another between the products, and the loops take activations as
    /// they are.
    package func keepsTogether(_ count: Int, bytes: Int) -> Bool {
        arithmetic == .float32 && !kernels.multipliesMatrices && count > 0 && count % pool.threads == 0
            && bytes <= Compute.mostGatedBytes
    }

    /// All groups in one parallel region, each by one thread from x to y, in Float32. Bits are those of `Kernels.product`
    /// three times, at every level; matrix registers, which `product` uses where there are some, add in another order.
    ///
    /// - Parameter others: products that share the region; each is cut into pieces, which come last.
    /// - Precondition: as many groups for each thread; one token in each of `others`.
    package func gatedProducts(_ groups: [GatedGroup], beside others: [ProductGroup] = []) {
        let threads = pool.threads
        precondition(groups.count % threads == 0, "\(groups.count) groups for \(threads) threads")
        precondition(others.allSatisfy { $0.tokens == 1 }, "several tokens beside single ones")
        profile?.add(groups.reduce(.none) { $0 + $1.work } + others.reduce(.none) { $0 + $1.work })
        let own = groups.count / threads, pieces = Compute.piecesBeside
        let chunks = own + others.count * pieces
        groups.withUnsafeBufferPointer { groups in
            others.withUnsafeBufferPointer { others in
                pool.parallel(threads * chunks) { index, scratch in
                    // The slice of a thread, where none is missing: its groups, then its pieces.
                    let (seat, chunk) = index.quotientAndRemainder(dividingBy: chunks)
                    if chunk < own {
                        let next =
                            chunk + 1 < own
                            ? groups[seat * own + chunk + 1].gate.base
                            : others.first.map { $0.weight.rows(rows($0, seat * pieces)).base }
                        multiply(groups[seat * own + chunk], scratch, next)
                    } else {
                        let (other, piece) = (chunk - own).quotientAndRemainder(dividingBy: pieces)
                        let group = others[other]
                        kernels.product(
                            group.weight, rows: rows(group, seat * pieces + piece), x: group.x, tokens: 1,
                            xStride: group.xStride, y: group.y, yStride: group.yStride, scratch: scratch)
                    }
                }
            }
        }
    }

    /// The rows of one of the pieces, in whole blocks of 128, as FP8 scales share them.
    private func rows(_ group: ProductGroup, _ piece: Int) -> Range<Int> {
        let unit = 128, rows = group.weight.rows
        let units = (rows + unit - 1) / unit, pieces = pool.threads * Compute.piecesBeside
        return min(rows, units * piece / pieces * unit)..<min(rows, units * (piece + 1) / pieces * unit)
    }

    private func multiply(_ group: GatedGroup, _ scratch: Scratch, _ next: UnsafeRawPointer?) {
        let kernels = kernels, inner = group.gate.rows
        func product(
            _ weight: WeightView, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>,
            _ next: UnsafeRawPointer?
        ) {
            kernels.product(
                weight, rows: 0..<weight.rows, x: x, tokens: 1, xStride: 0, y: y, yStride: 0,
                scratch: scratch,
                next: next)
        }
        scratch.withFloats(2 * inner) { gate in
            let up = gate + inner
            product(group.gate, group.x, gate, group.up.base)
            product(group.up, group.x, up, group.down.base)
            kernels.siluMultiply(gate: gate, up: up, count: inner, output: gate)
            product(group.down, gate, group.y, next)
        }
    }
}
