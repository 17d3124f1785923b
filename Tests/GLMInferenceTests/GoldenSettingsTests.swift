import GLMFiles
import GLMInference
import GLMTestSupport
import Testing

private func settings(_ text: String) throws(InputError) -> GoldenSettings {
    try GoldenSettings(JSONDocument(parsing: Array(text.utf8), source: "golden.json").root)
}

private let epsilons =
    #""eps":{"rms_norm":1e-5,"q_a_layernorm":1e-6,"kv_a_layernorm":1e-6,"index_k_norm":1e-6}"#

@Test func settingsReadBackEqual() throws {
    for level in [
        "", #","exact_at_level":"avx2""#, #","exact_at_level":null"#,
        #","exact_at_level":"amx","gemm":"own""#, #","gemm":"openblas""#,
    ] {
        let settings = try settings("{\(epsilons)\(level)}")
        #expect(
            try GoldenSettings(JSONDocument(parsing: settings.json.bytes(), source: "again").root) == settings
        )
    }
    #expect(try settings("{\(epsilons)}") != settings("{\(epsilons),\"exact_at_level\":\"avx2\"}"))
}

@Test(arguments: [
    "[]", "{}", #"{"eps":{"rms_norm":1e-5}}"#, "{\(epsilons),\"exact_at_level\":7}",
    "{\(epsilons),\"gemm\":\"best\"}",
])
func spoiledSettingsAreRefused(text: String) {
    expectRefused(.badInput, containing: "golden.json") { _ = try settings(text) }
}
