// Safetensors files written by hand, right and wrong.

/// A safetensors file from the text of its header and the bytes after it, with no check at all.
package func rawSafetensors(_ header: String, _ data: [UInt8] = []) -> [UInt8] {
    let text = Array(header.utf8)
    return littleEndian(UInt64(text.count)) + text + data
}

/// The 8 bytes of `value`, least significant first.
package func littleEndian(_ value: UInt64) -> [UInt8] {
    (0..<8).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
}

/// The bytes of `values` as F32 tensors have them.
package func floatBytes(_ values: [Float]) -> [UInt8] {
    values.flatMap { value in (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * $0)) } }
}
