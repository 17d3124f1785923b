package import GLMFiles
import GLMParallel
import GLMWeights

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

    /// Names, types, shapes, and 64 bytes from the middle of up to 4096 tensors: two checkpoints of one model differ in
    /// all of their weights, and nothing is read that is not needed anyway.
    init(sampling checkpoint: Checkpoint) {
        let step = max(1, checkpoint.tensors.count / 4096)
        for (index, tensor) in checkpoint.tensors.enumerated() {
            for byte in "\(tensor.name) \(tensor.type.rawValue) \(tensor.shape)".utf8 { add(byte) }
            guard index.isMultiple(of: step) else { continue }
            let middle = unsafe tensor.bytes.count / 2
            for place in unsafe middle..<min(middle + 64, tensor.bytes.count) {
                unsafe add(tensor.bytes[place])
            }
        }
    }
}
