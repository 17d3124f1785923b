// A safetensors header that is accepted describes the whole file, tensor after tensor, and is read back from what the
// writer makes of it; a refusal names the file.

import FuzzSupport
import GLMFiles
import GLMWeights

/// The property at the top of this file, on one input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzSafetensors(_ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
    let bytes = fuzzedBytes(data, size)
    check(bytes)
    // A length that fits is rarely made by chance: the text up to the first 0 byte once more as a header, the rest as
    // the tensors.
    let text = bytes.prefix { $0 != 0 }
    let length = (0..<8).map { UInt8(truncatingIfNeeded: text.count >> (8 * $0)) }
    check(length + text + bytes.dropFirst(text.count + 1))
    return 0
}

private func read(_ file: [UInt8]) -> SafetensorsHeader? {
    acceptedOrRefused(naming: "m.safetensors: ") { () throws(InputError) in
        try file.withUnsafeBufferPointer { bytes throws(InputError) in
            try SafetensorsHeader(of: UnsafeRawBufferPointer(bytes), path: "m.safetensors")
        }
    }
}

private func check(_ file: [UInt8]) {
    guard let header = read(file) else { return }
    let length = file.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
    var end = 8 + length
    for entry in header.entries {
        require(
            entry.range.lowerBound == end, "\(entry.name) begins at \(entry.range.lowerBound), not \(end)")
        // In Double, so that no wrapped product can agree by chance.
        let elements = entry.shape.reduce(1.0) { $0 * Double($1) }
        require(Double(entry.range.count) == elements * Double(entry.type.size), "size of \(entry)")
        end = entry.range.upperBound
    }
    require(end == file.count, "tensors end at \(end) of \(file.count)")
    require(Set(header.entries.map(\.name)).count == header.entries.count, "names differ")

    let descriptions = header.entries.map { TensorDescription($0.name, $0.type, $0.shape) }
    let metadata = header.metadata.map { ($0.key.description, $0.value.description) }
    let written = SafetensorsWriter.header(descriptions, metadata)
    guard let again = read(written + file[(8 + length)...]) else {
        require(false, "what is written is accepted")
        return
    }
    let shift = written.count - (8 + length)
    let moved = again.entries.map { entry in
        var entry = entry
        entry.range = entry.range.lowerBound - shift..<entry.range.upperBound - shift
        return entry
    }
    // Empty tensors at one place may change their order.
    func sorted(_ entries: [SafetensorsHeader.Entry]) -> [SafetensorsHeader.Entry] {
        entries.sorted { $0.name < $1.name }
    }
    require(sorted(moved) == sorted(header.entries), "entries read back equal")
    require(again.metadata.map(\.value) == header.metadata.map(\.value), "metadata reads back equal")
}
