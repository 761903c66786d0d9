"""How denoisers are trained: the descent of any network, and the loop for signals of any kind."""

from .loop import Session, Training, denoising_psnr, train

__all__ = ["Session", "Training", "denoising_psnr", "train"]
