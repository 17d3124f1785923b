import GLMTensor

/// What the first device of a group does next, for the others to do with it.
struct DeviceCommand: Sendable, Equatable {
    enum Work: Sendable, Equatable {
        /// A forward pass of the trunk.
        case trunk([SequenceStep])
        /// A forward pass of the MTP layer.
        case draft([EagleStep])
        /// Ledgers are gathered.
        case report
        /// The group's work is done.
        case stop

        var isDraft: Bool {
            if case .draft = self { return true }
            return false
        }
    }

    /// Which cache a step extends.
    struct CacheOrder: Sendable, Equatable {
        let id: UInt32
        /// The cache that this one is a copy of, when it is new and not empty.
        let copyOf: UInt32?
        /// The group of devices that serves the sequence.
        let group: Int
        let edits: [CacheEdit]
    }

    var work: Work
    var caches: [CacheOrder] = []
    /// Caches that nobody needs when this is done.
    var dropped: [UInt32] = []
}

// A command as words that travel between devices.
extension DeviceCommand {
    var words: [UInt32] {
        var writer = WordWriter()
        switch work {
        case .trunk(let steps):
            writer.append(0)
            writer.append(list: steps) { $0.append($1) }
        case .draft(let steps):
            writer.append(1)
            writer.append(list: steps) { $0.append($1) }
        case .report: writer.append(2)
        case .stop: writer.append(3)
        }
        writer.append(list: caches) { $0.append($1) }
        writer.append(list: dropped) { $0.words.append($1) }
        return writer.words
    }

    /// - Precondition: `words` are those of a command.
    init(words: [UInt32]) {
        var reader = WordReader(words: words)
        switch reader.integer() {
        case 0: work = .trunk(reader.list { $0.sequenceStep() })
        case 1: work = .draft(reader.list { $0.eagleStep() })
        case 2: work = .report
        default: work = .stop
        }
        caches = reader.list { $0.cacheOrder() }
        dropped = reader.list { $0.word() }
    }
}

/// Writes values one behind the other.
private struct WordWriter {
    var words: [UInt32] = []

    mutating func append(_ value: Int) { words.append(UInt32(bitPattern: Int32(value))) }

    mutating func append<Element>(list: [Element], _ body: (inout WordWriter, Element) -> Void) {
        append(list.count)
        for element in list { body(&self, element) }
    }

    mutating func append(_ step: SequenceStep) {
        append(list: step.tokens) { $0.append(Int($1)) }
        append(step.logitRows)
        append(step.hiddenRows)
        append(step.tree)
    }

    mutating func append(_ step: EagleStep) {
        append(list: step.tokens) { $0.append(Int($1)) }
        append(step.logitRows)
        append(step.hidden.width)
        words.append(contentsOf: step.hidden.values.map(\.bitPattern))
        append(step.tree)
        append(list: step.keys) { writer, keys in
            switch keys {
            case .all(let count): writer.append(list: [count]) { $0.append($1) }
            case .positions(let positions):
                writer.append(0)
                writer.append(list: positions) { $0.append(Int($1)) }
            }
        }
    }

    private mutating func append(_ tree: TokenBranches?) {
        append(list: tree.map { [$0] } ?? []) { writer, tree in
            writer.append(tree.base)
            writer.append(list: tree.parents) { $0.append(($1 ?? -1) + 1) }
        }
    }

    mutating func append(_ order: DeviceCommand.CacheOrder) {
        words.append(order.id)
        append(list: order.copyOf.map { [$0] } ?? []) { $0.words.append($1) }
        append(order.group)
        append(list: order.edits) { writer, edit in
            switch edit {
            case .truncate(let length):
                writer.append(0)
                writer.append(length)
            case .compact(let kept, let base):
                writer.append(1)
                writer.append(list: kept) { $0.append($1) }
                writer.append(base)
            }
        }
    }
}

/// Reads what a ``WordWriter`` wrote.
private struct WordReader {
    let words: [UInt32]
    var place = 0

    init(words: [UInt32]) { self.words = words }

    mutating func word() -> UInt32 {
        defer { place += 1 }
        return words[place]
    }

    mutating func integer() -> Int { Int(Int32(bitPattern: word())) }

    mutating func list<Element>(_ body: (inout WordReader) -> Element) -> [Element] {
        let count = integer()
        return (0..<count).map { _ in body(&self) }
    }

    mutating func sequenceStep() -> SequenceStep {
        let tokens = list { Int32(truncatingIfNeeded: $0.integer()) }
        let logitRows = integer()
        let hiddenRows = integer()
        return SequenceStep(tokens: tokens, logitRows: logitRows, hiddenRows: hiddenRows, tree: tree())
    }

    private mutating func tree() -> TokenBranches? {
        list { reader in
            var tree = TokenBranches(base: reader.integer())
            for parent in reader.list({ $0.integer() }) { tree.append(parent: parent > 0 ? parent - 1 : nil) }
            return tree
        }.first
    }

    private mutating func keys() -> KeySelection.Row {
        if let count = list({ $0.integer() }).first { return .all(count) }
        return .positions(list { Int32(truncatingIfNeeded: $0.integer()) })
    }

    private mutating func edit() -> CacheEdit {
        guard integer() > 0 else { return .truncate(integer()) }
        let kept = list { $0.integer() }
        return .compact(kept: kept, base: integer())
    }

    mutating func eagleStep() -> EagleStep {
        let tokens = list { Int32(truncatingIfNeeded: $0.integer()) }
        let logitRows = integer()
        let shape = [tokens.count, integer()]
        let values = (0..<shape[0] * shape[1]).map { _ in Float(bitPattern: word()) }
        let tree = tree()
        return EagleStep(
            tokens: tokens, hidden: Tensor(shape: shape, values: values), logitRows: logitRows, tree: tree,
            keys: list { $0.keys() })
    }

    mutating func cacheOrder() -> DeviceCommand.CacheOrder {
        let id = word()
        let origin = list { $0.word() }.first
        let group = integer()
        return DeviceCommand.CacheOrder(
            id: id, copyOf: origin, group: group, edits: list { $0.edit() })
    }
}
