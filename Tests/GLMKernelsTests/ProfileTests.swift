import GLMKernels
import Synchronization
import Testing

/// A clock that a test moves.
private final class Hand: Sendable {
    let now = Atomic<UInt64>(0)
    func move(_ nanoseconds: UInt64) { now.add(nanoseconds, ordering: .relaxed) }
}

private func makeProfile() -> (Profile, Hand) {
    let hand = Hand()
    return (Profile(clock: { hand.now.load(ordering: .relaxed) }), hand)
}

@Test func lapsTakeTheTimeSinceTheLapBefore() {
    let (profile, hand) = makeProfile()
    hand.move(1000)
    profile.begin("decode", tokens: 1)
    hand.move(5)
    profile.lap("a", layer: 0)
    hand.move(7)
    profile.lap("b", layer: 0)
    hand.move(11)
    profile.lap("a", layer: 0)
    hand.move(100)
    profile.begin("decode", tokens: 1)
    hand.move(13)
    profile.lap("a", layer: 1)
    #expect(profile.entries.map(\.key.operation) == ["a", "b", "a"])
    #expect(profile.entries.map(\.key.layer) == [0, 0, 1])
    #expect(profile.entries.map(\.nanoseconds) == [16, 7, 13])
    #expect(profile.entries.map(\.laps) == [2, 1, 1])
    // Everything inside a pass, nothing between two of them.
    #expect(profile.entries.reduce(0) { $0 + $1.nanoseconds } == 5 + 7 + 11 + 13)
    #expect(
        profile.phases == [
            {
                var p = profile.phases[0]
                p.passes = 2
                p.tokens = 2
                return p
            }()
        ])
}

@Test func workGoesToTheNextLap() {
    let (profile, _) = makeProfile()
    profile.add(Work(bytes: 999, operations: 999))
    profile.begin("prefill", tokens: 3)
    profile.add(Work(bytes: 1, operations: 10))
    profile.add(Work(bytes: 2, operations: 20))
    profile.lap("a", layer: nil)
    profile.lap("b", layer: nil)
    profile.add(Work(bytes: 4, operations: 40))
    profile.lap("a", layer: nil)
    #expect(profile.entries.map(\.work) == [Work(bytes: 7, operations: 70), .none])
    #expect(profile.work == Work(bytes: 7, operations: 70))
    profile.reset()
    #expect(profile.entries.isEmpty && profile.phases.isEmpty && profile.work == .none)
}

@Test func phasesAreKeptApart() {
    let (profile, hand) = makeProfile()
    for (phase, tokens) in [("prefill", 9), ("decode", 1), ("decode", 2)] {
        profile.begin(phase, tokens: tokens)
        hand.move(1)
        profile.lap("a", layer: 0)
    }
    #expect(profile.entries.map(\.key.phase) == ["prefill", "decode"])
    #expect(profile.entries.map(\.nanoseconds) == [1, 2])
    #expect(profile.phases.map(\.tokens) == [9, 3])
}

@Test func aProductReportsItsWork() {
    let profile = Profile()
    let compute = Compute(
        kernels: .table(.baseline), pool: ThreadPool(threads: 1), profile: profile)
    let weights = [Float](repeating: 1, count: 6), x = [Float](repeating: 1, count: 9)
    var y = [Float](repeating: 0, count: 6)
    weights.withUnsafeBytes { weights in
        x.withUnsafeBufferPointer { x in
            y.withUnsafeMutableBufferPointer { y in
                guard let w = weights.baseAddress, let x = x.baseAddress, let y = y.baseAddress else {
                    return
                }
                let view = WeightView(format: .float32, base: w, rows: 2, columns: 3)
                profile.begin("prefill", tokens: 3)
                compute.product([
                    ProductGroup(weight: view, x: x, tokens: 3, xStride: 3, y: y, yStride: 2),
                    ProductGroup(weight: view, x: x, tokens: 0, xStride: 3, y: y, yStride: 2),
                ])
                profile.lap("product", layer: nil)
                compute.transposedProduct([
                    ProductGroup(weight: view, x: x, tokens: 2, xStride: 2, y: y, yStride: 3)
                ])
                profile.lap("transposed", layer: nil)
            }
        }
    }
    #expect(
        profile.entries.map(\.work) == [Work(bytes: 24, operations: 36), Work(bytes: 24, operations: 24)])
    #expect(y == [Float](repeating: 2, count: 6))
}

@Test func bytesOfAMatrixIncludeTheScalesOfItsBlocks() {
    let bytes = [UInt8](repeating: 0, count: 64)
    bytes.withUnsafeBytes { memory in
        guard let base = memory.baseAddress else { return }
        let scales = BlockScales(base: base, stride: 3, blockRows: 4, blockColumns: 2)
        let whole = WeightView(format: .float8E4M3, base: base, rows: 5, columns: 6, scales: scales)
        #expect(whole.byteCount == 30 + 2 * 3 * 4)
        // Two rows on both sides of a block's border, and two on one side.
        #expect(whole.rows(3..<5).byteCount == 12 + 2 * 3 * 4)
        #expect(whole.rows(0..<2).byteCount == 12 + 3 * 4)
        #expect(whole.columns(1..<3).byteCount == 10 + 2 * 2 * 4)
        #expect(WeightView(format: .bfloat16, base: base, rows: 5, columns: 6).byteCount == 60)
    }
}

@Test func withoutLapsWorkIsCountedAndNothingElse() {
    let timed = Profile(), counted = Profile(laps: false)
    for profile in [timed, counted] {
        profile.begin("decode", tokens: 1)
        profile.add(Work(bytes: 3, operations: 4))
        profile.lap("a", layer: 0)
        profile.add(Work(bytes: 5, operations: 6))
        profile.lap("b", layer: nil)
    }
    #expect(counted.work == timed.work && timed.work == Work(bytes: 8, operations: 10))
    #expect(counted.entries.isEmpty && counted.phases.isEmpty)
    #expect(timed.entries.count == 2 && timed.phases.count == 1)
    counted.reset()
    #expect(counted.work == .none)
}
