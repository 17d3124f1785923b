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
    /// Whether `data` was not chosen but is `tensor`: with another number of devices there are as many groups.
    package var isGroupForEachDevice = false

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

    /// An option of the command line that sets a number of the layout.
    package enum Option: String, Sendable {
        case tensor = "--tp-size"
        case expert = "--ep-size"
        case data = "--dp-size"
    }

    /// A width of the model, and what it is divided by.
    package struct Width: Sendable {
        let key: String
        let size: Int
        let parts: Int
        let option: Option

        /// - Parameters:
        ///   - key: name in `config.json`.
        ///   - option: the option that would have to change.
        package init(_ key: String, _ size: Int, parts: Int, option: Option) {
            self.key = key
            self.size = size
            self.parts = parts
            self.option = option
        }

        fileprivate var divides: Bool { size.isMultiple(of: parts) }
    }

    /// Refuses numbers that do not fit each other or that do not divide the model.
    ///
    /// - Parameters:
    ///   - widths: of the model, as a layout divides them; none where no model is known yet. Is asked only about
    ///     layouts whose groups divide their devices.
    ///   - isAllowed: what else a layout has to fulfil; this one does.
    /// - Throws: `usage` that names an option, with exactly those of its values that would be accepted beside the
    ///   other options as they are.
    package func check(
        _ widths: (ParallelLayout) -> [Width] = { _ in [] },
        where isAllowed: (ParallelLayout) -> Bool = { _ in true }
    ) throws(InputError) {
        guard (1...ParallelLayout.most).contains(tensor) else {
            throw InputError(
                .usage, subject: "--tp-size", found: "\(tensor)", expected: "1 to \(ParallelLayout.most)")
        }
        /// The values of an option that would be accepted, ascending.
        func accepted(_ option: Option) -> [Int] {
            (1...ParallelLayout.most).filter { value in
                let layout = setting(option, to: value)
                return layout.divides(layout.expert) && layout.divides(layout.data)
                    && widths(layout).allSatisfy(\.divides) && isAllowed(layout)
            }
        }
        let strange = [(Option.expert, expert), (.data, data)].filter { !divides($0.1) }
        if let (option, value) = strange.first {
            // Of two strange numbers neither can be put right alone: what is said of the first is all that can be.
            let values = strange.count == 1 ? accepted(option) : (1...tensor).filter(divides)
            throw InputError(
                .usage, subject: option.rawValue, found: "\(value)",
                expected: values.isEmpty
                    ? wish(option, [])
                    : ParallelLayout.text(values.map(String.init), "or")
                        + ", which divide --tp-size \(tensor)")
        }
        let wrong = widths(self).filter { !$0.divides }
        guard let first = wrong.first?.option else { return }
        let option = wrong.map(\.option).first { !accepted($0).isEmpty } ?? first
        throw InputError(
            .usage, subject: option.rawValue,
            found: wrong.map { "\($0.key) \($0.size) does not divide by \($0.parts)" }.joined(
                separator: ", "),
            expected: wish(option, accepted(option)))
    }

    /// Says which values of an option would do.
    private func wish(_ option: Option, _ values: [Int]) -> String {
        let others = self.others(than: option)
        let beside = others.isEmpty ? "" : " with " + ParallelLayout.text(others, "and")
        // Without other options the value is what the widths are divided by.
        let what = others.isEmpty ? "a division by" : option.rawValue
        switch values.count {
        case 0: return "other options: no \(option.rawValue) would do\(beside)"
        case 1: return "\(what) \(values[0])\(beside): nothing else would do"
        default: return "\(what) \(ParallelLayout.text(values.map(String.init), "or"))\(beside)"
        }
    }

    private func divides(_ groups: Int) -> Bool { groups >= 1 && tensor.isMultiple(of: groups) }

    private func setting(_ option: Option, to value: Int) -> ParallelLayout {
        var layout = self
        switch option {
        case .tensor:
            layout.tensor = value
            if isGroupForEachDevice { layout.data = value }
        case .expert: layout.expert = value
        case .data: layout.data = value
        }
        return layout
    }

    /// What is said beside an option, as it would be typed.
    private func others(than option: Option) -> [String] {
        var others: [String] = []
        if option != .tensor { others.append("--tp-size \(tensor)") }
        if option != .expert, expert > 1 { others.append("--ep-size \(expert)") }
        if option != .data, data > 1 {
            others.append(isGroupForEachDevice ? "--enable-dp-attention" : "--dp-size \(data)")
        }
        return others
    }

    /// Devices that are accepted.
    private static let most = 256

    private static func text(_ words: [String], _ link: String) -> String {
        guard let last = words.last, words.count > 1 else { return words.joined() }
        return words.dropLast().joined(separator: ", ") + " \(link) " + last
    }
}
