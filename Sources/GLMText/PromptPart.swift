// Text that says which of it may turn into added tokens. Knows no template.

/// A piece of a prompt.
///
/// A prompt is tokenised as one text; the parts only say where the names of added tokens are markup and where
/// they are somebody's words. So `<|user|>` inside a message stays text, whatever a user writes.
public enum PromptPart: Sendable, Equatable {
    /// Written by the template: added tokens are recognised.
    case markup(String)
    /// Content from outside: never becomes an added token.
    case text(String)

    /// The characters, whichever kind they are.
    public var characters: String {
        switch self {
        case .markup(let characters), .text(let characters): characters
        }
    }
}

extension Sequence<PromptPart> {
    /// The whole prompt, as people read it.
    public var text: String {
        map(\.characters).joined()
    }
}
