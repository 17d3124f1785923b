import GLMFiles
import GLMParallel
import Testing

@Suite struct TrafficLedgerTests {
    private let key = TrafficLedger.Key(.allReduce, CollectiveSite(.attention, layer: 2))

    @Test func callsOfOnePlaceAreAdded() {
        let ledger = TrafficLedger()
        ledger.add(key, elements: 10, time: .nanoseconds(5))
        ledger.add(
            TrafficLedger.Key(.allReduce, CollectiveSite(.attention, layer: 3)), elements: 1, time: .zero)
        ledger.add(key, elements: 6, time: .nanoseconds(7))
        #expect(ledger.entries.count == 2)
        #expect(ledger.entries[0].calls == 2)
        #expect(ledger.entries[0].bytes == 64)
        #expect(ledger.entries[0].nanoseconds == 12)
    }

    @Test func entriesTravelAsWords() {
        let ledger = TrafficLedger()
        ledger.add(key, elements: 1 << 40, time: .seconds(1 << 20))
        ledger.add(TrafficLedger.Key(.allGather, CollectiveSite(.logits)), elements: 3, time: .zero)
        #expect(TrafficLedger.Entry.entries(ledger.entries.flatMap(\.words)) == ledger.entries)
    }

    @Test func tableAndObjectHoldTheNumbers() {
        let ledgers = [TrafficLedger(), TrafficLedger()]
        ledgers[0].add(key, elements: 100, time: .milliseconds(2))
        ledgers[1].add(key, elements: 100, time: .microseconds(1050))
        let report = TrafficReport(devices: ledgers.map(\.entries))
        #expect(
            report.table == """
                collective  operation  calls  bytes  least ms  most ms
                allReduce   attention      1    400      1.05     2.00

                """)
        let text = report.json.text(.compact)
        #expect(text.contains("\"device\":1") || text.contains("\"device\": 1"))
        #expect(text.contains("attention") && text.contains("400"))
    }
}
