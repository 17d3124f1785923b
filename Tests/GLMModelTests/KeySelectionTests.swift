import GLMModel
import Testing

@Suite struct KeySelectionTests {
    @Test func rowsWithinTheBoundAreDense() {
        var selection = KeySelection(visible: [1, 4, 5, 9], topK: 4)
        #expect((0..<4).map(selection.isDense) == [true, true, false, false])
        #expect((0..<4).map(selection.count) == [1, 4, 4, 4])
        selection.fill { storage, bounds in
            for (index, position) in [0, 1, 3, 4].enumerated() {
                storage[bounds[2] + index] = Int32(position)
            }
            for (index, position) in [2, 4, 6, 8].enumerated() {
                storage[bounds[3] + index] = Int32(position)
            }
        }
        #expect(selection[0] == .all(1))
        #expect(selection[2] == .positions([0, 1, 3, 4]))
        #expect(selection[3] == .positions([2, 4, 6, 8]))
        #expect(selection != KeySelection(denseOver: [1, 4, 5, 9]))
    }

    @Test func theMostRecentKeys() {
        let selection = KeySelection(recent: 3, visible: [1, 3, 4, 9])
        #expect(selection[0] == .all(1))
        #expect(selection[1] == .all(3))
        #expect(selection[2] == .positions([1, 2, 3]))
        #expect(selection[3] == .positions([6, 7, 8]))
        #expect(selection != KeySelection(recent: 2, visible: [1, 3, 4, 9]))
    }

    @Test func emptySelectionHasNoRows() {
        #expect(KeySelection(denseOver: []).rowCount == 0)
    }
}
