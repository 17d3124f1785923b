// Reading what lies in Fixtures.

import Foundation
import GLMFiles
import GLMText
import Testing

enum Fixture {
    /// The path of a file in Fixtures.
    static func path(_ name: String) throws -> String {
        try #require(Bundle.module.resourceURL).appendingPathComponent("Fixtures/\(name)").path
    }

    static func json(_ name: String) throws -> JSONValue {
        try JSONDocument.load(path: path(name), limit: 1 << 26).root
    }

    static func text(_ name: String) throws -> String {
        let file = try MappedFile.open(path: path(name))
        return String(decoding: file.bytes, as: UTF8.self)
    }

    /// The committed small tokenizer.
    static func tokenizer() throws -> Tokenizer {
        try Tokenizer.load(path: path("tokenizer.json"))
    }

    static func parse(_ text: String) throws(InputError) -> JSONDocument {
        try JSONDocument(parsing: Array(text.utf8), source: "test")
    }
}

extension JSONValue {
    /// The elements of an array; a recorded failure when it is none.
    func list() throws -> [JSONValue] { try #require(elements) }

    func ids() throws -> [Int32] { try list().map { Int32(try #require($0.integer)) } }

    func text(_ key: String) throws -> String { try #require(self[key]?.string) }
}

extension String {
    /// The text with every occurrence of `old` (or the first alone) replaced, found by bytes: quick in debug
    /// builds, where `replacing(_:with:)` walks characters.
    func substituting(_ old: String, _ new: String, firstOnly: Bool = false) -> String {
        let (text, pattern) = (Array(utf8), Array(old.utf8))
        var result: [UInt8] = []
        var start = 0
        var done = false
        while let found = done ? nil : text[start...].firstRange(ofBytes: pattern) {
            result += text[start..<found] + Array(new.utf8)
            start = found + pattern.count
            done = firstOnly
        }
        return String(decoding: result + text[start...], as: UTF8.self)
    }
}

extension ArraySlice<UInt8> {
    fileprivate func firstRange(ofBytes pattern: [UInt8]) -> Int? {
        guard count >= pattern.count else { return nil }
        return withUnsafeBytes { slice in
            pattern.withUnsafeBytes { pattern in
                guard let base = slice.baseAddress, let wanted = pattern.baseAddress else { return nil }
                for start in 0...slice.count - pattern.count
                where memcmp(base + start, wanted, pattern.count) == 0 {
                    return startIndex + start
                }
                return nil
            }
        }
    }
}

/// A deterministic generator for random tests.
struct TestRandom: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}

/// Ways to divide a text into pieces.
enum Splits {
    /// In one piece, at every place into two, and scalar by scalar; some places of three pieces from a fixed
    /// seed.
    static func all(of text: String) -> [[String]] {
        let scalars = Array(text.unicodeScalars)
        func piece(_ range: Range<Int>) -> String {
            var piece = ""
            piece.unicodeScalars.append(contentsOf: scalars[range])
            return piece
        }
        var splits = [[text], scalars.indices.map { piece($0..<$0 + 1) }]
        for place in scalars.indices.dropFirst() {
            splits.append([piece(0..<place), piece(place..<scalars.count)])
        }
        var random = TestRandom(state: UInt64(scalars.count))
        for _ in 0..<min(20, scalars.count / 3) {
            let first = Int.random(in: 0...scalars.count, using: &random)
            let second = Int.random(in: first...scalars.count, using: &random)
            splits.append([piece(0..<first), piece(first..<second), piece(second..<scalars.count)])
        }
        return splits
    }
}
