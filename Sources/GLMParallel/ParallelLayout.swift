package import GLMFiles

/// How many devices a model is spread over, and how.
///
/// All devices share every layer: `tensor` of them. Their feed-forward parts form `expert` groups, each of which owns
/// whole experts; inside a group an expert is cut along its inner width. Their attention parts form `data` groups,
/// each of which serves sequences of its own; inside a group attention is cut by heads.
/// Source: specification §9; SGLang's `--tp-size`, `--ep-size`, `--enable-dp-attention` and `--dp-size`.
public struct ParallelLayout: Sendable, Equatable {
    /// Devices.
    public var tensor: Int
    /// Groups of devices that own whole experts.
    public var expert: Int
    /// Groups of devices that serve sequences of their own.
    public var data: Int

    /// One device.
    public static let single = ParallelLayout(tensor: 1)

    /// - Parameters:
    ///   - tensor: devices, `--tp-size`.
    ///   - expert: `--ep-size`.
    ///   - data: `--dp-size`.
    public init(tensor: Int, expert: Int = 1, data: Int = 1) {
        self.tensor = tensor
        self.expert = expert
        self.data = data
    }

    /// Devices that share a routed expert.
    package var expertTensor: Int { tensor / expert }
    /// Devices that share an attention layer.
    package var attentionTensor: Int { tensor / data }

    /// A width of the model, and what it is divided by.
    package struct Width: Sendable {
        let key: String
        let size: Int
        let parts: Int
        let option: String

        /// - Parameters:
        ///   - key: name in `config.json`.
        ///   - option: the option that would have to change.
        package init(_ key: String, _ size: Int, parts: Int, option: String) {
            self.key = key
            self.size = size
            self.parts = parts
            self.option = option
        }
    }

    /// - Throws: `usage` for numbers that do not fit each other or that do not divide these widths, with those that do.
    package func check(_ widths: [Width]) throws(InputError) {
        guard (1...ParallelLayout.most).contains(tensor) else {
            throw InputError(
                .usage, subject: "--tp-size", found: "\(tensor)", expected: "1 to \(ParallelLayout.most)")
        }
        for (option, value) in [("--ep-size", expert), ("--dp-size", data)]
        where value < 1 || !tensor.isMultiple(of: max(value, 1)) {
            throw InputError(
                .usage, subject: option, found: "\(value)",
                expected: ParallelLayout.text(ParallelLayout.divisors(of: tensor))
                    + ", which divide --tp-size \(tensor)")
        }
        let wrong = widths.filter { !$0.size.isMultiple(of: $0.parts) }
        guard let first = wrong.first else { return }
        let found = wrong.map { "\($0.key) \($0.size) does not divide by \($0.parts)" }
        let same = wrong.filter { $0.option == first.option }
        let wanted = ParallelLayout.divisors(of: same.reduce(0) { ParallelLayout.commonDivisor($0, $1.size) })
            .filter { $0 <= ParallelLayout.most }
        throw InputError(
            .usage, subject: first.option, found: found.joined(separator: ", "),
            expected: "a division by \(ParallelLayout.text(wanted))")
    }

    /// Devices that are accepted.
    private static let most = 256

    /// Ascending.
    static func divisors(of number: Int) -> [Int] {
        (1...max(number, 1)).filter { number.isMultiple(of: $0) }
    }

    private static func commonDivisor(_ a: Int, _ b: Int) -> Int { b == 0 ? a : commonDivisor(b, a % b) }

    private static func text(_ numbers: [Int]) -> String {
        let words = numbers.map(String.init)
        guard let last = words.last, words.count > 1 else { return words.joined() }
        return words.dropLast().joined(separator: ", ") + " or " + last
    }
}
