"""Trains the tokenizer: byte-level BPE with GLM's pre-tokenizer and special tokens; digits never join.

  python bpe.py --out DIR [--vocabulary 2048] [--seed 1]
"""

import argparse
import json
import os

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

import tasks
from markup import SPECIALS, VISIBLE

#: GLM's split; training uses the same with digits one by one, so that no merge can join two of them.
SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
         r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def pre_tokenizer(split):
    return pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(split), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def texts(seed, documents):
    """Documents of every stage with the special tokens taken out, and every word of the lists once more."""
    r = tasks.Draw(seed)
    for _ in range(documents):
        text = "".join(t for t, _ in tasks.document(r, r.choice(["short", "middle", "long"])))
        for special in SPECIALS:
            text = text.replace(special, "\n")
        yield text
    for word in tasks.w.KEYS + tasks.w.VALUES + tasks.w.NAMES + tasks.w.CITIES:
        for form in (word, " " + word, word.capitalize()):
            for _ in range(60):
                yield form


def train(vocabulary, seed, documents=6000):
    tokenizer = Tokenizer(models.BPE(ignore_merges=False))
    tokenizer.pre_tokenizer = pre_tokenizer(SPLIT.replace(r"\p{N}{1,3}", r"\p{N}"))
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(texts(seed, documents), trainers.BpeTrainer(
        vocab_size=vocabulary - len(SPECIALS), show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())))
    tokenizer.pre_tokenizer = pre_tokenizer(SPLIT)
    for special in SPECIALS:
        token = AddedToken(special, normalized=False, special=special not in VISIBLE)
        tokenizer.add_special_tokens([token]) if special not in VISIBLE else tokenizer.add_tokens([token])
    return tokenizer


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--out", required=True)
    arguments.add_argument("--vocabulary", type=int, default=2048)
    arguments.add_argument("--seed", type=int, default=1)
    a = arguments.parse_args()
    tokenizer = train(a.vocabulary, a.seed)
    size = tokenizer.get_vocab_size()
    assert size <= a.vocabulary, size
    os.makedirs(a.out, exist_ok=True)
    tokenizer.save(os.path.join(a.out, "tokenizer.json"))
    joined = [m for m in json.loads(tokenizer.to_str())["model"]["merges"]
              if sum(c.isdigit() for c in "".join(m)) > 1]
    assert not joined, joined
    print(json.dumps({"vocabulary": size, "specials": len(SPECIALS)}))


if __name__ == "__main__":
    main()
