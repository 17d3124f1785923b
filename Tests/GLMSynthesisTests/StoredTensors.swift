// What the tests see of a checkpoint on the disk, read without the engine's own reader of safetensors.

import Foundation
import GLMFiles
import GLMTestSupport

/// One tensor as a file describes and stores it.
struct Stored: Equatable {
    var type: String
    var shape: [Int]
    var bytes: [UInt8]
}

/// All tensors of the safetensors files in a folder.
func storedTensors(in folder: TemporaryDirectory, _ name: String) throws -> [String: Stored] {
    try storedTensors(at: folder.file(name))
}

func storedTensors(at path: String) throws -> [String: Stored] {
    var tensors: [String: Stored] = [:]
    for name in try fileNames(path) where name.hasSuffix(".safetensors") {
        let bytes = try fileBytes("\(path)/\(name)")
        let length = (0..<8).reduce(0) { $0 | Int(bytes[$1]) << ($1 * 8) }
        let header = try JSONDocument(parsing: Array(bytes[8..<(8 + length)]), source: name).root
        for (key, value) in header.members ?? [] where key != "__metadata__" {
            let place = (value["data_offsets"]?.elements ?? []).compactMap(\.integer).map { $0 + 8 + length }
            tensors[key.description] = Stored(
                type: value["dtype"]?.string ?? "",
                shape: (value["shape"]?.elements ?? []).compactMap(\.integer),
                bytes: Array(bytes[place[0]..<place[1]]))
        }
    }
    return tensors
}

/// The names in a folder, sorted.
func fileNames(_ path: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: path).sorted()
}
