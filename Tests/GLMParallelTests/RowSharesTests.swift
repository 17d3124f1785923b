import GLMParallel
import GLMTensor
import Synchronization
import Testing

@Suite struct RowSharesTests {
    /// Five sequences of 2, 1, 0, 3 and 1 rows, served by groups 1, 0, 2, 1 and 0; nobody is served by group 3.
    private static let shares = RowShares(
        counts: [2, 1, 0, 3, 1], groups: [1, 0, 2, 1, 0], groupCount: 4)

    @Test func everyRowBelongsToOneGroup() {
        let shares = Self.shares
        #expect(shares.rowCount == 7)
        #expect(shares.pieces == [[2..<3, 6..<7], [0..<2, 3..<6], [], []])
        #expect((0..<4).map { shares.count(of: $0) } == [2, 5, 0, 0])
    }

    /// Rows that a group has, gathered on all devices and scattered again as the sum of what all made of them.
    @Test(arguments: [4, 8])
    func rowsGoToAllAndComeBack(devices: Int) {
        let whole = Tensor(shape: [7, 3], values: (0..<21).map { Float($0 + 1) })
        let results = Mutex([(all: Tensor, own: Tensor, expected: Tensor)]())
        let group = VirtualDevices(count: devices, timeout: .seconds(60))
        let layout = ParallelLayout(tensor: devices, data: 4)
        let ended = (0..<devices).map { _ in Flag() }
        for rank in 0..<devices {
            startThread {
                let device = Device(group.device(rank), plan: Partition(layout, rank: rank)) {
                    preconditionFailure("\($0)")
                }
                let rows = whole.rows(Self.shares.pieces[device.plan.dataGroup].flatMap { Array($0) })
                let all = device.gather(rows: rows, of: Self.shares, at: CollectiveSite(.rows))
                let own = device.sum(all, scattered: Self.shares, at: CollectiveSite(.feedForward))
                results.withLock {
                    $0.append(
                        (all, own, Tensor(shape: rows.shape, values: rows.values.map { $0 * Float(devices) }))
                    )
                }
                ended[rank].raise()
            }
        }
        for flag in ended { flag.wait() }
        for result in results.withLock({ $0 }) {
            #expect(result.all == whole)
            #expect(result.own == result.expected)
        }
        // Negative control: rows in the order of the groups are others.
        let inOrderOfGroups = Self.shares.pieces.flatMap { $0 }.flatMap { Array($0) }
        #expect(whole.rows(inOrderOfGroups) != whole)
    }
}
