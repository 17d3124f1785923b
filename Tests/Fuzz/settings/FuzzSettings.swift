// golden.json and generation_config.json: what is accepted lies in range and does not depend on the order of keys, and
// golden.json is read back from what is written of it; a refusal names the file.

import FuzzSupport
import GLMFiles
import GLMInference

/// The property at the top of this file, on one input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzSettings(_ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
    let bytes = fuzzedBytes(data, size)
    let reversed = reversingMembers(bytes)
    if let defaults = readDefaults(bytes) {
        let sampling = defaults.sampling
        require(
            sampling.temperature >= 0 && sampling.temperature.isFinite, "temperature \(sampling.temperature)")
        require(sampling.topP > 0 && sampling.topP <= 1, "top-p \(sampling.topP)")
        require((0...1).contains(sampling.minP), "min-p \(sampling.minP)")
        require(sampling.repetitionPenalty > 0, "repetition penalty \(sampling.repetitionPenalty)")
        require(sampling.topK.map { $0 >= 1 } != false, "top-k of at least 1")
        require(defaults.endTokens?.allSatisfy { $0 >= 0 } != false, "end tokens are ids")
        require(reversed.flatMap(readDefaults) == defaults, "the order of keys changes nothing")
    }
    if let settings = readSettings(bytes) {
        require(readSettings(settings.json.bytes()) == settings, "what is written reads back equal")
        require(reversed.flatMap(readSettings) == settings, "the order of keys changes nothing")
    }
    return 0
}

private func readDefaults(_ bytes: [UInt8]) -> GenerationDefaults? {
    acceptedOrRefused(naming: "generation_config.json: ") { () throws(InputError) in
        try GenerationDefaults(JSONDocument(parsing: bytes, source: "generation_config.json").root)
    }
}

private func readSettings(_ bytes: [UInt8]) -> GoldenSettings? {
    acceptedOrRefused(naming: "golden.json: ") { () throws(InputError) in
        try GoldenSettings(JSONDocument(parsing: bytes, source: "golden.json").root)
    }
}

/// The same object with its members in the opposite order.
private func reversingMembers(_ bytes: [UInt8]) -> [UInt8]? {
    guard let root = try? JSONDocument(parsing: bytes, source: "settings").root,
        case .object(let members) = JSON(root)
    else { return nil }
    return JSON.object(members.reversed()).bytes()
}
