// Dividing a model's output into reasoning and content. Knows no calls: their markup is content here.

/// The reasoning parser of GLM models (`glm45`), fed piece by piece.
///
/// With thinking on the prompt ended inside `<think>`: the output is reasoning up to the first `</think>`,
/// which is removed, or the first `<tool_call>`, which stays. All that follows is content and is not scanned
/// again. One `<think>` that the model writes first is dropped. White space is kept. For every division of
/// the output into pieces the deltas together are the same.
public struct ReasoningParser: Sendable {
    /// What became certain.
    public struct Delta: Sendable, Equatable {
        /// More of the reasoning.
        public var reasoning = ""
        /// More of the content.
        public var content = ""

        /// Nothing of either, unless given.
        public init(reasoning: String = "", content: String = "") {
            self.reasoning = reasoning
            self.content = content
        }
    }

    private enum State {
        /// At the beginning, where `<think>` may be repeated.
        case start
        case reasoning
        case content
    }

    private static let opening = Array("<think>".utf8)
    private static let closing = Array("</think>".utf8)
    private static let call = Array("<tool_call>".utf8)

    private let streamsReasoning: Bool
    private var state: State
    private var buffer = MarkupBuffer()
    /// Reasoning that waits for its end, when it is not streamed.
    private var kept: [UInt8] = []

    /// - Parameters:
    ///   - thinking: whether the prompt ended with `<think>`; when not, everything is content.
    ///   - separates: false leaves everything in content, tags included.
    ///   - streamsReasoning: false gives the reasoning out once, when it ends.
    public init(thinking: Bool, separates: Bool = true, streamsReasoning: Bool = true) {
        state = thinking && separates ? .start : .content
        self.streamsReasoning = streamsReasoning
    }

    /// Whether what comes next is still reasoning, as far as is known.
    public var isReasoning: Bool { state != .content }

    /// Takes more of the output.
    public mutating func append(_ text: String) -> Delta {
        buffer.append(text)
        var delta = Delta()
        if state == .start {
            switch buffer.begins(with: ReasoningParser.opening) {
            case nil: return delta
            case true?: _ = buffer.take(ReasoningParser.opening.count)
            case false?: break
            }
            state = .reasoning
        }
        if state == .reasoning {
            divide(into: &delta)
        }
        if state == .content {
            delta.content += String(decoding: buffer.takeAll(), as: UTF8.self)
        }
        return delta
    }

    /// The output has ended: what was held back is no tag.
    public mutating func finish() -> Delta {
        let rest = buffer.takeAll()
        guard state != .content else { return Delta(content: String(decoding: rest, as: UTF8.self)) }
        kept += rest
        state = .content
        return Delta(reasoning: takeKept())
    }

    private mutating func divide(into delta: inout Delta) {
        switch buffer.search([ReasoningParser.closing, ReasoningParser.call]) {
        case .none(let certain):
            kept += buffer.take(certain)
            if streamsReasoning {
                delta.reasoning += takeKept()
            }
        case .found(let before, let tag):
            kept += before
            delta.reasoning += takeKept()
            if tag == 1 {
                delta.content += "<tool_call>"
            }
            state = .content
        }
    }

    private mutating func takeKept() -> String {
        defer { kept = [] }
        return String(decoding: kept, as: UTF8.self)
    }
}
