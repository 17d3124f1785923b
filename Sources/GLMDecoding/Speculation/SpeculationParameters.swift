public import GLMFiles

/// Whether and how a request speculates, by SGLang's names.
public struct SpeculationParameters: Sendable, Equatable {
    /// How deep drafts are.
    public enum Steps: Sendable, Equatable {
        /// Always as deep, where answer and context have room.
        case fixed(Int)
        /// As deep as pays, by what is measured while the engine runs, from 0 to this.
        case automatic(maximum: Int)
    }

    /// `--speculative-num-steps`
    public var steps: Steps
    /// `--speculative-eagle-topk`: 1 drafts a chain, more a tree.
    public var topK: Int
    /// `--speculative-num-draft-tokens`: rows verified in a round, the root among them; nil for the whole chain, or for
    /// steps · topK + 1 rows of a tree. Bounds what automatic steps may try.
    public var draftTokens: Int?
    /// `--speculative-accept-threshold-single`: a drafted token this probable stands without a coin.
    public var singleThreshold: Double
    /// `--speculative-accept-threshold-acc`: divides the probability that a coin is compared with.
    public var accumulatedThreshold: Double

    /// Drafts `automatic` may try unless told otherwise.
    public static let usualMaximum = 5
    /// Deepest draft.
    static let deepest = 64
    /// Most rows of a tree.
    static let mostRows = 1024

    /// SGLang's recommendation for GLM-5 unless said otherwise: chains of 3, no threshold below 1.
    public init(
        steps: Steps = .fixed(3), topK: Int = 1, draftTokens: Int? = nil, singleThreshold: Double = 1,
        accumulatedThreshold: Double = 1
    ) {
        self.steps = steps
        self.topK = topK
        self.draftTokens = draftTokens
        self.singleThreshold = singleThreshold
        self.accumulatedThreshold = accumulatedThreshold
    }

    /// Checks all numbers, and that they fit each other.
    /// - Throws: an `InputError` of kind `usage` that names the first option that is wrong.
    public func validate() throws(InputError) {
        switch steps {
        case .fixed(let count): try SpeculationParameters.require("num-steps", count, 1...Self.deepest)
        case .automatic(let most): try SpeculationParameters.require("num-steps", most, 1...Self.deepest)
        }
        try SpeculationParameters.require("eagle-topk", topK, 1...Self.deepest)
        try requireThreshold("accept-threshold-single", singleThreshold)
        try requireThreshold("accept-threshold-acc", accumulatedThreshold)
        switch (steps, topK) {
        case (.automatic, 2...):
            throw InputError(
                .usage, subject: "--speculative-eagle-topk", found: "\(topK) with automatic steps",
                expected: "1: what is chosen automatically is the length of a chain")
        case (.automatic(let most), _):
            guard let draftTokens else { return }
            try SpeculationParameters.require("num-draft-tokens", draftTokens, 2...most + 1)
        case (.fixed(let count), 1):
            guard let draftTokens, draftTokens != count + 1 else { return }
            throw InputError(
                .usage, subject: "--speculative-num-draft-tokens", found: "\(draftTokens)",
                expected: "\(count + 1) for a chain of \(count) steps: the root and the drafts",
                remedy: "leave it out, or raise --speculative-eagle-topk")
        case (.fixed(let count), _):
            guard let draftTokens else {
                guard count * topK + 1 > Self.mostRows else { return }
                throw InputError(
                    .usage, subject: "--speculative-eagle-topk",
                    found: "\(topK) with \(count) steps: \(count * topK + 1) rows",
                    expected: "at most \(Self.mostRows) rows",
                    remedy: "lower it, or name fewer rows with --speculative-num-draft-tokens")
            }
            let most = min(Self.mostRows, 1 + DraftShape.generatedNodes(steps: count, topK: topK))
            try SpeculationParameters.require("num-draft-tokens", draftTokens, 2...most)
        }
    }

    /// The largest draft a round may have.
    package var shape: DraftShape {
        switch steps {
        case .automatic(let most): return .chain(min(most, (draftTokens ?? .max) - 1))
        case .fixed(let count):
            guard topK > 1 else { return .chain(count) }
            return DraftShape(steps: count, topK: topK, rows: draftTokens ?? count * topK + 1)
        }
    }

    /// Whether the depth is chosen while the engine runs.
    package var isAutomatic: Bool {
        if case .automatic = steps { return true }
        return false
    }

    /// When a drafted token stands.
    package var rule: Verifier.Rule {
        Verifier.Rule(single: singleThreshold, accumulated: accumulatedThreshold)
    }

    private static func require(_ name: String, _ value: Int, _ range: ClosedRange<Int>) throws(InputError) {
        guard !range.contains(value) else { return }
        throw InputError(
            .usage, subject: "--speculative-\(name)", found: "\(value)",
            expected: "\(range.lowerBound) to \(range.upperBound)")
    }

    private func requireThreshold(_ name: String, _ value: Double) throws(InputError) {
        guard !(value >= 0 && value <= 1) else { return }
        throw InputError(
            .usage, subject: "--speculative-\(name)", found: "\(value)", expected: "a number in [0, 1]")
    }
}
