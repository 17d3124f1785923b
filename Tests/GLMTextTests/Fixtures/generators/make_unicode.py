"""Writes the character classes of the GLM pre-tokenizer, as tokenizers' own regular expressions see them.

    python make_unicode.py SWIFT_TABLE FIXTURE        (tokenizers 0.23.3)

SWIFT_TABLE is Sources/GLMText/UnicodeClassTable.swift, FIXTURE is unicode_classes.txt beside this folder. The two are
found along different ways, so that the test which compares them is no tautology: the table by what Split "removed"
leaves over from strings of 8192 scalars, the fixture by asking about every scalar alone.

It also fails unless the only scalars outside ASCII that `(?i:'s|'t|'re|'ve|'m|'ll|'d)` takes are U+017F after the
apostrophe: the scanner knows that one fold.
"""
import sys

import tokenizers
from tokenizers import Regex, pre_tokenizers

SCALARS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
CLASSES = [("letter", r"\p{L}"), ("number", r"\p{N}"), ("space", r"\s")]
CONTRACTION = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"


def split(pattern):
    return pre_tokenizers.Split(Regex(pattern), "removed")


def members_in_bulk(pattern):
    splitter, found = split(pattern), []
    for start in range(0, len(SCALARS), 8192):
        part = SCALARS[start:start + 8192]
        left_over = bytearray(len(part))
        for _, (a, b) in splitter.pre_tokenize_str("".join(map(chr, part))):
            left_over[a:b] = b"\x01" * (b - a)
        found += [c for c, over in zip(part, left_over) if not over]
    return found


def members_one_by_one(pattern):
    splitter = split(pattern)
    return [c for c in SCALARS if not splitter.pre_tokenize_str(chr(c))]


def check_folds():
    splitter = split(CONTRACTION)

    def whole(text):
        return not splitter.pre_tokenize_str(text)

    assert [c for c in SCALARS if whole(chr(c))] == []
    assert [c for c in SCALARS if whole(chr(c) + "s") or whole(chr(c) + "ll")] == [0x27]
    single = [c for c in SCALARS if whole("'" + chr(c))]
    assert "".join(map(chr, single)) == "DMSTdmst\u017f", single
    for first, seconds in (("r", "Ee"), ("v", "Ee"), ("l", "Ll")):
        taken = [c for c in SCALARS if whole("'" + first + chr(c))]
        assert "".join(map(chr, taken)) == seconds, (first, taken)
    for second, firsts in (("e", "RVrv"), ("l", "Ll")):
        taken = [c for c in SCALARS if whole("'" + chr(c) + second)]
        assert "".join(map(chr, taken)) == firsts, (second, taken)


def write_table(path):
    kinds = bytearray(0x110000)
    for number, (_, pattern) in enumerate(CLASSES, 1):
        for c in members_in_bulk(pattern):
            assert kinds[c] == 0
            kinds[c] = number
    runs = [c * 4 + kinds[c] for c in range(0x110000) if c == 0 or kinds[c] != kinds[c - 1]]
    lines, line = [], "       "
    for run in runs:
        item = f" 0x{run:x},"
        if len(line) + len(item) > 110:
            lines.append(line)
            line = "       "
        line += item
    lines.append(line)
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"""\
// Which Unicode scalars are letters, numbers and white space to the pre-tokenizer. Generated, not edited:
// Tests/GLMTextTests/Fixtures/generators/make_unicode.py with tokenizers {tokenizers.__version__}.

/// The classes `\\p{{L}}`, `\\p{{N}}` and `\\s` as tokenizers {tokenizers.__version__} sees them, in run-length form.
enum UnicodeClassTable {{
    /// Ascending; each element is `4 × first scalar + class`, valid up to the next element.
    /// Classes: 0 other, 1 `\\p{{L}}`, 2 `\\p{{N}}`, 3 `\\s`. The first element starts at U+0000.
    static let runs: [UInt32] = [
""" + "\n".join(lines) + """
    ]
}
""")


def write_fixture(path):
    with open(path, "w", encoding="ascii") as file:
        file.write(f"# tokenizers {tokenizers.__version__}: class, first scalar, count; scalars not listed are 'other'\n")
        for name, pattern in CLASSES:
            found = members_one_by_one(pattern)
            start = 0
            while start < len(found):
                end = start
                while end + 1 < len(found) and found[end + 1] == found[end] + 1:
                    end += 1
                file.write(f"{name} {found[start]:x} {end - start + 1}\n")
                start = end + 1


if __name__ == "__main__":
    check_folds()
    write_table(sys.argv[1])
    write_fixture(sys.argv[2])
