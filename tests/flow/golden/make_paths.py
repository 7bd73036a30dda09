"""Remakes `paths.npz`: mu_t, sigma_t and u_t of torchcfm 1.0.7, for `test_paths.py`.

pip install --no-deps torchcfm==1.0.7 POT
python tests/flow/golden/make_paths.py
"""

from pathlib import Path

import numpy as np
import torch
import torchcfm

MATCHERS = {
    "icfm": torchcfm.ConditionalFlowMatcher,
    "otcfm": torchcfm.ExactOptimalTransportConditionalFlowMatcher,
    "target": torchcfm.TargetConditionalFlowMatcher,
    "vp": torchcfm.VariancePreservingConditionalFlowMatcher,
    "bridge": torchcfm.SchrodingerBridgeConditionalFlowMatcher,
}
SIGMAS = dict.fromkeys(MATCHERS, (0.0, 0.1, 0.5)) | {"bridge": (0.1, 0.5)}
SHAPES = ((7, 1), (5, 2), (3, 16))


def main() -> None:
    assert torchcfm.__version__ == "1.0.7"
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    arrays = {}
    for shape in SHAPES:
        x_0, x_1, eps = torch.randn(3, *shape)
        t = torch.rand(shape[0]) * 0.98 + 0.01
        key = "x".join(map(str, shape))
        arrays |= {f"{key}/x_0": x_0, f"{key}/x_1": x_1, f"{key}/eps": eps, f"{key}/t": t}
        for name, matcher in MATCHERS.items():
            for sigma in SIGMAS[name]:
                path = matcher(sigma=sigma)
                mu_t = path.compute_mu_t(x_0, x_1, t)
                sigma_t = torch.as_tensor(path.compute_sigma_t(t)).expand(shape[0])
                # Lipman's path has no other noise than its source.
                noise = x_0 if name == "target" else eps
                x_t = mu_t + sigma_t.unsqueeze(-1) * noise
                u_t = path.compute_conditional_flow(x_0, x_1, t, x_t)
                found = {"mu_t": mu_t, "sigma_t": sigma_t, "x_t": x_t, "u_t": u_t}
                arrays |= {f"{key}/{name}/{sigma}/{part}": v for part, v in found.items()}
    target = Path(__file__).with_name("paths.npz")
    np.savez_compressed(target, **{name: v.numpy() for name, v in arrays.items()})


if __name__ == "__main__":
    main()
