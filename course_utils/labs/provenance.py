"""What does a signature on a picture prove?

The words are those of C2PA, the standard of "content credentials". *Assertions* are statements
about a picture. A *claim* lists them together with a *hard binding*, a hash of the picture's bytes.
The claim is signed, and all of it together is the *manifest*. This manifest is a toy: it lies
beside the picture, not in it, and nobody but this notebook vouches for its keys.

Source: C2PA Technical Specification, version 2.0, sections 1.2 and 2.3.
"""

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from numpy.typing import NDArray
from PIL import Image

from course_utils.labs.miniature import LabError

Verdict = Literal["valid", "picture changed", "claim changed", "unknown signer", "no manifest"]

JPEG_QUALITY = 90


@dataclass(frozen=True)
class Manifest:
    """What a signer says of a picture.

    Attributes:
        claim: JSON text with the assertions and the SHA-256 hash of the picture's bytes.
        signature: of the claim (Ed25519).
        signer: who is said to have signed it.
    """

    claim: bytes
    signature: bytes
    signer: str

    @property
    def assertions(self) -> list[str]:
        """The signer's statements about the picture."""
        return list(json.loads(self.claim)["assertions"])


def make_key(name: str) -> Ed25519PrivateKey:
    """Make the private key that belongs to a name, always the same one.

    A real key is drawn at random and kept secret. This one can be worked out by anybody.
    """
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())


def sign(
    picture: bytes, assertions: Sequence[str], *, signer: str, key: Ed25519PrivateKey
) -> Manifest:
    """Make the manifest of a picture.

    Args:
        picture: the file's bytes.
        assertions: what the signer says of it.
        signer: the signer's name.
        key: the signer's private key.
    """
    content = {"assertions": list(assertions), "sha256": hashlib.sha256(picture).hexdigest()}
    claim = json.dumps(content, sort_keys=True).encode()
    return Manifest(claim, key.sign(claim), signer)


def verify(
    picture: bytes, manifest: Manifest | None, *, trusted: Mapping[str, Ed25519PublicKey]
) -> Verdict:
    """Say what a manifest is worth.

    Args:
        picture: the file's bytes.
        manifest: what lay beside it, if anything did.
        trusted: public keys by the names of their owners.

    Returns:
        ``"valid"``: the trusted signer signed this claim, and the picture's bytes are those that it
        is bound to. The others say what is amiss; none of them says that the picture is false.
    """
    if manifest is None:
        return "no manifest"
    if manifest.signer not in trusted:
        return "unknown signer"
    try:
        trusted[manifest.signer].verify(manifest.signature, manifest.claim)
    except InvalidSignature:
        return "claim changed"
    bound = json.loads(manifest.claim)["sha256"] == hashlib.sha256(picture).hexdigest()
    return "valid" if bound else "picture changed"


def encode(image: NDArray[np.uint8], file_format: Literal["png", "jpeg"] = "png") -> bytes:
    """Save a picture (height, width, 3) to bytes; JPEG changes it a little."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise LabError(f"a picture is uint8 (height, width, 3), not {image.dtype} {image.shape}")
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(image)).save(buffer, file_format, quality=JPEG_QUALITY)
    return buffer.getvalue()


def decode(picture: bytes) -> NDArray[np.uint8]:
    """Read the pixels (height, width, 3) back."""
    return np.array(Image.open(io.BytesIO(picture)).convert("RGB"))


def measure(image: NDArray[np.uint8], other: NDArray[np.uint8]) -> pd.DataFrame:
    """Sign a picture, do seven things to it, and verify each time.

    Args:
        image: (height, width, 3), the picture that a camera took.
        other: of the same shape, a picture of something that never was.

    Returns:
        One row each: ``what`` was done, ``true`` (whether the picture still shows what the camera
        saw), ``pixels_changed`` (share of the pixels), and the ``verdict``.

    Raises:
        LabError: the pictures aren't uint8, or differ in shape.
    """
    if image.shape != other.shape:
        raise LabError(f"the two pictures differ in shape: {image.shape} and {other.shape}")
    key = make_key("camera")
    trusted = {"camera": key.public_key()}
    taken = encode(image)
    manifest = sign(taken, ["taken by a camera"], signer="camera", key=key)
    retouched = image.copy()
    retouched[0, 0] = 255 - retouched[0, 0]
    forged = replace(manifest, claim=manifest.claim.replace(b"taken by", b"drawn by"))
    stranger = make_key("stranger")
    rows: list[tuple[str, bool, bytes, Manifest | None]] = [
        ("nothing", True, taken, manifest),
        ("one pixel changed", True, encode(retouched), manifest),
        ("saved again as JPEG", True, encode(image, "jpeg"), manifest),
        ("screenshot", True, encode(decode(taken)), None),
        ("statement changed", True, taken, forged),
        (
            "a fake, signed by a stranger in the camera's name",
            False,
            encode(other),
            sign(encode(other), ["taken by a camera"], signer="camera", key=stranger),
        ),
        (
            "a fake on a screen, photographed by the camera",
            False,
            encode(other),
            sign(encode(other), ["taken by a camera"], signer="camera", key=key),
        ),
    ]
    return pd.DataFrame(
        [
            {
                "what": what,
                "true": true,
                "pixels_changed": float((decode(picture) != image).any(axis=2).mean()),
                "verdict": verify(picture, beside, trusted=trusted),
            }
            for what, true, picture, beside in rows
        ]
    )
