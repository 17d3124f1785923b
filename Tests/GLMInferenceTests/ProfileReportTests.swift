import GLMInference
import GLMKernels
import Synchronization
import Testing

/// Two passes of three laps, one nanosecond longer each time.
private func sample() -> Profile {
    let calls = Atomic<UInt64>(0)
    let profile = Profile(clock: { (0..<calls.add(1, ordering: .relaxed).newValue).reduce(0, +) * 1_000_000 })
    for (phase, tokens) in [("prefill", 4), ("decode", 1)] {
        profile.begin(phase, tokens: tokens)
        for layer in 0..<2 {
            profile.add(Work(bytes: 1000, operations: 10 * tokens))
            profile.lap("queryDown", layer: layer)
            profile.lap("a<b&c", layer: layer)
        }
        profile.lap("head", layer: nil)
    }
    return profile
}

@Test func totalsAddUp() {
    let report = ProfileReport(sample())
    #expect(report.phases.map(\.name) == ["prefill", "decode"])
    for phase in report.phases {
        for rows in [phase.operations, phase.layers] {
            #expect(rows.reduce(0) { $0 + $1.nanoseconds } == phase.total.nanoseconds)
            #expect(rows.reduce(.none) { $0 + $1.work } == phase.total.work)
            #expect(rows.reduce(0) { $0 + $1.laps } == phase.total.laps)
        }
        #expect(phase.operations.map(\.name) == ["queryDown", "a<b&c", "head"])
        #expect(phase.layers.map(\.name) == ["layer 0", "layer 1", "head"])
    }
    #expect(report.phases[0].total.work == Work(bytes: 2000, operations: 80))
    #expect(report.phases[1].total.work == Work(bytes: 2000, operations: 20))
}

@Test func textNamesEveryOperationAndLayer() {
    let text = ProfileReport(sample()).text
    for word in [
        "prefill: 1 pass, 4 tokens", "decode: 1 pass, 1 tokens", "queryDown", "layer 1", "head", "all",
    ] {
        #expect(text.contains(word), "\(word)")
    }
    #expect(ProfileReport(Profile()).text.isEmpty)
}

@Test func csvHasALineForEachLap() {
    let lines = ProfileReport(sample()).csv.split(separator: "\n")
    #expect(lines.count == 1 + 2 * 5)
    #expect(lines[0] == "phase,layer,operation,calls,seconds,bytes,operations")
    #expect(lines[1].hasPrefix("\"prefill\",0,queryDown,1,0.00"))
    #expect(lines[5].hasPrefix("\"prefill\",,head,1,"))
}

@Test func chartIsEscapedAndHasABarForEachLap() {
    let svg = ProfileChart(ProfileReport(sample()), title: "1 < 2").svg
    #expect(svg.hasPrefix("<svg xmlns=") && svg.hasSuffix("</svg>\n"))
    #expect(svg.contains("1 &lt; 2") && svg.contains("a&lt;b&amp;c") && !svg.contains("a<b"))
    #expect(svg.split(separator: "\n").filter { $0.hasPrefix("<rect x=") }.count == 10)
}
