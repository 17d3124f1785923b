/// Where in a model's work devices meet: named in the traffic ledger and in every message about a lost device.
package struct CollectiveSite: Sendable, Hashable {
    /// What is exchanged there.
    package enum Operation: String, Sendable, CaseIterable {
        /// Hashes of what all devices must agree on, before any work.
        case handshake
        /// All weights are loaded.
        case loaded
        /// What the first device wants done next. The others wait for it as long as it takes.
        case command
        /// Rows of the embedding, each from the device that owns its token.
        case embedding
        /// Partial sums of W^O o.
        case attention
        /// Partial sums of the feed-forward part, experts and shared expert together.
        case feedForward
        /// Rows of all groups of a data-parallel attention: before a feed-forward part, and before the head.
        case rows
        /// The keys that the groups of a data-parallel attention chose, where later drafts use them again.
        case keys
        /// Logits of each device's part of the vocabulary.
        case logits
        /// Ledgers, for the first device to print.
        case report
    }

    package var operation: Operation
    /// Stored layer number; nil outside the layers.
    package var layer: Int?

    package init(_ operation: Operation, layer: Int? = nil) {
        self.operation = operation
        self.layer = layer
    }

    /// Whether a device may be waited for without end.
    ///
    /// Between two commands the first device waits for its user; while weights are read, for the disk. A process must be
    /// heard of all the same.
    package var isPatient: Bool { operation == .command || operation == .loaded }
}

extension CollectiveSite: CustomStringConvertible {
    package var description: String {
        layer.map { "\(operation.rawValue) of layer \($0)" } ?? operation.rawValue
    }
}

/// The five collectives.
package enum Collective: String, Sendable, CaseIterable {
    case allReduce, allGather, reduceScatter, broadcast, barrier
}
