// Expectations that say more than true or false.

package import GLMFiles
package import Testing

/// Expects every value within `tolerance` of its counterpart: `|actual − expected| ≤ tolerance`.
///
/// NaN agrees with NaN only. On failure the issue names the first bad index with both values, how many are bad, and the
/// largest error with its index. Empty against empty passes.
package func expectClose(
    _ actual: [Float], _ expected: [Float], tolerance: Float, _ what: String = "values",
    sourceLocation: SourceLocation = #_sourceLocation
) {
    guard actual.count == expected.count else {
        Issue.record(
            "\(what): \(actual.count) values, expected \(expected.count)", sourceLocation: sourceLocation)
        return
    }
    var bad = 0
    var first: Int?
    var worst = (index: 0, error: Float(0))
    for index in actual.indices {
        let (one, other) = (actual[index], expected[index])
        if one == other || (one.isNaN && other.isNaN) { continue }
        let difference = abs(one - other)
        let error = difference.isNaN ? .infinity : difference
        if error > worst.error { worst = (index, error) }
        if !(error <= tolerance) {
            bad += 1
            first = first ?? index
        }
    }
    guard let first else { return }
    Issue.record(
        """
        \(what): \(bad) of \(actual.count) beyond \(tolerance); first at \(first): \(actual[first]), expected \
        \(expected[first]); largest error \(worst.error) at \(worst.index)
        """, sourceLocation: sourceLocation)
}

/// Expects `body` to throw an `InputError` of `kind` whose one line contains every one of `parts`.
package func expectRefused(
    _ kind: InputError.Kind = .badInput, containing parts: String...,
    sourceLocation: SourceLocation = #_sourceLocation,
    by body: () throws -> Void
) {
    do {
        try body()
        Issue.record("accepted; expected a refusal containing \(parts)", sourceLocation: sourceLocation)
    } catch let error as InputError {
        let line = error.description
        for part in parts where !line.contains(part) {
            Issue.record("'\(line)' does not contain '\(part)'", sourceLocation: sourceLocation)
        }
        if error.kind != kind {
            Issue.record("'\(line)' is \(error.kind), expected \(kind)", sourceLocation: sourceLocation)
        }
        if line.contains("\n") {
            Issue.record("more than one line: '\(line)'", sourceLocation: sourceLocation)
        }
    } catch {
        Issue.record("threw \(error), expected an InputError", sourceLocation: sourceLocation)
    }
}
