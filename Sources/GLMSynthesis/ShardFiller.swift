// The data of one shard as a function of the place. Knows no file.

import GLMWeights

/// Fills any byte range of a shard's data, whichever tensors it touches.
struct ShardFiller: Sendable {
    private let offsets: [Int]
    private let generators: [TensorGenerator]

    init(_ shard: Shard, of model: SyntheticModel) {
        offsets = shard.offsets
        generators = model.generators(for: shard.tensors)
    }

    /// Writes the bytes `start ..< start + buffer.count` of the data.
    ///
    /// - Precondition: the range begins and ends between elements; a multiple of 4 always does, since wider
    ///   elements come first in a shard.
    func fill(_ buffer: UnsafeMutableRawBufferPointer, from start: Int) {
        let end = start + buffer.count
        var tensor = firstTensor(endingAfter: start)
        var next = start
        while next < end {
            let stop = min(end, offsets[tensor + 1])
            let part = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[(next - start)..<(stop - start)])
            var span = unsafe MutableRawSpan(_unsafeBytes: part)
            let size = generators[tensor].specification.type.size
            generators[tensor].fill(&span, from: (next - offsets[tensor]) / size)
            next = stop
            tensor += 1
        }
    }

    /// The tensor that holds byte `place`, by bisection.
    private func firstTensor(endingAfter place: Int) -> Int {
        var (low, high) = (0, generators.count)
        while low < high {
            let middle = (low + high) / 2
            if offsets[middle + 1] <= place { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
