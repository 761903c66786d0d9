"""p(x), as a denoiser: what a prior is, the schedules it spans, priors that are known exactly."""
