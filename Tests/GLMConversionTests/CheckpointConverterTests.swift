import Foundation
import GLMConversion
import GLMFiles
import GLMKernels
import GLMModel
import GLMSynthesis
import GLMTestSupport
import GLMWeights
import Synchronization
import Testing

/// Whole checkpoints: names, files, refusals.
@Suite struct CheckpointConverterTests {
    /// Files of a checkpoint in other files are what the synthesis itself writes so.
    @Test(arguments: [1, 2, 7]) func sharingOutAnewChangesNoByte(_ count: Int) throws {
        let folder = try TemporaryDirectory()
        let path = try makeNano(.bfloat16, in: folder, "parts", shards: 3)
        let expected = try makeNano(.bfloat16, in: folder, "expected", shards: count)
        try convert(path, to: folder.file("made"), ConversionOptions(sharding: .count(count)), threads: 2)
        #expect(try fileNames(folder.file("made")) == fileNames(expected))
        for name in try fileNames(expected) where !name.hasSuffix(".index.json") {
            #expect(try fileBytes(folder.file("made/\(name)")) == fileBytes("\(expected)/\(name)"), "\(name)")
        }
        let other = try makeNano(.bfloat16, in: folder, "other", shards: count, seed: 2)
        #expect(try inventory(folder.file("made")) != inventory(other))
    }

    @Test func float8SharedOutAnewIsTheSame() throws {
        let folder = try TemporaryDirectory()
        let path = try makeNano(.float8, in: folder, "in")
        try convert(path, to: folder.file("parts"), ConversionOptions(sharding: .bytes(100_000)))
        #expect(try fileNames(folder.file("parts")).count > 10)
        for name in try fileNames(folder.file("parts")) where name.hasSuffix(".safetensors") {
            let tensors = try SafetensorsFile.open(path: folder.file("parts/\(name)")).tensors
            #expect(tensors.count == 1 || tensors.reduce(0) { $0 + $1.bytes.count } <= 100_000)
        }
        try convert(folder.file("parts"), to: folder.file("one"), ConversionOptions(sharding: .count(1)))
        #expect(try fileBytes(folder.file("one/model.safetensors")) == fileBytes("\(path)/model.safetensors"))
        #expect(try fileBytes(folder.file("one/config.json")) == fileBytes("\(path)/config.json"))
        #expect(try inventory(folder.file("parts")) == inventory(path))
    }

    /// What is quantised is what the released layout quantises: the loader takes it, and names and types are the layout's.
    @Test(arguments: CheckpointFormat.allCases, CheckpointFormat.allCases)
    func everyFormatBecomesEvery(_ old: CheckpointFormat, _ new: CheckpointFormat) throws {
        let folder = try TemporaryDirectory()
        let path = try makeNano(old, in: folder, "in", shards: 2)
        let out = folder.file("out")
        try convert(path, to: out, ConversionOptions(format: new, sharding: .count(3)), threads: 2)
        let configuration = try GLMConfiguration.load(path: "\(out)/config.json")
        #expect((configuration.weightBlock != nil) == (new == .float8))
        let layout = CheckpointLayout(configuration, format: new)
        let expected = layout.tensors.map { tensor in
            // The router's bias is F32 in each.
            "\(tensor.name) \(tensor.type.rawValue) \(tensor.shape)"
        }
        #expect(try inventory(out).keys.sorted() == expected.sorted())
        _ = try LanguageModel.load(directory: out, options: LoadOptions(threads: 1))
        if old == new { #expect(try inventory(out) == inventory(path)) }
        let type = try JSONDocument.load(path: "\(out)/config.json", limit: 1 << 20).root["dtype"]?.string
        #expect(type == (new == .float32 ? "float32" : "bfloat16"))
    }

    @Test func bfloat16ThroughFloat32IsUnchanged() throws {
        let folder = try TemporaryDirectory()
        let path = try makeNano(.bfloat16, in: folder, "in")
        try convert(path, to: folder.file("wide"), ConversionOptions(format: .float32))
        try convert(folder.file("wide"), to: folder.file("back"), ConversionOptions(format: .bfloat16))
        for name in try fileNames(path) {
            #expect(try fileBytes(folder.file("back/\(name)")) == fileBytes("\(path)/\(name)"), "\(name)")
        }
    }

    @Test func theNumberOfThreadsChangesNothing() throws {
        let folder = try TemporaryDirectory()
        let path = try makeNano(.bfloat16, in: folder, "in")
        for threads in [1, 3] {
            try convert(
                path, to: folder.file("\(threads)"), ConversionOptions(format: .float8), threads: threads)
        }
        #expect(try inventory(folder.file("1")) == inventory(folder.file("3")))
    }

    @Test func powersOfTwoAreWrittenAndSaid() throws {
        let folder = try TemporaryDirectory()
        let path = try makeNano(.bfloat16, in: folder, "in")
        let options = ConversionOptions(format: .float8, scaleFormat: .powerOfTwo)
        try convert(path, to: folder.file("two"), options)
        try convert(path, to: folder.file("plain"), ConversionOptions(format: .float8))
        // FP8 with other scales is quantised anew; scales that are right already are copied.
        try convert(
            folder.file("plain"), to: folder.file("anew"), ConversionOptions(scaleFormat: .powerOfTwo))
        try convert(folder.file("two"), to: folder.file("same"), ConversionOptions(scaleFormat: .powerOfTwo))
        try convert(folder.file("two"), to: folder.file("unsaid"), ConversionOptions(scaleFormat: .float32))
        func scaleFormat(_ name: String) throws -> String? {
            let root = try JSONDocument.load(path: folder.file("\(name)/config.json"), limit: 1 << 20).root
            return root["quantization_config"]?["scale_fmt"]?.string
        }
        for (name, arePowers, says) in [
            ("two", true, "ue8m0"), ("plain", false, nil), ("anew", true, "ue8m0"), ("same", true, "ue8m0"),
            ("unsaid", true, nil),
        ] {
            let checkpoint = try Checkpoint.open(directory: folder.file(name))
            let scales = try checkpoint.tensors.filter { $0.name.hasSuffix("_scale_inv") }.flatMap {
                try $0.floats()
            }
            #expect(
                !scales.isEmpty && scales.allSatisfy { ScaleFormat.powerOfTwo.allows($0) } == arePowers,
                "\(name)")
            #expect(try scaleFormat(name) == says)
        }
        #expect(try inventory(folder.file("same")) == inventory(folder.file("two")))
        #expect(try inventory(folder.file("unsaid")) == inventory(folder.file("two")))
        expectRefused(.usage, containing: "FP8") {
            try convert(path, to: folder.file("no"), ConversionOptions(scaleFormat: .powerOfTwo))
        }
    }

    /// The names of the released list, the misspelt one too, and the tensor it means.
    @Test func theListOfModulesIsTheReleasedOne() throws {
        let folder = try TemporaryDirectory()
        let golden = "\(Stored.golden)/fp8-edge/fp8"
        func list(_ path: String) throws -> [String] {
            let root = try JSONDocument.load(path: "\(path)/config.json", limit: 1 << 20).root
            return (root["quantization_config"]?["modules_to_not_convert"]?.elements ?? []).compactMap(
                \.string)
        }
        try convert(golden, to: folder.file("wide"), ConversionOptions(format: .bfloat16))
        #expect(try list(folder.file("wide")).isEmpty)
        try convert(folder.file("wide"), to: folder.file("back"), ConversionOptions(format: .float8))
        let found = try list(folder.file("back"))
        #expect(found.filter { !$0.hasSuffix("weights_proj") } == (try list(golden)))
        #expect(found.filter { $0.hasSuffix("weights_proj") }.count == 2)
    }

    @Test func theFilesBesideTheWeightsAreCopied() throws {
        let folder = try TemporaryDirectory()
        let path = try makeNano(.bfloat16, in: folder, "in")
        try folder.write("in/special_tokens_map.json", "{}")
        try folder.write("in/notes.txt", "mine")
        try edit(
            "\(path)/config.json", "\"dtype\": \"bfloat16\"",
            "\"dtype\": \"bfloat16\", \"torch_dtype\": \"bfloat16\"")
        try convert(path, to: folder.file("out"), ConversionOptions(format: .float32))
        let names = [
            "generation_config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja",
        ]
        for name in names + ["special_tokens_map.json"] {
            #expect(try fileBytes(folder.file("out/\(name)")) == fileBytes("\(path)/\(name)"))
        }
        #expect(try !fileNames(folder.file("out")).contains("notes.txt"))
        let root = try JSONDocument.load(path: folder.file("out/config.json"), limit: 1 << 20).root
        #expect(root["torch_dtype"]?.string == "float32")
        let before = try JSONDocument.load(path: "\(path)/config.json", limit: 1 << 20).root
        let same = JSON(before).setting("dtype", "float32").setting("torch_dtype", "float32")
        #expect(JSON(root) == same)
    }

    // MARK: Ends

    /// What is in the folder just before each file appears: what a kill at that moment leaves.
    @Test func aKillAtAnyMomentLeavesNothingThatLoads() throws {
        let folder = try TemporaryDirectory()
        let path = try makeNano(.bfloat16, in: folder, "in")
        let out = folder.file("out")
        let order = Mutex<[String]>([])
        var surroundings = StagedCheckpoint.Surroundings()
        surroundings.beforeFile = { name throws(InputError) in
            order.withLock { $0.append(name) }
            let isLoadable =
                (try? LanguageModel.load(directory: out, options: LoadOptions(threads: 1))) != nil
            if isLoadable { throw InputError(.badInput, found: "a model that loads before \(name)") }
        }
        let options = ConversionOptions(format: .float8, sharding: .count(2))
        try convert(path, to: out, options, surroundings)
        let names = order.withLock { $0 }
        #expect(names.suffix(2) == ["model.safetensors.index.json", "config.json"])
        #expect(names.sorted() == (try fileNames(out)))
        _ = try LanguageModel.load(directory: out, options: LoadOptions(threads: 1))
    }

    @Test func anErrorTakesEverythingBack() throws {
        let folder = try TemporaryDirectory()
        let path = try makeNano(.bfloat16, in: folder, "in", shards: 2)
        let options = ConversionOptions(format: .float8, sharding: .count(2))
        for name in ["model-00002-of-00002.safetensors", "tokenizer.json", "config.json"] {
            var surroundings = StagedCheckpoint.Surroundings()
            surroundings.beforeFile = { file throws(InputError) in
                if file == name { throw InputError(.inputOutput, found: "the end") }
            }
            let stop = surroundings
            expectRefused(.inputOutput, containing: "the end") {
                try convert(path, to: folder.file("out"), options, stop)
            }
            #expect(try fileNames(folder.path) == ["in"])
        }
        // A weight that is not finite, in the last file.
        try patch(path, "lm_head.weight", at: 0, [0xc0, 0x7f])
        for format in [nil] + CheckpointFormat.allCases {
            expectRefused(containing: "tensor lm_head.weight", "nan at row 0, column 0") {
                try convert(path, to: folder.file("out"), ConversionOptions(format: format))
            }
            #expect(try fileNames(folder.path) == ["in"])
        }
    }

    @Test func aShortDiskIsRefusedBeforehand() throws {
        let folder = try TemporaryDirectory()
        let path = try makeNano(.bfloat16, in: folder, "in")
        var surroundings = StagedCheckpoint.Surroundings()
        surroundings.freeBytes = { _ throws(InputError) in 1_000_000 }
        surroundings.beforeFile = { name throws(InputError) in
            throw InputError(.badInput, found: "\(name) was written")
        }
        let short = surroundings
        expectRefused(.inputOutput, containing: "1.0 MB free", "free some disk space") {
            try convert(path, to: folder.file("out"), ConversionOptions(format: .float8), short)
        }
        #expect(try fileNames(folder.path) == ["in"])
    }

    @Test func theSourceIsNotReplaced() throws {
        let folder = try TemporaryDirectory()
        let path = try makeNano(.bfloat16, in: folder, "in")
        let before = try inventory(path)
        try folder.link("link", to: path)
        // A folder of links to the files, as caches have them.
        try folder.directory("cache")
        for name in try fileNames(path) { try folder.link("cache/\(name)", to: "\(path)/\(name)") }
        for (source, target) in [(path, path), (path, folder.file("link")), (folder.file("cache"), path)] {
            expectRefused(.usage, containing: "the folder that is read") {
                try convert(source, to: target, ConversionOptions(format: .float8), replaces: true)
            }
        }
        #expect(try inventory(path) == before)
        try convert(folder.file("cache"), to: folder.file("out"), ConversionOptions())
        #expect(try inventory(folder.file("out")) == before)
    }

    @Test func whatIsThereIsReplacedOnlyOnDemand() throws {
        let folder = try TemporaryDirectory()
        let path = try makeNano(.bfloat16, in: folder, "in")
        let options = ConversionOptions(format: .float8, sharding: .count(4))
        try convert(path, to: folder.file("out"), options)
        expectRefused(.usage, containing: "--force") { try convert(path, to: folder.file("out"), options) }
        try convert(path, to: folder.file("out"), ConversionOptions(), replaces: true)
        #expect(try fileNames(folder.file("out")) == fileNames(path))
    }

    @Test func whatTheConfigurationDoesNotDescribeIsRefused() throws {
        let folder = try TemporaryDirectory()
        let path = try makeNano(.bfloat16, in: folder, "in")
        for count in [0, 154] {
            expectRefused(.usage, containing: "shards", "1 to 153") {
                try convert(path, to: folder.file("out"), ConversionOptions(sharding: .count(count)))
            }
        }
        try edit("\(path)/config.json", "\"vocab_size\": 512", "\"vocab_size\": 513")
        expectRefused(containing: "model.embed_tokens.weight", "shape", "513") {
            try convert(path, to: folder.file("out"), ConversionOptions())
        }
        try edit("\(path)/config.json", "\"vocab_size\": 513", "\"vocab_size\": 512")
        try edit("\(path)/config.json", "\"num_hidden_layers\": 3", "\"num_hidden_layers\": 4")
        expectRefused(containing: "missing", "model.layers.4.") {
            try convert(path, to: folder.file("out"), ConversionOptions())
        }
        #expect(try fileNames(folder.path) == ["in"])
    }
}
