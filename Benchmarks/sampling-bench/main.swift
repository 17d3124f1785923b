// Times one draw from GLM-5's vocabulary, beside sorting all of it and a plain search for the largest.
//
//     GLM_BENCH=1 swift run -c release sampling-bench

import GLMDecoding
import GLMTensor

let vocabulary = 154_880
let random = CounterRandom(seed: 1, stream: 0)
// Sums of four uniform numbers: a few logits stand out, as a model's do.
let logits = (0..<vocabulary).map { token in
    let bits = random.bits(at: UInt64(token))
    return (0..<4).reduce(Float(0)) { $0 + Float((bits >> UInt64(16 * $1)) & 0xffff) * 0x1p-13 }
}
let history = TokenHistory(prompt: (0..<512).map { Int32($0 * 7) })

/// Seconds of the median of many calls.
func seconds(_ call: () -> Void) -> Double {
    let clock = ContinuousClock()
    var times: [Double] = []
    for _ in 0..<51 { times.append(clock.measure(call) / .seconds(1)) }
    return times.sorted()[25]
}

func parameters(_ change: (inout SamplingParameters) -> Void) -> SamplingParameters {
    var parameters = SamplingParameters()
    parameters.seed = 1
    change(&parameters)
    return parameters
}

let cases: [(name: String, parameters: SamplingParameters)] = [
    ("greedy", parameters { $0.temperature = 0 }),
    ("temperature 1", parameters { $0.topP = 1 }),
    ("top-p 0.95", parameters { $0.topP = 0.95 }),
    (
        "top-k 50, top-p 0.95",
        parameters {
            $0.topK = 50
            $0.topP = 0.95
        }
    ),
    ("min-p 0.05", parameters { $0.minP = 0.05 }),
    (
        "penalties, top-p 0.95",
        parameters {
            $0.repetitionPenalty = 1.1
            $0.topP = 0.95
        }
    ),
]

var checksum = 0
let search = seconds {
    var largest = -Float.infinity
    for logit in logits { largest = max(largest, logit) }
    checksum += Int(largest)
}
print("| sampling, one thread, \(vocabulary) logits | µs | GB/s | plain searches in that time |")
print("|---|---|---|---|")
func show(_ name: String, _ time: Double) {
    let rate = (Double(4 * vocabulary) / time / 1e8).rounded() / 10
    print(
        "| \(name) | \((time * 1e7).rounded() / 10) | \(rate) | \((time / search * 100).rounded() / 100) |")
}
var sampler = Sampler()
for (name, parameters) in cases {
    show(
        name,
        seconds {
            checksum += Int(
                sampler.sample(
                    logits[...], parameters: parameters, history: history, stops: [], position: 512))
        })
}
show(
    "naive: all of them sorted",
    seconds { checksum += logits.indices.sorted { logits[$0] > logits[$1] }[0] })
show("naive: a search for the largest", search)
// Nobody may find the draws superfluous.
precondition(checksum >= 0)
