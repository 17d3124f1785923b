// All tensors of a model's directory, by name. Knows no model.

package import GLMFiles

/// The tensors of a directory in the released Hugging Face layout.
///
/// With `model.safetensors.index.json`, the files are those it names, and index and files must agree in both directions.
/// Without it, the file is `model.safetensors`, or else every `*.safetensors`. No name may occur twice.
package final class Checkpoint: Sendable {
    package static let indexName = "model.safetensors.index.json"

    package let directory: String
    /// In the order of their names.
    package let files: [SafetensorsFile]
    /// File after file, in the order of their places.
    package let tensors: [StoredTensor]
    private let places: [ByteString: Int]

    private init(directory: String, files: [SafetensorsFile]) throws(InputError) {
        self.directory = directory
        self.files = files
        tensors = files.flatMap(\.tensors)
        var places: [ByteString: Int] = [:]
        places.reserveCapacity(tensors.count)
        for (place, tensor) in tensors.enumerated() {
            if let earlier = places.updateValue(place, forKey: tensor.name) {
                throw tensor.refusal(
                    found: "a tensor that \(tensors[earlier].file) has too", expected: "each name in one file"
                )
            }
        }
        self.places = places
    }

    /// Maps the files and reads index and headers; no tensor is touched.
    ///
    /// - Throws: `noSuchFile` for a missing directory or file, `badInput` for contents that are not as described.
    package static func open(directory: String) throws(InputError) -> Checkpoint {
        let names = try Directory.names(in: directory)
        if names.contains(indexName) {
            let index = try CheckpointIndex.load(path: directory + "/" + indexName)
            let checkpoint = try Checkpoint(directory: directory, files: open(index.files, in: directory))
            try checkpoint.requireAgreement(with: index)
            return checkpoint
        }
        let single = "model.safetensors"
        let files = names.contains(single) ? [single] : names.filter { $0.hasSuffix(".safetensors") }
        guard !files.isEmpty else {
            throw InputError(
                .noSuchFile, file: directory,
                found: names.isEmpty ? "an empty directory" : "no safetensors file in it",
                expected: "\(single), or \(indexName) and the files it names")
        }
        return try Checkpoint(directory: directory, files: open(files, in: directory))
    }

    package subscript(_ name: ByteString) -> StoredTensor? {
        places[name].map { tensors[$0] }
    }

    /// Where the directory has, or would have, the document `name` (`config.json`, `tokenizer.json`, …).
    package func path(of name: String) -> String {
        directory + "/" + name
    }

    /// The place of `name` in `tensors`.
    func place(of name: ByteString) -> Int? { places[name] }

    private static func open(_ names: [String], in directory: String) throws(InputError) -> [SafetensorsFile]
    {
        var files: [SafetensorsFile] = []
        for name in names { files.append(try SafetensorsFile.open(path: directory + "/" + name)) }
        return files
    }

    private func requireAgreement(with index: CheckpointIndex) throws(InputError) {
        var missing: [ByteString] = []
        for (name, file) in index.weightMap {
            guard let tensor = self[name] else {
                missing.append(name)
                continue
            }
            guard tensor.file == path(of: file) else {
                throw tensor.refusal(
                    found: "a tensor of this file", expected: "\(file), as \(Self.indexName) says")
            }
        }
        guard missing.isEmpty else {
            throw InputError(
                .badInput, file: index.path, subject: "weight_map",
                found: "\(missing.count) tensors that their files lack: \(NameList.text(missing))",
                remedy: "download the files again")
        }
        guard tensors.count == index.weightMap.count else {
            let listed = Set(index.weightMap.map(\.name))
            let extra = tensors.map(\.name).filter { !listed.contains($0) }
            throw InputError(
                .badInput, file: index.path, subject: "weight_map",
                found: "\(extra.count) tensors of the files are not in it: \(NameList.text(extra))",
                remedy: "download index and files of one version")
        }
    }
}

/// Names in an error: a few of them, and how many more.
package enum NameList {
    private static let shown = 12

    package static func text(_ names: [ByteString]) -> String {
        let list = names.prefix(shown).map(\.description).joined(separator: ", ")
        return names.count > shown ? "\(list) and \(names.count - shown) more" : list
    }
}
