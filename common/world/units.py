"""The unit in which a NIfTI header counts."""

import nibabel as nib

UNITS_MM = {1: 1000.0, 2: 1.0, 3: 0.001}  # meter, millimeter and micrometer; any other code is taken for mm
SPATIAL_BITS = 7  # of xyzt_units; the others hold the unit of time


def millimeters_per_unit(header: nib.Nifti1Header) -> float:
    """Millimeters of one unit of a header's sform, qform and voxel size.

    Example:
        >>> header = nib.Nifti1Header()
        >>> header.set_xyzt_units("micron", "sec")
        >>> millimeters_per_unit(header)
        0.001
    """
    return UNITS_MM.get(int(header["xyzt_units"]) & SPATIAL_BITS, 1.0)
