import GLMTensor
import Testing

@Test func appendedRowsLieBehind() {
    var rows = Tensor(shape: [2, 3], values: [1, 2, 3, 4, 5, 6])
    let before = rows
    rows.append(Tensor(shape: [1, 3], values: [7, 8, 9]))
    #expect(rows == Tensor(shape: [3, 3], values: [1, 2, 3, 4, 5, 6, 7, 8, 9]))
    rows.append(Tensor(zeros: [0, 3]))
    #expect(rows.rowCount == 3)
    // A copy made before keeps its own rows.
    #expect(before == Tensor(shape: [2, 3], values: [1, 2, 3, 4, 5, 6]))
}
