// The random words of one tensor and the two distributions made of them. Knows no shape and no storage.

import GLMKernels
import GLMTensor

/// The words of one tensor: element `i` of a Float32 or BF16 tensor owns word `i`, element `i` of an FP8
/// tensor byte `i`.
struct WordStream: Sendable {
    private let random: CounterRandom
    private let lane: UInt32

    init(seed: UInt64, name: String) {
        let key = CounterRandom.key(named: name.utf8)
        random = CounterRandom(seed: seed, stream: UInt32(truncatingIfNeeded: key))
        lane = UInt32(truncatingIfNeeded: key >> 32)
    }

    /// Calls `body` with the words `start ..< start + count`.
    @inline(__always)
    func withWords(from start: Int, count: Int, _ body: (UnsafePointer<UInt32>) -> Void) {
        let skipped = start & 3
        let needed = (skipped + count + 3) & ~3
        unsafe withTemporaryMemory(of: UInt32.self, count: needed) { words in
            var span = unsafe MutableSpan(_unsafeElements: words)
            random.fill(&span, from: UInt64(start / 4), lane: lane)
            if let base = words.baseAddress { unsafe body(base + skipped) }
        }
    }

    /// `values[i] = center + deviation · z(start + i)`.
    func normals(
        _ values: UnsafeMutablePointer<Float>, count: Int, from start: Int, deviation: Float, center: Float
    ) {
        let factor = deviation * NormalTable.inverseDeviation
        unsafe withWords(from: start, count: count) { words in
            var index = 0
            while index < count {
                unsafe values[index] = Float(NormalTable.centered(words[index])) * factor + center
                index &+= 1
            }
        }
    }

    /// `values[i] = middle · u`, u uniform in [0.75, 1.25).
    func scales(_ values: UnsafeMutablePointer<Float>, count: Int, from start: Int, middle: Float) {
        unsafe withWords(from: start, count: count) { words in
            for index in 0..<count {
                unsafe values[index] = middle * (Float(words[index] >> 8) * 0x1p-25 + 0.75)
            }
        }
    }
}
