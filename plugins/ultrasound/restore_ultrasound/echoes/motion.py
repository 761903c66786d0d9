"""Motion between frames: what was restored of one is brought to where the next shows it."""

import torch
import torch.nn.functional as F
from torch import Tensor


def moved(signal: Tensor, before: Tensor, now: Tensor) -> Tensor:
    """A signal of the frame `before`, (channels, rows, columns), in the places of the frame `now`.

    before, now: (1, rows, columns), brightness. The flow is dense and regularised by total
    variation with an L1 fit (Zach et al., DAGM 2007), by scikit-image; between pixels a signal is
    bilinear, beyond the edges that of the edge.
    """
    from skimage.registration import optical_flow_tvl1

    flow = torch.from_numpy(optical_flow_tvl1(now[0].numpy(), before[0].numpy())).to(signal.dtype)
    rows, columns = signal.shape[-2:]
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    # grid_sample counts pixels' centres from -1 + 1 / n to 1 - 1 / n
    places = [(2 * (p + v) + 1) / n - 1 for p, v, n in zip((y, x), flow, (rows, columns))]
    grid = torch.stack(places[::-1], -1)[None]
    return F.grid_sample(signal[None], grid, padding_mode="border", align_corners=False)[0]
