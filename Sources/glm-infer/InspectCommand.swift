internal import ArgumentParser
internal import GLMFiles
internal import GLMInference
internal import GLMKernels
internal import GLMModel
internal import GLMWeights

/// `inspect`: what a checkpoint holds. Reads headers, never weights.
struct InspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract:
            "Print tensors, shapes, formats, parameters and memory of a checkpoint, from its headers alone.")

    @Argument(help: "Folder of a checkpoint (default: the built-in model).")
    var directory: String?

    @Option(name: .long, help: "Format of the cache whose size is told: float32, bfloat16 or fp8.")
    var kvCacheDtype = CacheType.float32

    @Flag(name: .long, help: "Print one JSON object.")
    var json = false

    func run() throws {
        let inventory = try CheckpointInventory(directory: ModelOptions.directory(directory))
        if json {
            try Console.output(inventory.json(kvCacheDtype.format).text(.compact) + "\n")
        } else {
            try Console.output(inventory.tensorLines)
            try Console.output(inventory.summary(kvCacheDtype.format))
        }
    }
}

extension CheckpointInventory {
    /// One line a tensor: name, format, shape.
    fileprivate var tensorLines: String {
        var text = ""
        for tensor in checkpoint.tensors {
            text += "\(tensor.name.description) \(tensor.type.rawValue) \(tensor.shape)\n"
        }
        return text
    }

    fileprivate func summary(_ cache: CacheFormat) -> String {
        let c = configuration, cacheBytes = cacheBytesPerToken(cache)
        var lines = [
            "",
            "model: \(c.layerCount) layers + \(c.nextTokenLayerCount) MTP, hidden size \(c.hiddenSize), "
                + "\(c.routedExpertCount) routed experts, \(c.expertsPerToken) a token, "
                + "vocabulary \(Figure.grouped(c.vocabularySize))",
            "files: \(checkpoint.files.count)",
            "tensors: \(Figure.grouped(checkpoint.tensors.count))",
        ]
        for format in formats {
            lines.append(
                "  \(format.type.rawValue): \(Figure.grouped(format.tensors)) tensors, \(Figure.bytes(format.bytes))"
            )
        }
        lines.append("parameters: \(Figure.grouped(parameters))")
        lines.append("active parameters: \(Figure.grouped(activeParameters)) a token")
        lines.append("weights: \(Figure.bytes(mappedBytes)), used where they are mapped")
        if widenedBytes > 0 {
            lines.append(
                "  F16 tensors are widened to F32: \(Figure.bytes(widenedBytes)) of memory of their own")
        }
        lines.append(
            "cache: \(Figure.grouped(cacheBytes)) bytes a token in \(cache.rawValue), "
                + "\(Figure.bytes(cacheBytes * c.maximumPositions)) for the longest context "
                + "of \(Figure.grouped(c.maximumPositions)) tokens")
        return lines.joined(separator: "\n") + "\n"
    }

    fileprivate func json(_ cache: CacheFormat) -> JSON {
        let tensors = checkpoint.tensors.map { tensor in
            JSON.object([
                JSON.Member("name", .string(tensor.name.description)),
                JSON.Member("format", .string(tensor.type.rawValue)),
                JSON.Member("shape", .array(tensor.shape.map { .integer($0) })),
                JSON.Member("file", .string(tensor.file)),
            ])
        }
        let formats = formats.map { format in
            JSON.Member(
                format.type.rawValue,
                .object([
                    JSON.Member("tensors", .integer(format.tensors)),
                    JSON.Member("bytes", .integer(format.bytes)),
                ]))
        }
        return .object([
            JSON.Member("tensor_count", .integer(checkpoint.tensors.count)),
            JSON.Member("file_count", .integer(checkpoint.files.count)),
            JSON.Member("parameters", .integer(parameters)),
            JSON.Member("active_parameters", .integer(activeParameters)),
            JSON.Member("mapped_bytes", .integer(mappedBytes)),
            JSON.Member("widened_bytes", .integer(widenedBytes)),
            JSON.Member("cache_bytes_per_token", .integer(cacheBytesPerToken(cache))),
            JSON.Member("maximum_context", .integer(configuration.maximumPositions)),
            JSON.Member("formats", .object(formats)),
            JSON.Member("tensors", .array(tensors)),
        ])
    }
}
