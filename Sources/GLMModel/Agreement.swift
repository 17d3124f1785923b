package import GLMFiles
import GLMParallel
package import GLMWeights

/// What all devices of a group must have in common before they work together: names, and a hash of each value.
struct Agreement {
    private let items: [(name: String, hash: UInt64)]

    init(
        checkpoint: Checkpoint, configuration: GLMConfiguration, options: LoadOptions
    ) {
        let device = options.devices
        let numbers =
            "\(options.instructionSet) \(options.numerics) \(options.cacheFormat) \(options.latentNormEpsilon) "
            + "\(options.gemm) \(options.keySelection)"
        items =
            [
                ("configuration", Fingerprint(text: "\(configuration)").value),
                ("checkpoint", Fingerprint(sampling: checkpoint).value),
                ("arithmetic", Fingerprint(text: numbers).value),
                ("layout", Fingerprint(text: "\(device.layout) \(options.contextSize ?? 0)").value),
            ] + device.agreement.map { ($0.name, Fingerprint(text: $0.value).value) }
    }

    /// Compares with the other devices; does not return when one of them differs.
    func reach(_ device: Device) {
        let site = CollectiveSite(.handshake)
        let own = items.flatMap {
            [UInt32(truncatingIfNeeded: $0.hash), UInt32(truncatingIfNeeded: $0.hash >> 32)]
        }
        let counts = [Int](repeating: own.count, count: device.communicator.size)
        let all = device.gather(own.map { Float(bitPattern: $0) }, counts: counts, at: site).map(\.bitPattern)
        for rank in counts.indices {
            for (index, item) in items.enumerated() {
                let place = rank * own.count + 2 * index
                guard all[place..<place + 2] != all[2 * index..<2 * index + 2] else { continue }
                device.fail(
                    CollectiveFailure(
                        .disagreement(
                            rank: rank, found: "another \(item.name)", expected: "the \(item.name) of rank 0"),
                        .allGather, at: site))
            }
        }
    }
}

/// A hash that tells files and settings apart, not friend from foe: FNV-1a of 64 bits.
package struct Fingerprint {
    package private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

    private mutating func add(_ byte: UInt8) { value = (value ^ UInt64(byte)) &* 0x100_0000_01b3 }

    init(text: String) { for byte in text.utf8 { add(byte) } }

    /// All bytes of a file.
    package init(_ file: MappedFile) {
        for place in unsafe file.bytes.indices { unsafe add(file.bytes[place]) }
    }

    /// Names, types, shapes, and 64 bytes from up to eight places of each tensor, its ends among them: a copy that differs in
    /// a run of weights is found, one that differs in a few bytes perhaps not. Of a model of many tensors fewer places are
    /// read, so that nothing waits for the disk that is not needed anyway.
    package init(sampling checkpoint: Checkpoint) {
        let tensors = checkpoint.tensors
        let places = max(1, min(8, Fingerprint.samples / max(1, tensors.count)))
        let step = max(1, tensors.count / Fingerprint.samples)
        for (index, tensor) in tensors.enumerated() {
            for byte in "\(tensor.name) \(tensor.type.rawValue) \(tensor.shape)".utf8 { add(byte) }
            guard index.isMultiple(of: step) else { continue }
            let last = unsafe max(0, tensor.bytes.count - Fingerprint.sampleBytes)
            for place in 0..<places {
                let first = places == 1 ? last / 2 : last * place / (places - 1)
                for byte in unsafe first..<min(first + Fingerprint.sampleBytes, tensor.bytes.count) {
                    unsafe add(tensor.bytes[byte])
                }
            }
        }
    }

    /// About so many samples of one checkpoint.
    private static let samples = 32_768
    private static let sampleBytes = 64
}
