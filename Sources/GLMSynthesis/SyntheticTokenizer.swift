// tokenizer.json for a token plan: bytes, pairs of letters and the family's added tokens. Knows no weights.

package import GLMFiles

/// Writes the text side of a synthetic checkpoint in the format of Hugging Face `tokenizers`.
///
/// Source: specification §10; `tokenizers` serialisation of a byte-level BPE.
package struct SyntheticTokenizer: Sendable {
    package let plan: TokenPlan

    package init(_ plan: TokenPlan) {
        self.plan = plan
    }

    /// The added tokens in the order of their ids; the first `specialCount` are hidden when text is made of
    /// ids.
    package static let addedTokens = [
        "<|endoftext|>", "[MASK]", "[gMASK]", "[sMASK]", "<sop>", "<eop>", "<|system|>", "<|user|>",
        "<|assistant|>",
        "<|observation|>", "<|begin_of_image|>", "<|end_of_image|>", "<|begin_of_video|>", "<|end_of_video|>",
        "<|begin_of_audio|>", "<|end_of_audio|>", "<|begin_of_transcription|>", "<|end_of_transcription|>",
        "<|code_prefix|>", "<|code_middle|>", "<|code_suffix|>", "<think>", "</think>", "<tool_call>",
        "</tool_call>",
        "<tool_response>", "</tool_response>", "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>",
        "/nothink",
        "<|begin_of_box|>", "<|end_of_box|>", "<|image|>", "<|video|>",
    ]
    static let specialCount = 18

    /// The family's pre-tokenizer.
    private static let split =
        #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"#
        + #" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#

    /// `tokenizer.json`.
    package var document: JSON {
        let merges = merges()
        let byteLevel: JSON = [
            "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false,
        ]
        let split: JSON = [
            "type": "Split", "pattern": ["Regex": .string(SyntheticTokenizer.split)], "behavior": "Isolated",
            "invert": false,
        ]
        return [
            "version": "1.0", "truncation": .null, "padding": .null, "added_tokens": .array(added),
            "normalizer": .null,
            "pre_tokenizer": ["type": "Sequence", "pretokenizers": [split, byteLevel]],
            "post_processor": .null,
            "decoder": [
                "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true,
            ],
            "model": [
                "type": "BPE", "dropout": .null, "unk_token": .null, "continuing_subword_prefix": .null,
                "end_of_word_suffix": .null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": true,
                "vocab": .object(vocabulary(merges).enumerated().map { JSON.Member($1, .integer($0)) }),
                "merges": .array(merges.map { [.string($0.0), .string($0.1)] }),
            ],
        ]
    }

    /// `tokenizer_config.json`, for programs that read the folder with `transformers`.
    package var configuration: JSON {
        [
            "tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|endoftext|>",
            "pad_token": "<|endoftext|>",
            "clean_up_tokenization_spaces": false, "model_max_length": 202752,
        ]
    }

    private var added: [JSON] {
        SyntheticTokenizer.addedTokens.enumerated().map { offset, text in
            [
                "id": .integer(plan.firstAdded + offset), "content": .string(text), "single_word": false,
                "lstrip": false, "rstrip": false, "normalized": false,
                "special": .bool(offset < SyntheticTokenizer.specialCount),
            ]
        }
    }

    /// Token texts in the order of their ids, each byte as its printable stand-in.
    private func vocabulary(_ merges: [(String, String)]) -> [String] {
        let printable = (32...126).map { SyntheticTokenizer.standIn(UInt8($0)) }
        let others = (Array(0..<32) + Array(127..<256)).map { SyntheticTokenizer.standIn(UInt8($0)) }
        return printable + merges.map { $0.0 + $0.1 } + others
    }

    /// Pairs of letters, then pairs of pairs, common ones first.
    private func merges() -> [(String, String)] {
        let letters = " etaoinshrdlcumwfgypbvkjxqz".utf8.map { SyntheticTokenizer.standIn($0) }
        let pairs = SyntheticTokenizer.combine(letters, Array(letters.dropFirst()), atMost: plan.mergeCount)
        let texts = pairs.map { $0.0 + $0.1 }
        let inner = texts.filter { !$0.hasPrefix(letters[0]) }
        return pairs + SyntheticTokenizer.combine(texts, inner, atMost: plan.mergeCount - pairs.count)
    }

    /// The first `limit` combinations, those of early lefts and early rights first.
    private static func combine(
        _ lefts: [String], _ rights: [String], atMost limit: Int
    ) -> [(String, String)] {
        var result: [(String, String)] = []
        var sum = 0
        while result.count < limit, sum <= lefts.count + rights.count - 2 {
            for left in max(0, sum - rights.count + 1)..<min(lefts.count, sum + 1) where result.count < limit
            {
                result.append((lefts[left], rights[sum - left]))
            }
            sum += 1
        }
        return result
    }

    /// The character that stands for a byte in a byte-level vocabulary: itself if it prints, else one from
    /// U+0100 on.
    private static func standIn(_ byte: UInt8) -> String {
        func prints(_ byte: UInt8) -> Bool {
            (33...126).contains(byte) || (161...172).contains(byte) || byte >= 174
        }
        if prints(byte) { return String(Unicode.Scalar(byte)) }
        let ordinal = (0..<byte).count { !prints($0) }
        return Unicode.Scalar(UInt32(256 + ordinal)).map { String($0) } ?? ""
    }
}
