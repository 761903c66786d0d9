"""What this package teaches restore: its table of contents."""

from restore.hookspecs import hook

DICOM, NIFTI, MHA = (".dcm", ".ima"), (".nii", ".nii.gz"), (".mha", ".mhd")


@hook
def register_readers(register):
    at = "restore_dicom."
    add = register
    add("dicom", at + "reading:read_dicom", summary="a DICOM image, one file", extensions=DICOM)
    add(
        "dicom-series",
        at + "series:read_series",
        summary="a DICOM series, a folder of slices",
        extensions=(),
        folder=True,
    )
    add("nifti", at + "nifti:read_nifti", summary="a volume as NIfTI", extensions=NIFTI)
    add("mha", at + "mha:read_mha", summary="a volume as MetaImage", extensions=MHA)


@hook
def register_writers(register):
    at = "restore_dicom."
    facts = {"std": True}
    register(
        "dicom",
        at + "writing:write_dicom",
        summary="a derived DICOM image; a standard deviation as Parametric Map",
        extensions=DICOM,
        **facts,
    )
    register(
        "dicom-series",
        at + "writing:write_series",
        summary="a derived DICOM series, a folder of slices",
        extensions=(),
        folder=True,
        **facts,
    )
    register(
        "nifti",
        at + "nifti:write_nifti",
        summary="a volume as NIfTI, float32",
        extensions=NIFTI,
        **facts,
    )
    register(
        "mha",
        at + "mha:write_mha",
        summary="a volume as MetaImage, float32",
        extensions=MHA,
        **facts,
    )
