package import GLMFiles
package import GLMKernels

extension InstructionSet {
    /// Refuses what the environment variable `GLM_ISA` asks for and cannot have; without it nothing is refused.
    ///
    /// - Parameter request: the variable's value; nil where it is not set.
    /// - Throws: `usage` for a word that names no level, and for a level that this processor lacks.
    package static func check(request: String? = InstructionSet.request) throws(InputError) {
        guard let request else { return }
        let levels = available.map(\.name).joined(separator: ", ")
        guard let level = InstructionSet(name: request) else {
            throw refusal("'\(request)'", expected: levels)
        }
        guard level <= best else {
            throw refusal("\(request), which this processor or build lacks", expected: levels)
        }
    }

    private static func refusal(_ found: String, expected: String) -> InputError {
        InputError(
            .usage, subject: "environment variable GLM_ISA", found: found, expected: "one of \(expected)",
            remedy: "unset it to have the best, \(best.name)")
    }
}
