// A configuration that is accepted obeys the rules that array sizes rest on, and does not depend on the order of its
// keys; a refusal names the file.

import FuzzSupport
import GLMFiles
import GLMKernels
import GLMModel

/// The property at the top of this file, on one input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzConfiguration(_ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
    guard let configuration = read(fuzzedBytes(data, size)) else { return 0 }
    require(configuration.indexers.count == configuration.layerCount, "one indexer entry a layer")
    require(configuration.feedForwards.count == configuration.layerCount, "one feed-forward entry a layer")
    require(configuration.indexers.first == .full, "the first layer selects for itself")
    require((1...configuration.routedExpertCount).contains(configuration.expertsPerToken), "experts a token")
    require(configuration.ropeDimension.isMultiple(of: 2), "rope pairs")
    require(configuration.rmsNormEpsilon > 0 && configuration.ropeTheta > 0, "positive numbers")
    let layout = CacheLayout(configuration, layers: 0..<configuration.storedLayerCount, format: .float32)
    require(layout.bytesPerToken > 0, "cache sizes do not overflow")
    let reversed = JSONDocument.reversingMembers(fuzzedBytes(data, size))
    require(reversed.flatMap(read) == configuration, "the order of keys changes nothing")
    return 0
}

private func read(_ bytes: [UInt8]) -> GLMConfiguration? {
    acceptedOrRefused(naming: "config.json: ") { () throws(InputError) in
        try GLMConfiguration(JSONDocument(parsing: bytes, source: "config.json").root)
    }
}

extension JSONDocument {
    /// The same object with its members in the opposite order.
    fileprivate static func reversingMembers(_ bytes: [UInt8]) -> [UInt8]? {
        guard let root = try? JSONDocument(parsing: bytes, source: "config.json").root,
            case .object(let members) = JSON(root)
        else { return nil }
        return JSON.object(members.reversed()).bytes()
    }
}
