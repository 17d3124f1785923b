// From (seed, name, element) to the bytes of a tensor. Any range can be asked for in any order; it knows no
// file.

import GLMKernels
import GLMTensor
import GLMWeights

/// Draws the elements of one tensor, each a function of the seed, the tensor's name and the element's index
/// alone.
///
/// One 32-bit word an element, so that BF16 is the rounding of what F32 stores; FP8 codes take a byte each.
package struct TensorGenerator: Sendable {
    package let specification: TensorSpecification
    private let stream: WordStream
    private let follow: FollowPlan?
    private let codes: CodeTable

    /// Elements drawn at a time: words and floats of a segment stay in the first-level cache.
    static let segment = 2048

    /// - Parameter follow: how the head leans on the embedding; needed for `.head` only.
    package init(_ specification: TensorSpecification, seed: UInt64, follow: FollowPlan?, codes: CodeTable) {
        self.specification = specification
        self.follow = follow
        self.codes = codes
        stream = WordStream(seed: seed, name: specification.name)
    }

    /// Writes elements `start`, `start + 1`, … until `output` is full.
    ///
    /// - Precondition: `output.byteCount` is a multiple of the element's size and ends inside the tensor.
    package func fill(_ output: inout MutableRawSpan, from start: Int) {
        let size = specification.type.size
        precondition(
            output.byteCount % size == 0 && start >= 0
                && start + output.byteCount / size <= specification.elementCount,
            "\(specification.name): \(output.byteCount) bytes from element \(start)")
        unsafe output.withUnsafeMutableBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            if specification.type == .float8E4M3 {
                unsafe codes.fill(base, count: bytes.count, from: start, stream: stream)
                return
            }
            unsafe withTemporaryMemory(of: Float.self, count: TensorGenerator.segment) {
                floats in
                guard let values = floats.baseAddress else { return }
                let count = bytes.count / size
                var done = 0
                while done < count {
                    let part = min(TensorGenerator.segment, count - done)
                    unsafe draw(values, count: part, from: start + done)
                    unsafe store(values, count: part, at: base + done * size)
                    done += part
                }
            }
        }
    }

    // MARK: Values

    /// The Float32 values of elements `start ..< start + count`.
    private func draw(_ values: UnsafeMutablePointer<Float>, count: Int, from start: Int) {
        switch specification.draw {
        case .normal(let deviation):
            unsafe stream.normals(values, count: count, from: start, deviation: deviation, center: 0)
        case .around(let center, let deviation):
            unsafe stream.normals(values, count: count, from: start, deviation: deviation, center: center)
        case .scales(let deviation):
            unsafe stream.scales(values, count: count, from: start, middle: deviation * codes.scale)
        case .head:
            unsafe stream.normals(values, count: count, from: start, deviation: 1, center: 0)
            unsafe follow?.lean(values, count: count, from: start, width: specification.width)
        case .draftInput:
            unsafe stream.normals(values, count: count, from: start, deviation: 1, center: 0)
            unsafe passThrough(values, count: count, from: start)
        }
    }

    /// Turns noise into `[1.3·1 + 0.25/√H·z | 0.7/√H·z]`.
    private func passThrough(_ values: UnsafeMutablePointer<Float>, count: Int, from start: Int) {
        let hidden = specification.width / 2
        let root = Float(hidden).squareRoot()
        let (embedding, previous) = (0.25 / root, 0.7 / root)
        for index in 0..<count {
            let (row, column) = (start + index).quotientAndRemainder(dividingBy: specification.width)
            unsafe values[index] *= column < hidden ? embedding : previous
            if column == row { unsafe values[index] += 1.3 }
        }
    }

    // MARK: Storage

    private func store(_ values: UnsafePointer<Float>, count: Int, at output: UnsafeMutableRawPointer) {
        if specification.type == .float32 {
            unsafe output.copyMemory(from: values, byteCount: count * 4)
            return
        }
        let halves = unsafe output.assumingMemoryBound(to: UInt16.self)
        for index in 0..<count {
            // Round to nearest, ties to even; the values are finite.
            let bits = unsafe values[index].bitPattern
            unsafe halves[index] = UInt16(truncatingIfNeeded: (bits &+ 0x7FFF &+ ((bits >> 16) & 1)) >> 16)
        }
    }
}
