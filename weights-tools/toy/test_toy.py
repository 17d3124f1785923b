"""What training relies on: python -m unittest test_toy (needs torch and transformers, takes seconds)."""

import argparse
import copy
import json
import os
import tempfile
import types
import unittest

import torch
import torch.nn.functional as F
from transformers import GlmMoeDsaForCausalLM

import bpe
import choices
import export
import markup
import model
import tasks
import train

IDS = {s: i for i, s in enumerate(markup.SPECIALS)}


def toy(topk):
    torch.manual_seed(7)
    t = model.Toy(IDS, index_topk=topk)
    with torch.no_grad():  # decisive routers and indexers: no near-ties
        for name, p in t.named_parameters():
            if ".gate.weight" in name or "k_norm.bias" in name:
                p.normal_(0, 0.3)
        for layer in t.trunk.model.layers:
            if hasattr(layer.mlp, "gate"):
                layer.mlp.gate.e_score_correction_bias.normal_(0, 0.05)
    return t


def reference(t, topk):
    trunk = GlmMoeDsaForCausalLM._from_config(model.configuration(IDS, index_topk=topk), dtype=torch.float32)
    trunk.load_state_dict(t.trunk.state_dict(), strict=False)
    return trunk.eval()


class ForwardTests(unittest.TestCase):
    def test_equals_transformers_dense_and_sparse(self):
        ids = torch.randint(21, 2048, (2, 90), generator=torch.Generator().manual_seed(1))
        for topk in (16, 128):
            t = toy(topk)
            run = model.Forward(t, topk)
            with torch.no_grad():
                ours = run.logits(run.trunk(ids))
                theirs = reference(t, topk)(ids).logits
            self.assertLess((ours - theirs).abs().max().item(), 2e-4, topk)

    def test_selection_matters(self):
        ids = torch.randint(21, 2048, (1, 90), generator=torch.Generator().manual_seed(1))
        t = toy(16)
        with torch.no_grad():
            a, b = (run.logits(run.trunk(ids)) for run in (model.Forward(t, 16), model.Forward(t, None)))
        self.assertGreater((a - b).abs().max().item(), 1e-2)

    def test_selection_is_the_indexers(self):
        t = toy(16)
        layer = reference(t, 16).model.layers[2].self_attn
        x = torch.randn(1, 60, 128, generator=torch.Generator().manual_seed(2))
        cq = F.rms_norm(layer.q_a_proj(x), (128,), layer.q_a_layernorm.weight, 1e-6)
        cos, sin = model.angles(t.config, 60)
        theirs = layer.indexer(x, cq, (torch.cat([cos, cos], -1)[None], torch.cat([sin, sin], -1)[None]),
                               model.causal(torch.arange(60), 60)[None], None)
        run = model.Forward(t, 16)
        run.cos, run.sin = cos, sin
        mask = run.select(t.trunk.model.layers[2].self_attn.indexer, x, cq)
        for row in range(16, 60):
            self.assertEqual(set(theirs[0, row].tolist()), set(mask[0, row].nonzero().flatten().tolist()))

    def test_indexer_loss_reaches_the_indexer_alone(self):
        t = toy(16)
        ids = torch.randint(21, 2048, (2, 64), generator=torch.Generator().manual_seed(3))
        run = model.Forward(t, 16, rows=8, generator=torch.Generator().manual_seed(4))
        run.trunk(ids)
        run.index_loss.backward()
        reached = {n for n, p in t.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
        self.assertTrue(reached)
        self.assertTrue(all(".indexer." in n for n in reached), reached)


class ChoiceTests(unittest.TestCase):
    """Which differences from the reference are excused; a run of the reference itself plays the program."""

    def setUp(self):
        self.trunk = reference(toy(16), 16)
        self.wide = choices.widened(self.trunk)
        self.ids = torch.randint(21, 2048, (90,), generator=torch.Generator().manual_seed(1))

    def run_of(self, trunk, forced=None):
        run = choices.Choices(trunk, forced)
        return run, run.logits(self.ids)

    def dump(self, trunk, forced=None):
        """What a program dumps that computes like `trunk` and chooses as told."""
        run, logits = self.run_of(trunk, forced)
        chosen = run.chosen | (forced or {})
        layers = [i for kind, i in chosen if kind == "experts"]
        return {"long.logits": logits, "long.selected": torch.stack([chosen["keys", i] for i in range(model.LAYERS)]),
                "long.router_layers": torch.tensor(layers),
                "long.router_logits": torch.zeros(len(layers), *chosen["experts", 1].shape),
                "long.experts": torch.stack([chosen["experts", i].nonzero()[:, 1].view(-1, 4) for i in layers])}

    def agreement(self, dump):
        return choices.agreement(self.trunk, self.wide, self.ids, dump)

    def closest(self, place, row):
        """The worst choice of a row, the best refused, and how much better the worst is."""
        run, _ = self.run_of(self.wide)
        chosen, scores = run.chosen[place][row], run.scores[place][row]
        worst = scores.masked_fill(~chosen, float("inf")).argmin().item()
        best = scores.masked_fill(chosen, float("-inf")).argmax().item()
        return worst, best, (scores[worst] - scores[best]).item()

    def swapped(self, place, row, pair):
        """The choices of a place, but the other one of `pair` in one row."""
        chosen = self.run_of(self.trunk)[0].chosen[place].clone()
        self.assertEqual(chosen[row, pair].sum(), 1)
        chosen[row, pair] = ~chosen[row, pair]
        return {place: chosen}

    def test_own_choices_change_nothing(self):
        free, logits = self.run_of(self.trunk)
        self.assertEqual(len(free.chosen), model.LAYERS + 3)
        self.assertTrue(torch.equal(self.run_of(self.trunk, free.chosen)[1], logits))
        found = self.agreement(self.dump(self.trunk))
        self.assertEqual((found.counts, found.ties), (0, []))

    def test_runs_without_ties_are_transformers_own(self):
        dense = reference(toy(128), 128)
        with torch.no_grad():
            self.assertLess((dense(self.ids[None]).logits[0] - self.run_of(dense)[1]).abs().max().item(), 1e-5)

    def test_float64_is_float64_throughout(self):
        run, logits = self.run_of(self.wide)
        self.assertTrue(all(s.dtype == torch.float64 for s in run.scores.values()))
        difference = (logits - self.run_of(self.trunk)[1]).abs().max().item()
        self.assertTrue(0 < difference < 1e-4, difference)
        # Another order of sums agrees far below Float32's rounding, which no step in Float32 would.
        self.wide.set_attn_implementation("eager")
        self.assertLess((self.run_of(self.wide)[1] - logits).abs().max().item(), 1e-12)

    def test_a_clear_choice_is_not_excused(self):
        for place, row in ((("keys", 0), 60), (("keys", 2), 80), (("experts", 2), 40)):
            worst, best, _ = self.closest(place, row)
            found = self.agreement(self.dump(self.trunk, self.swapped(place, row, [worst, best])))
            self.assertEqual([(*t[:3], t.excused) for t in found.ties], [(*place, row, False)])
            self.assertLess(found.forced, 1e-5)
            self.assertGreater(found.counts, 1e-3)

    def test_a_near_tie_is_excused_and_nothing_else_in_the_document(self):
        place, row = ("experts", 2), 40
        worst, best, gap = self.closest(place, row)
        self.trunk.model.layers[2].mlp.gate.e_score_correction_bias[best] += gap
        self.wide = choices.widened(self.trunk)
        choice = self.swapped(place, row, [worst, best])
        found = self.agreement(self.dump(self.trunk, choice))
        self.assertEqual([(*t[:3], t.excused) for t in found.ties], [(*place, row, True)])
        self.assertGreater(found.free, 1e-3)
        self.assertLess(found.counts, 1e-5)
        other = copy.deepcopy(self.trunk)
        with torch.no_grad():
            other.model.layers[3].mlp.shared_experts.down_proj.weight[5, 7] += 0.1
        self.assertGreater(self.agreement(self.dump(other, choice)).counts, 1e-3)

    def test_excuses_end_where_the_reference_knows_better(self):
        def judged(scores, exact, ours):
            runs = [types.SimpleNamespace(scores={("keys", 0): torch.tensor([s], dtype=torch.float64)},
                                          chosen={("keys", 0): torch.tensor([[True, True, False, False]])})
                    for s in (scores, exact)]
            return [t.excused for t in choices.ties_of(("keys", 0), torch.tensor([ours]).bool(), *runs)]

        never, other = float("-inf"), [1, 0, 1, 0]
        self.assertEqual(judged([3, 2, 2, never], [3, 2, 2, never], [1, 1, 0, 0]), [])
        self.assertEqual(judged([3, 2, 2, never], [3, 2, 2 + 1e-6, never], other), [True])
        self.assertEqual(judged([3, 2, 2, never], [3, 2, 2 - 1e-6, never], other), [True])
        self.assertEqual(judged([3, 2, 2 - 2e-6, never], [3, 2, 2 - 1.9e-6, never], other), [False])
        self.assertEqual(judged([3, 0, 0, never], [3 + 1e-6, 0, 0, never], other), [False])  # lower of equals
        self.assertEqual(judged([3, 2, 2, never], [3, 2, 2 + 1e-6, never], [1, 0, 0, 1]), [False])  # behind the row
        self.assertEqual(judged([3, 2, 2, never], [3, 2, 2 + 1e-6, never], [1, 1, 1, 0]), [False])  # one too many


class TrainingTests(unittest.TestCase):
    def trainer(self, folder):
        return train.Trainer(argparse.Namespace(
            run=folder, schedule=os.path.join(folder, "schedule.json"), start=None, seed=3, processes=1))

    def test_a_resumed_run_is_the_same_run(self):
        with tempfile.TemporaryDirectory() as folder:
            os.mkdir(os.path.join(folder, "tokenizer"))
            bpe.train(1500, 1, documents=300).save(os.path.join(folder, "tokenizer", "tokenizer.json"))
            here = os.path.dirname(os.path.abspath(train.__file__))
            plan = train.schedule(os.path.join(here, "schedule.json"))
            plan.update(tokens=384, index_from=0, draft_from=0, sparse_from=3, decay_from=2, decay_steps=10,
                        stages=[{"from": 0, "length": 128, "mixture": "short"}])
            with open(os.path.join(folder, "schedule.json"), "w") as f:
                json.dump(plan, f)
            whole = self.trainer(folder)
            for step in range(6):
                whole.once()
                if step == 2:
                    whole.save()
            again = self.trainer(folder)
            self.assertEqual(again.step, 3)
            for _ in range(3):
                again.once()
            for (name, a), (_, b) in zip(whole.toy.state_dict().items(), again.toy.state_dict().items()):
                self.assertTrue(torch.equal(a, b), name)
            fresh = self.trainer(folder).toy.state_dict()  # a control: three steps change the weights
            self.assertFalse(torch.equal(fresh["eh_proj.weight"], whole.toy.state_dict()["eh_proj.weight"]))


class ExportTests(unittest.TestCase):
    def test_blocks_come_back_within_a_step_of_the_format(self):
        w = torch.randn(200, 150, generator=torch.Generator().manual_seed(1))
        codes, scales = export.quantized(w)
        self.assertEqual(tuple(scales.shape), (2, 2))
        self.assertLess(((export.dequantized(codes, scales) - w).abs() / w.abs().clamp(min=0.02)).max().item(), 0.07)

    def test_what_is_stored_is_what_is_evaluated(self):
        t = toy(16)
        tensors = export.stored(t)
        export.as_exported(t, tensors)
        again = export.stored(t)
        for name in tensors:
            if not name.endswith("_scale_inv"):
                self.assertTrue(torch.equal(tensors[name].float(), again[name].float()), name)
        self.assertEqual(tensors["model.layers.1.mlp.gate.e_score_correction_bias"].dtype, torch.float32)
        self.assertEqual(tensors["model.layers.1.mlp.experts.3.up_proj.weight"].dtype, torch.float8_e4m3fn)
        self.assertEqual(tensors["model.layers.4.eh_proj.weight"].dtype, torch.bfloat16)


class DataTests(unittest.TestCase):
    def test_held_out_pairs_never_train(self):
        training, evaluation = tasks.Draw(1), tasks.Draw(1, evaluation=True)
        for _ in range(500):
            a, b = tasks.sum_pair(training)
            self.assertFalse(tasks.held_out("sum", min(a, b), max(a, b)))
            a, b = tasks.sum_pair(evaluation)
            self.assertTrue(tasks.held_out("sum", min(a, b), max(a, b)))

    def test_thought_is_the_sum(self):
        for a in range(10, 100):
            for b in range(10, 100):
                self.assertIn(f"So {a + b}.", tasks.sum_thought(a, b))

    def test_documents_depend_on_the_seed_alone(self):
        for stage in tasks.MIXTURES:
            self.assertEqual(tasks.document(tasks.Draw("s"), stage), tasks.document(tasks.Draw("s"), stage))

    def test_segments_encode_like_the_whole(self):
        tokenizer = bpe.train(1500, 1, documents=300)
        r = tasks.Draw(5)
        for stage in list(tasks.MIXTURES) * 20:
            document = tasks.document(r, stage)
            whole = tokenizer.encode("".join(t for t, _ in document)).ids
            self.assertEqual(whole, [i for t, _ in document for i in tokenizer.encode(t).ids])

    def test_no_merge_joins_digits(self):
        tokenizer = bpe.train(1500, 1, documents=300)
        self.assertEqual(len(tokenizer.encode("4711").ids), 4)


if __name__ == "__main__":
    unittest.main()
