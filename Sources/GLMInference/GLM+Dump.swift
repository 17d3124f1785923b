public import GLMFiles

extension GLM {
    /// Writes every intermediate of a prompt into `directory`, in the layout of the golden files, beside a link to the
    /// model's folder; ``GoldenVerifier`` finds equal bits there. The work is done on a thread of its own.
    ///
    /// - Parameter tokens: the prompt, at least one token.
    /// - Throws: an `InputError` for a prompt that is empty, too long, or has ids outside the vocabulary, and for a
    ///   failing disk.
    public func dump(tokens: [Int32], to directory: String) async throws(InputError) {
        let dump = GoldenDump(model: model, modelDirectory: documents.directory, options: documents.options)
        try await GLM.onThreadOfItsOwn { () throws(InputError) in
            try dump.write(prompt: tokens, to: directory)
        }
    }
}
