import GLMDecoding
import GLMEngine
import GLMModel
import GLMTensor
import Synchronization

/// A model whose next-token table is a function of the whole sequence: a lost, doubled or foreign token changes it.
struct MockModel: ModelRunner {
    /// What a sequence remembers: its tokens, and a mark that is counted while it lives.
    struct Cache: Sendable {
        var tokens: [Int32] = []
        let mark: Mark
    }

    /// Lives as long as a cache does.
    final class Mark: Sendable {
        private let ledger: Ledger
        init(_ ledger: Ledger) {
            self.ledger = ledger
            ledger.record { $0.livingCaches += 1 }
        }
        deinit { ledger.record { $0.livingCaches -= 1 } }
    }

    /// What was asked of the model.
    final class Ledger: Sendable {
        struct Entries: Sendable {
            var livingCaches = 0
            /// Tokens of each step of each forward pass.
            var batches: [[Int]] = []
        }
        private let entries = Mutex(Entries())
        var all: Entries { entries.withLock { $0 } }
        func record(_ change: (inout Entries) -> Void) { entries.withLock { change(&$0) } }
    }

    var vocabularySize = 50
    var contextSize = 200
    /// The successor of each token, if the model is such a fixed table.
    var successors: [Int32: Int32] = [:]
    /// If not empty, what follows any prompt: the n-th token after a prompt of three tokens; then it begins again.
    var script: [Int32] = []
    let ledger = Ledger()

    func makeCache() -> Cache { Cache(mark: Mark(ledger)) }

    func forward(_ steps: [SequenceStep], caches: inout [Cache]) -> ForwardOutput {
        ledger.record { $0.batches.append(steps.map(\.tokens.count)) }
        var values: [Float] = []
        for (index, step) in steps.enumerated() {
            let length = caches[index].tokens.count
            for (offset, token) in step.tokens.enumerated() {
                caches[index].tokens.append(token)
                guard offset >= step.tokens.count - step.logitRows else { continue }
                let seen = step.tree.map { tree in
                    caches[index].tokens.prefix(length) + tree.path(to: offset).map { step.tokens[$0] }
                }
                values += row(after: seen.map { Array($0) } ?? caches[index].tokens)
            }
        }
        return ForwardOutput(
            logits: Tensor(shape: [values.count / vocabularySize, vocabularySize], values: values),
            hidden: Tensor(zeros: [steps.reduce(0) { $0 + $1.hiddenRows }, 1]))
    }

    func length(of cache: Cache) -> Int { cache.tokens.count }

    func keep(_ path: [Int], of tree: DraftTree, behind length: Int, in cache: inout Cache) {
        cache.tokens = cache.tokens.prefix(length + 1) + path.map { cache.tokens[length + 1 + $0] }
    }

    /// Logits that only this very sequence of tokens has.
    func row(after tokens: [Int32]) -> [Float] {
        if !script.isEmpty {
            let next = Int(script[(tokens.count - 3) % script.count])
            return (0..<vocabularySize).map { $0 == next ? 10 : 0 }
        }
        if let last = tokens.last, let next = successors[last] {
            return (0..<vocabularySize).map { $0 == Int(next) ? 10 : 0 }
        }
        let key = tokens.reduce(UInt64(17)) { ($0 ^ UInt64(bitPattern: Int64($1))) &* 0x100_0000_01b3 }
        let random = CounterRandom(seed: key, stream: 0)
        return (0..<vocabularySize).map { Float(random.uniform(at: UInt64($0)) * 6) }
    }
}
