"""Writes a training checkpoint as a model folder in GLM-5's released layout, with FP8 E4M3 blocks.

  python export.py --run DIR --checkpoint DIR/final-3000.pt --out DIR/model

Linear weights become E4M3 codes with one Float32 scale for 128 x 128 elements; embedding, head, router, norms,
`weights_proj` and `eh_proj` are BF16 and the router's bias Float32, as in the released FP8 repositories.
"""

import argparse
import json
import os
import shutil

import torch
from safetensors.torch import save_file

import model
from markup import SPECIALS

BLOCK = 128
KEPT = ("norm", "embed_tokens", "lm_head", ".mlp.gate.", "weights_proj", "eh_proj")


def quantized(w):
    """E4M3 codes and the multipliers of their blocks: [ceil(rows / 128), ceil(columns / 128)]."""
    rows, columns = w.shape
    high, wide = -(-rows // BLOCK), -(-columns // BLOCK)
    padded = torch.zeros(high * BLOCK, wide * BLOCK)
    padded[:rows, :columns] = w
    blocks = padded.view(high, BLOCK, wide, BLOCK).transpose(1, 2)
    scales = blocks.abs().amax((2, 3)).clamp(min=1e-12) / 448
    codes = (blocks / scales[..., None, None]).clamp(-448, 448).to(torch.float8_e4m3fn)
    codes = codes.transpose(1, 2).reshape(high * BLOCK, wide * BLOCK)[:rows, :columns]
    return codes.contiguous(), scales.contiguous()


def dequantized(codes, scales):
    """Each element times the multiplier of its block, rounded once to Float32."""
    rows, columns = codes.shape
    spread = scales.repeat_interleave(BLOCK, 0)[:rows].repeat_interleave(BLOCK, 1)[:, :columns]
    return codes.float() * spread


def released(toy):
    """(name, tensor) of every weight in the released layout, still Float32."""
    last = f"layers.{toy.count}."
    for name, tensor in toy.trunk.state_dict().items():
        if name.endswith("experts.gate_up_proj"):
            for e, both in enumerate(tensor):
                gate, up = both.chunk(2, 0)
                yield name.replace("gate_up_proj", f"{e}.gate_proj.weight"), gate
                yield name.replace("gate_up_proj", f"{e}.up_proj.weight"), up
        elif name.endswith("experts.down_proj"):
            for e, down in enumerate(tensor):
                yield name.replace("down_proj", f"{e}.down_proj.weight"), down
        else:
            yield name, tensor
    yield f"model.{last}enorm.weight", toy.enorm
    yield f"model.{last}hnorm.weight", toy.hnorm
    yield f"model.{last}shared_head.norm.weight", toy.mtp_norm
    yield f"model.{last}eh_proj.weight", toy.eh_proj.weight


def stored(toy):
    """Tensors as they go into the file."""
    tensors = {}
    for name, tensor in released(toy):
        tensor = tensor.detach().float()
        if name.endswith("e_score_correction_bias"):
            tensors[name] = tensor.clone()
        elif tensor.dim() < 2 or any(k in name for k in KEPT):
            tensors[name] = tensor.to(torch.bfloat16).contiguous()
        else:
            tensors[name], tensors[name + "_scale_inv"] = quantized(tensor)
    return tensors


@torch.no_grad()
def as_exported(toy, tensors):
    """Puts the stored values back into `toy`: what any engine computes with."""
    for name, tensor in released(toy):
        value = tensors[name]
        scales = tensors.get(name + "_scale_inv")
        tensor.data.copy_(value.float() if scales is None else dequantized(value, scales))


def documents(toy):
    """config.json and generation_config.json."""
    c = toy.config.to_dict()
    n = toy.count
    c.pop("_name_or_path", None)
    c.update(num_hidden_layers=n, indexer_types=["full"] * n, mlp_layer_types=c["mlp_layer_types"][:n],
             layer_types=c["layer_types"][:n], architectures=["GlmMoeDsaForCausalLM"], dtype="bfloat16",
             num_nextn_predict_layers=1, scoring_func="sigmoid", topk_method="noaux_tc", rope_interleave=True,
             indexer_rope_interleave=True, moe_layer_freq=1, ep_size=1,
             quantization_config=dict(quant_method="fp8", fmt="e4m3", activation_scheme="dynamic",
                                      weight_block_size=[BLOCK, BLOCK],
                                      modules_to_not_convert=["lm_head", "model.embed_tokens"]))
    generation = dict(eos_token_id=c["eos_token_id"], pad_token_id=c["pad_token_id"], temperature=0.3, top_p=0.95)
    return c, generation


def tokenizer_files(source, out):
    here = os.path.dirname(os.path.abspath(__file__))
    shutil.copy(source, os.path.join(out, "tokenizer.json"))
    shutil.copy(os.path.join(here, "chat_template.jinja"), out)
    settings = dict(tokenizer_class="PreTrainedTokenizerFast", eos_token="<|endoftext|>", pad_token="<|endoftext|>",
                    clean_up_tokenization_spaces=False, model_max_length=model.SHAPE["max_position_embeddings"],
                    extra_special_tokens=[s for s in SPECIALS[1:10]])
    write_json(os.path.join(out, "tokenizer_config.json"), settings)


def write_json(path, value):
    with open(path, "w") as f:
        json.dump(value, f, indent=1, ensure_ascii=False)
        f.write("\n")


def load(run, checkpoint):
    """The toy of a training checkpoint, and the checkpoint."""
    from tokenizers import Tokenizer
    tokenizer = Tokenizer.from_file(os.path.join(run, "tokenizer", "tokenizer.json"))
    state = torch.load(checkpoint)
    toy = model.Toy({s: tokenizer.token_to_id(s) for s in SPECIALS})
    toy.load_state_dict(state["toy"])
    return toy, state


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--run", required=True)
    arguments.add_argument("--checkpoint", required=True)
    arguments.add_argument("--out", required=True)
    a = arguments.parse_args()
    toy, state = load(a.run, a.checkpoint)
    os.makedirs(a.out, exist_ok=True)
    tensors = stored(toy)
    save_file(dict(sorted(tensors.items())), os.path.join(a.out, "model.safetensors"), metadata={"format": "pt"})
    configuration, generation = documents(toy)
    write_json(os.path.join(a.out, "config.json"), configuration)
    write_json(os.path.join(a.out, "generation_config.json"), generation)
    tokenizer_files(os.path.join(a.run, "tokenizer", "tokenizer.json"), a.out)
    print(json.dumps(dict(step=state["step"], tokens=state["tokens"],
                          parameters=sum(p.numel() for p in toy.parameters()),
                          bytes=os.path.getsize(os.path.join(a.out, "model.safetensors")))))


if __name__ == "__main__":
    main()
