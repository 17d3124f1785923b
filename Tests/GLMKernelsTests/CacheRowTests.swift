import GLMKernels
import Testing

/// A row stored and read again, between forbidden pages.
private func roundTrip(_ level: InstructionSet, _ row: CacheRow, _ x: [Float]) throws -> [Float] {
    let stored = try GuardedBytes(count: row.bytes)
    let input = try GuardedBytes(x)
    Kernels.table(level).store(input.floats, as: row, to: stored.base)
    let values = try results(row.decodedStride) {
        Kernels.table(level).load(stored.base, as: row, into: $0)
    }
    return Array(values.prefix(row.width))
}

private func bfloat16(_ x: Float) -> Float { BFloat16.decode(BFloat16.encode(x)) }

@Test(arguments: levels, [(512, 64), (130, 16), (1, 0), (17, 2), (128, 0), (129, 30), (0, 8)])
func cacheRowsKeepTheirFormat(level: InstructionSet, shape: (latent: Int, rope: Int)) throws {
    var generator = Sequence64(seed: UInt64(shape.latent))
    let x = (0..<shape.latent + shape.rope).map { _ in generator.float() * 3 }
    func row(_ format: CacheFormat) -> CacheRow {
        CacheRow(format, latent: shape.latent, rope: shape.rope)
    }
    #expect(try bits(roundTrip(level, row(.float32), x)) == bits(x))
    #expect(try bits(roundTrip(level, row(.bfloat16), x)) == bits(x.map(bfloat16)))
    let (codes, scales) = NaiveKernels(level).quantizeActivations(
        Array(x.prefix(shape.latent)), block: CacheRow.block)
    let latent = codes.enumerated().map { Float8E4M3.decode($1) * scales[$0 / CacheRow.block] }
    #expect(
        try bits(roundTrip(level, row(.fp8), x)) == bits(latent + x.suffix(shape.rope).map(bfloat16)))
}
