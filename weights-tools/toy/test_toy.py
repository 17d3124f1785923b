"""What training relies on: python -m unittest test_toy (needs torch and transformers, takes seconds)."""

import argparse
import json
import os
import tempfile
import unittest

import torch
import torch.nn.functional as F
from transformers import GlmMoeDsaForCausalLM

import bpe
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
