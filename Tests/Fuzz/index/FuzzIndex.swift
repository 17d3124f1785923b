// An index that is accepted names plain files only, and is read back from what is written of it; a refusal names the
// index.

import FuzzSupport
import GLMFiles
import GLMWeights

/// The property at the top of this file, on one input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzIndex(_ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
    guard let index = read(fuzzedBytes(data, size)) else { return 0 }
    require(Set(index.weightMap.map(\.file)) == Set(index.files), "files are those of the map")
    for file in index.files {
        require(!file.isEmpty && file != "." && file != "..", "'\(file)' is a file's name")
        require(!file.utf8.contains { $0 == UInt8(ascii: "/") || $0 == 0 }, "'\(file)' is a plain name")
    }
    let text = CheckpointIndex.text(index.weightMap, totalSize: 7)
    guard let again = read(Array(text.utf8)) else {
        require(false, "what is written is accepted")
        return 0
    }
    require(again.weightMap.map(\.name) == index.weightMap.map(\.name), "names read back equal")
    require(
        again.weightMap.map { ByteString($0.file) } == index.weightMap.map { ByteString($0.file) },
        "files read back equal")
    return 0
}

private func read(_ bytes: [UInt8]) -> CheckpointIndex? {
    acceptedOrRefused(naming: "index.json: ") { () throws(InputError) in
        let document = try JSONDocument(parsing: bytes, source: "index.json")
        return try CheckpointIndex(document.root, path: "index.json")
    }
}
