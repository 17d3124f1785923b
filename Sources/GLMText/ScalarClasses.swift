// Classes of Unicode scalars, looked up in UTF-8. Knows nothing of tokens.

/// What a scalar is to the pre-tokenizer's pattern; the four are disjoint.
package enum ScalarClass: UInt8 {
    /// None of the others: punctuation, symbols, marks, controls, private use, unassigned.
    case other = 0
    /// `\p{L}`
    case letter = 1
    /// `\p{N}`
    case number = 2
    /// `\s`
    case space = 3
}

/// The class of every scalar, as a two-stage table: scalars share a row of 256 classes where their rows are
/// equal.
package struct ScalarClasses: Sendable {
    /// Row number of `scalar / 256`.
    private let rowNumbers: [UInt8]
    /// Class codes, 256 a row.
    private let rows: [UInt8]

    /// Unfolds ``UnicodeClassTable``.
    package init() {
        var rowNumbers: [UInt8] = []
        var rows: [UInt8] = []
        var known: [[UInt8]: UInt8] = [:]
        /// Rows of one class alone: most of Unicode.
        var uniform: [UInt32: UInt8] = [:]
        var first = 0
        for start in stride(from: 0, to: 0x110000, by: 256) {
            while ScalarClasses.start(ofRun: first + 1) <= start {
                first += 1
            }
            let isUniform = ScalarClasses.start(ofRun: first + 1) >= start + 256
            let kind = UnicodeClassTable.runs[first] & 3
            if isUniform, let number = uniform[kind] {
                rowNumbers.append(number)
                continue
            }
            let row = ScalarClasses.row(start, firstRun: first)
            let number = known[row] ?? UInt8(truncatingIfNeeded: known.count)
            if known.updateValue(number, forKey: row) == nil {
                rows += row
            }
            if isUniform {
                uniform[kind] = number
            }
            rowNumbers.append(number)
        }
        self.rowNumbers = rowNumbers
        self.rows = rows
    }

    /// The classes of 256 scalars, the first of which lies in the run `firstRun`.
    private static func row(_ start: Int, firstRun: Int) -> [UInt8] {
        var row: [UInt8] = []
        row.reserveCapacity(256)
        var run = firstRun
        while row.count < 256 {
            let end = min(start + 256, self.start(ofRun: run + 1))
            let kind = UInt8(truncatingIfNeeded: UnicodeClassTable.runs[run] & 3)
            row.append(contentsOf: repeatElement(kind, count: end - start - row.count))
            run += 1
        }
        return row
    }

    /// The first scalar of a run; behind the last run, the end of Unicode.
    private static func start(ofRun run: Int) -> Int {
        run < UnicodeClassTable.runs.count ? Int(UnicodeClassTable.runs[run] >> 2) : 0x110000
    }

    /// The class of one scalar value, `0..<0x110000`.
    package subscript(scalar: UInt32) -> ScalarClass {
        let row = Int(rowNumbers[Int(scalar >> 8)])
        return ScalarClass(rawValue: rows[row << 8 | Int(scalar & 255)]) ?? .other
    }

    /// The class of the scalar that starts at `offset`, and where the next one starts.
    ///
    /// - Precondition: `text` is valid UTF-8 and a scalar starts at `offset`.
    package func scalar(at offset: Int, in text: Span<UInt8>) -> (class: ScalarClass, end: Int) {
        let first = UInt32(text[offset])
        if first < 0x80 {
            return (self[first], offset + 1)
        }
        let second = UInt32(text[offset + 1] & 0x3f)
        if first < 0xe0 {
            return (self[(first & 0x1f) << 6 | second], offset + 2)
        }
        let third = UInt32(text[offset + 2] & 0x3f)
        if first < 0xf0 {
            return (self[(first & 0x0f) << 12 | second << 6 | third], offset + 3)
        }
        let fourth = UInt32(text[offset + 3] & 0x3f)
        return (self[(first & 0x07) << 18 | second << 12 | third << 6 | fourth], offset + 4)
    }
}
