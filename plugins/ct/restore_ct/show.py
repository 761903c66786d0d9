"""How a prior of slices sees volumes."""

from restore.prior import Prior


def sliced_along_z(prior: Prior) -> Prior:
    """A prior of slices (1, y, x), of volumes (1, z, y, x); one of volumes is left as it is."""
    from restore.priors.sliced import sliced

    return sliced(prior, axis=1) if prior.shape is None or len(prior.shape) == 3 else prior
