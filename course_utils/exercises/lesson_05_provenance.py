"""The check of exercise 5.6: what is a signed manifest worth?"""

from typing import Any

from numpy.random import Generator

from course_utils.exercises.expectations import expect_equal
from course_utils.exercises.probing import Case, Probe, read_texts


def verify(answer: Any) -> str:
    """Two things can have been changed, the claim or the picture. Which one does the signature
    cover, and how is the other bound to it?

    ``Ed25519PublicKey.from_public_bytes(public_key).verify(signature, claim)`` raises
    ``InvalidSignature`` where the claim isn't what was signed: return ``"claim changed"`` then.
    Otherwise compare ``json.loads(claim)["sha256"]`` with
    ``hashlib.sha256(picture).hexdigest()``: ``"picture changed"`` or ``"valid"``."""
    for kind, situation in (
        ("valid", "For a picture as it was signed"),
        ("picture changed", "For a picture of which one byte was changed"),
        ("claim changed", "For a claim in which one word was changed"),
        ("forged", "For a claim that somebody else signed"),
        ("both", "For a changed picture, beside a claim that was changed to fit it"),
    ):
        expected = "claim changed" if kind in ("forged", "both") else kind
        expect_equal(
            answer(*_make(kind, b"pixels, pixels", "taken in spring")), expected, situation
        )
    return "a signature tells who signed these bytes; whether they show the truth it doesn't tell"


CHECKS = {"5.6": verify}


def _make(kind: str, picture: bytes, statement: str) -> tuple[bytes, bytes, bytes, bytes]:
    """A picture, a claim, a signature and the public key, to one of which something was done."""
    from course_utils.labs import provenance  # imports TensorFlow, as lesson 5 does

    key = provenance.make_key("camera")
    signing = provenance.make_key("stranger") if kind == "forged" else key
    manifest = provenance.sign(picture, [statement], signer="camera", key=signing)
    claim = manifest.claim
    if kind in ("picture changed", "both"):
        picture = picture[:-1] + bytes([picture[-1] ^ 1])
    if kind == "both":
        claim = provenance.sign(picture, [statement], signer="camera", key=key).claim
    if kind == "claim changed":
        claim = claim.replace(statement.encode(), statement[::-1].encode())
    return picture, claim, manifest.signature, key.public_key().public_bytes_raw()


# What it is tried out with when it is graded


def _verify(generator: Generator) -> list[Case]:
    def draw(*kinds: str) -> tuple[Any, ...]:
        """One call for each kind, in any order, so that no one word is right for all."""
        return tuple(
            _make(str(kind), generator.bytes(60), f"number {generator.integers(10**6)} of a series")
            for kind in generator.permutation(kinds)
        )

    return [
        Case("nothing, or the picture", draw("valid", "valid", "picture changed")),
        Case("nothing, or the claim", draw("valid", "claim changed", "claim changed")),
        Case("another key", draw("valid", "forged", "picture changed")),
        Case("picture and claim", draw("valid", "both", "picture changed", "both")),
        Case(
            "all kinds",
            draw("valid", "valid", "picture changed", "claim changed", "forged", "both"),
        ),
    ]


PROBES = {"5.6": Probe(_verify, 0, read_texts, many_calls=True)}
