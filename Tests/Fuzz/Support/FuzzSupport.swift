// What all fuzz targets share. A target is one file that defines `LLVMFuzzerTestOneInput` and states a property.

public import GLMFiles

/// The bytes libFuzzer made.
public func fuzzedBytes(_ data: UnsafePointer<UInt8>?, _ size: Int) -> [UInt8] {
    Array(UnsafeBufferPointer(start: data, count: size))
}

/// Ends the run when the property does not hold; libFuzzer then stores the input.
public func require(_ holds: Bool, _ property: @autoclosure () -> String) {
    guard holds else { fatalError("property violated: \(property())") }
}

/// The value of `body`, or nil after a refusal that reads as every refusal must: bad input, one line, with `parts`.
public func acceptedOrRefused<Value>(
    naming parts: String..., by body: () throws(InputError) -> Value
) -> Value? {
    do {
        return try body()
    } catch {
        let line = error.description
        require(error.kind == .badInput, "'\(line)' is \(error.kind)")
        require(!line.utf8.contains { $0 < 0x20 || $0 == 0x7f }, "'\(line)' is one printable line")
        for part in parts { require(line.contains(part), "'\(line)' names '\(part)'") }
        return nil
    }
}
