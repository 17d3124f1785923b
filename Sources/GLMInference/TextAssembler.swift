package import GLMText

/// Tokens to text with stop strings: what belongs to the answer, as soon as it is certain.
package struct TextAssembler: Sendable {
    private var decoder: IncrementalDecoder
    private var filter: StopStringFilter

    package init(decoder: IncrementalDecoder, stops: [String]) {
        self.decoder = decoder
        filter = StopStringFilter(stops)
    }

    /// The stop string that ended the text.
    var stopString: String? { filter.match }

    /// The text that is certain after `token`; empty once a stop string was found.
    mutating func append(_ token: Int32) -> String { filter.append(decoder.append(token)) }

    /// The rest, when no token follows. A stop string may still complete with it.
    mutating func finish() -> String {
        let text = filter.append(decoder.finish())
        return text + filter.finish()
    }
}
