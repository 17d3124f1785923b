// Times the strict JSON reader against Foundation's on a header as safetensors writes them.
//
//     GLM_BENCH=1 swift run -c release json-bench [tensors]

import Foundation
import GLMFiles

/// A header of `count` tensors named and shaped as in GLM-5's checkpoint; about 150 bytes each.
func header(tensors count: Int) -> [UInt8] {
    let names = ["gate_proj", "up_proj", "down_proj"]
    var text = #"{"__metadata__":{"format":"pt"}"#
    var offset = 0
    for index in 0..<count {
        let (layer, expert, name) = (index / 768, index / 3 % 256, names[index % 3])
        let size = 2048 * 6144 * 2
        text += #","model.layers.\#(layer).mlp.experts.\#(expert).\#(name).weight":{"dtype":"BF16","#
        text += #""shape":[2048,6144],"data_offsets":[\#(offset),\#(offset + size)]}"#
        offset += size
    }
    return Array((text + "}").utf8)
}

/// Seconds of the fastest of `rounds` runs.
func fastest(rounds: Int, _ body: () throws -> Void) rethrows -> Double {
    var best = Double.infinity
    for _ in 0..<rounds {
        let start = ContinuousClock.now
        try body()
        let elapsed = ContinuousClock.now - start
        best = min(best, Double(elapsed.components.attoseconds) * 1e-18 + Double(elapsed.components.seconds))
    }
    return best
}

let tensors = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 66_000
let bytes = header(tensors: tensors)
let data = Data(bytes)
let size = Double(bytes.count) / 1e6

let ours = try fastest(rounds: 7) { _ = try JSONDocument(parsing: bytes, source: "header") }
let document = try JSONDocument(parsing: bytes, source: "header")
let members = fastest(rounds: 7) { _ = document.root.members }
let foundation = try fastest(rounds: 3) { _ = try JSONSerialization.jsonObject(with: data) }

print("| \(tensors) tensors, \(String(format: "%.1f", size)) MB | ms | MB/s |")
print("|---|---|---|")
for (name, seconds) in [
    ("JSONDocument, duplicate check included", ours),
    ("the same, with all keys and values listed", ours + members),
    ("JSONSerialization", foundation),
] {
    print(
        "| \(name) | \(String(format: "%.1f", seconds * 1e3)) | \(String(format: "%.0f", size / seconds)) |")
}
