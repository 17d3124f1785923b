// What makes synthetic text more than noise: the head expects a certain next token. Knows no file.

import GLMKernels

/// How rows of the head lean on the embedding: the plain tokens form one long cycle, and each row holds,
/// besides noise, the embedding of the token before it.
///
/// Greedy text then walks the cycle where the layers do not decide otherwise, the best logit stands clear of
/// the rest, and a draft agrees with the trunk at a realistic rate. Rows that stand for no token are made
/// small, so they are never chosen.
package struct FollowPlan: Sendable {
    private let used: Int
    private let embedding: WordStream
    private let count: Int
    private let stride: Int

    /// Weight of the embedding beside noise of deviation 1.
    static let lean: Float = 1.5
    /// Size of rows without a token.
    static let faint: Float = 0.0625

    /// - Parameter tokens: nil where every row is an ordinary token.
    package init(tokens: TokenPlan?, vocabularySize: Int, seed: UInt64) {
        used = tokens?.usedCount ?? vocabularySize
        count = tokens?.plainCount ?? vocabularySize
        stride = FollowPlan.stride(coprimeTo: count)
        embedding = WordStream(seed: seed, name: "model.embed_tokens.weight")
    }

    /// The token that the head expects after `token`; nil outside the cycle.
    package func successor(of token: Int) -> Int? { token < count ? (token + stride) % count : nil }

    /// Turns noise into rows of the head: `(z + 1.5 · embedding of the predecessor) · 1.5/√width`.
    func lean(_ values: UnsafeMutablePointer<Float>, count total: Int, from start: Int, width: Int) {
        let gain = 1.5 / Float(width).squareRoot()
        unsafe withTemporaryMemory(of: Float.self, count: total) { before in
            guard let before = before.baseAddress else { return }
            var done = 0
            while done < total {
                let (row, column) = (start + done).quotientAndRemainder(dividingBy: width)
                let part = min(width - column, total - done)
                if row < count {
                    let element = ((row + count - stride) % count) * width + column
                    unsafe embedding.normals(before, count: part, from: element, deviation: 1, center: 0)
                    for index in 0..<part { unsafe values[done + index] += FollowPlan.lean * before[index] }
                }
                let size = row < used ? gain : gain * FollowPlan.faint
                for index in 0..<part { unsafe values[done + index] *= size }
                done += part
            }
        }
    }

    /// About 0.618 of `count`, without a common divisor.
    private static func stride(coprimeTo count: Int) -> Int {
        var stride = max(1, count * 618 / 1000)
        while divisor(stride, count) != 1 { stride += 1 }
        return stride
    }

    private static func divisor(_ first: Int, _ second: Int) -> Int {
        second == 0 ? first : divisor(second, first % second)
    }
}
