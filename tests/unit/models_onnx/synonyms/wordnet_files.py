"""A WordNet of a dozen words in the format of the real one, written by hand for tests."""

from pathlib import Path

NOUNS = """\
  1 A heading, indented as the licence of the real files is.
00000100 06 n 02 vehicle 0 conveyance 0 002 ~ 00000200 n 0000 ~ 00000300 n 0000 | what carries
00000200 06 n 03 pushchair 0 stroller 0 Baby_buggy 0 001 @ 00000100 n 0000 | a small carriage
00000300 06 n 01 wagon 0 001 @ 00000100 n 0000 | drawn by horses
00000400 06 n 01 carriage 0 001 @ 00000100 n 0000 | drawn, too | by horses
00000500 07 n 01 thickness 0 001 + 00000100 a 0101 | how thick
00000600 15 n 01 stroller 1 000 | in a field that is not read
"""
NOUN_INDEX = """\
  1 A heading
baby_buggy n 1 1 @ 1 0 00000200
carriage n 1 1 @ 1 1 00000400
conveyance n 1 1 ~ 1 0 00000100
pushchair n 1 1 @ 1 0 00000200
stroller n 2 1 @ 2 1 00000600 00000200
thickness n 1 1 + 1 1 00000500
vehicle n 1 1 ~ 1 1 00000100
wagon n 1 1 @ 1 1 00000300
"""
ADJECTIVES = """\
00000100 00 a 01 thick 0 003 ! 00000200 a 0101 & 00000300 s 0000 + 00000500 n 0101 | x
00000200 00 a 01 thin 0 001 ! 00000100 a 0101 | x
00000300 00 s 02 chunky(p) 0 stocky 0 001 & 00000100 a 0000 | x
"""
ADJECTIVE_INDEX = """\
chunky a 1 1 & 1 0 00000300
stocky a 1 1 & 1 0 00000300
thick a 1 3 ! & + 1 1 00000100
thin a 1 1 ! 1 1 00000200
"""


def write(folder: Path) -> Path:
    """Write the four files into `folder` and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "data.noun": NOUNS,
        "index.noun": NOUN_INDEX,
        "data.adj": ADJECTIVES,
        "index.adj": ADJECTIVE_INDEX,
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder
