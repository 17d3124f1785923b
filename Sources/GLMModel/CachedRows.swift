package import GLMKernels

/// The rows of one layer in the caches of a batch, where their pages keep them, in the format they are kept in.
@safe
package struct CachedRows {
    /// What a row is.
    let row: CacheRow
    /// For each sequence, where its pages hold the layer's rows.
    private let pages: [[UnsafeRawPointer]]

    package init(_ row: CacheRow, pages: [[UnsafeRawPointer]]) {
        self.row = row
        unsafe self.pages = unsafe pages
    }

    /// Rows of a plain tensor, `row.width` floats each, as one sequence.
    init(floats base: UnsafePointer<Float>, count: Int, width: Int) {
        row = CacheRow(.float32, latent: width)
        unsafe pages = unsafe [
            stride(from: 0, to: count, by: KeyRows.pageTokens).map {
                unsafe UnsafeRawPointer(base + $0 * width)
            }
        ]
    }

    /// Lets `body` read some of a sequence's gathered rows as floats: where they lie, or decoded one behind the
    /// other.
    ///
    /// - Parameters:
    ///   - positions: the positions gathered; nil for all from 0 on.
    ///   - range: which of the gathered rows will be read.
    ///   - body: receives rows, and where in them `range` is.
    package func withKeys(
        ofSequence sequence: Int, positions: UnsafePointer<Int32>?, range: Range<Int>, kernels: Kernels,
        _ body: (KeyRows, Range<Int>) -> Void
    ) {
        unsafe pages[sequence].withUnsafeBufferPointer { pages in
            guard let pages = pages.baseAddress else { return }
            guard row.format != .float32 else {
                let floats = unsafe UnsafeRawPointer(pages).assumingMemoryBound(
                    to: UnsafePointer<Float>.self)
                return unsafe body(
                    KeyRows(pages: floats, width: row.width, positions: positions, count: range.upperBound),
                    range)
            }
            unsafe decode(pages, positions, range, kernels, body)
        }
    }

    private func decode(
        _ pages: UnsafePointer<UnsafeRawPointer>, _ positions: UnsafePointer<Int32>?, _ range: Range<Int>,
        _ kernels: Kernels, _ body: (KeyRows, Range<Int>) -> Void
    ) {
        let width = row.decodedStride, size = KeyRows.pageTokens
        let decoded = UnsafeMutablePointer<Float>.allocate(capacity: range.count * width)
        defer { unsafe decoded.deallocate() }
        for index in range {
            let position = unsafe positions.map { unsafe Int($0[index]) } ?? index
            let source = unsafe pages[position / size] + position % size * row.bytes
            unsafe kernels.load(source, as: row, into: decoded + (index - range.lowerBound) * width)
        }
        let starts = unsafe stride(from: 0, to: max(1, range.count), by: size).map {
            unsafe UnsafePointer(decoded + $0 * width)
        }
        unsafe starts.withUnsafeBufferPointer { starts in
            guard let starts = starts.baseAddress else { return }
            unsafe body(KeyRows(pages: starts, width: width, count: range.count), 0..<range.count)
        }
    }
}
