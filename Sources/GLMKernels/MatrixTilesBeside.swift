import CVector

// Exact products of few tokens on matrix registers: the three parts of every token lie side by side, so that one product of tiles
// takes them all; its sums, of one group of columns each, are then added part by part.

/// Groups that lie between a group's product and its addition, so that nothing waits for tiles on their way to memory.
private let lag = 4

/// `room` is a literal at every use: 1 or 4 tokens, whose parts lie side by side.
@inline(__always)
private func besideProduct(_ job: matrix_product, room: Int) {
    var step = job
    var left = job.steps
    while left > 0 {
        if left == 1 { step.ahead.from = job.next }
        besideStep(step, room: room, isFirst: left == job.steps)
        step.weights += 16 &* job.row_bytes
        step.ahead.from = step.weights + 16 &* job.row_bytes
        step.y += 16
        left &-= 1
    }
}

@inline(__always)
private func besideStep(_ job: matrix_product, room: Int, isFirst: Bool) {
    let pairBytes = job.pair_bytes
    let groups = job.sums + 16 &* room
    let slots = 2 &* lag &- 1
    let groupFloats = 64 &* room
    var w = job.weights, x = job.first, ahead = job.ahead
    let isContiguous = ahead.lines == 4
    var sum = f32x16_all(0)
    if room > 1 {
        var row = 0
        while row < room {
            f32x16_store(job.sums + 16 &* row, sum)
            row &+= 1
        }
    }
    let whole = job.groups
    let count = job.rest == nil ? whole : whole &+ 1
    var group = 0
    while group < count &+ lag {
        if group < count {
            if let from = ahead.from {
                if isContiguous {
                    prefetchSquare(from, ahead.stride)
                } else {
                    prefetchRows(from, ahead.stride)
                }
                ahead.from = from + ahead.step_bytes
            }
            if isFirst && group &+ 8 < whole { prefetchRows(w + 512, job.row_bytes) }
            let products = groups + (group & slots) &* groupFloats
            if group < whole {
                matrix_multiply_beside(w, job.row_bytes, x, pairBytes, products)
            } else if let rest = job.rest {
                matrix_multiply_beside(rest, 64, x, pairBytes, products)
            }
            w += job.group_bytes
            x += 16 &* pairBytes
        }
        if group >= lag {
            let products = groups + ((group &- lag) & slots) &* groupFloats
            if room == 1 { sum = matrix_add_1(sum, products) } else { matrix_add_4(job.sums, products) }
        }
        group &+= 1
    }
    if room == 1 { f32x16_store(job.sums, sum) } else { transpose_16x4_in_place(job.sums) }
    var token = 0
    while token < job.first_tokens {
        let sum = f32x16_add(f32x16_load(job.sums + 16 &* token), f32x16_all(0))
        let to = job.y + token &* job.y_stride
        if job.rows == 16 { f32x16_store(to, sum) } else { f32x16_store_first(to, sum, job.rows) }
        token &+= 1
    }
}

/// Asks for a line of each of 16 rows.
@inline(__always)
private func prefetchRows(_ line: UnsafeRawPointer, _ rowBytes: Int) {
    prefetchFour(line, rowBytes)
    prefetchFour(line + 4 &* rowBytes, rowBytes)
    prefetchFour(line + 8 &* rowBytes, rowBytes)
    prefetchFour(line + 12 &* rowBytes, rowBytes)
}

@inline(__always)
private func prefetchFour(_ line: UnsafeRawPointer, _ step: Int) {
    prefetch(line)
    prefetch(line + step)
    prefetch(line + 2 &* step)
    prefetch(line + 3 &* step)
}

/// Asks for four lines in each of four stretches. Few instructions, here and above, so that more tiles are under way.
@inline(__always)
private func prefetchSquare(_ line: UnsafeRawPointer, _ step: Int) {
    prefetchFour(line, 64)
    prefetchFour(line + step, 64)
    prefetchFour(line + 2 &* step, 64)
    prefetchFour(line + 3 &* step, 64)
}

@c @implementation
func matrix_product_beside_1_tiles(_ job: UnsafePointer<matrix_product>) {
    besideProduct(job.pointee, room: 1)
}
@c @implementation
func matrix_product_beside_4_tiles(_ job: UnsafePointer<matrix_product>) {
    besideProduct(job.pointee, room: 4)
}

// The thunks are called from this file alone: they take in the loops of their own file only.
extension Kernels {
    @inline(never)
    func runBesideProduct(_ job: UnsafePointer<matrix_product>, room: Int) {
        if room == 1 { matrix_product_beside_1_amx(job) } else { matrix_product_beside_4_amx(job) }
    }
}
