"""Signed notes: what others publish is read, and nothing that differs in a single character."""

from __future__ import annotations

import base64

import pytest

from baro.apps.ledger.merkle import EMPTY_ROOT, NoteError, Signer, Verifier, checkpoint_text, leaf_hash, open_note
from baro.apps.ledger.merkle.note import COSIGNATURE, split_note
from baro.apps.ledger.standalone import verify as standalone

# the example of the note package of Go
EXAMPLE_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
EXAMPLE_SECRET = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
EXAMPLE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)

ORIGIN = "plant.example/baro"
LOG = Signer.new(ORIGIN)
WITNESS = Signer.new("witness.example/w1", COSIGNATURE)
KEYS = [LOG.verifier.vkey, WITNESS.verifier.vkey]
TEXT = checkpoint_text(ORIGIN, 7, leaf_hash(b"x"))
NOTE = f"{TEXT}\n{LOG.sign(TEXT)}{WITNESS.sign(TEXT, 1_700_000_000)}"


def test_a_note_of_others_is_read_and_written_alike() -> None:
    body, [(name, key_id, signature)] = split_note(EXAMPLE)
    key = Verifier.parse(EXAMPLE_KEY)
    assert (name, key_id) == (key.name, key.key_id)
    key.verify(body, signature)
    assert Signer.parse(EXAMPLE_SECRET).verifier == key
    assert body + "\n" + Signer.parse(EXAMPLE_SECRET).sign(body) == EXAMPLE
    assert Signer.parse(EXAMPLE_SECRET).text == EXAMPLE_SECRET
    with pytest.raises(NoteError):
        key.verify(body.replace("your", "my"), signature)
    assert EXAMPLE_SECRET not in repr(Signer.parse(EXAMPLE_SECRET))


def test_a_checkpoint_tells_who_signed() -> None:
    checkpoint = open_note(NOTE, KEYS, ORIGIN)
    assert (checkpoint.origin, checkpoint.size, checkpoint.root) == (ORIGIN, 7, leaf_hash(b"x"))
    assert checkpoint.signers == (LOG.name, WITNESS.name)
    assert checkpoint.cosigned == ((WITNESS.name, 1_700_000_000),)
    expected = (ORIGIN, 7, leaf_hash(b"x"), {WITNESS.name: 1_700_000_000})
    assert standalone.read_checkpoint(NOTE, KEYS, ORIGIN) == expected


def spoiled() -> dict[str, str]:
    other = Signer.new(ORIGIN)
    root = base64.b64encode(leaf_hash(b"x")).decode()

    def signed(text: str) -> str:
        return f"{text}\n{LOG.sign(text)}"

    return {
        "another key of the same name": f"{TEXT}\n{other.sign(TEXT)}",
        "only a witness": f"{TEXT}\n{WITNESS.sign(TEXT)}",
        "no signature": TEXT,
        "another size": NOTE.replace("\n7\n", "\n8\n", 1),
        "another root": NOTE.replace(root, base64.b64encode(leaf_hash(b"y")).decode()),
        "another origin": NOTE.replace(ORIGIN, "other.example/baro", 1),
        "a leading zero": signed(TEXT.replace("\n7\n", "\n07\n")),
        "a sign": signed(TEXT.replace("\n7\n", "\n+7\n")),
        "negative": signed(TEXT.replace("\n7\n", "\n-7\n")),
        "other digits": signed(TEXT.replace("\n7\n", "\n٧\n")),
        "too large": signed(TEXT.replace("\n7\n", f"\n{2**64}\n")),
        "a short root": signed(f"{ORIGIN}\n7\n{base64.b64encode(b'x' * 31).decode()}\n"),
        "base64 of another form": signed(TEXT.replace(root, root[:-2] + chr(ord(root[-2]) + 1) + "=")),
        "base64 without padding": signed(TEXT.replace(root, root.rstrip("="))),
        "a root for nothing": signed(checkpoint_text(ORIGIN, 0, leaf_hash(b"x"))),
        "nothing for a root": signed(checkpoint_text(ORIGIN, 7, EMPTY_ROOT)),
        "no root": signed(f"{ORIGIN}\n7\n"),
        "an empty origin": signed(checkpoint_text("", 7, leaf_hash(b"x"))),
        "a carriage return": NOTE.replace("\n", "\r\n"),
        "a tab": NOTE.replace(ORIGIN, f"{ORIGIN}\t"),
        "no last line end": NOTE.rstrip("\n"),
        "a line too many": f"{NOTE}x\n",
        "a hyphen": NOTE.replace("—", "-"),
        "two hundred signatures": NOTE + LOG.sign(TEXT) * 200,
        "a witness's signature changed": NOTE[:-6] + ("A" if NOTE[-6] != "A" else "B") + NOTE[-5:],
        "half a character": NOTE.replace(ORIGIN, f"{ORIGIN}\ud800"),
        "too long": NOTE + "x" * 1_000_000,
        "empty": "",
    }


@pytest.mark.parametrize("name", spoiled())
def test_whatever_differs_is_refused(name: str) -> None:
    note = spoiled()[name]
    with pytest.raises(NoteError):
        open_note(note, KEYS, ORIGIN)
    with pytest.raises(standalone.Wrong):
        standalone.read_checkpoint(note, KEYS, ORIGIN)


def test_the_origin_is_pinned_apart_from_the_key() -> None:
    """A key that signs for another log under its own name is not that of this log."""
    text = checkpoint_text("other.example/baro", 7, leaf_hash(b"x"))
    note = f"{text}\n{LOG.sign(text)}"
    for origin in (ORIGIN, None):
        with pytest.raises(NoteError):
            open_note(note, KEYS, origin)
        with pytest.raises(standalone.Wrong):
            standalone.read_checkpoint(note, KEYS, origin)


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "x",
        EXAMPLE_KEY.replace("c74f20a3", "c74f20a4"),
        EXAMPLE_KEY.replace("PeterNeumann", "Peter"),
        EXAMPLE_KEY[:-4],
        EXAMPLE_KEY.replace("+AR", "+CR"),
        EXAMPLE_KEY.replace("PeterNeumann", "Peter Neumann"),
    ],
)
def test_a_key_that_is_not_itself_is_refused(vkey: str) -> None:
    with pytest.raises(NoteError):
        Verifier.parse(vkey)
    with pytest.raises(standalone.Wrong):
        standalone.read_key(vkey)


def test_unknown_signatures_are_passed_over() -> None:
    stranger = Signer.new("stranger.example")
    assert open_note(NOTE + stranger.sign(TEXT), KEYS).signers == (LOG.name, WITNESS.name)
    assert open_note(NOTE + stranger.sign(TEXT), [LOG.verifier.vkey]).signers == (LOG.name,)


def test_names_that_a_note_cannot_hold_are_refused() -> None:
    for name in ("", "a b", "a+b", "a\n", "a\u00a0b"):
        with pytest.raises(NoteError):
            Signer.new(name)
