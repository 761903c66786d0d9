"""What this package teaches restore: its table of contents."""

from restore.plugins.hookspecs import hook

DICOM, NIFTI, MHA = (".dcm", ".ima"), (".nii", ".nii.gz"), (".mha", ".mhd")


@hook
def register_readers(register):
    at = "restore_dicom.files."
    register(
        "dicom",
        at + "dicom.reading:read_dicom",
        summary="a DICOM image, one file",
        extensions=DICOM,
        mark=(128, "DICM"),  # scanners give names without extension
    )
    register(
        "dicom-series",
        at + "dicom.series:read_series",
        summary="a DICOM series, a folder of slices",
        extensions=(*DICOM, ""),  # of the files in it
        ignores=("DICOMDIR", "LOCKFILE", "VERSION"),  # of a medium, beside its folders
        folder=True,
    )
    register("nifti", at + "nifti:read_nifti", summary="a volume as NIfTI", extensions=NIFTI)
    register("mha", at + "mha:read_mha", summary="a volume as MetaImage", extensions=MHA)


@hook
def register_writers(register):
    """All of them can hold a standard deviation: DICOM as a Parametric Map, the others as it is."""
    at = "restore_dicom.files."
    register(
        "dicom",
        at + "derived.writing:write_dicom",
        summary="a derived DICOM image",
        extensions=DICOM,
        std=True,
    )
    register(
        "dicom-series",
        at + "derived.writing:write_series",
        summary="a derived DICOM series, a folder of slices",
        extensions=(),
        folder=True,
        std=True,
    )
    register(
        "nifti",
        at + "nifti:write_nifti",
        summary="a volume as NIfTI, float32",
        extensions=NIFTI,
        std=True,
    )
    register(
        "mha",
        at + "mha:write_mha",
        summary="a volume as MetaImage, float32",
        extensions=MHA,
        std=True,
    )
