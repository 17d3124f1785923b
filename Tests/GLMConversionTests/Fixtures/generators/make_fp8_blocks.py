#!/usr/bin/env python3
"""Writes fp8_blocks.safetensors: block quantisation by torch, for comparison bit for bit.

    python make_fp8_blocks.py ../fp8_blocks.safetensors

Every case is a BF16 or F32 matrix `NAME.weight`, its codes `NAME.FORMAT.codes` and its scales `NAME.FORMAT.scales`, where
FORMAT is float32 (largest magnitude / 448) or ue8m0 (the smallest power of two that is at least that).
"""
import sys
from fractions import Fraction

import torch
from safetensors.torch import save_file

BLOCK = 128


def scale_of(largest, kind):
    if largest == 0:
        return 1.0
    if kind == "float32":
        return max(torch.tensor(largest, dtype=torch.float32) / 448.0, torch.tensor(2.0**-126)).item()
    k = -126
    while Fraction(2) ** k * 448 < Fraction(largest):
        k += 1
    return 2.0**k


def quantize(w, kind):
    n, k = w.shape
    codes = torch.empty(n, k, dtype=torch.float8_e4m3fn)
    scales = torch.empty(-(-n // BLOCK), -(-k // BLOCK), dtype=torch.float32)
    for i in range(scales.shape[0]):
        for j in range(scales.shape[1]):
            part = (slice(i * BLOCK, (i + 1) * BLOCK), slice(j * BLOCK, (j + 1) * BLOCK))
            block = w[part].float()
            scale = torch.tensor(scale_of(block.abs().max().item(), kind), dtype=torch.float32)
            codes[part] = (block / scale).clamp(-448.0, 448.0).to(torch.float8_e4m3fn)
            scales[i, j] = scale
    return codes, scales


def main():
    g = torch.Generator().manual_seed(7)
    cases = {
        # Edge blocks 8 high and 12 wide.
        "edge": (torch.randn(136, 140, generator=g) * 0.05).bfloat16(),
        # Blocks of very different magnitude, one of them zero.
        "ranges": torch.cat([torch.randn(40, 128, generator=g) * s for s in (1e-3, 0.0, 1e4, 2e-38)], 1).bfloat16(),
        # Values between codes: all ties of one binade, and subnormal codes.
        "ties": torch.arange(-600, 600).float().reshape(8, 150).mul(448.0 / 1024).bfloat16(),
        "single": (torch.randn(3, 131, generator=g) * 0.3).float(),
    }
    out = {}
    for name, w in cases.items():
        out[f"{name}.weight"] = w
        for kind in ("float32", "ue8m0"):
            codes, scales = quantize(w, kind)
            out[f"{name}.{kind}.codes"], out[f"{name}.{kind}.scales"] = codes, scales
    save_file(out, sys.argv[1])
    print({k: tuple(v.shape) for k, v in out.items()})


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
