package import GLMFiles
import GLMKernels
import GLMModel

/// What `golden.json` says about how the goldens were computed.
package struct GoldenSettings: Equatable {
    let latentNormEpsilon: Float
    let rmsNormEpsilon: Float
    let indexKeyEpsilon: Float
    /// The instruction-set level that dumped the file: equal bits are asked for. nil for a reference's
    /// goldens.
    let exactLevel: String?
    /// What the products of a dump did to their inputs; a reference's goldens are Float32.
    let numerics: ProductArithmetic
    /// How the caches of a dump were stored.
    let cacheFormat: CacheFormat
    /// What multiplied the weights of a dump; a reference's goldens may be compared with any.
    let gemm: GEMMBackend?

    /// Equal bits are asked for, as on files this engine dumped itself.
    var exact: Bool { exactLevel != nil }

    init(
        latentNormEpsilon: Float, rmsNormEpsilon: Float, indexKeyEpsilon: Float, exactLevel: String?,
        numerics: ProductArithmetic, cacheFormat: CacheFormat, gemm: GEMMBackend?
    ) {
        self.latentNormEpsilon = latentNormEpsilon
        self.rmsNormEpsilon = rmsNormEpsilon
        self.indexKeyEpsilon = indexKeyEpsilon
        self.exactLevel = exactLevel
        self.numerics = numerics
        self.cacheFormat = cacheFormat
        self.gemm = gemm
    }

    static func load(path: String) throws(InputError) -> GoldenSettings {
        try GoldenSettings(JSONDocument.load(path: path, limit: 16 << 20).root)
    }

    /// Reads the root of a parsed `golden.json`.
    /// - Throws: an `InputError` that names the key whose value is missing, mistyped or out of range.
    package init(_ root: JSONValue) throws(InputError) {
        guard root.kind == .object else {
            throw InputError(
                .badInput, file: root.source, found: "a JSON \(root.kind)", expected: "an object")
        }
        let keys = ConfigurationKeys(root)
        guard let epsilons = keys.object("eps") else {
            throw keys.error("eps", found: keys.describe("eps"), expected: "an object of epsilons")
        }
        let query = try epsilons.positive("q_a_layernorm", below: 1)
        let latent = try epsilons.positive("kv_a_layernorm", below: 1)
        guard query == latent else {
            throw epsilons.error(
                "kv_a_layernorm", found: "\(latent)", expected: "\(query), the same as q_a_layernorm")
        }
        let level = keys.value("exact_at_level")
        guard level == nil || level?.kind == .string else {
            throw keys.error(
                "exact_at_level", found: keys.describe("exact_at_level"),
                expected: "the name of an instruction-set level")
        }
        self.init(
            latentNormEpsilon: latent, rmsNormEpsilon: try epsilons.positive("rms_norm", below: 1),
            indexKeyEpsilon: try epsilons.positive("index_k_norm", below: 1), exactLevel: level?.string,
            numerics: try GoldenSettings.choice("numerics", keys) ?? .float32,
            cacheFormat: try GoldenSettings.choice("kv_cache_dtype", keys) ?? .float32,
            gemm: try GoldenSettings.choice("gemm", keys) ?? (level?.string == nil ? nil : .own))
    }

    /// A value that is one of a few words; nil where it is missing.
    private static func choice<Value: RawRepresentable & CaseIterable>(
        _ name: String, _ keys: ConfigurationKeys
    ) throws(InputError) -> Value? where Value.RawValue == String {
        guard let value = keys.value(name) else { return nil }
        guard let choice = value.string.flatMap(Value.init(rawValue:)) else {
            let words = Value.allCases.map(\.rawValue).joined(separator: ", ")
            throw keys.error(name, found: keys.describe(name), expected: "one of \(words)")
        }
        return choice
    }

    /// What is read.
    package var json: JSON {
        var members: [JSON.Member] = [
            JSON.Member(
                "eps",
                [
                    "rms_norm": JSON(rmsNormEpsilon), "q_a_layernorm": JSON(latentNormEpsilon),
                    "kv_a_layernorm": JSON(latentNormEpsilon), "index_k_norm": JSON(indexKeyEpsilon),
                ])
        ]
        if let exactLevel { members.append(JSON.Member("exact_at_level", .string(exactLevel))) }
        if numerics != .float32 { members.append(JSON.Member("numerics", .string(numerics.rawValue))) }
        if cacheFormat != .float32 {
            members.append(JSON.Member("kv_cache_dtype", .string(cacheFormat.rawValue)))
        }
        if let gemm, gemm != .own { members.append(JSON.Member("gemm", .string(gemm.rawValue))) }
        return .object(members)
    }

    /// Bits of one instruction-set level are not those of another.
    func check(level: InstructionSet, file: String) throws(InputError) {
        guard let exactLevel, exactLevel != level.name else { return }
        throw InputError(
            .badInput, file: file, subject: "exact_at_level", found: "\"\(exactLevel)\"",
            expected: "\"\(level.name)\", the level of this run",
            remedy: "set GLM_ISA=\(exactLevel) or dump again"
        )
    }

    /// The epsilons that this engine does not take from the golden file must be the model's.
    func check(_ configuration: GLMConfiguration, file: String) throws(InputError) {
        guard rmsNormEpsilon == configuration.rmsNormEpsilon else {
            throw InputError(
                .badInput, file: file, subject: "eps.rms_norm", found: "\(rmsNormEpsilon)",
                expected: "\(configuration.rmsNormEpsilon), the checkpoint's rms_norm_eps")
        }
        guard indexKeyEpsilon == LightningIndexer.keyNormEpsilon else {
            throw InputError(
                .badInput, file: file, subject: "eps.index_k_norm", found: "\(indexKeyEpsilon)",
                expected: "\(LightningIndexer.keyNormEpsilon), the reference's")
        }
    }
}
