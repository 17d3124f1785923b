"""Writes a small GLM-shaped tokenizer.json and what tokenizers 0.23.3 makes of hard strings with it.

    python make_tokenizer.py FOLDER        (Python 3.11, tokenizers 0.23.3)

FOLDER receives tokenizer.json and tokenizer_goldens.json. The vocabulary is trained on the sources of Python's
standard library and on a synthetic text in many scripts, so other Python versions give another file: the committed
one is the reference, and `make_tokenizer.py FOLDER --goldens-only` reuses the tokenizer.json that is there.
"""
import glob
import json
import os
import random
import sys
import sysconfig

import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
           r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
# The added tokens of the GLM family in order; those before <think> are special, but for the code marks.
SPECIAL = """<|endoftext|> [MASK] [gMASK] [sMASK] <sop> <eop> <|system|> <|user|> <|assistant|> <|observation|>
<|begin_of_image|> <|end_of_image|> <|begin_of_video|> <|end_of_video|> <|begin_of_audio|> <|end_of_audio|>
<|begin_of_transcription|> <|end_of_transcription|>""".split()
PLAIN = """<|code_prefix|> <|code_middle|> <|code_suffix|> <think> </think> <tool_call> </tool_call> <tool_response>
</tool_response> <arg_key> </arg_key> <arg_value> </arg_value> /nothink <|begin_of_box|> <|end_of_box|> <|image|>
<|video|>""".split()


def scripts():
    """Text in many scripts from a fixed seed: words of random letters, so that merges across bytes exist."""
    rng = random.Random(5)
    blocks = [(0xC0, 0x17F), (0x391, 0x3C9), (0x410, 0x44F), (0x5D0, 0x5EA), (0x621, 0x64A), (0x905, 0x939),
              (0xE01, 0xE2E), (0x3041, 0x3096), (0x30A1, 0x30FA), (0x4E00, 0x4E60), (0xAC00, 0xAC60),
              (0x1F600, 0x1F640)]
    for _ in range(4000):
        low, high = rng.choice(blocks)
        alphabet = [chr(rng.randint(low, high)) for _ in range(12)]
        words = ["".join(rng.choice(alphabet) for _ in range(rng.randint(1, 7))) for _ in range(8)]
        yield rng.choice([" ", ", ", "\n", "  "]).join(words) + "\n"


def train():
    tok = Tokenizer(models.BPE(ignore_merges=True))
    tok.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(PATTERN), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tok.decoder = decoders.ByteLevel()
    files = sorted(glob.glob(os.path.join(sysconfig.get_paths()["stdlib"], "*.py")))
    source = (open(f, encoding="utf-8", errors="replace").read() for f in files)
    lines = [line for text in source for line in text.splitlines(True)] + list(scripts())
    tok.train_from_iterator(lines, trainers.BpeTrainer(
        vocab_size=2000, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    tok.add_tokens([AddedToken(t, special=True, normalized=False) for t in SPECIAL]
                   + [AddedToken(t, special=False, normalized=False) for t in PLAIN])
    return tok


def make_ignore_merges_visible(path):
    """A vocabulary entry that no merge makes: only ignore_merges can give it, and only for a whole pre-token."""
    with open(path, encoding="utf-8") as file:
        data = json.load(file)
    base = len(data["model"]["vocab"])
    data["model"]["vocab"]["zqxjk"] = base
    data["model"]["vocab"]["\u0120zqxjk"] = base + 1
    for token in data["added_tokens"]:
        token["id"] += 2
    with open(path, "w", encoding="utf-8") as file:
        json.dump(data, file, ensure_ascii=False, separators=(",", ":"))


def hard_strings():
    rng = random.Random(11)
    yield from ["", " ", "  ", "\n", "\r\n", "\r", "\t", "a", "Hello world", "Hello, world!", "zqxjk", " zqxjk", "zqxjk1",
                "xzqxjk", "zqxjkzqxjk"]
    # Contractions in all cases, and what looks like them.
    for word in ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"]:
        for form in sorted({word, word.upper(), word.title(), word[:2] + word[2:].upper()}):
            yield from ["it" + form, form, "it" + form + "x", "1" + form, " " + form, form * 3, "'" + form]
    yield from ["'\u017f", "it'\u017ft", "'\u017f\u017f", "'\u212a", "'\u00df", "'\ufb05", "'\ufb06", "'\ufb00",
                "\u2019s it\u2019ll", "\uff07s", "'l", "'r", "'v", "'le", "'lL", "''ll", "rock'n'roll", "'\u0301s"]
    # Line breaks and white space.
    yield from ["a\nb", "a\r\nb", "a\r\n\r\nb", "a \n b", "a  \n  b", "  \n\n  b", "a\n\n\n", "\n\n\na", " \n", "\n ",
                "\n  x", "x  ", "x   y", "x \t y", "\t\tx", "x\t\n\ty", "\u00a0x", " \u00a0x", "\u00a0 x", "\u2003x",
                "\u2028x", "x\u2029\ny", "\u0085x", "\x0b\x0cx", "\x1c\x1d\x1e\x1fx", "\u200bx", "\u180ex", "\ufeffx",
                "\u3000x\u3000\u3000y", "x\r", "x \r\n \r", "  if x:\n      return\n\n\n  y", "a" + " " * 300 + "b",
                "\n" * 70 + "  z", " \n" * 40, "\n " * 40 + "!", "    \t  \n", "!\n\n x", "!\r\n", " !\n \n!", "?! \n",
                "-\n-\r-\r\n"]
    # Numbers.
    yield from ["1", "12", "123", "1234", "12345678901", "1 2 3", "3.14159", "1,000,000", "a1b22c333d4444", "٠١٢٣٤٥",
                "१२३४", "Ⅻ½²³¹", "①②③④", "𝟘𝟙𝟚𝟛", "1e-5", "0x1F", "１２３４", "9" * 100, "1\n2", "12 345", "五六七八"]
    # Symbols.
    yield from ["!!!", " !!!", "a!b", "a !b", "()[]{}<>", " ()", "x->y", "a+=b;", "# comment", "//x", "\\n", '"q"', "`c`",
                "~~~ x", "$5.00", "50%", "€100", "a_b__c", "__init__", "…", "—", "“q”", "•\tx", "http://a.b/c?d=e&f#g",
                "a@b.c", "C:\\x\\y", "<b>x</b>", "::", "*" * 50, "=" * 80 + "\n", "|a|b|\n|-|-|"]
    # Scripts, marks, emoji.
    yield from ["你好，世界", "日本語のテキスト", "カタカナ ひらがな", "한국어 텍스트", "\u1112\u1161\u11ab\u1100\u1173\u11af",
                "Привет, мир", "Γειά σου", "שלום עולם", "مرحبا بالعالم", "नमस्ते दुनिया", "สวัสดีชาวโลก", "ქართული",
                "Հայերեն", "ᏣᎳᎩ", "𐌰𐌱𐌲", "𠀀𠀁𪚥", "é", "e\u0301", "e\u0301\u0302\u0303 x", "\u0301x", " \u0301x",
                "a\u0301b\u0301", "नि", "ක්‍ෂ", "👍", "👍🏽", "👨‍👩‍👧‍👦", "🇩🇪🇫🇷", "❤️", "a👍b", " 👍 ", "☀️x",
                "\u200d", "\u202eabc\u202c", "ﬁ ﬂ ﬃ", "ß ẞ", "İı", "ǅ", "ʰ ʼn ŉ", "ª º", "K Å", "ﷺ", "𝒳𝓎", "\u0130\u0307"]
    # No letters at all: controls, private use, noncharacters, unassigned.
    yield from ["\x00", "a\x00b", "\x01\x02", "\x7f", "\x80\x9f", "\u00ad", "\ue000", "a\ue000b", "\U000f0000x", "\U0010ffff",
                "\ufffe\uffff", "\ufffd", "\u0378", "a\u0378b", "\u0528\u052f", "\U0001e900", "\U0001fbf0", "\u1c80",
                "\u08a0", "\ua7f2", "\U0002ebf0", "\U00031350\U000323af", "\ufdd0", "\U000e0001\U000e0041"]
    # Names of added tokens inside text.
    yield from SPECIAL + PLAIN
    yield from ["a<|user|>b", "<|user|><|assistant|>", " <|user|> ", "<|user|>\n", "\n<|user|>", "<|use", "<|user|", "|user|>",
                "<<|user|>>", "<|user|>s", "'<|user|>s", "it'<think>s", "[gMASK]<sop><|user|>Hi<|assistant|><think>",
                "</think>x</think>", "<think", "<think></think>", "<tool_call>f<arg_key>k</arg_key><arg_value>v</arg_value>"
                "</tool_call>", "/nothink", " /nothink", "x/nothinker", "//nothink", "[MASK", "[[MASK]]", "[gMASK] <sop>",
                "  <|user|>", "1<eop>2", "12<eop>345", "x  <eop>  y", "x\n<eop>\ny", "<|USER|>", "＜|user|>"]
    for _ in range(60):
        yield random_string(rng, rng.randint(1, 60))


def random_string(rng, length):
    """Pieces that the pattern's alternatives fight over."""
    pieces = [" ", " ", "  ", "\n", "\r\n", "\t", "\u00a0", "'", "'s", "'LL", "'\u017f", "a", "the", "Zq", "é", "e\u0301", "中",
              "日本", "한", "ب", "1", "22", "4567", "²", "٣", "!", "...", "()", "_", "👍🏽", "\u200d", "\u3000", "\u2028", "\x00",
              "\ue000", "\U0001e900", "<think>", "</think>", "<|user|>", "<|us", "[gMASK]", "/nothink", "zqxjk", "return",
              " self", "import ", "<", "|", ">"]
    return "".join(chr(rng.choice([rng.randrange(0xD800), rng.randrange(0xE000, 0x110000), rng.randrange(0x250)]))
                   if rng.random() < 0.12 else rng.choice(pieces) for _ in range(length))


def goldens(tok, path):
    rng = random.Random(23)
    size = tok.get_vocab_size()
    tok.encode_special_tokens = False
    cases = []
    split = pre_tokenizers.Split(Regex(PATTERN), "isolated")
    for text in dict.fromkeys(hard_strings()):
        ids = tok.encode(text, add_special_tokens=False).ids
        assert tok.decode(ids, skip_special_tokens=False) == text
        # Lengths in bytes of the pattern's matches, added tokens not considered.
        pieces = [len(piece.encode()) for piece, _ in split.pre_tokenize_str(text)]
        cases.append({"text": text, "ids": ids, "without_special": tok.decode(ids, skip_special_tokens=True),
                      "pieces": pieces})
    plain = Tokenizer.from_str(without_added(tok))
    as_text = [{"text": c["text"], "ids": plain.encode(c["text"]).ids} for c in cases if "<" in c["text"] or "[" in c["text"]
               or "/" in c["text"]]
    decoded = []
    for _ in range(200):
        ids = [rng.randrange(size + 3) if rng.random() < 0.5 else rng.randrange(256) for _ in range(rng.randint(1, 30))]
        decoded.append({"ids": ids, "text": tok.decode(ids, skip_special_tokens=False)})
    long = []
    for unit, count, tail in LONG:
        ids = tok.encode(unit * count + tail).ids
        long.append({"unit": unit, "count": count, "tail": tail, "runs": runs(ids)})
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"tokenizers": tokenizers.__version__, "cases": cases, "as_text": as_text, "decoded": decoded,
                   "long": long}, file, ensure_ascii=True, separators=(",", ":"))


# One kind of character, many times: unit, count, what follows.
LONG = [("a", 5000, ""), (" ", 5000, ""), (" ", 5000, "x"), ("\n", 5000, "x"), (" \n", 2000, " x"), ("ab", 2000, "!"),
        ("=", 5000, "\n"), ("7", 5000, ""), ("\t", 3000, "\tx"), ("\u00e9", 2000, ""), ("\u0e01", 1000, ""),
        ("'", 1000, "s"), ("\u0301", 1000, ""), ("return", 500, ""), ("\r\n", 1000, "")]


def runs(ids):
    """[id, count] of equal neighbours."""
    out = []
    for i in ids:
        if out and out[-1][0] == i:
            out[-1][1] += 1
        else:
            out.append([i, 1])
    return out


def without_added(tok):
    """The same model without any added token: what text is when no markup is recognised."""
    data = json.loads(tok.to_str())
    data["added_tokens"] = []
    return json.dumps(data)


def main():
    folder = sys.argv[1]
    path = os.path.join(folder, "tokenizer.json")
    if "--goldens-only" not in sys.argv:
        train().save(path, pretty=False)
        make_ignore_merges_visible(path)
    goldens(Tokenizer.from_file(path), os.path.join(folder, "tokenizer_goldens.json"))


if __name__ == "__main__":
    main()
