/// A number of bytes as people read it: `14.1 GB`, decimal units, one digit after the point.
package struct ByteCount: CustomStringConvertible, Sendable {
    private let bytes: Int

    package init(_ bytes: Int) {
        self.bytes = bytes
    }

    package var description: String {
        var unit = 1
        var name = "B"
        for (size, symbol) in [
            (1_000, "kB"), (1_000_000, "MB"), (1_000_000_000, "GB"), (1_000_000_000_000, "TB"),
        ]
        where bytes >= size { (unit, name) = (size, symbol) }
        if unit == 1 { return "\(bytes) B" }
        let tenths = (bytes + unit / 20) / (unit / 10)
        return "\(tenths / 10).\(tenths % 10) \(name)"
    }
}
