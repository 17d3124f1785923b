import GLMInference
import GLMTensor
import Testing

private func filtered(_ pieces: [String], _ stops: [String]) -> (
    text: String, match: String?, pieces: [String]
) {
    var filter = StopStringFilter(stops)
    var out = pieces.map { filter.append($0) }
    out.append(filter.finish())
    return (out.joined(), filter.match, out)
}

@Test func aStopStringEndsTheTextAndIsCutOff() {
    #expect(filtered(["one two three"], ["two"]).text == "one ")
    #expect(filtered(["one t", "w", "o three"], ["two"]).text == "one ")
    #expect(filtered(["one t", "w", "o three"], ["two"]).match == "two")
    #expect(filtered(["one two three"], ["four"]).text == "one two three")
    #expect(filtered(["one two three"], ["four"]).match == nil)
    #expect(filtered(["one two three"], []).text == "one two three")
    #expect(filtered(["two"], ["two"]).text == "")
}

@Test func onlyWhatCouldBecomeAStopStringIsHeldBack() {
    var filter = StopStringFilter(["</s>", "END"])
    #expect(filter.append("text<") == "text")
    #expect(filter.append("/") == "")
    #expect(filter.append("p> E") == "</p> ")
    #expect(filter.append("NE") == "EN")
    #expect(filter.append("N") == "")
    #expect(filter.finish() == "EN")
    #expect(filter.match == nil)
}

@Test func theStopStringThatIsCompleteFirstWins() {
    #expect(filtered(["abcd"], ["bcd", "c"]).match == "c")
    #expect(filtered(["abcd"], ["bcd", "c"]).text == "ab")
    #expect(filtered(["abcd"], ["c", "abc", "bc"]).match == "abc")
    #expect(filtered(["abcd"], ["c", "abc", "bc"]).text == "")
}

@Test func overlappingBeginningsAreNotMissed() {
    #expect(filtered(["aaab"], ["aab"]).text == "a")
    #expect(filtered(["a", "a", "a", "b"], ["aab"]).text == "a")
    #expect(filtered(["abab", "ac"], ["abac"]).text == "ab")
}

/// Whatever the pieces, text, match and whole characters are the same.
@Test(arguments: 0..<40) func anySplitGivesTheSame(seed: UInt64) {
    let random = CounterRandom(seed: seed, stream: 0)
    let alphabet = ["a", "b", "é", "e\u{301}", "漢", "👩‍🚀", "\n"]
    func draw(_ lane: UInt32, _ position: Int, _ count: Int) -> Int {
        Int(random.uniform(at: UInt64(position), lane: lane) * Double(count))
    }
    let text = (0..<60).map { alphabet[draw(0, $0, alphabet.count)] }.joined()
    let stops = (0..<3).map { stop in
        (0..<(1 + draw(1, stop, 4))).map { alphabet[draw(2 + UInt32(stop), $0, 4)] }.joined()
    }
    let whole = filtered([text], stops)
    var pieces: [String] = []
    for (index, scalar) in text.unicodeScalars.enumerated() {
        if index == 0 || draw(9, index, 3) == 0 { pieces.append("") }
        pieces[pieces.count - 1].unicodeScalars.append(scalar)
    }
    let split = filtered(pieces, stops)
    #expect(Array(split.text.utf8) == Array(whole.text.utf8), "\(stops)")
    #expect(split.match == whole.match)
    #expect(split.pieces.allSatisfy { !$0.unicodeScalars.contains("\u{FFFD}") })
    // Against the plain definition.
    let bytes = Array(text.utf8)
    let ends = stops.flatMap { stop in
        bytes.indices.filter { bytes[$0...].starts(with: stop.utf8) }.map {
            (end: $0 + stop.utf8.count, start: $0)
        }
    }
    let first = ends.min { ($0.end, $0.start) < ($1.end, $1.start) }
    #expect(Array(whole.text.utf8) == Array(bytes[..<(first?.start ?? bytes.count)]))
}
