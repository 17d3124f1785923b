internal import GLMFiles
internal import GLMKernels
internal import GLMModel
internal import GLMWeights

/// What a checkpoint holds, told by its headers and its configuration alone.
struct CheckpointInventory {
    let configuration: GLMConfiguration
    let checkpoint: Checkpoint
    /// Elements of all tensors but the scales.
    private(set) var parameters = 0
    /// Parameters that one token is multiplied with in the trunk: of the routed experts the chosen ones, no MTP layer, and
    /// no embedding, of which one row is looked up.
    private(set) var activeParameters = 0
    /// Tensors and bytes of each format.
    private(set) var formats: [(type: ElementType, tensors: Int, bytes: Int)] = []

    init(directory: String) throws(InputError) {
        configuration = try GLMConfiguration.load(path: directory + "/config.json")
        checkpoint = try Checkpoint.open(directory: directory)
        count()
    }

    /// Bytes of all tensors, which stay in the mapped files.
    var mappedBytes: Int { formats.reduce(0) { $0 + $1.bytes } }

    /// Bytes of memory of its own: F16 is widened to F32 on loading.
    var widenedBytes: Int { formats.reduce(0) { $0 + ($1.type == .float16 ? 2 * $1.bytes : 0) } }

    /// Bytes that one token takes in the caches of all layers, the MTP layer not counted.
    func cacheBytesPerToken(_ format: CacheFormat) -> Int {
        CacheLayout(configuration, layers: 0..<configuration.layerCount, format: format).bytesPerToken
    }

    private mutating func count() {
        var (always, routed) = (0, 0)
        var totals: [ElementType: (tensors: Int, bytes: Int)] = [:]
        for tensor in checkpoint.tensors {
            let old = totals[tensor.type] ?? (0, 0)
            totals[tensor.type] = unsafe (old.tensors + 1, old.bytes + tensor.bytes.count)
            guard !tensor.name.hasSuffix(WeightScope.scaleSuffix) else { continue }
            parameters += tensor.count
            switch role(of: tensor.name) {
            case .idle: continue
            case .expert: routed += tensor.count
            case .always: always += tensor.count
            }
        }
        let experts = max(1, configuration.routedExpertCount)
        activeParameters = always + routed / experts * configuration.expertsPerToken
        formats = ElementType.allCases.compactMap { type in
            totals[type].map { (type, $0.tensors, $0.bytes) }
        }
    }

    private enum Role { case idle, expert, always }

    private func role(of name: ByteString) -> Role {
        if name == "model.embed_tokens.weight" { return .idle }
        guard name.hasPrefix("model.layers.") else { return .always }
        let rest = name.bytes.dropFirst("model.layers.".utf8.count)
        let number = Int(String(decoding: rest.prefix { $0 != UInt8(ascii: ".") }, as: UTF8.self))
        if let number, number >= configuration.layerCount { return .idle }
        return rest.drop { $0 != UInt8(ascii: ".") }.starts(with: ".mlp.experts.".utf8) ? .expert : .always
    }
}
