"""The slow, obvious twin of the deposit: every part of every voxel, one after another, cut by the voxels of the image."""

import numpy as np


def deposited(concentration, owner_of_part, offsets, source_affine, part_mm, to_image, image_affine, image_shape):
    """`concentration`: amount per part by owner; `owner_of_part[part][z, y, x]`; boxes of `part_mm` along the image's axes."""
    made = np.zeros(image_shape)
    into = np.linalg.inv(image_affine)
    spacing = np.linalg.norm(image_affine[:3, :3], axis=0)
    for offset, owners in zip(offsets, owner_of_part, strict=True):
        for (z, y, x), owner in np.ndenumerate(owners):
            if concentration[owner] == 0:
                continue
            centre = into @ (to_image @ (source_affine @ np.array([x + offset[0], y + offset[1], z + offset[2], 1.0])))
            shares = []
            for axis in range(3):
                width = part_mm[axis] / spacing[axis]
                low, high = centre[axis] - width / 2, centre[axis] + width / 2
                cells = {}
                for cell in range(image_shape[2 - axis]):
                    overlap = min(high, cell + 0.5) - max(low, cell - 0.5)
                    if overlap > 0:
                        cells[cell] = overlap / width
                shares.append(cells)
            for i, a in shares[0].items():
                for j, b in shares[1].items():
                    for k, c in shares[2].items():
                        made[k, j, i] += concentration[owner] * a * b * c
    return made
